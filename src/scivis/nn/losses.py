"""The losses of ivis: ten of triplets, those that a user registers, and losses of labels that may be missing.

A loss of triplets takes `(y_true, y_pred)`, as ivis calls it: `y_pred` holds the embeddings of anchors, positives and
negatives, shape (3, batch, dims), and `y_true` is not used. The ten return the mean over the batch. `d` is the named
distance, `a`, `p`, `n` the three embeddings, `m` the margin, 1 unless said otherwise:

- triplet: ``max(0, d(a, p) − d(a, n) + m)``
- pn: the same with the negative's distance to the positive as a second term, averaged:
  ``½ Σ_{s ∈ {a, p}} max(0, d(a, p) − d(s, n) + m)``
- softmax ratio: ``(s₁, s₂) = softmax(d(a, p), d(a, n))`` should be (0, 1): ``½ (s₁ + 1 − s₂)``;
  its pn form takes ``min(d(a, n), d(p, n))`` for the second distance.

Source: B. Szubert et al., Structure-preserving visualisation of high dimensional single-cell datasets,
Scientific Reports 9, 8914 (2019), and the ivis 2.0 documents.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops

from ._distances import chebyshev, cosine, euclidean, manhattan

Tensor = Any
IvisLoss = Callable[[Tensor, Tensor], Tensor]


class TripletLoss(ABC):
    """A loss of triplets that :func:`triplet_loss` and `Ivis(distance=…)` take.

    Parameters
    ----------
    name
        What to call it; by default the name of its class.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name or type(self).__name__

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Mean over the triplets of a batch, of shape (3, batch, dims)."""
        return ops.mean(self.of(y_pred[0], y_pred[1], y_pred[2]))

    @abstractmethod
    def of(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss of each triplet, or of each of its terms."""


class MarginLoss(TripletLoss):
    """The triplet loss: how much nearer to the anchor than the negative, less a margin, the positive is not.

    Parameters
    ----------
    margin
        By how much the negative is to be farther than the positive, in units of the map.
    name
        What to call it; by default the name of its class.

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
    """The triplet loss, averaged over the negative's distance to the anchor and to the positive."""

    def of(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Two hinges of each triplet."""
        far = ops.stack([self.distance(anchor, negative), self.distance(positive, negative)])
        return ops.relu(self.distance(anchor, positive) - far + self.margin)


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
    """`distance="softmax_ratio"`: how far the softmax of the two distances is from (0, 1)."""

    def of(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The ratio of each triplet."""
        return _ratio(euclidean(anchor, positive), euclidean(anchor, negative))


class EuclideanSoftmaxRatioPnLoss(TripletLoss):
    """`distance="softmax_ratio_pn"`: the softmax ratio with the smaller of the negative's two distances."""

    def of(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The ratio of each triplet."""
        far = ops.minimum(euclidean(anchor, negative), euclidean(positive, negative))
        return _ratio(euclidean(anchor, positive), far)


def _ratio(near: Tensor, far: Tensor) -> Tensor:
    # softmax(near, far) = (σ(near − far), 1 − σ(near − far)): both halves are off by the same amount.
    return ops.sigmoid(near - far)


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
    """Make a loss of your own known by name.

    Parameters
    ----------
    loss_fn
        A function, or a class whose instances are called, with ivis's signature `(y_true, y_pred)`: `y_pred`
        has shape (3, batch, dims) and holds anchors, positives and negatives; `y_true` is `None`. What it returns is
        averaged.
    name
        Its name; by default the function's own. A name in use is replaced, with a warning.

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
        msg = "name='infonce' is taken by a loss over whole batches; choose another name."
        raise ValueError(msg)
    if key in TRIPLET_LOSSES:
        warnings.warn(f"The loss {key!r} is replaced.", stacklevel=2)
    TRIPLET_LOSSES[key] = loss_fn(name=key) if isinstance(loss_fn, type) else loss_fn
    return loss_fn


def triplet_loss(distance: str | IvisLoss = "pn") -> IvisLoss:
    """The loss called `distance`, as a function of `(y_true, y_pred)`; a callable is returned as it is.

    Parameters
    ----------
    distance
        The name of one of the ten losses or of one that was registered, or a callable.

    Raises
    ------
    ValueError
        If no loss has that name.

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


def semi_supervised_loss(loss_function: str | Callable[[Tensor, Tensor], Tensor]) -> IvisLoss:
    """A loss of labels, averaged over those rows of a batch that have one.

    For Keras models of your own: scivis itself does this under every loss. ivis divides by all rows, so that fewer
    labels weigh less.

    Parameters
    ----------
    loss_function
        The name of a Keras loss, or a function of `(y_true, y_pred)` that gives a loss for each row.

    Returns
    -------
    A function of `(y_true, y_pred)`. Rows with −1 among their labels have none; if no row has one, it is 0.

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
        missing = ops.equal(y_true, -1)
        labelled = ops.logical_not(ops.any(ops.reshape(missing, (ops.shape(missing)[0], -1)), axis=1))
        # Class numbers are looked up, and −1 is none.
        return mean_over(labelled, loss(ops.where(missing, ops.zeros_like(y_true), y_true), y_pred))

    return masked


def row_loss(loss: str | Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss as Keras knows it, giving a number for each row instead of their mean."""
    found: Any = keras.losses.get(loss)
    return found.call if isinstance(found, keras.losses.Loss) else found


def mean_over(labelled: Tensor, per_row: Tensor) -> Tensor:
    """Mean over the labelled rows; 0 if there are none."""
    # Chosen, not multiplied: a missing row's loss may be infinite.
    known = ops.where(labelled, per_row, 0.0)
    return ops.sum(known) / ops.maximum(ops.sum(ops.cast(labelled, known.dtype)), 1.0)
