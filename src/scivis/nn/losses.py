"""The triplet losses of ivis, as functions of (anchor, positive, negative).

Each takes three tensors of shape (batch, dims) and returns the mean over the batch. `d` is the named distance,
`a`, `p`, `n` the three embeddings; the margin is 1.

- triplet: ``max(0, d(a, p) − d(a, n) + 1)``
- pn: the same with the negative's distance to the positive as a second term, averaged:
  ``½ Σ_{s ∈ {a, p}} max(0, d(a, p) − d(s, n) + 1)``
- softmax ratio: ``(s₁, s₂) = softmax(d(a, p), d(a, n))`` should be (0, 1): ``½ (s₁ + 1 − s₂)``;
  its pn form takes ``min(d(a, n), d(p, n))`` for the second distance.

Source: B. Szubert et al., Structure-preserving visualisation of high dimensional single-cell datasets,
Scientific Reports 9, 8914 (2019), and the ivis 2.0 documents.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from keras import ops

Tensor = Any
Distance = Callable[[Tensor, Tensor], Tensor]
TripletLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
IvisLoss = Callable[[Tensor, Tensor], Tensor]

MARGIN = 1.0
# Keeps the gradient of a square root finite where two embeddings coincide.
_EPSILON = 1e-7


def euclidean(x: Tensor, y: Tensor) -> Tensor:
    """Length of the difference of each pair of rows."""
    return ops.sqrt(ops.maximum(ops.sum(ops.square(x - y), axis=-1), _EPSILON))


def manhattan(x: Tensor, y: Tensor) -> Tensor:
    """Sum of absolute differences of each pair of rows."""
    return ops.sum(ops.abs(x - y), axis=-1)


def chebyshev(x: Tensor, y: Tensor) -> Tensor:
    """Largest absolute difference of each pair of rows."""
    return ops.max(ops.abs(x - y), axis=-1)


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """One minus the cosine of the angle between each pair of rows."""
    return 1.0 - ops.sum(_unit(x) * _unit(y), axis=-1)


def _unit(x: Tensor) -> Tensor:
    # Not ops.normalize: its gradient at zero is not a number under JAX.
    return x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=-1, keepdims=True), _EPSILON**2))


def triplet(distance: Distance, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Hinge on how much nearer the positive is to the anchor than the negative is."""
    near = distance(anchor, positive)
    return ops.mean(ops.relu(near - distance(anchor, negative) + MARGIN))


def pn(distance: Distance, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """The triplet hinge, averaged over the negative's distance to the anchor and to the positive."""
    near = distance(anchor, positive)
    far = ops.stack([distance(anchor, negative), distance(positive, negative)])
    return ops.mean(ops.relu(near - far + MARGIN))


def softmax_ratio(anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Distance of the softmax of (near, far) from (0, 1)."""
    return _ratio(euclidean(anchor, positive), euclidean(anchor, negative))


def softmax_ratio_pn(anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """The softmax ratio with the smaller of the negative's two distances."""
    far = ops.minimum(euclidean(anchor, negative), euclidean(positive, negative))
    return _ratio(euclidean(anchor, positive), far)


def _ratio(near: Tensor, far: Tensor) -> Tensor:
    # softmax(near, far) = (σ(near − far), 1 − σ(near − far)): both halves are off by the same amount.
    return ops.mean(ops.sigmoid(near - far))


TRIPLET_LOSSES: dict[str, TripletLoss] = {
    "pn": partial(pn, euclidean),
    "euclidean": partial(triplet, euclidean),
    "manhattan_pn": partial(pn, manhattan),
    "manhattan": partial(triplet, manhattan),
    "chebyshev_pn": partial(pn, chebyshev),
    "chebyshev": partial(triplet, chebyshev),
    "cosine_pn": partial(pn, cosine),
    "cosine": partial(triplet, cosine),
    "softmax_ratio_pn": softmax_ratio_pn,
    "softmax_ratio": softmax_ratio,
}


def _adapt(loss: IvisLoss) -> TripletLoss:
    """A loss with ivis's signature, `(y_true, y_pred[3, batch, dims])`, as a function of three embeddings."""
    return lambda a, p, n: ops.mean(loss(None, ops.stack([a, p, n])))


def register_loss(loss: Any = None, *, name: str | None = None) -> Any:
    """Make a loss of your own known by name.

    Parameters
    ----------
    loss
        A function, or a class whose instances are called, with ivis's signature `(y_true, y_pred)`: `y_pred`
        has shape (3, batch, dims) and holds anchors, positives and negatives; `y_true` is `None`.
    name
        Its name; by default the function's own. A name in use is replaced, with a warning.

    Examples
    --------
    >>> from keras import ops
    >>> @register_loss(name="pull_only")
    ... def pull(y_true, y_pred):
    ...     return ops.sum(ops.square(y_pred[0] - y_pred[1]), axis=-1)
    >>> float(triplet_loss("pull_only")(ops.ones((1, 2)), ops.zeros((1, 2)), ops.zeros((1, 2))))
    2.0
    """
    if loss is None:
        return partial(register_loss, name=name)
    key = name or loss.__name__
    if key == "infonce":
        msg = "name='infonce' is taken by a loss over whole batches; choose another name."
        raise ValueError(msg)
    if key in TRIPLET_LOSSES:
        warnings.warn(f"The loss {key!r} is replaced.", stacklevel=2)
    TRIPLET_LOSSES[key] = _adapt(loss(name=key) if isinstance(loss, type) else loss)
    return loss


def triplet_loss(distance: str | IvisLoss = "pn") -> TripletLoss:
    """The loss called `distance`, or a callable with ivis's signature made ready for use.

    Raises
    ------
    ValueError
        If no loss has that name.
    """
    if callable(distance):
        return _adapt(distance)
    if distance not in TRIPLET_LOSSES:
        msg = f"loss={distance!r} is not one of {sorted([*TRIPLET_LOSSES, 'infonce'])}; see scivis.nn.register_loss."
        raise ValueError(msg)
    return TRIPLET_LOSSES[distance]
