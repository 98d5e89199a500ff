"""The ten triplet losses of ivis, losses that users register, and losses of labels of which some may be missing.

A triplet loss is called with `(y_true, y_pred)`, as in ivis: `y_pred` contains the embeddings of anchors, positives and
negatives, shape (3, batch, dims); `y_true` is not used. The ten losses return the mean over the batch. With the
distance `d` of the name, embeddings `a`, `p`, `n` of anchor, positive and negative, and the margin `m` (default 1):

- triplet: ``max(0, d(a, p) − d(a, n) + m)``
- pn: the mean of this and the same with the distance of the negative to the positive:
  ``½ Σ_{s ∈ {a, p}} max(0, d(a, p) − d(s, n) + m)``
- softmax ratio: with ``(s₁, s₂) = softmax(d(a, p), d(a, n))``, the mean deviation from (0, 1): ``½ (s₁ + 1 − s₂)``;
  the pn form uses ``min(d(a, n), d(p, n))`` as the second distance

Source: B. Szubert et al., Structure-preserving visualisation of high dimensional single-cell datasets,
Scientific Reports 9, 8914 (2019), and the documentation of ivis 2.0.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops

from ._distances import Tensor, chebyshev, cosine, euclidean, manhattan

IvisLoss = Callable[[Tensor, Tensor], Tensor]


class TripletLoss(ABC):
    """Base class of the triplet losses that :func:`triplet_loss` and `Ivis(distance=…)` accept.

    Parameters
    ----------
    name
        Name of the loss. Default: the name of the class.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name or type(self).__name__

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Mean over a batch of triplets, shape (3, batch, dims)."""
        return ops.mean(self.of(y_pred[0], y_pred[1], y_pred[2]))

    @abstractmethod
    def of(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss of each triplet, or each of its terms."""


