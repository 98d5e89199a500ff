"""Learning the coordinates of a map that exists: the network of ivis, trained by regression instead of by neighbors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scivis._random import seed_of
from scivis.neighbors._landmark_places import LandmarkPlaces
from scivis.neighbors._novelty import choose_rows, nearest_of, reference_of

from .fit import architecture_for, rescaled, standard_deviation, statistics_rows
from .model import FittedIvis
from .predict import embed_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras
    from numpy.typing import NDArray

    from .fit import Streams
    from .settings import Settings


def fit_coordinates(
    x: NDArray[np.float32],
    coordinates: NDArray[np.floating],
    settings: Settings,
    streams: Streams,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> FittedIvis:
    """A model whose embedding of the rows `x`, shape (n, features), is close to `coordinates`, shape (n, dims).

    The network learns standardized coordinates. Unit and center of the map become part of the stored network. New rows are
    placed among the landmarks, whose coordinates are stored with them.
    """
    from scivis.nn import build_encoder
    from scivis.nn._coordinates import supervise_coordinates
    from scivis.nn._linear import start_at_regression
    from scivis.nn._training import train

    center, unit = map_scale(coordinates)
    targets = ((coordinates - center) / unit).astype(np.float32)
    rows = statistics_rows(x)
    architecture = architecture_for(settings, rows)
    encoder = build_encoder(architecture, seed_of(streams.weights))
    start_at_regression(encoder, x, targets, architecture)
    training = train(
        encoder,
        x,
        None,
        settings.schedule(shuffle=True, noise_unit=standard_deviation(rows)),
        rng=streams.training,
        supervision=supervise_coordinates(targets),
        callbacks=callbacks,
    )
    _shift(encoder, center / unit)
    chosen, others = choose_rows(len(rows), rows.shape[1] + targets.shape[1], streams.landmarks)
    fitted = FittedIvis(architecture, encoder, reference_of(rows, chosen, others), training=training)
    fitted = rescaled(fitted, unit, settings)
    known, (_, neighbors) = statistics_rows(coordinates)[chosen], nearest_of(fitted.reference)
    return replace(fitted, places=LandmarkPlaces.of(known, embed_rows(fitted, rows[chosen]), neighbors))


def map_scale(coordinates: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """Center of a map, shape (dims,), and its standard deviation: the root of the mean variance of its axes.

    Examples
    --------
    >>> center, unit = map_scale(np.array([[0.0, 1.0], [2.0, 1.0]]))  # variances 1 and 0
    >>> center.tolist(), round(unit, 3)
    ([1.0, 1.0], 0.707)
    """
    places = np.asarray(coordinates, np.float64)
    return places.mean(axis=0), float(np.sqrt(places.var(axis=0).mean()))


def displacement(before: NDArray[np.floating], after: NDArray[np.floating]) -> NDArray[np.float32]:
    """Distance between two places of each cell, in standard deviations of the map `before`, shape (cells,).

    Examples
    --------
    >>> before = np.array([[0.0, 0.0], [2.0, 2.0]])  # standard deviation 1
    >>> displacement(before, before + [3.0, 4.0])
    array([5., 5.], dtype=float32)
    """
    return (np.linalg.norm(after - before, axis=1) / map_scale(before)[1]).astype(np.float32)


def _shift(encoder: keras.Model, by: NDArray[np.float64]) -> None:
    """Add a constant to the output of an encoder."""
    layer = encoder.get_layer("embedding")
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel, bias + by.astype(np.float32)])
