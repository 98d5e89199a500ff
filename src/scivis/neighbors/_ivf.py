"""Approximate nearest neighbors by an inverted file: each row is compared only with rows around its nearest centers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._progress import progress_bar

from ._table import include_self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

# Lists that each row is compared with: they hold about .98 of the 15 nearest neighbors (benchmarks/neighbors.py).
_PROBES = 8
# Smallest mean length of a list, in multiples of the number of neighbors.
_MIN_LENGTH = 4
# Settings of k-means that place the centers well enough: training rows per list, and iterations.
_ROWS_PER_LIST, _ITERATIONS = 40, 10
# Rows whose candidates are held in memory at once, and pairs of a row and a member of a list.
_BLOCK, _PAIRS = 65_536, 2**20


def search_ivf(
    x: NDArray[np.float32], n_neighbors: int, metric: str, random_state: int, n_jobs: int, bar: str | None = None
) -> NDArray[np.int32]:
    """Indices of about the `n_neighbors` nearest rows of each row and the row itself, shape (n, n_neighbors + 1)."""
    index = InvertedFile.of(x, n_neighbors, metric, random_state, n_jobs)
    n_steps = -(-len(x) // _BLOCK) * len(index.lists)
    with progress_bar(total=n_steps, desc=bar, unit="list", disable=bar is None) as progress:
        return include_self(index.query(x, n_neighbors + 1, progress.update))


@dataclass(frozen=True, eq=False)
class InvertedFile:
    """Rows on lists, one for each center of k-means.

    Each row is on the list of the nearest of √n centers. A query is compared with the rows on the lists of its eight nearest
    centers. Sources: Sivic and Zisserman, Video Google (ICCV 2003); Jégou, Douze and Schmid, Product quantization for nearest
    neighbor search (IEEE TPAMI 33, 2011).

    Parameters
    ----------
    x
        Rows, shape (n, features); of unit length for `cosine`.
    centers
        Shape (lists, features).
    lists
        Indices of the rows on each list.
    metric, n_jobs
        Distance and number of threads.
    """

    x: NDArray[np.float32]
    centers: NDArray[np.float32]
    lists: list[NDArray[np.int64]]
    metric: str
    n_jobs: int

    @classmethod
    def of(cls, x: NDArray[np.float32], n_neighbors: int, metric: str, random_state: int, n_jobs: int) -> InvertedFile:
        """The lists of rows `x` for queries of `n_neighbors` rows."""
        x = _comparable(x, metric)
        n_lists = max(1, min(int(len(x) ** 0.5), len(x) // (_MIN_LENGTH * (n_neighbors + 1))))
        centers = _fit_centers(x, n_lists, random_state)
        nearest = _search(metric, n_jobs)(n_neighbors=1).fit(centers).kneighbors(x, return_distance=False)
        return cls(x, centers, _group(nearest[:, 0], n_lists), metric, n_jobs)

    def query(self, rows: NDArray[np.float32], k: int, advance: Callable[[], Any] = lambda: None) -> NDArray[np.int32]:
        """Indices of about the `k` nearest rows of `x` for each row, nearest first, shape (rows, k).

        They do not depend on the other rows, but for rounding. `advance` is called for each list and block of rows.
        """
        found = np.empty((len(rows), k), np.int32)
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            found[part] = self._query_block(_comparable(rows[part], self.metric), k, advance)
        return found

    def _query_block(self, rows: NDArray[np.float32], k: int, advance: Callable[[], Any]) -> NDArray[np.int32]:
        search = _search(self.metric, self.n_jobs)
        nearest = search(n_neighbors=min(_PROBES, len(self.lists))).fit(self.centers)
        probed = nearest.kneighbors(rows, return_distance=False).astype(np.int32)
        n, n_probes = probed.shape
        distances = np.full((n * n_probes, k), np.inf, np.float32)
        candidates = np.zeros((n * n_probes, k), np.int32)

        def compare(members: NDArray[np.int64], slots: NDArray[np.int64]) -> None:
            if len(members) and len(slots):
                width, size = min(k, len(members)), max(_PAIRS // len(members), 1)
                for part in (slots[start : start + size] for start in range(0, len(slots), size)):
                    near, which = _nearest_members(rows[part // n_probes], self.x[members], width, self.metric)
                    distances[part, :width], candidates[part, :width] = near, members[which]

        with _one_list_per_thread(self.n_jobs) as threads:
            for _ in threads.map(compare, self.lists, _group(probed.ravel(), len(self.lists))):
                advance()
        near, found = _merge(distances.reshape(n, -1), candidates.reshape(n, -1), k)
        short = np.flatnonzero(np.isinf(near[:, -1]))  # their lists hold fewer than `k` rows
        if len(short):
            found[short] = search(n_neighbors=k).fit(self.x).kneighbors(rows[short], return_distance=False)
        return found


def _nearest_members(
    rows: NDArray[np.float32], members: NDArray[np.float32], k: int, metric: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Distances to the `k` nearest members, squared if Euclidean, and their positions, both of shape (rows, k), in any order.

    For short lists, a product and a partition take half the time of scikit-learn, which computes in float64 and keeps a heap
    for each row (benchmarks/neighbors.py).
    """
    if metric == "manhattan":
        near, which = _search(metric, 1)(n_neighbors=k).fit(members).kneighbors(rows)
        return near, which
    center = members.mean(axis=0)  # near which float32 is exact enough, wherever the list lies
    rows, members = rows - center, members - center
    # Squared distances, less the squared norm of the row.
    relative = rows @ (-2.0 * members.T) + np.square(members).sum(axis=1)
    kth = np.partition(relative, k - 1, axis=1)[:, k - 1 : k]
    which = np.flatnonzero(relative <= kth) % len(members)
    if len(which) > k * len(rows):  # ties
        which = np.argpartition(relative, k - 1, axis=1)[:, :k]
    which = which.reshape(-1, k)
    return np.take_along_axis(relative, which, axis=1) + np.square(rows).sum(axis=1)[:, None], which


def _comparable(x: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    """Rows of unit length for `cosine`, which the Euclidean distance orders in the same way."""
    from sklearn.preprocessing import normalize

    return normalize(x) if metric == "cosine" else x


def _search(metric: str, n_jobs: int) -> Callable[..., Any]:
    """An exact search, to be called with its number of neighbors."""
    from sklearn.neighbors import NearestNeighbors

    metric = "euclidean" if metric == "cosine" else metric
    return partial(NearestNeighbors, algorithm="brute", metric=metric, n_jobs=n_jobs)


@contextmanager
def _one_list_per_thread(n_jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that each compare a list on one core: a list is too short to be divided among the cores."""
    from joblib import effective_n_jobs
    from threadpoolctl import threadpool_limits

    # The limit of OpenMP holds for a thread, that of the matrix products for the process.
    alone = partial(threadpool_limits, 1, user_api="openmp")
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(effective_n_jobs(n_jobs), initializer=alone) as pool:
        yield pool


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


def _merge(
    distances: NDArray[np.float32], candidates: NDArray[np.int32], width: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The `width` smallest distances of each row, in ascending order, and their candidates."""
    best = np.argpartition(distances, width - 1, axis=1)[:, :width]
    near, found = np.take_along_axis(distances, best, axis=1), np.take_along_axis(candidates, best, axis=1)
    order = np.argsort(near, axis=1, kind="stable")
    return np.take_along_axis(near, order, axis=1), np.take_along_axis(found, order, axis=1)
