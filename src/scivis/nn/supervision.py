"""Learning from labels: what a supervised head predicts, and how well it does on the rows whose label is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers

from .losses import mean_over, row_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .losses import Tensor

SPARSE = "sparse_categorical_crossentropy"
# The last activation that makes a prediction what the loss expects; all other losses take plain numbers.
_ACTIVATIONS = {
    SPARSE: "softmax",
    "categorical_crossentropy": "softmax",
    "kl_divergence": "softmax",
    "categorical_focal_crossentropy": "softmax",
    "binary_crossentropy": "sigmoid",
    "binary_focal_crossentropy": "sigmoid",
}
# The linear support-vector machines: a hinge loss and a penalty on the weights.
HINGES = ("categorical_hinge", "hinge", "squared_hinge")
CLASSIFICATION = (*_ACTIVATIONS, *HINGES)
# Those of them that tell exclusive classes apart, which takes a column for each.
_EXCLUSIVE = ("categorical_crossentropy", "kl_divergence", "categorical_focal_crossentropy", "categorical_hinge")
# Keras losses that compare whole batches or sequences, not one row's prediction with its label.
_NOT_BY_ROW = ("dice", "tversky", "circle", "ctc")
# The name that Keras had for it when ivis was written.
_OLD_NAMES = {"logcosh": "log_cosh"}
# Losses that depend on differences only, so that the unit and the origin of the values are free.
_DIFFERENCES = (
    "mae", "mean_absolute_error", "mse", "mean_squared_error", "log_cosh", "logcosh", "huber",
)  # fmt: skip
# Standard deviation that values are given for these. Narrower than the map, they could be met by squeezing the map into
# a line along which they change; wider ones are met by bending it (benchmarks/supervised.py).
_SPREAD = 30.0
# Keras's own factor for L2, which ivis takes too.
_L2 = 0.01


@dataclass(frozen=True, eq=False)
class Targets:
    """What the head learns.

    Parameters
    ----------
    values
        Class numbers, shape (n,), int32, or numbers, shape (n, n_outputs), float32. Rows without a label hold zeros.
    labelled
        Which rows have a label, shape (n,).
    n_outputs
        Width of the prediction.
    classes
        The codes that the class numbers stand for, ascending; empty where `values` are not class numbers.
    """

    values: NDArray[np.int32] | NDArray[np.float32]
    labelled: NDArray[np.bool_]
    n_outputs: int
    classes: NDArray[np.int64]

    def take(self, rows: NDArray[np.integer]) -> Targets:
        """Targets of some rows, which keep all classes.

        Raises
        ------
        ValueError
            If none of these rows has a label.
        """
        _check_any(self.labelled[rows])
        return replace(self, values=self.values[rows], labelled=self.labelled[rows])


def make_targets(y: object, metric: str, n_rows: int) -> Targets:
    """Read labels as the loss needs them, and find those that are missing.

    Missing is NaN, for every loss. For the losses of classification −1 is missing too, unless the labels of a hinge
    loss are −1 and 1 and nothing else. Where a row has several values, one missing value makes the row missing.

    Parameters
    ----------
    y
        Codes of classes, shape (n,), for `sparse_categorical_crossentropy`; zeros and ones, shape (n, classes), for
        the other losses of classification; numbers, shape (n,) or (n, targets), otherwise.
    metric
        The name of a Keras loss.
    n_rows
        Number of rows to be labelled.

    Raises
    ------
    ValueError
        If `y` has another length, no label at all, a single class, or values that the loss cannot use.

    Examples
    --------
    >>> targets = make_targets([3, 7, -1, 3], "sparse_categorical_crossentropy", 4)
    >>> targets.values, targets.labelled, targets.classes
    (array([0, 1, 0, 0], dtype=int32), array([ True,  True, False,  True]), array([3, 7]))
    """
    if isinstance(y, Targets):
        return y
    check_metric(metric)
    values = _numbers(y, metric, n_rows)
    labelled: NDArray[np.bool_] = ~np.asarray(_missing(values, metric).any(axis=1))
    _check_any(labelled)
    if np.isinf(values[labelled]).any():
        msg = "The labels hold infinite values; mark missing ones with NaN."
        raise ValueError(msg)
    if metric == SPARSE:
        return _class_numbers(values[:, 0], labelled)
    if metric in CLASSIFICATION:
        _check_indicators(values[labelled], metric)
        _check_classes(values[labelled], metric)
    filled = np.where(labelled[:, None], values, 0).astype(np.float32)
    return Targets(filled, labelled, values.shape[1], np.empty(0, np.int64))


def _check_any(labelled: NDArray[np.bool_]) -> None:
    if not labelled.any():
        msg = f"All {len(labelled)} labels are missing. Give at least some, or leave the labels out."
        raise ValueError(msg)


def check_metric(metric: object) -> None:
    """Refuse what is not the name of a Keras loss, or a name by which the head would not know its activation."""
    name = _function_name(metric)
    if name is None or name in _NOT_BY_ROW:
        msg = (
            f"supervision_metric={metric!r} is not the name of a Keras loss for single rows such as "
            f"{(*CLASSIFICATION[:2], 'mae')}."
        )
        raise ValueError(msg)
    if name in CLASSIFICATION and name != metric:
        msg = f"supervision_metric={metric!r} is another name of {name!r}: write that."
        raise ValueError(msg)


def _function_name(metric: object) -> str | None:
    """What Keras calls the function behind a loss's short name, or its class's."""
    try:
        loss = _keras_loss(metric) if isinstance(metric, str) else None
    except (TypeError, ValueError):
        return None
    if type(loss) is keras.losses.Loss:  # the base class computes nothing
        return None
    return getattr(loss, "__name__", getattr(loss, "name", None))


def _keras_loss(metric: str) -> Any:
    return keras.losses.get(_OLD_NAMES.get(metric, metric))


def _numbers(y: object, metric: str, n_rows: int) -> NDArray[np.float64]:
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


def _missing(values: NDArray[np.float64], metric: str) -> NDArray[np.bool_]:
    missing = np.isnan(values)
    signs = metric in HINGES[1:] and set(np.unique(values[~missing])) <= {-1.0, 1.0}
    return missing | (values == -1) if metric in CLASSIFICATION and not signs else missing


def _class_numbers(codes: NDArray[np.float64], labelled: NDArray[np.bool_]) -> Targets:
    if (codes[labelled] != np.round(codes[labelled])).any():
        msg = f"{SPARSE} takes whole numbers as labels; for measured values use supervision_metric='mae'."
        raise ValueError(msg)
    classes, numbers = np.unique(codes[labelled].astype(np.int64), return_inverse=True)
    if len(classes) < 2:
        msg = f"All labels are {classes[0]}: there is nothing to tell apart."
        raise ValueError(msg)
    values = np.zeros(len(codes), np.int32)
    values[labelled] = numbers
    return Targets(values, labelled, len(classes), classes)


def _check_indicators(values: NDArray[np.float64], metric: str) -> None:
    allowed = {-1.0, 0.0, 1.0} if metric in HINGES[1:] else {0.0, 1.0}
    if metric != "kl_divergence" and not set(np.unique(values)) <= allowed:
        msg = f"{metric} takes labels of zeros and ones, one column per class; these hold other values."
        raise ValueError(msg)


def _check_classes(values: NDArray[np.float64], metric: str) -> None:
    if metric in _EXCLUSIVE and values.shape[1] < 2:
        msg = f"{metric} takes one column per class, but there is a single one; for codes there is {SPARSE}."
        raise ValueError(msg)
    if (values == values[0]).all():
        msg = f"All labels are {values[0].tolist()}: there is nothing to tell apart."
        raise ValueError(msg)


def value_scale(targets: Targets, metric: str, *, standardize: bool) -> NDArray[np.float32]:
    """Unit and origin of each value to be predicted, shape (2, n_outputs); 1 and 0 where the loss needs them as they are.

    Examples
    --------
    >>> targets = make_targets([1.0, 3.0, np.nan], "mae", 3)
    >>> value_scale(targets, "mae", standardize=True) * 30
    array([[ 1.],
           [60.]], dtype=float32)
    """
    if not standardize or metric not in _DIFFERENCES:
        return np.repeat(np.array([[1], [0]], np.float32), targets.n_outputs, axis=1)
    known = targets.values[targets.labelled]
    deviation = known.std(axis=0)
    return np.stack([np.where(deviation > 0, deviation, 1) / _SPREAD, known.mean(axis=0)]).astype(np.float32)


def scaled(targets: Targets, scale: NDArray[np.float32]) -> Targets:
    """The same targets in the unit and from the origin of :func:`value_scale`."""
    if targets.classes.size:
        return targets
    return replace(targets, values=((targets.values - scale[1]) / scale[0]).astype(np.float32))


def build_head(n_outputs: int, metric: str, n_components: int, seed: int = 0) -> keras.Model:
    """The layer that predicts from the embedding."""
    inputs = layers.Input((n_components,))
    outputs = layers.Dense(
        n_outputs,
        activation=_ACTIVATIONS.get(metric, "linear"),
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        kernel_regularizer=keras.regularizers.L2(_L2) if metric in HINGES else None,
        name="labels",
    )(inputs)
    return keras.Model(inputs, outputs, name=metric)


def supervised_loss(metric: str, y_true: Tensor, y_pred: Tensor, labelled: Tensor) -> Tensor:
    """Mean of a Keras loss over the labelled rows of a batch; 0 if there are none.

    ivis divides by all rows of the batch, so that the weight of its labels fades with the share of them.

    Examples
    --------
    >>> y, predicted = np.array([[1.0], [5.0], [0.0]], "float32"), np.array([[2.0], [8.0], [9.0]], "float32")
    >>> float(supervised_loss("mae", y, predicted, np.array([1.0, 1.0, 0.0], "float32")))  # (1 + 3) / 2
    2.0
    """
    return mean_over(labelled > 0, row_loss(_OLD_NAMES.get(metric, metric))(y_true, y_pred))
