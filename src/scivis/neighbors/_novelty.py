"""Novelty of cells: their distance from the cells that a model was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Largest numbers of cells that are stored with the model, and of their values: of wide data, fewer cells are stored.
_MAX_LANDMARKS, _MAX_VALUES = 2000, 1_000_000
_N_NEAREST = 5
_QUANTILE = 0.99
_LIMITS = np.finfo(np.float32)


@dataclass(frozen=True, eq=False)
class Reference:
    """A subsample of the fitted cells, shape (landmarks, features), and the 99th percentile of distances from it."""

    landmarks: NDArray[np.float32]
    unit: float


def fit_reference(x: NDArray[np.float32], rng: np.random.Generator) -> Reference:
    """Sample landmarks from the rows of `x`, shape (n, features), and measure the distances of other rows to them.

    All rows of small data are landmarks; then the distances between them are measured.
    """
    size = min(len(x), _MAX_LANDMARKS, max(_MAX_VALUES // x.shape[1], 2 * _N_NEAREST))
    order = rng.permutation(len(x))
    landmarks = x[np.sort(order[:size])]
    others = x[order[size : size + _MAX_LANDMARKS]]
    distances = _mean_distances(landmarks, others if len(others) >= size // 2 else None)
    unit = float(np.quantile(distances, _QUANTILE))
    return Reference(landmarks, unit if unit >= _LIMITS.tiny else 1.0)


def novelty(reference: Reference, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean distance of each row to its five nearest landmarks, in units of the 99th percentile of the fitted cells.

    Scores of up to 1 are as near as 99 % of the fitted cells; a score of 2 means twice that distance.

    Examples
    --------
    >>> import numpy as np
    >>> reference = fit_reference(np.arange(100, dtype=np.float32)[:, None], np.random.default_rng(0))
    >>> [round(float(score), 2) for score in novelty(reference, np.array([[50.5], [1000.0]], np.float32))]
    [0.43, 301.0]
    """
    if not len(x):
        return np.empty(0, np.float32)
    scores = _mean_distances(reference.landmarks, x).astype(np.float64) / reference.unit
    return np.minimum(scores, _LIMITS.max).astype(np.float32)


def _mean_distances(landmarks: NDArray[np.float32], x: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Mean distance of each row of `x`, or of each landmark, to its five nearest landmarks, itself excluded."""
    from sklearn.neighbors import NearestNeighbors

    k = min(_N_NEAREST, len(landmarks) - 1)
    return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(landmarks).kneighbors(x)[0].mean(axis=1)
