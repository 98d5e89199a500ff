"""Approximate neighbours by an inverted file: a row is compared with those rows only that lie around the nearest centres."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ._table import with_own

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Lists that each row is compared with: they hold about .98 of the 15 nearest (benchmarks/neighbors.py).
_PROBES = 8
# A list holds at least so many times the rows that are looked for.
_ROOM = 4
# What k-means needs to place the centres well enough: rows per list, and iterations.
_TAUGHT, _ITERATIONS = 40, 10
# Rows whose candidates are held at once.
_BLOCK = 65_536


def search_ivf(
    x: NDArray[np.float32], n_neighbors: int, metric: str, random_state: int, n_jobs: int
) -> NDArray[np.int32]:
    """Indices of about the `n_neighbors` nearest rows, shape (n, n_neighbors + 1), nearest first, the row itself among them.

    The rows are put on lists, one per centre of a k-means of √n centres, and each row is compared with the lists of its
    eight nearest centres. Sources: Sivic and Zisserman, Video Google (ICCV 2003); Jégou, Douze and Schmid, Product
    quantization for nearest neighbor search (IEEE TPAMI 33, 2011).
    """
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    if metric == "cosine":  # The order is that of Euclidean distances between rows of length one.
        x, metric = normalize(x), "euclidean"
    index = partial(NearestNeighbors, algorithm="brute", metric=metric, n_jobs=n_jobs)
    width = n_neighbors + 1
    n_lists = max(1, min(int(len(x) ** 0.5), len(x) // (_ROOM * width)))
    centres = _centres(x, n_lists, random_state)
    probed = index(n_neighbors=min(_PROBES, n_lists)).fit(centres).kneighbors(x, return_distance=False).astype(np.int32)
    lists = _grouped(probed[:, 0], n_lists)
    found = np.empty((len(x), width), np.int32)
    for start in range(0, len(x), _BLOCK):
        rows = slice(start, start + _BLOCK)
        found[rows] = _search_lists(x, start, probed[rows], lists, width, index)
    return with_own(found)


def _centres(x: NDArray[np.float32], n_lists: int, random_state: int) -> NDArray[np.float32]:
    """Centres of the rows, by a k-means of some of them."""
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(random_state)
    taught = x[np.sort(rng.choice(len(x), min(len(x), _TAUGHT * n_lists), replace=False))]
    means = KMeans(n_lists, init="random", n_init=1, max_iter=_ITERATIONS, random_state=random_state).fit(taught)
    return np.asarray(means.cluster_centers_, np.float32)


def _grouped(groups: NDArray[np.integer], n_groups: int) -> list[NDArray[np.int64]]:
    """Positions of each number from 0 to `n_groups` − 1."""
    ends = np.cumsum(np.bincount(groups, minlength=n_groups))
    return np.split(np.argsort(groups, kind="stable"), ends[:-1])


def _search_lists(
    x: NDArray[np.float32],
    start: int,
    probed: NDArray[np.int32],
    lists: list[NDArray[np.int64]],
    width: int,
    index: Callable[..., Any],
) -> NDArray[np.int32]:
    """The nearest rows, itself included, of each row from `start` on, among the lists that it probes."""
    n, n_probes = probed.shape
    distances = np.full((n * n_probes, width), np.inf, np.float32)
    candidates = np.zeros((n * n_probes, width), np.int32)
    for members, slots in zip(lists, _grouped(probed.ravel(), len(lists)), strict=True):
        if len(members) and len(slots):
            k = min(width, len(members))
            far, which = index(n_neighbors=k).fit(x[members]).kneighbors(x[start + slots // n_probes])
            distances[slots, :k], candidates[slots, :k] = far, members[which]
    far, found = _nearest(distances.reshape(n, -1), candidates.reshape(n, -1), width)
    short = np.flatnonzero(np.isinf(far[:, -1]))  # their lists hold fewer rows than that
    if len(short):
        found[short] = index(n_neighbors=width).fit(x).kneighbors(x[start + short], return_distance=False)
    return found


def _nearest(
    distances: NDArray[np.float32], candidates: NDArray[np.int32], width: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The `width` least distances of each row, in order, and whose they are."""
    best = np.argpartition(distances, width - 1, axis=1)[:, :width]
    far, found = np.take_along_axis(distances, best, axis=1), np.take_along_axis(candidates, best, axis=1)
    order = np.argsort(far, axis=1, kind="stable")
    return np.take_along_axis(far, order, axis=1), np.take_along_axis(found, order, axis=1)
