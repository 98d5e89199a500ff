"""Embeddings, predictions and novelty of validated rows, computed with a fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scivis.neighbors._novelty import nearest_of, novelty

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from .model import FittedIvis, LabelHead

    Block = NDArray[np.float32]


def embed_rows(fitted: FittedIvis, rows: Block) -> Block:
    """Embedding of rows, shape (n, n_components)."""
    from scivis.nn._few_rows import are_few, embed_few_rows
    from scivis.nn._training import embed

    if are_few(fitted.architecture, len(rows)):
        return embed_few_rows(fitted.encoder, fitted.architecture, rows)
    return embed(fitted.encoder, rows)


def place_rows(fitted: FittedIvis, rows: Block) -> Block:
    """Embedding of rows; on a map that was learned, among their nearest landmarks, shape (n, n_components)."""
    return _placed(fitted, rows, embed_rows(fitted, rows))[0]


def _placed(fitted: FittedIvis, rows: Block, embedding: Block) -> tuple[Block, Block | None]:
    """Places of rows from their embedding, and their novelty if it was needed for that.

    Rows that are less like the landmarks than 99 % of the cells of the map stay where the network puts them, the more the stranger
    they are.
    """
    if fitted.places is None or not len(rows):
        return embedding, None
    flat = rows.reshape(len(rows), fitted.architecture.n_features)
    nearest = nearest_of(fitted.reference, flat)
    strangeness = novelty(fitted.reference, flat, nearest)
    return fitted.places.correct(embedding, nearest[1], np.clip(2 - strangeness, 0, 1)[:, None]), strangeness


def derivatives_of_rows(fitted: FittedIvis, rows: Block) -> Block:
    """Derivatives of the embedding of rows by their features, shape (n, n_components, n_features)."""
    from scivis.nn._jacobian import jacobian

    return jacobian(fitted.encoder, rows)


def score_rows(fitted: FittedIvis, head: LabelHead, rows: Block) -> Block:
    """Predictions for rows in the unit of the labels, shape (n, n_outputs)."""
    return _scores(fitted, head, embed_rows(fitted, rows))


def novelty_of_rows(fitted: FittedIvis, rows: Block) -> Block:
    """Novelty of rows, shape (n,); see :func:`scivis.neighbors._novelty.novelty`."""
    return novelty(fitted.reference, rows.reshape(len(rows), fitted.architecture.n_features))


def predict_columns(fitted: FittedIvis, rows: Block, *, with_novelty: bool, with_scores: bool) -> Block:
    """Places, novelty and predictions side by side, shape (n, n_components + 1 + n_outputs); each row is embedded once."""
    embedding = embed_rows(fitted, rows)
    places, strangeness = _placed(fitted, rows, embedding)
    parts = [places]
    if with_novelty:
        parts.append((novelty_of_rows(fitted, rows) if strangeness is None else strangeness)[:, None])
    if with_scores and fitted.head is not None:
        parts.append(_scores(fitted, fitted.head, embedding))
    return np.hstack(parts)


def _scores(fitted: FittedIvis, head: LabelHead, embedding: Block) -> Block:
    from scivis.nn._training import embed

    unit, origin = head.scale
    return embed(head.network, embedding / fitted.architecture.output_scale) * unit + origin


def supervised_model(fitted: FittedIvis, head: LabelHead) -> keras.Model:
    """Encoder and label head as one Keras model from rows to predictions."""
    from scivis.nn import keras

    unit, origin = head.scale
    embedding = keras.layers.Rescaling(1.0 / fitted.architecture.output_scale)(fitted.encoder.output)
    predicted = keras.layers.Rescaling(unit.tolist(), origin.tolist())(head.network(embedding))
    return keras.Model(fitted.encoder.input, predicted, name="supervised_model")


def siamese_model(encoder: keras.Model) -> keras.Model:
    """A Keras model that applies the encoder to anchors, positives and negatives."""
    from scivis.nn import keras

    triplet = [keras.layers.Input(encoder.input_shape[1:]) for _ in range(3)]
    return keras.Model(triplet, keras.ops.stack([encoder(rows) for rows in triplet]), name="siamese")
