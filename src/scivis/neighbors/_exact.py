"""Exact neighbours: by a tree where there are few features, else by comparing every pair of rows, in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._table import with_own

if TYPE_CHECKING:
    from numpy.typing import NDArray


# Up to here a tree is faster, eight times at 8 features (benchmarks/neighbors.py); it loses to comparing all pairs soon after.
_TREE_FEATURES = 12


def search_exact(x: NDArray[np.float32], n_neighbors: int, metric: str, n_jobs: int) -> NDArray[np.int64]:
    """Indices of the `n_neighbors` nearest rows of each row, itself excluded, shape (n, n_neighbors)."""
    from sklearn.neighbors import NearestNeighbors

    if metric == "euclidean" and x.shape[1] <= _TREE_FEATURES:
        return _by_tree(x, n_neighbors, n_jobs)
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute", metric=metric, n_jobs=n_jobs)
    # No query: scikit-learn then leaves each row out of its own neighbours, duplicates of it included.
    return search.fit(x).kneighbors(return_distance=False)


def _by_tree(x: NDArray[np.float32], n_neighbors: int, n_jobs: int) -> NDArray[np.int64]:
    from scipy.spatial import KDTree

    # Not balanced: the medians cost more than they save.
    tree = KDTree(x, balanced_tree=False, compact_nodes=False)
    found = with_own(tree.query(x, n_neighbors + 1, workers=n_jobs)[1])
    return found[found != np.arange(len(x))[:, None]].reshape(len(x), n_neighbors)
