"""Neighbours out of a sparse graph, such as the `distances` that `sc.pp.neighbors` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    rows, columns, _ = sorted_entries(sparse.csr_array(graph), skip_diagonal=True)
    return _pad(rows, columns, graph.shape[0])


def sorted_entries(
    graph: Any, *, skip_diagonal: bool
) -> tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.floating]]:
    """Rows, columns and distances of the stored entries of a graph, ordered by row and then by distance.

    Parameters
    ----------
    graph
        Sparse, or dense: then every pair is an entry, zeros included. Shape (n, m).
    skip_diagonal
        Whether to leave out the entries of a row at itself.
    """
    graph = sparse.csr_array(graph) if sparse.issparse(graph) else _all_pairs(np.asarray(graph))
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    keep = rows != graph.indices if skip_diagonal else np.ones(len(rows), bool)
    rows, columns, distances = rows[keep], graph.indices[keep], graph.data[keep]
    order = np.lexsort((distances, rows))
    return rows[order], columns[order], distances[order]


def _all_pairs(matrix: NDArray[np.floating]) -> sparse.csr_array:
    """A dense matrix as a sparse one that stores its zeros, too."""
    n, m = matrix.shape
    return sparse.csr_array((matrix.ravel(), np.tile(np.arange(m), n), np.arange(0, n * m + 1, m)), shape=(n, m))


def _pad(rows: NDArray[np.integer], columns: NDArray[np.integer], n: int) -> Neighbors:
    counts = np.bincount(rows, minlength=n).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    table = np.full((n, int(counts.max(initial=0))), -1, np.int32)
    table[rows, np.arange(len(rows)) - starts[rows]] = columns
    return Neighbors(table, counts)
