"""Coordinates as labels: the start of the linear path, the loss of known rows, and batches without neighbors."""

import keras
import numpy as np
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from scivis.nn import Architecture, build_encoder
from scivis.nn._batches import Batch
from scivis.nn._contrastive import infonce
from scivis.nn._coordinates import supervise_coordinates
from scivis.nn._linear import start_at_regression
from scivis.nn._siamese import Siamese
from scivis.nn._training import embed


def test_the_linear_path_starts_at_the_ridge_regression_of_scikit_learn(points):
    coordinates = (points[:, :2] - 0.5 * points[:, 3:5]).astype(np.float32)
    offset, scale = points.mean(axis=0), 0.7
    architecture = Architecture("compact", 8, 2, linear_path=True, offset=tuple(offset.tolist()), scale=scale)
    encoder = build_encoder(architecture)
    start_at_regression(encoder, points, coordinates, architecture)
    inputs = (points - offset) * scale
    ridge = Ridge(alpha=1e-3 * len(points), fit_intercept=False).fit(inputs, coordinates)
    assert_allclose(embed(encoder, points), ridge.predict(inputs), atol=1e-4)


def test_the_loss_is_the_mean_absolute_difference_of_the_known_rows(points):
    known = np.arange(len(points)) % 3 > 0
    coordinates = points[:, :2] + 1
    encoder = build_encoder(Architecture((4,), 8, 2))
    batch = Batch.of(None, None, 6)
    assert (batch.n_rows, batch.n_pairs) == (6, 0)
    supervision = supervise_coordinates(coordinates, known=known)
    model = Siamese(encoder, points, loss=None, global_weight=0, n_batches=1, batch=batch, supervision=supervision)
    rows = np.array([0, 1, 2, 3, 4, 5])
    model.rows.assign(rows[None, None])
    inputs = keras.ops.convert_to_tensor([0])
    loss = model.compute_loss(inputs, y_pred=model(inputs))
    differences = np.abs(embed(encoder, points[rows]) - coordinates[rows])[known[rows]]
    assert_allclose(float(loss), differences.mean(), rtol=1e-5)


def test_neighbors_and_coordinates_share_the_loss_of_held_rows(points):
    known = np.arange(len(points)) % 3 > 0
    encoder = build_encoder(Architecture((4,), 8, 2))
    supervision = supervise_coordinates(points[:, :2] + 1, known=known, weight=0.25)
    model = Siamese(
        encoder, points, loss="infonce", global_weight=0, n_batches=1, batch=Batch(6, 0, 3), supervision=supervision
    )
    rows, pairs = np.array([0, 1, 2, 3, 4, 5]), np.array([[0, 1, 3], [2, 5, 4]])
    model.rows.assign(rows[None, None])
    model.pairs.assign(pairs[None])
    inputs = keras.ops.convert_to_tensor([0])
    places = embed(encoder, points[rows])
    held = np.abs(places - points[rows, :2] - 1)[known[rows]].mean()
    # Held rows move with their neighbors, too: the loss is that of their own embeddings.
    expected = 0.75 * float(infonce(places, pairs)) + 0.25 * held
    assert_allclose(float(model.compute_loss(inputs, y_pred=model(inputs))), expected, rtol=1e-5)
