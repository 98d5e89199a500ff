"""One verdict on a query: whether it holds cells that do not belong to the reference, and of what kind they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ._novelty import nearest_landmarks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._novelty import Reference

Kind = Literal["none", "population", "group", "shift", "scattered"]
# Cells with a p-value of at most this are counted as strangers.
LEVEL = 0.01
# By what share of the cells strangers must exceed the level (less if they lie together), and how improbable this must be.
_EXCESS_TOGETHER, _EXCESS_APART, _SIGNIFICANCE = 0.005, 0.02, 0.02
# In a query like the reference, a tenth of the cells have a p-value of at most 0.1, wherever one looks. The query has shifted if
# twice this share is exceeded around three quarters of its cells.
_SHIFT_LEVEL, _SHIFTED, _QUANTILE = 0.1, 0.2, 0.25
# Cells whose spread is below this share of that of the reference are of one kind. Leaving out types one at a time, and shifting
# queries of all types: single types have 0.02 to 0.54 (once 0.97), queries of all types 0.85 and more.
_ONE_KIND = 0.5
# How many times the spread of its shifted cells a query has at most, if it holds no cells of other kinds.
_SAME = 2
# Largest number of rows by which a spread is estimated.
_MAX_SPREAD = 1000
# Number of nearest cells of the query around a cell, and around a stranger; and the share of strangers among them that makes
# strangers a population.
_N_AROUND, _N_NEAREST, _GATHERED = 20, 10, 0.25


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a query is, compared with its reference.

    Parameters
    ----------
    kind
        `none`: nothing unusual. `population`: strangers lie together, as cells of a type do that the reference lacks.
        `group`: the whole query is of one kind and unlike the reference, which a type that the reference lacks has in common
        with a type in another batch. `shift`: cells of all kinds are unlike the reference, as in another batch. `scattered`:
        strangers are spread over the query.
    share
        Share of the cells with a p-value of at most 0.01.
    excess
        Estimate of the share of cells that do not belong to the reference, from the excess over 1 %.
    gathered
        Mean share of strangers among the nearest cells of the query to a stranger.
    shifted
        Share of cells with a p-value of at most 0.1 among the nearest cells of the query, which is exceeded around three
        quarters of the cells.
    spread
        Spread of the cells of the query relative to that of the reference, see :func:`spread_relative_to`.
    difference
        Mean difference of the strangers (for a group or a shift: of all cells) from their nearest landmarks, shape (features,).
    """

    kind: Kind
    share: float
    excess: float
    gathered: float
    shifted: float
    spread: float
    difference: NDArray[np.float32]


def judge(reference: Reference, p: NDArray[np.float64], x: NDArray[np.float32], p_of_x: NDArray[np.float64]) -> Verdict:
    """The verdict on a query with p-values `p`, from a sample of its rows `x`, shape (n, features), and their p-values."""
    share, strange = float((p <= LEVEL).mean()), p_of_x <= LEVEL
    around = _nearest_cells(x)
    gathered = float(strange[around[strange, :_N_NEAREST]].mean()) if strange.any() and around.size else 0.0
    shifted = float(np.quantile((p_of_x <= _SHIFT_LEVEL)[around].mean(axis=1), _QUANTILE)) if around.size else 0.0
    spread, spread_shifted = (spread_relative_to(reference.landmarks, part) for part in (x, x[p_of_x <= _SHIFT_LEVEL]))
    whole = _kind_of_all(shifted, spread, spread_shifted)
    is_chance = _is_chance(reference, int((p <= LEVEL).sum()), len(p))
    kind = whole or _kind_of_some(share, gathered, is_chance=is_chance)
    difference = _difference(reference.landmarks, x if whole else x[strange])
    return Verdict(kind, share, max(0.0, (share - LEVEL) / (1 - LEVEL)), gathered, shifted, spread, difference)


def spread_relative_to(reference: NDArray[np.float32], x: NDArray[np.float32]) -> float:
    """Variance of the rows of `x` relative to that of the reference, mostly along the directions in which the latter varies.

    With the covariances R and X, this is tr(RX) / tr(RR): 1 for the types of the reference, whatever the shift between them,
    and small for one type, as the directions of largest variance separate types.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    >>> round(spread_relative_to(x, x + 7), 3), round(spread_relative_to(x, x / 2), 3)
    (1.0, 0.25)
    """
    if len(x) < 2:
        return 1.0
    # tr(RX) is the sum of squares of the products of all rows of both; covariances take as much memory as features squared.
    centered, of_x = (_few(rows).astype(np.float64) - rows.mean(axis=0) for rows in (reference, x))
    own, other = (float(np.square(rows @ centered.T).mean()) for rows in (centered, of_x))
    return other / own if own > 0 else 1.0


def _few(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return x[:: -(-len(x) // _MAX_SPREAD)]


def _kind_of_all(shifted: float, spread: float, spread_shifted: float) -> Kind | None:
    """The kind of a query that is unlike the reference as a whole; `None` for others."""
    if shifted <= _SHIFTED:
        return None
    if spread_shifted >= _ONE_KIND:
        return "shift"
    # Where cells of one kind are unlike the reference and cells of other kinds are not, the former are a population.
    return "group" if spread < min(_ONE_KIND, _SAME * spread_shifted) else None


def _kind_of_some(share: float, gathered: float, *, is_chance: bool) -> Kind:
    if gathered > _GATHERED and share > LEVEL + _EXCESS_TOGETHER and not is_chance:
        return "population"
    return "scattered" if share > LEVEL + _EXCESS_APART and not is_chance else "none"


def _is_chance(reference: Reference, n_strange: int, n: int) -> bool:
    """Whether as many strangers are not improbable among `n` cells like those of the reference."""
    from scipy.stats import binom

    n_calibration = 1 if reference.calibration is None else len(reference.calibration)
    # The level of the calibration is itself an estimate.
    level = LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / n_calibration)
    return bool(binom.sf(n_strange - 1, n, min(level, 1.0)) > _SIGNIFICANCE)


def _difference(landmarks: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean difference of rows from their nearest landmarks, shape (features,)."""
    if not len(x):
        return np.zeros(landmarks.shape[1], np.float32)
    nearest = nearest_landmarks(landmarks, x, _N_NEAREST)[1]
    # One neighbor after the other, so that the coordinates of all of them are never in memory at once.
    nearby = np.mean([landmarks[found].mean(axis=0) for found in nearest.T], axis=0)
    return (x.mean(axis=0) - nearby).astype(np.float32)


def _nearest_cells(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """Indices of the nearest other rows of each row, nearest first, shape (n, up to 20)."""
    from sklearn.neighbors import NearestNeighbors

    k = min(_N_AROUND, len(x) - 1)
    if not k:
        return np.empty((len(x), 0), np.int64)
    return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x).kneighbors(return_distance=False)
