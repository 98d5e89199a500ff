"""Neighbors from a sparse graph, such as the `distances` that `sc.pp.neighbors` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from ._table import Neighbors

if TYPE_CHECKING:
    from numpy.typing import NDArray


def from_graph(graph: sparse.csr_matrix | sparse.csr_array | NDArray[np.floating]) -> Neighbors:
    """Neighbors of each row of a square sparse matrix: its stored entries, nearest first.

    Parameters
    ----------
    graph
        Distances, shape (n, n). Rows can have different numbers of entries. A stored zero is a neighbor at distance
        zero; entries on the diagonal are left out. In a dense matrix, which is accepted, too, all nonzero entries are
        neighbors.

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
    n = graph.shape[0]
    if graph.shape[1] != n:
        msg = f"graph has shape {graph.shape}, but a neighbor graph must be square."
        raise ValueError(msg)
    rows, columns, _ = sorted_entries(sparse.csr_array(graph), skip_diagonal=True)
    counts = np.bincount(rows, minlength=n).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    table = np.full((n, int(counts.max(initial=0))), -1, np.int32)
    table[rows, np.arange(len(rows)) - starts[rows]] = columns
    return Neighbors(table, counts)


def rank_graph(neighbors: Neighbors, k: int) -> sparse.csr_array:
    """The `k` nearest neighbors of each row as a sparse matrix, shape (n, n), of ranks: 1 for the nearest.

    Examples
    --------
    >>> import numpy as np
    >>> rank_graph(Neighbors.from_indices(np.array([[2, 1], [2, 0], [0, 1]])), 2).toarray()
    array([[0., 2., 1.],
           [2., 0., 1.],
           [1., 2., 0.]])
    """
    n = neighbors.n_cells
    ranks = np.tile(np.arange(1.0, k + 1), n)
    return sparse.csr_array((ranks, neighbors.indices[:, :k].ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))


def sorted_entries(
    graph: Any, *, skip_diagonal: bool
) -> tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.floating]]:
    """Rows, columns and distances of the stored entries of a graph, ordered by row and then by distance.

    Parameters
    ----------
    graph
        Sparse or dense, shape (n, m). In a dense graph every pair is an entry, including zeros.
    skip_diagonal
        Whether to leave out the entries on the diagonal.
    """
    if sparse.issparse(graph):
        graph = sparse.csr_array(graph)
        rows, columns, distances = (
            np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr)),
            graph.indices,
            graph.data,
        )
    else:
        (rows, columns), distances = np.indices(np.shape(graph)).reshape(2, -1), np.asarray(graph).ravel()
    order = np.lexsort((distances, rows))
    order = order[rows[order] != columns[order]] if skip_diagonal else order
    return rows[order], columns[order], distances[order]
