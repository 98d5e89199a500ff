"""Fitting: a new network or one to train further, the training, and the final scale of the embedding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scivis._checks import check_shape
from scivis._random import RandomState, generator_of, seed_of
from scivis.neighbors._novelty import fit_reference

from .model import FittedIvis, LabelHead

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras
    from numpy.typing import NDArray

    from scivis.neighbors import LazyNeighbors, Neighbors
    from scivis.neighbors._novelty import Reference
    from scivis.nn import Architecture
    from scivis.nn._siamese import Supervision
    from scivis.nn.pairs import Shuffle
    from scivis.nn.supervision import Targets

    from .settings import Settings

# Standard deviation of an embedding trained with InfoNCE, whose own unit, the width of the kernel, has no meaning for users.
_EMBEDDING_STD = 5.0
# Number of rows whose mean is accurate to 1/500 of the standard deviation.
_MAX_STATISTICS_ROWS = 250_000


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Validated data of a fit.

    Parameters
    ----------
    x
        Rows, shape (n, ...), finite and not all equal.
    neighbors
        Neighbors of the rows.
    targets
        Labels to learn; `None` if there are none.
    anchors
        Indices of the rows that are anchors; `None` for all rows.
    """

    x: NDArray[np.float32]
    neighbors: Neighbors | LazyNeighbors
    targets: Targets | None = None
    anchors: NDArray[np.integer] | None = None


