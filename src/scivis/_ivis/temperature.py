"""Calibrated probabilities of classes: temperature and least doubt, fitted on cells whose labels training has not seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .predict import score_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scivis.nn.supervision import Targets

    from .model import FittedIvis, LabelHead

# Cells to hold out; the least and the largest share of a class; and the largest number of cells. Below the least number,
# there is no calibration.
_WANTED, _MIN_SHARE, _MAX_SHARE, _MAX_CELLS, _MIN_CELLS = 300, 0.1, 0.2, 1000, 20
# Means and precisions of the priors on the logarithm of the temperature and on the log-odds of the doubt, which a few hundred
# cells do not determine. They describe what was found on all data sets of benchmarks/probability.py: temperatures of about 0.4
# to 1, as noise in the input makes the network cautious, and a doubt of mostly below a few percent.
_TEMPERATURE, _DOUBT = (-0.4, 20.0), (-5.0, 0.4)
# Bounds of the logarithm of the temperature and of the log-odds of the doubt.
_BOUNDS = ((-3.0, 3.0), (-9.0, 0.0))


class Calibration(NamedTuple):
    """The logits are divided by `temperature`. Then a part `doubt` of the probability is spread evenly over all classes."""

    temperature: float = 1.0
    doubt: float = 0.0


def hold_out_labels(targets: Targets | None, metric: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows whose labels training leaves out, in ascending order: a tenth of each class, of few cells up to a fifth.

    There are none if the loss does not give probabilities of exclusive classes, or if there are too few labels.
    """
    from scivis.nn.supervision import SOFTMAX

    if targets is None or metric not in SOFTMAX:
        return np.empty(0, np.int64)
    rows = rng.permutation(np.flatnonzero(targets.labeled))
    share = min(float(np.clip(_WANTED / len(rows), _MIN_SHARE, _MAX_SHARE)), _MAX_CELLS / len(rows))
    classes = _classes(targets, rows)
    chosen = [of_class[: int(share * len(of_class))] for of_class in (rows[classes == c] for c in np.unique(classes))]
    held_out = np.sort(np.concatenate(chosen))
    return held_out if len(held_out) >= _MIN_CELLS else held_out[:0]


def without_labels(targets: Targets | None, rows: NDArray[np.int64]) -> Targets | None:
    """The targets with these rows unlabeled."""
    if targets is None:
        return None
    labeled = targets.labeled.copy()
    labeled[rows] = False
    return replace(targets, labeled=labeled)


def calibrate_labels(
    fitted: FittedIvis, x: NDArray[np.float32], targets: Targets | None, held_out: NDArray[np.int64]
) -> tuple[FittedIvis, Calibration]:
    """The model with probabilities that are calibrated on the held-out cells, and how.

    `x` are the held-out cells as new ones would be, shape (held_out, features). The temperature divides weights and bias of
    the softmax layer and the doubt is a part of the unit and the origin of its predictions, so that nothing else is stored.
    """
    if fitted.head is None or targets is None or not len(held_out):
        return fitted, Calibration()
    scores = score_rows(fitted, fitted.head, x)
    calibration = fit_calibration(scores, _classes(targets, held_out))
    return replace(fitted, head=_calibrated_head(fitted.head, calibration)), calibration


def fit_calibration(probabilities: NDArray[np.floating], classes: NDArray[np.integer]) -> Calibration:
    """How the probabilities of a softmax have to be changed so that of the classes told with probability p, p are right.

    Temperature scaling (Guo et al., ICML 2017) alone does not describe errors of which the network is certain, as labels
    that are wrong. Both parameters minimize the cross-entropy between the probability of the most likely class and whether
    this is the true class. Whether it is, is not 1 or 0, but smoothed as by Platt (1999): if all of few cells are right, the
    next one may be wrong.

    Parameters
    ----------
    probabilities
        Shape (n, classes).
    classes
        Number of the true class of each row, shape (n,).

    Examples
    --------
    Of cells with a probability of 0.9, three in four are right: 0.9 becomes 0.75.

    >>> probabilities = np.tile([0.9, 0.1], (4000, 1))
    >>> calibration = fit_calibration(probabilities, np.arange(4000) % 4 == 0)
    >>> calibrated_certainty(probabilities[:1], calibration).round(2)
    array([0.75])
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    is_right = probabilities.argmax(axis=1) == classes
    n_right, n_wrong = int(is_right.sum()), int((~is_right).sum())
    truth = np.where(is_right, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))

    def loss(parameters: NDArray[np.float64]) -> float:
        p = calibrated_certainty(probabilities, Calibration(np.exp(parameters[0]), expit(parameters[1])))
        cross_entropy = -(truth * np.log(p) + (1 - truth) * np.log1p(-np.minimum(p, 1 - 1e-12))).sum()
        return float(cross_entropy) + _penalty(parameters)

    start = [_TEMPERATURE[0], _DOUBT[0]]
    log_temperature, doubt = minimize(loss, start, method="L-BFGS-B", bounds=_BOUNDS).x
    return Calibration(float(np.exp(log_temperature)), float(expit(doubt)))


def _penalty(parameters: NDArray[np.float64]) -> float:
    """Negative logarithm of the priors, without its constant."""
    priors = zip(parameters, (_TEMPERATURE, _DOUBT), strict=True)
    return float(sum(precision * (value - mean) ** 2 / 2 for value, (mean, precision) in priors))


def calibrated_certainty(probabilities: NDArray[np.floating], calibration: Calibration) -> NDArray[np.float64]:
    """Calibrated probability of the most likely class of each row, shape (n,)."""
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny, dtype=np.float64)) / calibration.temperature
    softened = 1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)
    return (1 - calibration.doubt) * softened + calibration.doubt / probabilities.shape[1]


def _classes(targets: Targets, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    values = targets.values[rows]
    return np.asarray(values if values.ndim == 1 else values.argmax(axis=1), np.int64)


def _calibrated_head(head: LabelHead, calibration: Calibration) -> LabelHead:
    from scivis.nn.supervision import build_head

    weights = head.network.get_weights()
    network = build_head(head.n_outputs, head.metric, weights[0].shape[0])
    network.set_weights([weight / np.float32(calibration.temperature) for weight in weights])
    unit, origin = 1 - calibration.doubt, calibration.doubt / head.n_outputs
    scale = np.repeat(np.array([[unit], [origin]], np.float32), head.n_outputs, axis=1)
    return replace(head, network=network, scale=scale)
