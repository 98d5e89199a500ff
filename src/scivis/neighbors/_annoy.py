"""Approximate nearest neighbors by Annoy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scivis._progress import progress_bar

from ._annoy_file import load_or_build
from ._annoy_index import NeighborArrays, annoy_metric, build_index, query_neighbors

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
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
    bar: str | None = None,
) -> NDArray[np.int32]:
    """Indices of about the `n_neighbors` nearest rows of each row, itself excluded, shape (n, n_neighbors).

    Annoy can find fewer; then −1 follows.
    """
    if path is None:
        index = build_index([x], x.shape[1], metric, n_trees, random_state)
    else:
        index = load_or_build(path, x, annoy_metric(metric), n_trees, random_state)
    found = query_neighbors(index, range(len(x)), n_neighbors, search_k, n_jobs)
    counted = progress_bar(found, bar, len(x), unit="cell", unit_scale=True, disable=bar is None)
    return NeighborArrays(counted, len(x), n_neighbors).indices
