"""Exact neighbours by comparing every pair of rows, in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def search_exact(x: NDArray[np.float32], n_neighbors: int, metric: str, n_jobs: int) -> NDArray[np.int64]:
    """Indices of the `n_neighbors` nearest rows of each row, itself excluded, shape (n, n_neighbors)."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute", metric=metric, n_jobs=n_jobs)
    # No query: scikit-learn then leaves each row out of its own neighbours, duplicates of it included.
    return search.fit(x).kneighbors(return_distance=False)
