"""Which of several embeddings to show for a question, how sure this is, and what not to read off it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .estimates import ASPECTS
from .resampling import interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .estimates import Estimate

# For each purpose the measure that decides, the question, and how a sentence says the value.
_PURPOSES = {
    "neighbors": ("recall", "similar cells", "keeps {value} of the {k} nearest neighbors of a cell"),
    "layout": ("triplets", "the arrangement of cells and groups", "shows for {value} of triplets which cell is nearer"),
    "density": ("density", "dense and sparse regions", "ranks the density around cells with a correlation of {value}"),
    "labels": ("accuracy", "the separation of classes", "has the class of {value} of cells right, by their neighbors"),
}
# What is not to be read off a map with a low value of a measure.
_CAUTIONS = {
    "recall": "Do not read off which cells are nearest: {value} of the {k} nearest neighbors are right.",
    "trustworthiness": "Do not take cells that lie together for similar: the trustworthiness is {value}, by chance {chance}.",
    "continuity": "Do not take cells that lie apart for different: the continuity is {value}, by chance {chance}.",
    "density": "Do not read off where cells are dense: the correlation with the density in the data is {value}.",
    "triplets": "Do not read off which of two cells is nearer to a third: {value} of triplets are right, by chance {chance}.",
    "spearman": "Do not read off distances: their rank correlation with those in the data is {value}.",
    "accuracy": "Do not take the class of a cell from its place: {value} are right, by chance {chance}.",
    "centroids_spearman": "Do not read off which classes are alike: the rank correlation of the distances between them is "
    "{value}, by chance {chance}.",
}
_SHARES = ("recall", "triplets", "accuracy")
# A measure that is less than half of the way from chance to a perfect map is not to be read.
_HALFWAY = 0.5


@dataclass(frozen=True)
class Advice:
    """Advice for one purpose.

    Parameters
    ----------
    show
        Name of the embedding to show; empty if none is better than chance.
    other
        The next best.
    difference, low, high
        Difference between both in the measure that decides, and its 95 % interval.
    sure
        Whether this interval is above zero.
    text
        The advice as a sentence or two.
    cautions
        What not to read off the embedding to show, in sentences.
    """

    show: str
    other: str
    difference: float
    low: float
    high: float
    sure: bool
    text: str
    cautions: tuple[str, ...]


def advise(estimates: Sequence[Estimate], purpose: str, untrusted: Mapping[str, float] | None = None) -> Advice | None:
    """The embedding with the best value of the measure that decides for a purpose, compared with the next best.

    The measures are the share of the nearest neighbors kept, for the smallest k, for `neighbors`; triplets for `layout`; the
    correlation of densities, for the smallest k, for `density`; and the accuracy for `labels`. The difference is compared with its error in the same
    resamples of cells or triplets (paired bootstrap). `None` if the measure is not there, or for fewer than two embeddings.

    `untrusted` holds for each embedding the share of cells whose place is no better than chance.
    """
    measure, question, says = _PURPOSES[purpose]
    found = sorted(_of_smallest_k(estimates, measure), key=lambda one: one.value, reverse=True)
    if len(found) < 2:
        return None
    best, other = found[:2]
    difference = best.value - other.value
    low, high = interval(difference, best.resampled - other.resampled)
    row, sure, kept = best.row(), low > 0, says.format(value=_number(best, best.value), k=best.k)
    if row.low <= best.chance:
        text = f"For {question}, show none of the maps: {_name(best)} {kept}, which is no better than chance ({_number(best, best.chance)})."
        return Advice("", best.basis, difference, low, high, sure=False, text=text, cautions=())
    span, gap = (f"{_number(best, a)} to {_number(best, b)}" for a, b in ((row.low, row.high), (low, high)))
    verdict = "larger than its error" if sure else "not larger than its error: either can be shown"
    text = (
        f"For {question}, show {_name(best)}: it {kept} (95 % interval {span}), {_name(other)} {_number(other, other.value)}. "
        f"The difference, {_number(best, difference)} ({gap}), is {verdict}."
    )
    cautions = _cautions(estimates, best.basis, (untrusted or {}).get(best.basis, 0.0))
    return Advice(best.basis, other.basis, difference, low, high, sure=sure, text=text, cautions=cautions)


def _of_smallest_k(estimates: Sequence[Estimate], measure: str) -> list[Estimate]:
    """Estimates of one measure that are not NaN, for the smallest number of neighbors."""
    found = [one for one in estimates if one.measure == measure and np.isfinite(one.value)]
    return [one for one in found if one.k == min(some.k for some in found)]


def _cautions(estimates: Sequence[Estimate], basis: str, untrusted: float) -> tuple[str, ...]:
    """Sentences on what the embedding keeps less than half of, relative to chance."""
    found = []
    for measure in (name for name in ASPECTS if name in _CAUTIONS):
        for one in _of_smallest_k([some for some in estimates if some.basis == basis], measure):
            if one.value - one.chance < _HALFWAY * (1 - one.chance):
                numbers = {"value": _number(one, one.value), "chance": _number(one, one.chance), "k": one.k}
                found.append(_CAUTIONS[measure].format(**numbers))
    if untrusted:
        found.append(f"Do not read the places of {_percent(untrusted)} of the cells, which are no better than chance.")
    return tuple(found)


def _number(one: Estimate, value: float) -> str:
    """A share in percent, or another value with two decimals."""
    return _percent(value) if one.measure in _SHARES else f"{value:.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _name(one: Estimate) -> str:
    return one.basis.removeprefix("X_")
