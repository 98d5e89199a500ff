"""Approximate nearest neighbors by an inverted file: each row is compared only with rows around its nearest centers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._progress import progress_bar

from ._table import include_self

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Lists that each row is compared with: they hold about .98 of the 15 nearest neighbors (benchmarks/neighbors.py).
_PROBES = 8
# Smallest mean length of a list, in multiples of the number of neighbors.
_MIN_LENGTH = 4
# Settings of k-means that place the centers well enough: training rows per list, and iterations.
_ROWS_PER_LIST, _ITERATIONS = 40, 10
# Rows whose candidates are held in memory at once.
_BLOCK = 65_536


def search_ivf(
    x: NDArray[np.float32], n_neighbors: int, metric: str, random_state: int, n_jobs: int, bar: str | None = None
) -> NDArray[np.int32]:
    """Indices of about the `n_neighbors` nearest rows of each row and the row itself, shape (n, n_neighbors + 1).

    Each row is assigned to the list of the nearest of √n k-means centers, and compared with the rows on the lists of its
    eight nearest centers. Sources: Sivic and Zisserman, Video Google (ICCV 2003); Jégou, Douze and Schmid, Product
    quantization for nearest neighbor search (IEEE TPAMI 33, 2011).
    """
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    if metric == "cosine":  # orders rows as the Euclidean distance between rows of unit length does
        x, metric = normalize(x), "euclidean"
    search = partial(NearestNeighbors, algorithm="brute", metric=metric, n_jobs=n_jobs)
    width = n_neighbors + 1
    n_lists = max(1, min(int(len(x) ** 0.5), len(x) // (_MIN_LENGTH * width)))
    centers = _fit_centers(x, n_lists, random_state)
    nearest = search(n_neighbors=min(_PROBES, n_lists)).fit(centers)
    probed = nearest.kneighbors(x, return_distance=False).astype(np.int32)
    lists = _group(probed[:, 0], n_lists)
    found = np.empty((len(x), width), np.int32)
    n_steps = -(-len(x) // _BLOCK) * n_lists
    with progress_bar(total=n_steps, desc=bar, unit="list", disable=bar is None) as progress:
        for start in range(0, len(x), _BLOCK):
            rows = slice(start, start + _BLOCK)
            found[rows] = _search_lists(x, start, probed[rows], lists, width, search, progress.update)
    return include_self(found)


def _fit_centers(x: NDArray[np.float32], n_lists: int, random_state: int) -> NDArray[np.float32]:
    """Centers of the rows, by k-means of a subsample."""
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(random_state)
    sample = x[np.sort(rng.choice(len(x), min(len(x), _ROWS_PER_LIST * n_lists), replace=False))]
    k_means = KMeans(n_lists, init="random", n_init=1, max_iter=_ITERATIONS, random_state=random_state).fit(sample)
    return np.asarray(k_means.cluster_centers_, np.float32)


def _group(labels: NDArray[np.integer], n_groups: int) -> list[NDArray[np.int64]]:
    """Positions of each label from 0 to `n_groups` − 1."""
    ends = np.cumsum(np.bincount(labels, minlength=n_groups))
    return np.split(np.argsort(labels, kind="stable"), ends[:-1])


def _search_lists(
    x: NDArray[np.float32],
    start: int,
    probed: NDArray[np.int32],
    lists: list[NDArray[np.int64]],
    width: int,
    search: Callable[..., Any],
    advance: Callable[[], Any],
) -> NDArray[np.int32]:
    """The nearest rows of a block of rows from `start` on, themselves included, among the lists that each of them probes.

    `probed` has shape (rows, lists per row); `advance` is called for each list; the result has shape (rows, width).
    """
    n, n_probes = probed.shape
    distances = np.full((n * n_probes, width), np.inf, np.float32)
    candidates = np.zeros((n * n_probes, width), np.int32)
    for members, slots in zip(lists, _group(probed.ravel(), len(lists)), strict=True):
        advance()
        if len(members) and len(slots):
            k = min(width, len(members))
            near, which = search(n_neighbors=k).fit(x[members]).kneighbors(x[start + slots // n_probes])
            distances[slots, :k], candidates[slots, :k] = near, members[which]
    near, found = _merge(distances.reshape(n, -1), candidates.reshape(n, -1), width)
    short = np.flatnonzero(np.isinf(near[:, -1]))  # their lists hold fewer than `width` rows
    if len(short):
        found[short] = search(n_neighbors=width).fit(x).kneighbors(x[start + short], return_distance=False)
    return found


def _merge(
    distances: NDArray[np.float32], candidates: NDArray[np.int32], width: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The `width` smallest distances of each row, in ascending order, and their candidates."""
    best = np.argpartition(distances, width - 1, axis=1)[:, :width]
    near, found = np.take_along_axis(distances, best, axis=1), np.take_along_axis(candidates, best, axis=1)
    order = np.argsort(near, axis=1, kind="stable")
    return np.take_along_axis(near, order, axis=1), np.take_along_axis(found, order, axis=1)
