"""Encoders layer by layer, their initialization with principal components, and registered networks."""

from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy.stats import norm
from sklearn.decomposition import PCA

from scivis import Ivis
from scivis._ivis.pack import pack_model, unpack_model
from scivis._ivis.settings import Settings
from scivis.nn import Architecture, _linear, build_encoder, networks, register_network
from scivis.nn._linear import principal_axes, start_at_pca
from scivis.nn.networks import check_network

WIDTHS = {"szubert": (128, 128, 128), "maaten": (500, 500, 2000), "hinton": (2000, 1000, 500)}


def embed(encoder, x):
    return ops.convert_to_numpy(encoder(x, training=False))


def dense_layers(encoder):
    return [layer for layer in encoder.layers if isinstance(layer, layers.Dense)]


def n_weights(widths):
    """Number of weights of consecutive dense layers."""
    return sum(a * b + b for a, b in pairwise(widths))


@pytest.mark.parametrize("network", [*WIDTHS, (30, 20), (7,)])
def test_the_networks_of_ivis_are_selu_layers_and_a_linear_layer(network):
    encoder = build_encoder(Architecture(network, n_features=50, n_components=3))
    widths = WIDTHS.get(network, network)
    *hidden_layers, head = dense_layers(encoder)
    assert tuple(layer.units for layer in hidden_layers) == widths
    for layer in hidden_layers:
        assert layer.get_config()["activation"] == "selu"
        assert isinstance(layer.kernel_initializer, keras.initializers.LecunNormal)
    assert (head.units, head.get_config()["activation"]) == (3, "linear")
    assert isinstance(head.kernel_initializer, keras.initializers.GlorotUniform)
    assert encoder.count_params() == n_weights((50, *widths, 3))


@pytest.mark.parametrize(("network", "params"), [("szubert", 39_810), ("maaten", 1_282_002), ("hinton", 2_604_502)])
def test_the_networks_have_as_many_weights_as_in_ivis(network, params):
    """For 50 features and two axes, counted in ivis 2.0.11."""
    assert build_encoder(Architecture(network, 50, 2)).count_params() == params


@pytest.mark.parametrize("linear_path", [False, True])
@pytest.mark.parametrize("network", ["residual", "compact", *WIDTHS, (8,)])
def test_weight_shapes_are_those_of_the_encoder(network, linear_path):
    architecture = Architecture(network, n_features=50, n_components=2, linear_path=linear_path)
    shapes = [tuple(weight.shape) for weight in build_encoder(architecture).weights]
    assert sorted(networks.weight_shapes(architecture)) == sorted(shapes)


@pytest.mark.parametrize("network", WIDTHS)
def test_alpha_dropout_is_between_the_hidden_layers(network):
    encoder = build_encoder(Architecture(network, n_features=50, n_components=2))
    kinds = [type(layer).__name__ for layer in encoder.layers]
    assert kinds == ["InputLayer", "Dense", "AlphaDropout", "Dense", "AlphaDropout", "Dense", "Dense"]
    assert {layer.rate for layer in encoder.layers if isinstance(layer, layers.AlphaDropout)} == {0.1}


def test_lecun_normal_weights_have_a_variance_of_one_over_the_number_of_inputs():
    kernel = dense_layers(build_encoder(Architecture("hinton", 400, 2)))[0].get_weights()[0]
    assert kernel.std() == pytest.approx(1 / np.sqrt(400), rel=0.01)


@pytest.mark.backend
def test_dropout_is_only_active_during_training(points):
    encoder = build_encoder(Architecture("szubert", 8, 2))
    np.testing.assert_array_equal(embed(encoder, points), embed(encoder, points))
    assert (ops.convert_to_numpy(encoder(points, training=True)) != embed(encoder, points)).any()


@pytest.mark.backend
def test_the_output_equals_the_formula_of_the_layers(points):
    encoder = build_encoder(Architecture((6, 5), 8, 2))
    x = points.astype(np.float64)
    *hidden_layers, head = [layer.get_weights() for layer in dense_layers(encoder)]
    for kernel, bias in hidden_layers:
        z = x @ kernel + bias
        x = 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * (np.exp(z) - 1))
    np.testing.assert_allclose(embed(encoder, points), x @ head[0] + head[1], atol=1e-5)


