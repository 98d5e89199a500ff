"""Approximate neighbours by nearest-neighbour descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def search_pynndescent(
    x: NDArray[np.float32], n_neighbors: int, metric: str, random_state: int, n_jobs: int
) -> NDArray[np.int32]:
    """Indices of about the `n_neighbors` nearest rows, shape (n, n_neighbors + 1), the row itself among them."""
    import numpy as np
    from pynndescent import NNDescent

    index = NNDescent(
        x, metric=metric, n_neighbors=n_neighbors + 1, random_state=random_state, n_jobs=n_jobs, low_memory=True
    )
    indices = index.neighbor_graph[0]
    # Among duplicates the row itself may be missing: then its farthest neighbour makes room, as if it were there.
    own = indices == np.arange(len(x))[:, None]
    indices[~own.any(axis=1), -1] = np.flatnonzero(~own.any(axis=1))
    return indices
