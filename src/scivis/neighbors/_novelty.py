"""Novelty of cells: how far they lie from the cells that a model was fitted on, relative to how far apart those are there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    # Distances and indices of landmarks, nearest first, both of shape (n, k).
    Nearest: TypeAlias = tuple[NDArray[np.float64], NDArray[np.int64]]

# Largest numbers of cells that are stored with the model, and of their values (below 1 MB): of wide data, fewer are stored.
_MAX_LANDMARKS, _MAX_VALUES, _MIN_LANDMARKS = 4000, 240_000, 32
# Largest number of reference cells by which scores are calibrated.
_MAX_CALIBRATION = 4000
_N_NEAREST, _N_NEAREST_BEFORE = 15, 5
# The share of reference cells with a novelty above 1.
_NOVEL = 0.01
# Part of the mean scale that is added to each local one, so that a few identical cells do not make their surroundings strange.
_SMOOTHING = 0.3
# Up to so many rows, a search without threads is faster: starting them takes milliseconds, or many where all cores are busy.
_FEW_ROWS = 32
# Rows per block when coordinates of nearest landmarks are gathered.
_BLOCK = 2048
_LIMITS = np.finfo(np.float32)


@dataclass(frozen=True, eq=False)
class Reference:
    """What is kept of the fitted cells to measure the novelty of others.

    Parameters
    ----------
    landmarks
        A subsample of the cells, shape (landmarks, features).
    unit
        The score that is a novelty of 1: 1 % of the calibration cells exceed it.
    scales
        Mean distance of each landmark to its nearest others, shape (landmarks,). `None` in models of earlier versions,
        whose score is a distance.
    calibration
        Novelty of reference cells that are not among the landmarks that they are compared with, increasing. `None` in models
        of earlier versions, which have no p-values.
    """

    landmarks: NDArray[np.float32]
    unit: float
    scales: NDArray[np.float32] | None = None
    calibration: NDArray[np.float32] | None = None


def fit_reference(x: NDArray[np.float32], rng: np.random.Generator) -> Reference:
    """Sample landmarks from the rows of `x`, shape (n, features), and calibrate the scores on other rows.

    All rows of small data are landmarks. Then each of them is left out in turn and scored by the others.
    """
    return reference_of(x, *choose_rows(len(x), x.shape[1], rng))


def choose_rows(n_rows: int, width: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of landmarks, increasing, and of other rows on which scores are calibrated; `width` values are stored for a landmark.

    Examples
    --------
    >>> import numpy as np
    >>> landmarks, others = choose_rows(10_000, 100, np.random.default_rng(0))
    >>> len(landmarks), len(others)  # 240,000 values
    (2400, 4000)
    """
    order = rng.permutation(n_rows)
    size = min(n_rows, _MAX_LANDMARKS, max(_MAX_VALUES // width, _MIN_LANDMARKS))
    return np.sort(order[:size]), order[size : size + _MAX_CALIBRATION]


def reference_of(x: NDArray[np.float32], landmarks: NDArray[np.int64], others: NDArray[np.int64]) -> Reference:
    """Rows of `x` as landmarks, calibrated on others, or if these are too few, on the landmarks."""
    reference = _with_scales(x[landmarks])
    enough = len(others) >= len(landmarks) // 2
    return calibrated(reference, scores(reference, x[others]) if enough else _scores_left_out(reference.landmarks))


def subsample_reference(x: NDArray[np.float32], n_landmarks: int, rng: np.random.Generator) -> Reference:
    """Landmarks of the rows of `x` with their scales, not yet calibrated."""
    return _with_scales(x[np.sort(rng.permutation(len(x))[:n_landmarks])])


def calibrated(reference: Reference, held_out: NDArray[np.float64]) -> Reference:
    """The reference with a unit and a calibration from the scores of held-out cells, in any order.

    The unit is the score above which p-values are at most 0.01.
    """
    held_out = np.sort(held_out)
    unit = float(held_out[-max(1, int(_NOVEL * (len(held_out) + 1)))])
    unit = unit if unit >= _LIMITS.tiny else 1.0
    return replace(reference, unit=unit, calibration=_in_units(held_out, unit))


def novelty(reference: Reference, x: NDArray[np.float32], nearest: Nearest | None = None) -> NDArray[np.float32]:
    """Score of each row in units of the score that 1 % of the reference cells exceed.

    `nearest` are distances and indices of its nearest landmarks, if they are known.

    Examples
    --------
    >>> import numpy as np
    >>> reference = fit_reference(np.arange(100, dtype=np.float32)[:, None], np.random.default_rng(0))
    >>> [round(float(score), 1) for score in novelty(reference, np.array([[50.5], [1000.0]], np.float32))]
    [0.5, 114.5]
    """
    if not len(x):
        return np.empty(0, np.float32)
    return _in_units(scores(reference, x, nearest), reference.unit)


def p_values(reference: Reference, novelties: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Conformal p-values: the rank of each novelty among those of held-out reference cells; `None` without a calibration.

    Of cells that are exchangeable with the reference cells, a share of at most α has a p-value of at most α. Equal scores
    count as at least as novel.

    Examples
    --------
    >>> import numpy as np
    >>> reference = Reference(np.zeros((2, 1), np.float32), 1.0, calibration=np.array([0.1, 0.2, 0.2, 0.9], np.float32))
    >>> p_values(reference, np.array([0.05, 0.2, 0.5, 1.0], np.float32))
    array([1. , 0.8, 0.4, 0.2])
    """
    if reference.calibration is None:
        return None
    n = len(reference.calibration)
    n_higher = n - np.searchsorted(reference.calibration, novelties, side="left")
    return (1 + n_higher) / (1 + n)


def scores(reference: Reference, x: NDArray[np.float32], nearest: Nearest | None = None) -> NDArray[np.float64]:
    """Mean distance of each row to its nearest landmarks, divided by their mean scale if they have scales."""
    distances, found = nearest_of(reference, x) if nearest is None else nearest
    if reference.scales is None:
        return distances.mean(axis=1)
    scales = reference.scales.astype(np.float64)
    return _ratio(distances, scales[found].mean(axis=1), scales)


def nearest_of(reference: Reference, x: NDArray[np.float32] | None = None) -> Nearest:
    """Distances and indices of the landmarks by which rows, or the landmarks themselves, are scored, shape (n, 15)."""
    return nearest_landmarks(reference.landmarks, x, _N_NEAREST_BEFORE if reference.scales is None else _N_NEAREST)


def nearest_landmarks(landmarks: NDArray[np.float32], x: NDArray[np.float32] | None, k: int) -> Nearest:
    """Distances and indices of the nearest landmarks of each row of `x`, or of each landmark, itself excluded.

    Distances are computed again from the differences, so that those of a row do not depend on the rows beside it.
    """
    k = min(k, len(landmarks) - 1)
    found = _indices_of_nearest(landmarks, x, k)
    rows, distances = landmarks if x is None else x, np.empty(found.shape)
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        differences = landmarks[found[block]].astype(np.float64) - rows[block, None]
        distances[block] = np.sqrt(np.einsum("ijk,ijk->ij", differences, differences))
    return distances, found


def _indices_of_nearest(landmarks: NDArray[np.float32], x: NDArray[np.float32] | None, k: int) -> NDArray[np.int64]:
    if x is None or len(x) > _FEW_ROWS:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(landmarks).kneighbors(x, return_distance=False)
    distances = cdist(x, landmarks)
    nearest = np.argpartition(distances, k - 1, axis=1)[:, :k] if k else np.empty((len(x), 0), np.int64)
    return np.take_along_axis(nearest, np.take_along_axis(distances, nearest, axis=1).argsort(axis=1), axis=1)


def _with_scales(landmarks: NDArray[np.float32]) -> Reference:
    distances, _ = nearest_landmarks(landmarks, None, _N_NEAREST)
    return Reference(landmarks, 1.0, distances.mean(axis=1).astype(np.float32))


def _scores_left_out(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Score of each landmark by the others, in whose scales it does not count."""
    distances, found = nearest_landmarks(landmarks, None, _N_NEAREST + 1)
    k = min(_N_NEAREST, distances.shape[1])
    itself = found[found[:, :k]] == np.arange(len(landmarks))[:, None, None]
    # Of the nearest others of each neighbor, the first k without the cell that is left out.
    kept = ~itself & (np.cumsum(~itself, axis=2) <= k)
    sums = np.where(kept, distances[found[:, :k]], 0).sum(axis=2)
    scales = sums / np.maximum(kept.sum(axis=2), 1)
    return _ratio(distances[:, :k], scales.mean(axis=1), scales)


def _ratio(
    distances: NDArray[np.float64], nearby: NDArray[np.float64], scales: NDArray[np.float64]
) -> NDArray[np.float64]:
    smoothed = nearby + _SMOOTHING * float(scales.mean())
    return distances.mean(axis=1) / (smoothed if smoothed.all() else smoothed + 1.0)


def _in_units(values: NDArray[np.float64], unit: float) -> NDArray[np.float32]:
    return np.minimum(values / unit, _LIMITS.max).astype(np.float32)
