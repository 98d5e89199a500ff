"""The phases of a fit around the training: a new network or the one there is, labels, and the unit of the map."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._checks import check_shape

from .plan import architecture_of, backbone, seed_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scivis.nn._siamese import Supervision
    from scivis.nn.supervision import Targets

    from .estimator import Ivis

# Standard deviation of a map trained with InfoNCE, whose own unit (the width of its kernel) means nothing to a reader.
_MAP_SPREAD = 5.0
# A mean of so many rows is known to a five-hundredth of the standard deviation.
_ENOUGH = 250_000


def some_rows(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows enough for means, axes and landmarks: all, or of larger data so many that lie evenly spread."""
    return x if len(x) <= _ENOUGH else np.ascontiguousarray(x[np.linspace(0, len(x) - 1, _ENOUGH).astype(np.int64)])


def read_targets(model: Ivis, y: Any, n_rows: int) -> Targets | None:
    """The labels as training wants them; none at weight 0, where training must be that without labels, bit for bit."""
    from scivis.nn.supervision import make_targets

    if y is None:
        return None
    targets = make_targets(y, model.supervision_metric, n_rows)
    return targets if model.supervision_weight else None


def start(
    model: Ivis,
    x: NDArray[np.float32],
    targets: Targets | None,
    weights: np.random.Generator,
    labels: np.random.Generator,
) -> None:
    """A new encoder and, if there are labels, a new head."""
    from scivis.nn import build_encoder
    from scivis.nn._linear import start_at_pca

    model._architecture = architecture_of(model, x)
    model.n_features_in_ = model._architecture.n_features
    model.encoder_ = build_encoder(model._architecture, seed_of(weights), backbone(model))
    if model.linear_path:
        start_at_pca(model.encoder_, x, model._architecture)
    if targets is not None:
        _start_head(model, targets, seed_of(labels))


def _start_head(model: Ivis, targets: Targets, seed: int) -> None:
    from scivis.nn.supervision import CLASSIFICATION, build_head, value_scale

    model._scale = value_scale(targets, model.supervision_metric, standardize=model.standardize)
    model._head = build_head(targets.n_outputs, model.supervision_metric, model.embedding_dims, seed)
    if model.supervision_metric in CLASSIFICATION:
        model.n_classes_ = targets.n_outputs
        model.classes_ = targets.classes if targets.classes.size else np.arange(targets.n_outputs)


def resume(model: Ivis, x: NDArray[np.float32], targets: Targets | None) -> None:
    """Make ready to go on: the same widths and labels, and the map in the unit that training knows.

    Raises
    ------
    ValueError
        If the rows or the labels are not of the kind of the fit before.
    """
    check_shape(x.shape, model.encoder_.input_shape[1:])
    now, fitted = architecture_of(model, x), model._architecture
    changed = [
        name for name in ("network", "n_components", "linear_path") if getattr(now, name) != getattr(fitted, name)
    ]
    if changed:
        msg = f"{changed} changed since the fit before, whose network cannot follow. sklearn.base.clone(model) begins anew."
        raise ValueError(msg)
    n_outputs, before = targets and targets.n_outputs, model._head and model._head.output_shape[-1]
    same = targets is None or not targets.classes.size or np.array_equal(targets.classes, model.classes_)
    if n_outputs != before or not same:
        msg = "These labels are not those of the fit before. Take the same, or sklearn.base.clone(model) to begin anew."
        raise ValueError(msg)
    if model._head is not None and model._head.name != model.supervision_metric:
        msg = f"supervision_metric was {model._head.name!r} in the fit before. sklearn.base.clone(model) begins anew."
        raise ValueError(msg)
    _rescale(model, 1.0)


def supervision_of(model: Ivis, targets: Targets | None, x: NDArray[np.float32]) -> Supervision | None:
    """What the labels add to the loss."""
    from scivis.nn._siamese import Supervision
    from scivis.nn.supervision import scaled

    if targets is None or model._head is None:
        return None
    return Supervision(
        scaled(targets, model._scale),
        model._head,
        metric=model.supervision_metric,
        weight=model.supervision_weight,
        noise=model.input_noise * float(np.sqrt(x.var(axis=0).mean())) if model.input_noise else 0.0,
    )


def finish(model: Ivis, x: NDArray[np.float32]) -> None:
    """A map trained with InfoNCE is scaled to a fixed spread."""
    from scivis.nn._training import embed

    if model.distance == "infonce":
        _rescale(model, _MAP_SPREAD / float(embed(model.encoder_, x).std()))


def _rescale(model: Ivis, scale: float) -> None:
    """Give the map another unit; the network itself, its random states included, stays as it is."""
    from scivis.nn import build_encoder
    from scivis.nn.networks import random_states

    if scale == model._architecture.output_scale:
        return
    before = model.encoder_
    model._architecture = replace(model._architecture, output_scale=scale)
    model.encoder_ = build_encoder(model._architecture, backbone=backbone(model))
    model.encoder_.set_weights(before.get_weights())
    for state, value in zip(random_states(model.encoder_), random_states(before), strict=True):
        state.assign(value)