def statistics_rows(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows for means, principal components and landmarks: all of them, or 250,000 evenly spaced ones."""
    if len(x) <= _MAX_STATISTICS_ROWS:
        return x
    return np.ascontiguousarray(x[np.linspace(0, len(x) - 1, _MAX_STATISTICS_ROWS).astype(np.int64)])


class Streams(NamedTuple):
    """Independent generators, one for each stage that uses randomness."""

    search: np.random.Generator
    weights: np.random.Generator
    training: np.random.Generator
    landmarks: np.random.Generator
    labels: np.random.Generator

    @classmethod
    def of(cls, random_state: RandomState) -> Streams:
        """The generators for a seed."""
        return cls(*generator_of(random_state).spawn(len(cls._fields)))


def fit(
    data: TrainingData,
    settings: Settings,
    streams: Streams,
    *,
    before: FittedIvis | None = None,
    shuffle: Shuffle = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    report: Callable[[FittedIvis], None] = lambda fitted: None,
    each_epoch: bool = False,
) -> FittedIvis:
    """Train a new model with validated settings, or continue the training of `before`.

    `report` is called with the model before training and, with `each_epoch`, after each epoch, before the `callbacks`.
    """
    from scivis.nn._training import train

    rows = statistics_rows(data.x)
    reference = fit_reference(rows.reshape(len(rows), -1), streams.landmarks)
    if before is None:
        fitted = _new_model(data.targets, rows, settings, streams, reference)
    else:
        fitted = before if before.is_interrupted else _continued(before, data.targets, rows, settings)
        # A model from an AnnData object has no generator of its own.
        fitted = replace(fitted, reference=reference, rng=before.rng or streams.training)
    report(fitted)
    training = train(
        fitted.encoder,
        data.x,
        data.neighbors,
        settings.schedule(shuffle, noise_unit=standard_deviation(rows)),
        rng=fitted.rng or streams.training,
        anchors=data.anchors,
        supervision=_supervision(fitted.head, data.targets, settings),
        callbacks=callbacks,
        before=fitted.training,
        report=(lambda state: report(replace(fitted, training=state))) if each_epoch else None,
    )
    return _scaled_embedding(replace(fitted, training=training), settings, rows)


def _new_model(
    targets: Targets | None, x: NDArray[np.float32], settings: Settings, streams: Streams, reference: Reference
) -> FittedIvis:
    from scivis.nn import build_encoder
    from scivis.nn._linear import start_at_pca
    from scivis.nn.networks import check_size

    architecture = architecture_for(settings, x)
    if settings.backbone is None:
        check_size(settings.network, settings.embedding_dims, architecture.n_features)
    encoder = build_encoder(architecture, seed_of(streams.weights), settings.backbone)
    if settings.linear_path:
        start_at_pca(encoder, x, architecture)
    head = None if targets is None else _new_head(targets, settings, seed_of(streams.labels))
    return FittedIvis(architecture, encoder, reference, head, rng=streams.training)


def architecture_for(settings: Settings, x: NDArray[np.float32]) -> Architecture:
    """The encoder for rows of the shape and the scale of `x`, shape (n, ...)."""
    from scivis.nn import Architecture

    return Architecture(
        network=settings.network,
        n_features=int(np.prod(x.shape[1:])),
        n_components=settings.embedding_dims,
        linear_path=settings.linear_path,
        offset=tuple(x.mean(axis=0, dtype=np.float64).tolist()) if settings.standardize else (),
        scale=float(1.0 / (x - x.mean(axis=0)).std()) if settings.standardize else 1.0,
    )


def _new_head(targets: Targets, settings: Settings, seed: int) -> LabelHead:
    from scivis.nn.supervision import CLASSIFICATION, build_head, value_scale

    metric = settings.supervision_metric
    scale = value_scale(targets, metric, standardize=settings.standardize)
    network = build_head(targets.n_outputs, metric, settings.embedding_dims, seed)
    coded = targets.classes if targets.classes.size else np.arange(targets.n_outputs)
    return LabelHead(network, scale, coded if metric in CLASSIFICATION else np.empty(0, np.int64))


def _continued(before: FittedIvis, targets: Targets | None, x: NDArray[np.float32], settings: Settings) -> FittedIvis:
    """The model of the previous fit in the unit of training; an error if network, rows or labels have changed."""
    check_shape(x.shape, before.encoder.input_shape[1:])
    head, same_classes = before.head, True
    if targets is not None and head is not None and targets.classes.size:
        same_classes = np.array_equal(targets.classes, head.classes)
    now = {
        "network": settings.network,
        "n_components": settings.embedding_dims,
        "linear_path": settings.linear_path,
    }
    if changed := [name for name, value in now.items() if value != getattr(before.architecture, name)]:
        what = f"{changed} changed since the previous fit."
    elif not same_classes or (targets and targets.n_outputs) != (head and head.n_outputs):
        what = "These labels are not those of the previous fit."
    elif head is not None and head.metric != settings.supervision_metric:
        what = f"supervision_metric was {head.metric!r} in the previous fit."
    else:
        return rescaled(replace(before, head=_uncalibrated(head)), 1.0, settings)
    msg = f"{what} To start from scratch, use sklearn.base.clone(model)."
    raise ValueError(msg)


def _uncalibrated(head: LabelHead | None) -> LabelHead | None:
    """The head with its own probabilities, which training changes."""
    from scivis.nn.supervision import SOFTMAX

    if head is None or head.metric not in SOFTMAX:
        return head
    return replace(head, scale=np.repeat(np.array([[1], [0]], np.float32), head.n_outputs, axis=1))


def standard_deviation(x: NDArray[np.float32]) -> float:
    """Root of the mean variance of the features of `x`, shape (n, ...)."""
    return float(np.sqrt(x.var(axis=0).mean()))


def _supervision(head: LabelHead | None, targets: Targets | None, settings: Settings) -> Supervision | None:
    from scivis.nn._siamese import Supervision
    from scivis.nn.supervision import scale_targets

    if targets is None or head is None:
        return None
    return Supervision(
        scale_targets(targets, head.scale),
        head.network,
        metric=settings.supervision_metric,
        weight=settings.supervision_weight,
    )


def _scaled_embedding(fitted: FittedIvis, settings: Settings, x: NDArray[np.float32]) -> FittedIvis:
    """The model with the embedding of InfoNCE scaled to a fixed standard deviation; other losses have a unit of their own."""
    from scivis.nn._training import embed

    if settings.distance != "infonce":
        return fitted
    return rescaled(fitted, _EMBEDDING_STD / float(embed(fitted.encoder, x).std()), settings)


def rescaled(fitted: FittedIvis, scale: float, settings: Settings) -> FittedIvis:
    """The same model with another unit of the embedding. Weights and random states stay as they are."""
    from scivis.nn import build_encoder
    from scivis.nn.networks import random_states

    if scale == fitted.architecture.output_scale:
        return fitted
    architecture = replace(fitted.architecture, output_scale=scale)
    encoder = build_encoder(architecture, backbone=settings.backbone)
    encoder.set_weights(fitted.encoder.get_weights())
    for state, value in zip(random_states(encoder), random_states(fitted.encoder), strict=True):
        state.assign(value)
    return replace(fitted, architecture=architecture, encoder=encoder)
