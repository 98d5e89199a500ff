"""The encoder in NumPy: that of Keras, and every row by itself."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from scivis._ivis.model import FittedIvis
from scivis._ivis.predict import embed_rows
from scivis.neighbors._novelty import Reference
from scivis.nn import Architecture, build_encoder, networks
from scivis.nn._few_rows import are_few, embed_few_rows

pytestmark = pytest.mark.backend

N_FEATURES = 7


def trained(architecture: Architecture) -> keras.Model:
    """An encoder whose weights are all different from those at the start."""
    rng = np.random.default_rng(0)
    encoder = build_encoder(architecture)
    encoder.set_weights([weight + rng.normal(0, 0.1, weight.shape) for weight in encoder.get_weights()])
    return encoder


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(20, N_FEATURES)).astype(np.float32)


@pytest.mark.parametrize("linear_path", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("network", ["compact", "residual", "szubert", (5,), (9, 4)], ids=str)
def test_embeddings_are_those_of_keras(network, standardize, linear_path, rows):
    scaling = {"offset": tuple(rows.mean(axis=0).tolist()), "scale": 0.4} if standardize else {}
    architecture = Architecture(network, N_FEATURES, 3, linear_path=linear_path, output_scale=1.5, **scaling)
    encoder = trained(architecture)
    found = embed_few_rows(encoder, architecture, rows)
    assert (found.shape, found.dtype) == ((20, 3), np.float32)
    assert_allclose(found, ops.convert_to_numpy(encoder(rows)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("network", ["compact", "szubert"])
def test_a_row_has_the_same_bits_whatever_the_other_rows(network, rows):
    architecture = Architecture(network, N_FEATURES, 2, linear_path=True)
    encoder = trained(architecture)
    together = embed_few_rows(encoder, architecture, rows)
    for part in (rows[:1], rows[3:5], rows[::-1], rows[2:19]):
        positions = [int(np.flatnonzero((rows == row).all(axis=1))[0]) for row in part]
        assert_array_equal(embed_few_rows(encoder, architecture, part), together[positions])


def test_the_weights_are_those_of_the_moment(rows):
    architecture = Architecture("szubert", N_FEATURES, 2)
    encoder = trained(architecture)
    before = embed_few_rows(encoder, architecture, rows)
    encoder.set_weights([2 * weight for weight in encoder.get_weights()])
    assert np.abs(embed_few_rows(encoder, architecture, rows) - before).max() > 0.1


def test_a_row_of_no_activation_is_the_bias():
    """Weights of zero leave the biases: 2 through SELU is 2.1014, and −1 is −1.1113."""
    architecture = Architecture((2,), 1, 2)
    encoder = build_encoder(architecture)
    encoder.set_weights([np.zeros((1, 2)), np.array([2.0, -1.0]), np.eye(2), np.array([0.0, 0.5])])
    expected = [[2.10140, -1.11133 + 0.5]]
    assert_allclose(embed_few_rows(encoder, architecture, np.ones((1, 1), np.float32)), expected, atol=1e-5)


def test_many_rows_wide_networks_and_those_of_users_are_left_to_keras(monkeypatch):
    assert are_few(Architecture("compact", 50, 2), 32)
    assert not are_few(Architecture("compact", 50, 2), 1000)
    assert not are_few(Architecture("hinton", 50, 2), 1)
    assert not are_few(Architecture("custom", 50, 2), 1)
    monkeypatch.setattr(networks, "REGISTERED", {"mine": build_encoder})
    assert not are_few(Architecture("mine", 50, 2), 1)


def test_few_and_many_rows_of_a_model_have_the_same_embedding(rows):
    architecture = Architecture("compact", N_FEATURES, 2)
    fitted = FittedIvis(architecture, trained(architecture), Reference(rows, 1.0))
    assert are_few(architecture, 20)
    assert not are_few(architecture, 2000)
    assert_allclose(embed_rows(fitted, rows), embed_rows(fitted, np.tile(rows, (100, 1)))[-20:], atol=1e-5)
