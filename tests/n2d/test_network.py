"""The network of an autoencoder: layers, activations, and networks that cannot be built."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from scivis import N2D
from scivis.n2d import AutoEncoder, CustomAutoEncoder, UmapGMM
from scivis.n2d._network import Layout, build, models, weight_shapes

pytestmark = pytest.mark.usefixtures("op_by_op")


def dense_layers(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def test_the_decoder_mirrors_the_encoder_and_both_end_linearly():
    layout = Layout(12, 3, (500, 500, 2000), "relu")
    encoder, whole = models(build(layout))
    layers = dense_layers(whole)
    assert [layer.units for layer in layers] == [500, 500, 2000, 3, 2000, 500, 500, 12]
    assert [layer.activation.__name__ for layer in layers] == ["relu"] * 3 + ["linear"] + ["relu"] * 3 + ["linear"]
    assert encoder.output_shape == (None, 3)
    assert [tuple(w.shape) for w in whole.weights] == weight_shapes(layout)


def test_defaults_are_those_of_the_documentation_of_n2d():
    parameters = AutoEncoder(7).get_params()
    assert parameters["latent_dim"] == 10
    assert list(parameters["architecture"]) == [500, 500, 2000]
    assert (parameters["act"], parameters["x_lambda"]) == ("relu", None)
    expected = {"umap_dim": 2, "umap_neighbors": 10, "umap_min_distance": 0.0, "umap_metric": "euclidean"}
    assert UmapGMM(5).get_params() == {"n_clusters": 5, "random_state": 0, **expected}


def test_the_encoding_is_the_arithmetic_of_the_layers(fitted, rows):
    *hidden, last = dense_layers(fitted.encoder_)
    expected = rows.astype(float)
    for layer in hidden:
        expected = np.maximum(expected @ layer.get_weights()[0] + layer.get_weights()[1], 0)
    kernel, bias = last.get_weights()
    assert_allclose(fitted.encode(rows), expected @ kernel + bias, atol=1e-5)


def test_another_activation_is_used():
    _, whole = models(build(Layout(4, 2, (3,), "tanh")))
    assert [layer.activation.__name__ for layer in whole.layers[1:]] == ["tanh", "linear", "tanh", "linear"]


@pytest.mark.parametrize("n_stages", [2, 3])
def test_stages_that_are_no_autoencoder_are_rejected(n_stages, rows):
    inputs = keras.Input((12,))
    stages = (inputs, keras.layers.Dense(2)(inputs), keras.layers.Dense(5)(inputs))[:n_stages]
    with pytest.raises(ValueError, match=r"three connected Keras tensors|must have the shape of its input"):
        CustomAutoEncoder(stages).fit(rows)


@pytest.mark.parametrize(
    ("autoencoder", "message"),
    [
        (AutoEncoder(12, 0), "latent_dim=0"),
        (AutoEncoder(12, 3, "relu"), "architecture='relu'"),
        (AutoEncoder(12, 3, [8, 0]), "architecture=0"),
        (AutoEncoder(12, 3, [8], "nonsense"), "act='nonsense'"),
        (AutoEncoder(12, 3, [8], x_lambda=lambda x: x[:, :2]), "x_lambda turned"),
        (AutoEncoder(12 + 1, 3, [8]), "shape"),
    ],
    ids=["no bottleneck", "no widths", "a width of 0", "an unknown activation", "another shape", "another width"],
)
def test_networks_that_cannot_be_built_are_rejected(autoencoder, message, rows, linear):
    with pytest.raises(ValueError, match=message):
        N2D(autoencoder, linear()).fit(rows, epochs=1)
