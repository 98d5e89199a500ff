"""How far a cell lies from the cells that a model was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Cells kept with the model, and the memory they may take: wide inputs keep fewer.
_MAX_LANDMARKS, _MAX_VALUES = 2000, 1_000_000
_NEAREST = 5
_QUANTILE = 0.99


@dataclass(frozen=True, eq=False)
class Reference:
    """A sample of the fitted cells, and how near to it the others are.

    Parameters
    ----------
    landmarks
        Cells × features.
    unit
        The distance that 99 % of the fitted cells do not exceed.
    """

    landmarks: NDArray[np.float32]
    unit: float


def fit_reference(x: NDArray[np.float32], rng: np.random.Generator) -> Reference:
    """Choose landmarks among the rows of `x`, and measure the other rows' distances to them.

    All rows of small data are landmarks; there, each row is measured against the others.
    """
    size = min(len(x), _MAX_LANDMARKS, max(_MAX_VALUES // x.shape[1], 2 * _NEAREST))
    order = rng.permutation(len(x))
    landmarks = x[np.sort(order[:size])]
    others = x[order[size : size + _MAX_LANDMARKS]]
    distances = _distances(landmarks, others if len(others) >= size // 2 else None)
    unit = float(np.quantile(distances, _QUANTILE))
    return Reference(landmarks, unit if unit > 0 else 1.0)


def novelty(reference: Reference, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean distance of each row to its five nearest landmarks, in units of the reference's 99th percentile.

    Up to 1: as near to the reference as 99 % of its own cells. 2: twice as far as that.

    Examples
    --------
    >>> import numpy as np
    >>> reference = fit_reference(np.arange(100, dtype=np.float32)[:, None], np.random.default_rng(0))
    >>> [round(float(score), 2) for score in novelty(reference, np.array([[50.5], [1000.0]], np.float32))]
    [0.43, 301.0]
    """
    if not len(x):
        return np.empty(0, np.float32)
    return (_distances(reference.landmarks, x) / reference.unit).astype(np.float32)


def _distances(landmarks: NDArray[np.float32], x: NDArray[np.float32] | None) -> NDArray[np.float32]:
    from sklearn.neighbors import NearestNeighbors

    k = min(_NEAREST, len(landmarks) - 1)
    return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(landmarks).kneighbors(x)[0].mean(axis=1)
