"""What a fitted estimator says about rows, however they are stored: read, checked and predicted block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import NotFittedError

from scivis._checks import check_shape
from scivis.data._reading import iter_rows, shape_of
from scivis.data._rows import check_finite
from scivis.neighbors._novelty import novelty

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras
    from numpy.typing import NDArray

    from .estimator import Ivis


def embed_rows(model: Ivis, rows: Any) -> NDArray[np.float32]:
    """Their places on the map, shape (n, embedding_dims)."""
    return _by_blocks(model, lambda block: _embed(model, block), rows, model.embedding_dims)


def score_rows(model: Ivis, rows: Any) -> NDArray[np.float32]:
    """What the head predicts for them, in the unit of the labels, shape (n, n_outputs)."""
    from scivis.nn._training import embed

    head = model._head
    if head is None:
        msg = "This Ivis was not fitted with labels. Call fit(X, Y), with supervision_weight above 0."
        raise NotFittedError(msg)
    size, (unit, origin) = model._architecture.output_scale, model._scale
    return _by_blocks(
        model, lambda block: embed(head, _embed(model, block) / size) * unit + origin, rows, head.output_shape[-1]
    )


def novelty_of_rows(model: Ivis, rows: Any) -> NDArray[np.float32]:
    """How far they lie from the fitted rows, shape (n,)."""
    width = getattr(model, "n_features_in_", 0)
    return _by_blocks(model, lambda block: novelty(model._reference, block.reshape(len(block), width)), rows)


def supervised_model(model: Ivis) -> keras.Model:
    """Encoder and head as one Keras model."""
    import keras

    if model._head is None:
        msg = "This Ivis was fitted without labels."
        raise AttributeError(msg)
    unit, origin = model._scale
    map_ = keras.layers.Rescaling(1.0 / model._architecture.output_scale)(model.encoder_.output)
    predicted = keras.layers.Rescaling(unit.tolist(), origin.tolist())(model._head(map_))
    return keras.Model(model.encoder_.input, predicted, name="supervised_model")


def siamese_model(model: Ivis) -> keras.Model:
    """The encoder thrice, side by side, as one Keras model."""
    import keras

    triplet = [keras.layers.Input(model.encoder_.input_shape[1:]) for _ in range(3)]
    return keras.Model(triplet, keras.ops.stack([model.encoder_(rows) for rows in triplet]), name="siamese")


def _embed(model: Ivis, block: NDArray[np.float32]) -> NDArray[np.float32]:
    from scivis.nn._training import embed

    return embed(model.encoder_, block)


def _by_blocks(
    model: Ivis, function: Callable[[NDArray[np.float32]], NDArray[np.float32]], rows: Any, *width: int
) -> NDArray[np.float32]:
    if not model._is_fitted:
        msg = "This Ivis is not fitted yet. Call `fit` first."
        raise NotFittedError(msg)
    check_shape(shape_of(rows), model.encoder_.input_shape[1:])
    parts = [np.empty((0, *width), np.float32)]
    for block in iter_rows(rows):
        check_finite(block, "The data")
        parts.append(function(block))
    return np.concatenate(parts)
