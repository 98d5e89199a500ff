"""Coordinates as labels: the start of the linear path, the loss of known rows, and batches without neighbors."""

import keras
import numpy as np
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from scivis.nn import Architecture, build_encoder
from scivis.nn._batches import Batch
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
