"""Nearest neighbors: one table, and several ways to fill it.

Training reads the neighbors of all cells from :class:`Neighbors`. :func:`find_neighbors` searches them,
:func:`from_graph` reads them from a sparse graph such as that of scanpy, and with :class:`AnnoyTransformer`
``sc.pp.neighbors`` searches with Annoy.

If the table does not fit into memory, :class:`LazyNeighbors` reads the neighbors of a few rows at a time from any
sequence: an :class:`AnnoyKnnMatrix`, a :class:`LabeledNeighbourMap`, or a :class:`NeighbourMatrix` of your own.
"""

from ._annoy_file import build_annoy_index
from ._annoy_matrix import AnnoyKnnMatrix
from ._annoy_transformer import AnnoyTransformer
from ._graph import from_graph
from ._labeled import LabeledNeighbourMap
from ._matrix import LazyNeighbors, NeighbourMatrix
from ._search import Backend, Metric, find_neighbors
from ._table import Neighbors

__all__ = [
    "AnnoyKnnMatrix",
    "AnnoyTransformer",
    "Backend",
    "LabeledNeighbourMap",
    "LazyNeighbors",
    "Metric",
    "Neighbors",
    "NeighbourMatrix",
    "build_annoy_index",
    "find_neighbors",
    "from_graph",
]
