"""Approximate nearest neighbors by nearest-neighbor descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._table import include_self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def search_pynndescent(
    x: NDArray[np.float32], n_neighbors: int, metric: str, random_state: int, n_jobs: int
) -> NDArray[np.int32]:
    """Indices of about the `n_neighbors` nearest rows of each row and the row itself, shape (n, n_neighbors + 1)."""
    from pynndescent import NNDescent

    index = NNDescent(
        x, metric=metric, n_neighbors=n_neighbors + 1, random_state=random_state, n_jobs=n_jobs, low_memory=True
    )
    return include_self(index.neighbor_graph[0])
