"""Neighbours: which of them a map keeps, which it invents, and how dense it draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]
    Rows = NDArray[np.integer]

# Up to this many columns a tree finds neighbours faster than comparing all pairs.
_TREE_UP_TO = 10
# Two ways to compute the same distance differ by rounding; a cell must not come before itself by that.
_ROUNDING = 1e-6


def nearest(x: Matrix, cells: Rows, k: int) -> tuple[Rows, Matrix]:
    """The `k` nearest rows of each of the given cells, nearest first, and their distances.

    A cell is never among its own neighbours; identical cells are.

    Examples
    --------
    >>> import numpy as np
    >>> nearest(np.array([[0.0], [1.0], [3.0], [3.0]]), np.array([1, 2]), 2)
    (array([[0, 2],
           [3, 1]]), array([[1., 2.],
           [0., 2.]]))
    """
    distances, found = _search(x, x[cells], k + 1)
    # Among more than k duplicates the cell itself may be missing: then the last one goes.
    extra = found == cells[:, None]
    extra[:, -1] |= ~extra.any(axis=1)
    return found[~extra].reshape(-1, k), distances[~extra].reshape(-1, k)


def _search(x: Matrix, queries: Matrix, k: int) -> tuple[Matrix, Rows]:
    from scipy.spatial import KDTree
    from sklearn.neighbors import NearestNeighbors

    if x.shape[1] <= _TREE_UP_TO:
        # Balancing a tree of many cells takes longer than it saves.
        distances, found = KDTree(x, balanced_tree=False).query(queries, k, workers=-1)
        return distances, found
    return NearestNeighbors(algorithm="brute", n_jobs=-1).fit(x).kneighbors(queries, k)


def neighbors_kept(before: Rows, after: Rows) -> float:
    """Mean share of each row's neighbours in `before` that are in the same row of `after` (kNN recall).

    Examples
    --------
    >>> neighbors_kept([[1, 2], [0, 2]], [[2, 1], [3, 2]])
    0.75
    """
    pairs = zip(before, after, strict=True)
    return float(np.mean([len(set(old) & set(new)) / len(old) for old, new in pairs]))


def ranks(x: Matrix, cells: Rows, neighbors: Sequence[Rows], landmarks: Rows) -> list[Matrix]:
    """Which nearest neighbour in `x` each neighbour of another matrix is: 1 for the nearest of all cells.

    Parameters
    ----------
    x
        In which distances are taken, all cells × features.
    cells
        Rows whose neighbours are ranked.
    neighbors
        For one or more other matrices the neighbours of these cells, each cells × k.
    landmarks
        Rows among which ranks are counted, to be scaled to all cells: exact if all cells are landmarks.

    Examples
    --------
    >>> import numpy as np
    >>> x, every = np.array([[0.0], [1.0], [3.0], [7.0]]), np.arange(4)
    >>> ranks(x, np.array([0, 3]), [np.array([[3, 1], [2, 0]])], every)
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


def trust(ranks: Matrix, n: int) -> Matrix:
    """How near each cell's k neighbours really are, from their ranks among `n` cells, shape cells × k.

    One minus the sum of max(0, rank − k) over the k neighbours, divided by the largest sum there can be: 1 if they are the
    k nearest, about 0.5 if they are any cells. Where neighbours on the map are ranked in the representation, the mean
    over all cells is the trustworthiness of Venna and Kaski (ICANN 2001); the other way round it is their continuity.

    Examples
    --------
    >>> import numpy as np
    >>> trust(np.array([[1.0], [2.0], [9.0]]), n=10)
    array([1.   , 0.875, 0.   ])
    """
    k = ranks.shape[1]
    return 1 - 2 * np.maximum(ranks - k, 0).sum(axis=1) / (k * (2 * n - 3 * k - 1))


def density_kept(before: Matrix, after: Matrix) -> float:
    """Spearman correlation of each cell's mean distance to its neighbours before with that after.

    As in the evaluation of densMAP (Narayan et al., Nature Biotechnology 39, 765, 2021), where the radius is weighted.

    Examples
    --------
    >>> density_kept([[1.0, 2.0], [2.0, 4.0], [5.0, 9.0]], [[0.1, 0.1], [0.2, 0.2], [0.9, 0.8]])
    1.0
    """
    from scipy.stats import spearmanr

    return float(spearmanr(np.mean(before, axis=1), np.mean(after, axis=1))[0])
