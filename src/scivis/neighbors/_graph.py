"""Neighbours out of a sparse graph, such as the `distances` that `sc.pp.neighbors` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from ._table import Neighbors

if TYPE_CHECKING:
    from numpy.typing import NDArray


def from_graph(graph: sparse.csr_matrix | sparse.csr_array | NDArray[np.floating]) -> Neighbors:
    """Neighbours of each row of a square sparse matrix: its stored entries, nearest first.

    Parameters
    ----------
    graph
        Square, shape (n, n), sparse or, where all pairs are neighbours, dense; stored values are distances. Rows may differ in length. A stored zero is a
        neighbour at distance zero; the diagonal is left out.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> d = sparse.csr_array(np.array([[0, 2.0, 1.0], [2.0, 0, 0], [1.0, 3.0, 0]]))
    >>> from_graph(d).indices
    array([[ 2,  1],
           [ 0, -1],
           [ 0,  1]], dtype=int32)
    """
    if graph.shape[0] != graph.shape[1]:
        msg = f"graph has shape {graph.shape}, but a graph of neighbours is square."
        raise ValueError(msg)
    graph = sparse.csr_array(graph)
    n = graph.shape[0]
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    keep = rows != graph.indices
    rows, columns, distances = rows[keep], graph.indices[keep], graph.data[keep]
    order = np.lexsort((distances, rows))
    return _pad(rows[order], columns[order], n)


def _pad(rows: NDArray[np.integer], columns: NDArray[np.integer], n: int) -> Neighbors:
    counts = np.bincount(rows, minlength=n).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    table = np.full((n, int(counts.max(initial=0))), -1, np.int32)
    table[rows, np.arange(len(rows)) - starts[rows]] = columns
    return Neighbors(table, counts)
