"""A subsample of the cells to train on, in which small populations are kept."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from scivis._random import seed_of

from ._blocks import BLOCK, take_rows
from ._validation import check_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._streaming import Rows

# Clusters, and the rows that they are fitted to: enough to separate populations, in about one second.
_CENTERS, _PILOT = 256, 20_000


def sample_rows(rows: Rows, size: int, rng: np.random.Generator, *, bar: str | None = None) -> NDArray[np.int64]:
    """Indices of `size` rows, ascending, sampled without replacement so that small and distant groups are kept.

    The probability of a row is one third uniform, one third equal for each of 256 k-means clusters whatever its size,
    and one third proportional to the squared distance from the nearest center: the sensitivities of coresets for
    clustering (Bachem, Lucic and Krause, Practical coreset constructions for machine learning, 2017). All rows are read
    and validated once, in blocks, after 20,000 random ones; memory holds a cluster index and a distance per row. `bar` is
    the title of a progress bar.

    Examples
    --------
    >>> from scivis.data._streaming import Rows
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(10_000, 3))
    >>> x[:20] += 50  # a group of 0.2 %
    >>> sampled = sample_rows(Rows(x, "x"), 1000, rng)
    >>> len(sampled), int((sampled < 20).sum())  # a uniform sample holds 2 of its cells, on average
    (1000, 7)
    """
    centers = _fit_centers(rows, rng)
    codes, distances = _nearest_centers(rows, centers, bar)
    cluster_sizes = np.bincount(codes, minlength=len(centers))
    weights = 1.0 / len(codes) + 1.0 / (len(centers) * cluster_sizes[codes])
    if total := distances.sum(dtype=np.float64):
        weights += distances / total
    return _sample_weighted(weights, size, rng)


def _fit_centers(rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
    from sklearn.cluster import MiniBatchKMeans

    n = len(rows)
    indices = np.sort(rng.choice(n, min(n, _PILOT), replace=False))
    x = take_rows(rows.matrix, indices)
    if not rows.is_validated:  # before k-means, whose own message names no row
        check_finite(x, rows.name, indices)
    k_means = MiniBatchKMeans(min(_CENTERS, len(x)), n_init=1, batch_size=2048, random_state=seed_of(rng))
    return k_means.fit(x).cluster_centers_.astype(np.float32)


def _nearest_centers(
    rows: Rows, centers: NDArray[np.float32], bar: str | None = None
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Index of the nearest center of each row, and the squared distance to it, both of shape (n,)."""
    found = rows.map(partial(_nearest_center, centers=centers), 2, bar=bar)
    return found[:, 0].astype(np.int16), found[:, 1]


def _nearest_center(rows: NDArray[np.float32], *, centers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Index of the nearest center and squared distance to it, shape (n, 2)."""
    found, norms = np.empty((len(rows), 2), np.float32), np.square(centers).sum(axis=1)
    for start in range(0, len(rows), BLOCK):  # the distances to all centers take more memory than the rows
        block = rows[start : start + BLOCK]
        # Without |x|², which is the same for all centers.
        relative = block @ (-2.0 * centers.T) + norms
        nearest = relative.argmin(axis=1)
        squared = relative[np.arange(len(block)), nearest] + np.square(block).sum(axis=1)
        found[start : start + BLOCK, 0], found[start : start + BLOCK, 1] = nearest, np.maximum(squared, 0.0)
    return found


def _sample_weighted(weights: NDArray[np.float64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Weighted sampling without replacement: the smallest exponential waiting times (Efraimidis and Spirakis, 2006)."""
    waiting = rng.exponential(size=len(weights)) / weights
    return np.sort(np.argpartition(waiting, size - 1)[:size])
