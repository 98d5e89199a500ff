"""A measure of an embedding with its error, and the row of the card that it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .resampling import interval, resampled_means

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]

# Aspect of each measure, in the order of the rows of the card.
ASPECTS = {
    "recall": "local", "trustworthiness": "local", "continuity": "local", "density": "density", "triplets": "global",
    "spearman": "global", "pearson": "global", "accuracy": "labels", "silhouette": "labels",
    "nearest_classes": "labels", "centroids_pearson": "labels", "centroids_spearman": "labels", "ilisi": "batches", "kbet": "batches",
}  # fmt: skip


class Measure(NamedTuple):
    """A row of the card. `k` is 0 without a number of neighbors, and `p` is NaN without a test.

    `low` and `high` are the 95 % interval, and `chance` is the value of a map whose rows are in random order.
    """

    basis: str
    aspect: str
    measure: str
    k: int
    value: float
    low: float
    high: float
    chance: float
    p: float


@dataclass(frozen=True, eq=False)
class Estimate:
    """A measure of one embedding, with its values in the resamples, shape (resamples,), which all embeddings share."""

    basis: str
    measure: str
    value: float
    resampled: Matrix
    k: int = 0
    chance: float = 0.0
    p: float = np.nan

    def row(self) -> Measure:
        """Row of the card."""
        low, high = interval(self.value, self.resampled)
        aspect = ASPECTS[self.measure]
        return Measure(self.basis, aspect, self.measure, self.k, self.value, low, high, self.chance, self.p)


class Terms(NamedTuple):
    """A measure, and how much each cell, or each triplet, moves it."""

    basis: str
    measure: str
    value: float
    terms: Matrix
    k: int = 0
    chance: float = 0.0


def resample(measured: Iterable[Terms], rng: np.random.Generator) -> Iterator[Estimate]:
    """Measures with their values in the same resamples of what their terms belong to."""
    measured = list(measured)
    moved = resampled_means(np.column_stack([one.terms for one in measured]), rng)
    for one, values in zip(measured, moved.T, strict=True):
        yield Estimate(one.basis, one.measure, one.value, one.value + values, one.k, one.chance)


def mean_terms(
    basis: str, measure: str, values: Matrix | NDArray[np.bool_], *, k: int = 0, chance: float = 0.0
) -> Terms:
    """A measure that is a mean over cells or triplets."""
    value = float(np.mean(values))
    return Terms(basis, measure, value, values - value, k, chance)
