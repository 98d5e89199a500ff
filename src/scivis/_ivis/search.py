"""The neighbors of the estimator: those that the user passes, or those that Annoy finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from scivis._random import seed_of
from scivis.data._validation import ValidatedRows
from scivis.neighbors import AnnoyKnnMatrix, LazyNeighbors, Neighbors
from scivis.neighbors._search import check_n_neighbors

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .settings import Settings


def given_neighbors(given: Any, n_rows: int) -> Neighbors | LazyNeighbors:
    """Neighbors of `n_rows` rows in the form that training reads.

    Arrays and lists become a table. The entries of any other sequence are read when they are needed.
    """
    if isinstance(given, Neighbors | LazyNeighbors):
        neighbors = given
    elif isinstance(given, np.ndarray | list | tuple):
        neighbors = Neighbors.from_indices(given)
    else:
        neighbors = LazyNeighbors(given)
    if neighbors.n_cells != n_rows:
        msg = f"neighbour_matrix has {neighbors.n_cells} rows, but X has {n_rows}. Pass the neighbors of the rows of X."
        raise ValueError(msg)
    return neighbors


def search_neighbors(
    x: NDArray[np.float32], settings: Settings, index_path: str | Path | None, rng: np.random.Generator
) -> Neighbors | LazyNeighbors:
    """Neighbors of the rows of `x`, shape (n, features), from a stored or a new Annoy index."""
    check_n_neighbors(settings.k, len(x))
    query: dict[str, Any] = {
        "k": settings.k,
        "metric": settings.knn_distance_metric,
        "search_k": settings.search_k,
        "verbose": 0,
    }
    if index_path is not None:
        matrix = AnnoyKnnMatrix.load(index_path, x.shape, **query)
    else:
        on_disk, seed = settings.build_index_on_disk, seed_of(rng)
        matrix = AnnoyKnnMatrix.build(
            ValidatedRows(x), ntrees=settings.n_trees, build_index_on_disk=on_disk, random_state=seed, **query
        )
    if not settings.precompute:
        return LazyNeighbors(matrix)
    return Neighbors.from_indices(cast("list[list[int]]", matrix.get_neighbour_indices()))
