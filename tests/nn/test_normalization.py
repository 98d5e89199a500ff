"""The gradient of layer normalization with GELU is that of automatic differentiation."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy.special import erf

from scivis.nn._normalization import NormalizedGelu, normalized_gelu

tf = pytest.importorskip("tensorflow")


@pytest.fixture(name="rows")
def _rows():
    return np.random.default_rng(0).normal(1, 2, (7, 5)).astype(np.float32)


@pytest.fixture(name="weights")
def _weights():
    rng = np.random.default_rng(1)
    return rng.normal(1, 0.3, 5).astype(np.float32), rng.normal(0, 0.3, 5).astype(np.float32)


def test_values_are_those_of_the_formula(rows, weights):
    gamma, beta = weights
    z = (rows - rows.mean(axis=1, keepdims=True)) / np.sqrt(rows.var(axis=1, keepdims=True) + 1e-3)
    a = z * gamma + beta
    expected = a * (1 + erf(a / np.sqrt(2))) / 2
    np.testing.assert_allclose(normalized_gelu(rows, gamma, beta), expected, rtol=1e-5, atol=1e-6)


def test_gradients_are_those_of_the_layers_of_keras(rows, weights):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("GradientTape belongs to TensorFlow")
    ours, theirs = NormalizedGelu("ours"), keras.layers.LayerNormalization()
    outputs = {"ours": ours, "theirs": lambda x: keras.activations.gelu(theirs(x), approximate=False)}
    gradients = {}
    for layer in (ours, theirs):
        layer.build(rows.shape)
        layer.set_weights(weights)
    for name, layer in (("ours", ours), ("theirs", theirs)):
        x, upstream = tf.constant(rows), tf.constant(np.random.default_rng(2).normal(size=rows.shape), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(outputs[name](x) * upstream)
        gradients[name] = tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
    for one, other in zip(gradients["ours"], gradients["theirs"], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_weights_have_the_names_and_the_order_of_the_layer_of_keras():
    ours, theirs = NormalizedGelu("n"), keras.layers.LayerNormalization(name="n")
    for layer in (ours, theirs):
        layer.build((None, 5))
    assert [weight.path for weight in ours.weights] == [weight.path for weight in theirs.weights]
