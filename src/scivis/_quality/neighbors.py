"""Preservation of nearest neighbors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]
    Rows = NDArray[np.integer]

# Up to this number of columns, a tree is faster than the comparison of all pairs.
_MAX_TREE_COLUMNS = 10
# Two ways to compute the same distance differ by rounding, which must not rank a cell before itself.
_ROUNDING = 1e-6


def nearest_neighbors(x: Matrix, cells: Rows, k: int) -> tuple[Rows, Matrix]:
    """Indices of the `k` nearest rows of each cell, nearest first, and their distances, both of shape (cells, k).

    A cell is not its own neighbor, but its duplicates are its neighbors.
    """
    distances, found = _search(x, x[cells], k + 1)
    # Among more than k duplicates the cell itself may be missing. Then the last neighbor is removed.
    extra = found == cells[:, None]
    extra[:, -1] |= ~extra.any(axis=1)
    return found[~extra].reshape(-1, k), distances[~extra].reshape(-1, k)


def _search(x: Matrix, queries: Matrix, k: int) -> tuple[Matrix, Rows]:
    from sklearn.neighbors import NearestNeighbors

    if x.shape[1] <= _MAX_TREE_COLUMNS:
        # With many cells, balancing the tree takes longer than it saves.
        distances, found = KDTree(x, balanced_tree=False).query(queries, k, workers=-1)
        return distances, found
    return NearestNeighbors(algorithm="brute", n_jobs=-1).fit(x).kneighbors(queries, k)


def neighbor_recall(before: Rows, after: Rows) -> float:
    """Mean share of the neighbors in each row of `before` that are in the same row of `after`."""
    return float(shared_neighbors(before, after).mean())


def shared_neighbors(before: Rows, after: Rows) -> Matrix:
    """Share of the neighbors in each row of `before` that are in the same row of `after`, shape (rows,)."""
    pairs = zip(np.asarray(before).tolist(), np.asarray(after).tolist(), strict=True)
    return np.array([len(set(old).intersection(new)) / len(old) for old, new in pairs])


def neighbor_ranks(x: Matrix, cells: Rows, neighbors: Sequence[Rows], landmarks: Rows) -> list[Matrix]:
    """Ranks in `x` of neighbors found in other matrices: 1 for the nearest of all cells.

    Parameters
    ----------
    x
        Matrix in which distances are computed.
    cells
        Rows whose neighbors are ranked.
    neighbors
        For each other matrix the neighbors of these cells, shape (cells, k).
    landmarks
        Rows among which ranks are counted and then scaled to all cells. Ranks are exact if these are all rows.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [3.0], [7.0]])
    >>> neighbor_ranks(x, np.array([0, 3]), [np.array([[3, 1], [2, 0]])], np.arange(4))
    [array([[3., 1.],
           [1., 3.]])]
    """
    from sklearn.metrics.pairwise import euclidean_distances

    found = np.hstack(neighbors)
    # In double precision: scikit-learn computes single precision in many small pieces.
    to_landmarks = np.sort(euclidean_distances(x[cells].astype(np.float64), x[landmarks].astype(np.float64)), axis=1)
    steps = x[found]
    steps -= x[cells, None]
    to_neighbors = np.sqrt(np.einsum("ijk,ijk->ij", steps, steps)) * (1 - _ROUNDING)
    pairs = zip(to_landmarks, to_neighbors, strict=True)
    nearer = np.array([np.searchsorted(row, distances) for row, distances in pairs])
    itself = np.isin(cells, landmarks)[:, None]
    estimated = 1 + np.maximum(nearer - itself, 0) * ((len(x) - 1) / (len(landmarks) - itself))
    return np.split(estimated, np.cumsum([some.shape[1] for some in neighbors])[:-1], axis=1)


def trust_from_ranks(ranks: Matrix, n: int) -> Matrix:
    """Trust of each cell from the ranks of its k neighbors among `n` cells, shape (cells,).

    1 − Σ max(0, rank − k) / the largest possible sum: 1 if the neighbors are the k nearest cells, about 0.5 if they are
    random. For neighbors in the embedding, ranked in the representation, the mean over all cells is the trustworthiness
    of Venna and Kaski (ICANN 2001). With both exchanged it is their continuity.

    Examples
    --------
    >>> trust_from_ranks(np.array([[1.0], [2.0], [9.0]]), n=10)
    array([1.   , 0.875, 0.   ])
    """
    k = ranks.shape[1]
    return 1 - 2 * np.maximum(ranks - k, 0).sum(axis=1) / (k * (2 * n - 3 * k - 1))