@pytest.mark.backend
def test_the_residual_network_adds_the_input_of_its_later_layers(points):
    encoder = build_encoder(Architecture("residual", 8, 2))
    assert [layer.units for layer in dense_layers(encoder)] == [224, 224, 224, 2]
    assert encoder.count_params() == n_weights((8, 224, 224, 224, 2)) + 3 * 2 * 224
    *hidden_layers, head = [layer.get_weights() for layer in dense_layers(encoder)]
    x = points.astype(np.float64)
    for i, (kernel, bias) in enumerate(hidden_layers):
        z = x @ kernel + bias
        z = (z - z.mean(axis=1, keepdims=True)) / np.sqrt(z.var(axis=1, keepdims=True) + 1e-3)
        x = z * norm.cdf(z) + (x if i else 0)
    np.testing.assert_allclose(embed(encoder, points), x @ head[0] + head[1], atol=1e-4)


@pytest.mark.backend
@pytest.mark.parametrize("network", ["residual", "szubert"])
def test_the_same_seed_gives_the_same_weights(network):
    def weights(seed):
        return build_encoder(Architecture(network, 10, 2), seed).get_weights()

    for again, first in zip(weights(5), weights(5), strict=True):
        np.testing.assert_array_equal(again, first)
    assert (weights(5)[0] != weights(6)[0]).any()


def test_layers_of_the_same_shape_have_different_weights():
    weights = [w for w in build_encoder(Architecture("residual", 224, 2)).get_weights() if w.shape == (224, 224)]
    assert len({w.tobytes() for w in weights}) == 3


def test_building_keeps_the_global_random_states(keeps_global_states):
    assert keeps_global_states(lambda: build_encoder(Architecture("szubert", 10, 2)))


# --- scaling


def test_the_network_centers_and_scales_its_input(points):
    offset, scale = tuple(points.mean(axis=0).tolist()), 0.25
    plain = build_encoder(Architecture("szubert", 8, 2))
    scaled = build_encoder(Architecture("szubert", 8, 2, offset=offset, scale=scale))
    scaled.set_weights(plain.get_weights())
    expected = embed(plain, (points - np.array(offset, np.float32)) * scale)
    np.testing.assert_allclose(embed(scaled, points), expected, atol=1e-5)


def test_output_scale_is_a_factor_of_the_embedding(points):
    plain = build_encoder(Architecture("szubert", 8, 2, linear_path=True), seed=3)
    start_at_pca(plain, points, Architecture("szubert", 8, 2, linear_path=True))
    scaled = build_encoder(Architecture("szubert", 8, 2, linear_path=True, output_scale=2.5))
    scaled.set_weights(plain.get_weights())
    np.testing.assert_allclose(embed(scaled, points), 2.5 * embed(plain, points), rtol=1e-5)


# --- the linear path


@pytest.mark.parametrize("network", ["residual", "szubert", (5,)])
@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_with_a_linear_path_training_starts_at_the_principal_components(points, network, n_components):
    points *= np.arange(8, 0, -1, dtype=np.float32)  # axes of clearly different variance
    offset, scale = tuple(points.mean(axis=0).tolist()), 0.5
    architecture = Architecture(network, 8, n_components, linear_path=True, offset=offset, scale=scale)
    encoder = build_encoder(architecture, seed=1)
    assert (embed(encoder, points) == 0).all()  # both the network and the linear path are zero
    start_at_pca(encoder, points, architecture)
    expected = PCA(n_components, svd_solver="full").fit_transform(points.astype(np.float64)) * scale
    found = embed(encoder, points)
    np.testing.assert_allclose(found * np.sign((found * expected).sum(axis=0)), expected, atol=1e-4)


@pytest.mark.parametrize("linear_path", [True, False])
def test_the_embedding_layer_is_zero_only_with_a_linear_path(linear_path):
    encoder = build_encoder(Architecture("residual", 8, 2, linear_path=linear_path))
    kernel, bias = encoder.get_layer("embedding").get_weights()
    assert (kernel == 0).all() == linear_path
    assert (bias == 0).all()


def test_principal_axes_are_orthonormal_with_a_positive_largest_entry(points):
    axes = principal_axes(points, 5)
    np.testing.assert_allclose(axes.T @ axes, np.eye(5), atol=1e-6)
    assert (axes[np.abs(axes).argmax(axis=0), range(5)] > 0).all()


def test_principal_axes_are_zero_beyond_the_number_of_features(points):
    axes = principal_axes(points[:, :3], 10)
    assert axes.shape == (3, 10)
    assert (axes[:, 3:] == 0).all()
    np.testing.assert_allclose(axes[:, :3].T @ axes[:, :3], np.eye(3), atol=1e-6)


def test_principal_axes_of_one_feature():
    x = np.array([[1.0], [2.0], [4.0]], np.float32)
    np.testing.assert_allclose(principal_axes(x, 2), [[1, 0]], atol=1e-6)


