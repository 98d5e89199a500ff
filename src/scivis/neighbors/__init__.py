"""Nearest neighbours: one table, several ways to fill it.

:class:`Neighbors` is what training reads; :func:`find_neighbors` searches, :func:`from_graph` reads a sparse
graph such as scanpy's, and :class:`AnnoyTransformer` lets ``sc.pp.neighbors`` search with Annoy.
"""

from ._annoy import AnnoyTransformer
from ._graph import from_graph
from ._search import Backend, Metric, find_neighbors
from ._table import Neighbors

__all__ = ["AnnoyTransformer", "Backend", "Metric", "Neighbors", "find_neighbors", "from_graph"]
