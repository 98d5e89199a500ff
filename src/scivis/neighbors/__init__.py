"""Nearest neighbours: one table, several ways to fill it.

:class:`Neighbors` is what training reads; :func:`find_neighbors` searches, :func:`from_graph` reads a sparse
graph such as scanpy's, and :class:`AnnoyTransformer` lets ``sc.pp.neighbors`` search with Annoy.

Where the table would not fit into memory, :class:`LazyNeighbors` reads the neighbours of a few rows at a time from
any sequence: :class:`AnnoyKnnMatrix`, :class:`LabeledNeighbourMap`, or a :class:`NeighbourMatrix` of your own.
"""

from ._annoy_file import build_annoy_index
from ._annoy_matrix import AnnoyKnnMatrix
from ._annoy_transformer import AnnoyTransformer
from ._graph import from_graph
from ._labelled import LabeledNeighbourMap
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
