"""Approximate nearest neighbors of all rows by Annoy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._annoy import annoy_name, build_dense, nearest_of
from ._annoy_file import index_in

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def search_annoy(
    x: NDArray[np.float32],
    n_neighbors: int,
    metric: str,
    n_trees: int,
    search_k: int,
    random_state: int,
    n_jobs: int,
    path: Path | None = None,
) -> NDArray[np.int32]:
    """About the `n_neighbors` nearest rows, itself excluded; Annoy may find fewer, then −1 follows."""
    if path is None:
        index = build_dense(x, metric, n_trees, random_state)
    else:
        index = index_in(path, x, annoy_name(metric), n_trees, random_state)
    table = np.full((len(x), n_neighbors), -1, np.int32)
    for row, (found, _) in enumerate(nearest_of(index, range(len(x)), n_neighbors, search_k, n_jobs)):
        table[row, : len(found)] = found
    return table