class MarginLoss(TripletLoss):
    """The triplet loss: zero if the negative is farther from the anchor than the positive by at least the margin.

    Parameters
    ----------
    margin
        Smallest difference of the two distances without a loss, in units of the embedding. Default: 1, as in ivis.
    name
        Name of the loss. Default: the name of the class.

    Examples
    --------
    >>> import numpy as np
    >>> triplet = np.array([[[0, 0]], [[3, 4]], [[0, 1]]], "float32")  # the positive at distance 5, the negative at 1
    >>> float(EuclideanTripletLoss()(None, triplet)), float(EuclideanTripletLoss(margin=3)(None, triplet))
    (5.0, 7.0)
    """

    distance: Callable[[Tensor, Tensor], Tensor]

    def __init__(self, margin: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        self.margin = margin

    def of(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The hinge of each triplet."""
        return ops.relu(self.distance(anchor, positive) - self.distance(anchor, negative) + self.margin)


class PnLoss(MarginLoss):
    """The triplet loss, averaged over the distances of the negative to the anchor and to the positive."""

    def of(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The two hinges of each triplet."""
        to_negative = ops.stack([self.distance(anchor, negative), self.distance(positive, negative)])
        return ops.relu(self.distance(anchor, positive) - to_negative + self.margin)


class EuclideanTripletLoss(MarginLoss):
    """`distance="euclidean"`: the triplet loss of Euclidean distances."""

    distance = staticmethod(euclidean)


class EuclideanPnLoss(PnLoss):
    """`distance="pn"`: the pn loss of Euclidean distances."""

    distance = staticmethod(euclidean)


class ManhattanTripletLoss(MarginLoss):
    """`distance="manhattan"`: the triplet loss of Manhattan distances."""

    distance = staticmethod(manhattan)


class ManhattanPnLoss(PnLoss):
    """`distance="manhattan_pn"`: the pn loss of Manhattan distances."""

    distance = staticmethod(manhattan)


class ChebyshevTripletLoss(MarginLoss):
    """`distance="chebyshev"`: the triplet loss of Chebyshev distances."""

    distance = staticmethod(chebyshev)


class ChebyshevPnLoss(PnLoss):
    """`distance="chebyshev_pn"`: the pn loss of Chebyshev distances."""

    distance = staticmethod(chebyshev)


class CosineTripletLoss(MarginLoss):
    """`distance="cosine"`: the triplet loss of cosine distances."""

    distance = staticmethod(cosine)


class CosinePnLoss(PnLoss):
    """`distance="cosine_pn"`: the pn loss of cosine distances."""

    distance = staticmethod(cosine)


class EuclideanSoftmaxRatioLoss(TripletLoss):
    """`distance="softmax_ratio"`: deviation of the softmax of the two Euclidean distances from (0, 1)."""

    def of(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The ratio of each triplet."""
        return _softmax_ratio(euclidean(anchor, positive), euclidean(anchor, negative))


class EuclideanSoftmaxRatioPnLoss(TripletLoss):
    """`distance="softmax_ratio_pn"`: the softmax ratio with the smaller of the two distances of the negative."""

    def of(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The ratio of each triplet."""
        to_negative = ops.minimum(euclidean(anchor, negative), euclidean(positive, negative))
        return _softmax_ratio(euclidean(anchor, positive), to_negative)


def _softmax_ratio(to_positive: Tensor, to_negative: Tensor) -> Tensor:
    # softmax(x, y) = (σ(x − y), 1 − σ(x − y)), so that both elements deviate from (0, 1) by the same amount.
    return ops.sigmoid(to_positive - to_negative)


TRIPLET_LOSSES: dict[str, IvisLoss] = {
    "pn": EuclideanPnLoss(),
    "euclidean": EuclideanTripletLoss(),
    "manhattan_pn": ManhattanPnLoss(),
    "manhattan": ManhattanTripletLoss(),
    "chebyshev_pn": ChebyshevPnLoss(),
    "chebyshev": ChebyshevTripletLoss(),
    "cosine_pn": CosinePnLoss(),
    "cosine": CosineTripletLoss(),
    "softmax_ratio_pn": EuclideanSoftmaxRatioPnLoss(),
    "softmax_ratio": EuclideanSoftmaxRatioLoss(),
}


def register_loss(loss_fn: Any = None, *, name: str | None = None) -> Any:
    """Register a triplet loss under a name, so that `distance` can refer to it.

    Parameters
    ----------
    loss_fn
        Function with the signature `(y_true, y_pred)` of ivis, or a class whose instances are such functions. `y_pred`
        has shape (3, batch, dims) and contains anchors, positives and negatives; `y_true` is `None`. The result is
        averaged.
    name
        Name of the loss. An existing loss of that name is replaced, with a warning. Default: the name of the function.

    Returns
    -------
    `loss_fn`, so that the function can be used as a decorator.

    Raises
    ------
    ValueError
        If the name is `infonce`.

    Examples
    --------
    >>> from keras import ops
    >>> @register_loss(name="pull_only")
    ... def pull(y_true, y_pred):
    ...     return ops.sum(ops.square(y_pred[0] - y_pred[1]), axis=-1)
    >>> triplet_loss("pull_only") is pull  # and Ivis(distance="pull_only") trains with it
    True
    """
    if loss_fn is None:
        return partial(register_loss, name=name)
    key = name or loss_fn.__name__
    if key == "infonce":
        msg = "name='infonce' is the name of a loss of scivis; choose another name."
        raise ValueError(msg)
    if key in TRIPLET_LOSSES:
        warnings.warn(f"The loss {key!r} is replaced.", stacklevel=2)
    TRIPLET_LOSSES[key] = loss_fn(name=key) if isinstance(loss_fn, type) else loss_fn
    return loss_fn


def triplet_loss(distance: str | IvisLoss = "pn") -> IvisLoss:
    """The triplet loss of a name, as a function of `(y_true, y_pred)`.

    Parameters
    ----------
    distance
        Name of one of the ten losses of ivis or of a registered loss, or a callable, which is returned unchanged.
        Default: `pn`, as in ivis.

    Returns
    -------
    A function whose second argument has shape (3, batch, dims).

    Raises
    ------
    ValueError
        If there is no loss of that name.

    Examples
    --------
    >>> import numpy as np
    >>> triplet = np.array([[[0, 0]], [[3, 4]], [[0, 1]]], "float32")  # anchors, positives, negatives
    >>> float(triplet_loss("euclidean")(None, triplet))  # 5 − 1 + the margin
    5.0
    """
    if callable(distance):
        return distance
    if distance not in TRIPLET_LOSSES:
        msg = f"loss={distance!r} is not one of {sorted([*TRIPLET_LOSSES, 'infonce'])}; see scivis.nn.register_loss."
        raise ValueError(msg)
    return TRIPLET_LOSSES[distance]


def try_loss(loss: IvisLoss, embedding_dims: int) -> None:
    """Call a loss once, as training does, so that an unusable function is named before any data are read."""
    try:
        ops.mean(loss(None, ops.zeros((3, 4, embedding_dims))))
    except Exception as error:  # a function of the user may raise anything
        msg = (
            f"loss={getattr(loss, '__name__', loss)!r} fails: {error}. A loss is a function of (y_true, y_pred) in operations of "
            "keras.ops; y_pred has shape (3, batch, dims) and holds anchors, positives and negatives."
        )
        raise ValueError(msg) from error


def semi_supervised_loss(loss_function: str | Callable[[Tensor, Tensor], Tensor]) -> IvisLoss:
    """A loss of labels that is averaged over the labeled rows of a batch.

    For Keras models of the user: :class:`scivis.Ivis` does this for every loss. ivis divides by the number of all rows,
    so that the labels have less weight the fewer they are.

    Parameters
    ----------
    loss_function
        Name of a Keras loss, or a function of `(y_true, y_pred)` that returns one loss per row.

    Returns
    -------
    A function of `(y_true, y_pred)`. Rows that contain −1 in `y_true` are unlabeled. The loss is 0 if all rows are.

    Examples
    --------
    >>> import numpy as np
    >>> y_true = np.array([[1], [5], [-1]], "float32")
    >>> y_pred = np.array([[2], [8], [9]], "float32")
    >>> float(semi_supervised_loss("mae")(y_true, y_pred))  # (1 + 3) / 2
    2.0
    """
    loss = row_loss(loss_function)

    def masked(y_true: Tensor, y_pred: Tensor) -> Tensor:
        is_missing = ops.equal(y_true, -1)
        labeled = ops.logical_not(ops.any(ops.reshape(is_missing, (ops.shape(is_missing)[0], -1)), axis=1))
        # Class numbers are indices of predictions, for which −1 is invalid.
        return labeled_mean(labeled, loss(ops.where(is_missing, ops.zeros_like(y_true), y_true), y_pred))

    return masked


def row_loss(loss: str | Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A Keras loss that returns one number per row instead of their mean."""
    found: Any = keras.losses.get(loss)
    return found.call if isinstance(found, keras.losses.Loss) else found


def labeled_mean(labeled: Tensor, per_row: Tensor) -> Tensor:
    """Mean over the labeled rows; 0 if there are none."""
    # Not a product with `labeled`: the loss of an unlabeled row may be infinite.
    losses = ops.where(labeled, per_row, 0.0)
    return ops.sum(losses) / ops.maximum(ops.sum(ops.cast(labeled, losses.dtype)), 1.0)