def test_the_principal_axes_of_large_data_are_those_of_evenly_spaced_rows(points, monkeypatch):
    monkeypatch.setattr(_linear, "_MAX_ROWS", 150)
    architecture = Architecture("szubert", 8, 2, linear_path=True)
    encoder = build_encoder(architecture)
    start_at_pca(encoder, points, architecture)
    np.testing.assert_array_equal(encoder.get_layer("linear_path").get_weights()[0], principal_axes(points[::3], 2))


# --- Keras models of the user


@pytest.mark.parametrize("kind", ["functional", "sequential"])
def test_a_keras_model_gets_an_embedding_layer_and_keeps_its_weights(points, kind):
    if kind == "sequential":
        backbone = keras.Sequential([layers.Input((8,)), layers.Dense(6, activation="relu")])
    else:
        inputs = layers.Input((8,))
        backbone = keras.Model(inputs, layers.Dense(6, activation="relu")(inputs))
    kernel, bias = backbone.get_weights()
    encoder = build_encoder(Architecture("custom", 8, 3), backbone=backbone)
    hidden = np.maximum(points @ kernel + bias, 0)
    head = encoder.get_layer("embedding").get_weights()
    np.testing.assert_allclose(embed(encoder, points), hidden @ head[0] + head[1], atol=1e-5)


@pytest.mark.backend
def test_images_are_read_by_a_convolutional_network_and_a_linear_path():
    images = np.random.default_rng(0).normal(size=(30, 6, 6, 2)).astype(np.float32)
    backbone = keras.Sequential([layers.Input((6, 6, 2)), layers.Conv2D(3, 3), layers.Flatten()])
    architecture = Architecture("custom", 72, 2, linear_path=True)
    encoder = build_encoder(architecture, backbone=backbone)
    start_at_pca(encoder, images, architecture)
    expected = PCA(2, svd_solver="full").fit_transform(images.reshape(30, -1).astype(np.float64))
    found = embed(encoder, images)
    found -= found.mean(axis=0)
    np.testing.assert_allclose(found * np.sign((found * expected).sum(axis=0)), expected, atol=1e-4)


# --- names and widths


@pytest.mark.parametrize("network", ["residual", "compact", "szubert", "maaten", "hinton", (1,), [128, 64]])
def test_known_networks_are_accepted(network):
    check_network(network)


@pytest.mark.parametrize("network", ["szubrt", (), (0,), (-5, 3), (2.5,), ("64",), 128, None])
def test_unknown_networks_raise_an_error_that_lists_the_known_ones(network):
    with pytest.raises(ValueError, match=r"network=.* is not one of .*'residual'.*'szubert'.*widths.*Keras model"):
        check_network(network)


# --- registered networks


@pytest.fixture
def registry(monkeypatch):
    """An empty registry during a test."""
    monkeypatch.setattr(networks, "REGISTERED", {})


def shallow(shape):
    return keras.Sequential([keras.layers.Input(shape), keras.layers.Dense(3, activation="relu")])


@pytest.mark.usefixtures("registry")
def test_a_registered_network_is_built_by_name():
    assert register_network(shallow) is shallow
    encoder = build_encoder(Architecture("shallow", n_features=4, n_components=2))
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    kernel, bias, last, offset = encoder.get_weights()
    expected = np.maximum(x @ kernel + bias, 0) @ last + offset
    np.testing.assert_allclose(encoder(x), expected, atol=1e-5)


@pytest.mark.usefixtures("registry")
def test_an_existing_name_is_replaced_with_a_warning_but_not_that_of_a_network_of_scivis():
    register_network(name="mine")(shallow)
    check_network("mine")
    with pytest.warns(UserWarning, match="'mine' is replaced"):
        register_network(shallow, name="mine")
    with pytest.raises(ValueError, match="name='szubert' is the name of a network of scivis"):
        register_network(shallow, name="szubert")
    with pytest.raises(ValueError, match=r"network='shallow' is not one of .*'mine'"):
        check_network("shallow")


@pytest.mark.usefixtures("registry", "op_by_op")
def test_a_model_with_a_registered_network_is_unpacked_if_the_name_is_registered():
    register_network(shallow)
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    model = Ivis(k=5, model="shallow", batch_size=20, epochs=1, verbose=0, random_state=0).fit(x)
    stored = pack_model(Settings.of(model), model.fitted_)
    _, fitted = unpack_model(stored)
    np.testing.assert_array_equal(embed(fitted.encoder, x), model.transform(x))
    networks.REGISTERED.clear()
    with pytest.raises(ValueError, match=r"'shallow', which is not known here; if it is .*, register it first"):
        unpack_model(stored)
