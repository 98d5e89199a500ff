"""Exact nearest neighbors: by a tree for few features, otherwise by comparing all pairs of rows, in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._table import include_self

if TYPE_CHECKING:
    from numpy.typing import NDArray


# Up to here a tree is faster, eight times at 8 features; soon after, comparing all pairs is (benchmarks/neighbors.py).
_TREE_FEATURES = 12


def search_exact(x: NDArray[np.float32], n_neighbors: int, metric: str, n_jobs: int) -> NDArray[np.int64]:
    """Indices of the `n_neighbors` nearest rows of each row, itself excluded, shape (n, n_neighbors)."""
    from sklearn.neighbors import NearestNeighbors

    if metric == "euclidean" and x.shape[1] <= _TREE_FEATURES:
        return _search_tree(x, n_neighbors, n_jobs)
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute", metric=metric, n_jobs=n_jobs)
    # Without a query, scikit-learn excludes each row from its own neighbors, but not its duplicates.
    return search.fit(x).kneighbors(return_distance=False)


def _search_tree(x: NDArray[np.float32], n_neighbors: int, n_jobs: int) -> NDArray[np.int64]:
    from scipy.spatial import KDTree

    # Not balanced: computing the medians takes more time than it saves.
    tree = KDTree(x, balanced_tree=False, compact_nodes=False)
    found = include_self(tree.query(x, n_neighbors + 1, workers=n_jobs)[1])
    return found[found != np.arange(len(x))[:, None]].reshape(len(x), n_neighbors)
