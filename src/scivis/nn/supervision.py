"""Labels: their validation and coding, the head that predicts them, and the loss of the predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import keras
import numpy as np
from keras import layers

from .losses import labeled_mean, row_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._distances import Tensor

SPARSE = "sparse_categorical_crossentropy"
# Losses by the activation of the head. All other losses take linear predictions.
SOFTMAX = (SPARSE, "categorical_crossentropy", "kl_divergence", "categorical_focal_crossentropy")
_SIGMOID = ("binary_crossentropy", "binary_focal_crossentropy")
# Losses of linear support-vector machines: a hinge loss with a penalty on the weights.
HINGES = ("categorical_hinge", "hinge", "squared_hinge")
CLASSIFICATION = (*SOFTMAX, *_SIGMOID, *HINGES)
# Losses of mutually exclusive classes with one column per class.
_ONE_HOT = (*SOFTMAX[1:], "categorical_hinge")
# Keras losses that compare whole batches or sequences instead of single rows.
_NOT_BY_ROW = ("dice", "tversky", "circle", "ctc")
# The name that Keras used when ivis was written.
_OLD_NAMES = {"logcosh": "log_cosh"}
# Losses that depend only on differences, so that unit and origin of the values can be chosen.
_DIFFERENCES = (
    "mae", "mean_absolute_error", "mse", "mean_squared_error", "log_cosh", "logcosh", "huber",
)  # fmt: skip
# Standard deviation to which values are scaled for these losses. Values with a smaller spread than the embedding can be
# fitted by contracting the embedding to a line; values with a larger spread are fitted by bending it
# (benchmarks/supervised.py).
_TARGET_SPREAD = 30.0
# Default factor of L2 penalties in Keras, as in ivis.
_L2 = 0.01


@dataclass(frozen=True, eq=False)
class Targets:
    """Validated and coded labels. Unlabeled rows have the value 0."""

    values: NDArray[np.int32] | NDArray[np.float32]  # class numbers, shape (n,), or values, shape (n, n_outputs)
    labeled: NDArray[np.bool_]  # whether each row has a label, shape (n,)
    n_outputs: int  # width of the prediction
    classes: NDArray[np.int64]  # codes of the classes in ascending order; empty if `values` are not class numbers

    def take(self, rows: NDArray[np.integer]) -> Targets:
        """Targets of some rows, with all classes. Raises if none of the rows is labeled."""
        _check_any_labeled(self.labeled[rows])
        return replace(self, values=self.values[rows], labeled=self.labeled[rows])


def make_targets(y: object, metric: str, n_rows: int) -> Targets:
    """Validate labels, code them for a loss, and find missing ones.

    NaN is a missing label. For the losses of classification, −1 is missing too, except for a hinge loss with the labels
    −1 and 1 only. A row with several values is unlabeled if one of them is missing.

    Parameters
    ----------
    y
        For `sparse_categorical_crossentropy`: codes of classes, shape (n,). For other losses of classification: zeros
        and ones, shape (n, classes). Otherwise numbers, shape (n,) or (n, targets). Targets are returned unchanged.
    metric
        Name of a Keras loss.
    n_rows
        Number of rows.

    Returns
    -------
    An object with the attributes `values`, `labeled` (whether each row has a label), `n_outputs` and `classes`.

    Raises
    ------
    ValueError
        If the number of labels is not `n_rows`, all labels are missing or equal, or the loss cannot use the values.

    Examples
    --------
    >>> targets = make_targets([3, 7, -1, 3], "sparse_categorical_crossentropy", 4)
    >>> targets.values, targets.labeled, targets.classes
    (array([0, 1, 0, 0], dtype=int32), array([ True,  True, False,  True]), array([3, 7]))
    """
    if isinstance(y, Targets):
        return y
    check_metric(metric)
    values = _as_columns(y, metric, n_rows)
    labeled: NDArray[np.bool_] = ~np.asarray(_is_missing(values, metric).any(axis=1))
    _check_any_labeled(labeled)
    if np.isinf(values[labeled]).any():
        msg = "The labels contain infinite values; mark missing ones with NaN."
        raise ValueError(msg)
    if metric == SPARSE:
        return _class_targets(values[:, 0], labeled)
    if metric in CLASSIFICATION:
        _check_indicators(values[labeled], metric)
    filled = np.where(labeled[:, None], values, 0).astype(np.float32)
    return Targets(filled, labeled, values.shape[1], np.empty(0, np.int64))


def check_metric(metric: object) -> None:
    """Raise unless a value is the name of a Keras loss of single rows, for classification the name in this module."""
    loss = _keras_loss(metric) if isinstance(metric, str) else None
    name = getattr(loss, "__name__", getattr(loss, "name", None))
    # The base class computes nothing.
    if name is None or type(loss) is keras.losses.Loss or name in _NOT_BY_ROW:
        known = (*CLASSIFICATION[:2], "mae")
        msg = f"supervision_metric={metric!r} is not the name of a Keras loss for single rows such as {known}."
        raise ValueError(msg)
    if name in CLASSIFICATION and name != metric:
        # The activation of the head depends on the name.
        msg = f"supervision_metric={metric!r} is another name of {name!r}: write that name."
        raise ValueError(msg)


def _keras_loss(metric: str) -> Any:
    try:
        return keras.losses.get(_OLD_NAMES.get(metric, metric))
    except (TypeError, ValueError):
        return None


def _as_columns(y: object, metric: str, n_rows: int) -> NDArray[np.float64]:
    """Labels as numbers, shape (n_rows, columns)."""
    try:
        values = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = "The labels are not numbers. Code them, for instance with sklearn.preprocessing.LabelEncoder."
        raise ValueError(msg) from error
    if values.ndim not in (1, 2) or len(values) != n_rows:
        msg = f"The labels have shape {values.shape}, but there are {n_rows} rows."
        raise ValueError(msg)
    values = values.reshape(n_rows, -1)
    if metric == SPARSE and values.shape[1] != 1:
        msg = (
            f"{SPARSE} takes one code per row, but the labels have shape {values.shape}; use categorical_crossentropy."
        )
        raise ValueError(msg)
    return values


def _is_missing(values: NDArray[np.float64], metric: str) -> NDArray[np.bool_]:
    is_nan = np.isnan(values)
    are_signs = metric in HINGES[1:] and set(np.unique(values[~is_nan])) <= {-1.0, 1.0}
    return is_nan | (values == -1) if metric in CLASSIFICATION and not are_signs else is_nan


def _check_any_labeled(labeled: NDArray[np.bool_]) -> None:
    if not labeled.any():
        msg = f"All {len(labeled)} labels are missing. Give at least some, or leave the labels out."
        raise ValueError(msg)


def _class_targets(codes: NDArray[np.float64], labeled: NDArray[np.bool_]) -> Targets:
    if (codes[labeled] != np.round(codes[labeled])).any():
        msg = f"{SPARSE} takes integers as labels; for measured values use supervision_metric='mae'."
        raise ValueError(msg)
    values = np.zeros(len(codes), np.int32)
    classes, values[labeled] = np.unique(codes[labeled].astype(np.int64), return_inverse=True)
    if len(classes) < 2:
        _fail_one_class(classes[0])
    return Targets(values, labeled, len(classes), classes)


def _check_indicators(values: NDArray[np.float64], metric: str) -> None:
    allowed = {-1.0, 0.0, 1.0} if metric in HINGES[1:] else {0.0, 1.0}
    if metric != "kl_divergence" and not set(np.unique(values)) <= allowed:
        msg = f"{metric} takes labels of zeros and ones, one column per class; these hold other values."
        raise ValueError(msg)
    if metric in _ONE_HOT and values.shape[1] < 2:
        msg = f"{metric} takes one column per class, but there is a single one; for codes there is {SPARSE}."
        raise ValueError(msg)
    if (values == values[0]).all():
        _fail_one_class(values[0].tolist())


def _fail_one_class(label: object) -> NoReturn:
    msg = f"All labels are {label}: there is nothing to tell apart. Give labels of at least two classes."
    raise ValueError(msg)


def value_scale(targets: Targets, metric: str, *, standardize: bool) -> NDArray[np.float32]:
    """Unit and origin in which each value is predicted, shape (2, n_outputs); 1 and 0 if the loss depends on them.

    Examples
    --------
    >>> targets = make_targets([1.0, 3.0, np.nan], "mae", 3)
    >>> value_scale(targets, "mae", standardize=True) * 30
    array([[ 1.],
           [60.]], dtype=float32)
    """
    if not standardize or metric not in _DIFFERENCES:
        return np.repeat(np.array([[1], [0]], np.float32), targets.n_outputs, axis=1)
    known = targets.values[targets.labeled]
    deviation = known.std(axis=0)
    return np.stack([np.where(deviation > 0, deviation, 1) / _TARGET_SPREAD, known.mean(axis=0)]).astype(np.float32)


def scale_targets(targets: Targets, scale: NDArray[np.float32]) -> Targets:
    """The targets in the unit and from the origin of :func:`value_scale`."""
    if targets.classes.size:
        return targets
    return replace(targets, values=((targets.values - scale[1]) / scale[0]).astype(np.float32))


def build_head(n_outputs: int, metric: str, n_components: int, seed: int = 0) -> keras.Model:
    """A Keras model of one layer that predicts labels from embeddings."""
    inputs = layers.Input((n_components,))
    outputs = layers.Dense(
        n_outputs,
        activation="softmax" if metric in SOFTMAX else "sigmoid" if metric in _SIGMOID else "linear",
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        kernel_regularizer=keras.regularizers.L2(_L2) if metric in HINGES else None,
        name="labels",
    )(inputs)
    return keras.Model(inputs, outputs, name=metric)


def supervised_loss(metric: str, y_true: Tensor, y_pred: Tensor, labeled: Tensor) -> Tensor:
    """Mean of a Keras loss over the labeled rows of a batch; 0 if there are none. See :func:`semi_supervised_loss`."""
    return labeled_mean(labeled > 0, row_loss(_OLD_NAMES.get(metric, metric))(y_true, y_pred))
