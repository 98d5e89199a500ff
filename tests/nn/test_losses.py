"""The ten triplet losses of ivis, compared with formulas for single triplets, and losses of labels."""

from __future__ import annotations

import math
import warnings

import keras
import numpy as np
import pytest
from keras import ops

from scivis.nn import losses, register_loss, triplet_loss

pytestmark = pytest.mark.backend

rng = np.random.default_rng(0)
TRIPLETS = rng.normal(size=(3, 40, 3)).astype(np.float32)


def euclidean(x, y):
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))


def manhattan(x, y):
    return sum(abs(a - b) for a, b in zip(x, y, strict=True))


def chebyshev(x, y):
    return max(abs(a - b) for a, b in zip(x, y, strict=True))


def cosine(x, y):
    return 1 - np.dot(x, y) / (np.linalg.norm(x) * np.linalg.norm(y))


def triplet(distance):
    return lambda a, p, n: max(0.0, distance(a, p) - distance(a, n) + 1)


def pn(distance):
    def loss(a, p, n):
        hinges = [max(0.0, distance(a, p) - far + 1) for far in (distance(a, n), distance(p, n))]
        return sum(hinges) / 2

    return loss


def softmax_ratio(a, p, n):
    return deviation(euclidean(a, p), euclidean(a, n))


def softmax_ratio_pn(a, p, n):
    return deviation(euclidean(a, p), min(euclidean(a, n), euclidean(p, n)))


def deviation(near, far):
    """Mean of the elements of |(0, 1) − softmax(near, far)|."""
    total = math.exp(near) + math.exp(far)
    return (math.exp(near) / total + abs(1 - math.exp(far) / total)) / 2


FORMULAS = {
    "pn": pn(euclidean),
    "euclidean": triplet(euclidean),
    "manhattan": triplet(manhattan),
    "manhattan_pn": pn(manhattan),
    "chebyshev": triplet(chebyshev),
    "chebyshev_pn": pn(chebyshev),
    "cosine": triplet(cosine),
    "cosine_pn": pn(cosine),
    "softmax_ratio": softmax_ratio,
    "softmax_ratio_pn": softmax_ratio_pn,
}


@pytest.fixture
def registry(monkeypatch):
    """Losses that a test registers are removed afterwards."""
    monkeypatch.setattr(losses, "TRIPLET_LOSSES", dict(losses.TRIPLET_LOSSES))
    return losses.TRIPLET_LOSSES


def test_all_losses_of_ivis_are_registered():
    assert set(losses.TRIPLET_LOSSES) >= set(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_loss_of_one_triplet_equals_its_formula(name):
    loss, formula = triplet_loss(name), FORMULAS[name]
    found = [float(loss(None, one[:, None])) for one in TRIPLETS.swapaxes(0, 1)]
    expected = [formula(*one.astype(np.float64)) for one in TRIPLETS.swapaxes(0, 1)]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_loss_of_a_batch_is_the_mean_over_its_triplets(name):
    expected = np.mean([FORMULAS[name](*one.astype(np.float64)) for one in TRIPLETS.swapaxes(0, 1)])
    assert float(triplet_loss(name)(None, TRIPLETS)) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_an_example_of_the_pn_loss():
    triplet = np.array([[[0, 0]], [[3, 4]], [[0, 1]]], np.float32)
    # d(a, p) = 5, d(a, n) = 1, d(p, n) = √18
    assert float(triplet_loss("pn")(None, triplet)) == pytest.approx((5 + 6 - math.sqrt(18)) / 2)
    assert float(triplet_loss("euclidean")(None, triplet)) == 5


def test_the_hinge_is_zero_for_a_distant_negative():
    assert float(triplet_loss("pn")(None, np.array([[[0, 0]], [[0, 1]], [[0, 9]]], np.float32))) == 0


def test_the_cosine_loss_of_a_triplet_does_not_depend_on_the_batch():
    many = np.repeat(TRIPLETS[:, :1], 50, axis=1)
    loss = triplet_loss("cosine")
    assert float(loss(None, many)) == pytest.approx(float(loss(None, many[:, :1])), rel=1e-6)


def test_the_cosine_losses_do_not_depend_on_lengths():
    scales = np.array([0.1, 3, 20], np.float32)[:, None, None]
    for name in ("cosine", "cosine_pn"):
        loss = triplet_loss(name)
        assert float(loss(None, scales * TRIPLETS)) == pytest.approx(float(loss(None, TRIPLETS)), rel=1e-5)


@pytest.mark.parametrize("dims", [1, 2, 10])
@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_gradients_are_finite_where_embeddings_coincide(name, dims, value, gradient):
    loss = triplet_loss(name)
    at = np.full((3, 4, dims), value, np.float32)
    slope = gradient(lambda z: loss(None, z), at)
    assert np.isfinite(slope).all()


def test_a_decorator_registers_a_loss_under_the_name_of_its_function(registry):
    @register_loss
    def pull(y_true, y_pred):
        return ops.sum(ops.square(y_pred[0] - y_pred[1]), axis=-1)

    assert registry["pull"] is triplet_loss("pull") is pull  # the decorator returns the function


def test_a_loss_can_be_registered_under_another_name(registry):
    @register_loss(name="nothing")
    def zero(y_true, y_pred):
        return 0.0 * ops.sum(y_pred)

    assert "zero" not in registry
    assert float(triplet_loss("nothing")(None, TRIPLETS)) == 0


def test_a_registered_class_is_instantiated_with_the_name(registry):
    @register_loss(name="constant")
    class Constant:
        def __init__(self, name):
            self.__name__ = name

        def __call__(self, y_true, y_pred):
            return ops.mean(y_pred * 0 + len(self.__name__))

    assert float(triplet_loss("constant")(None, TRIPLETS)) == len("constant")


def test_registering_an_existing_name_replaces_the_loss_with_a_warning(registry):
    def zero(y_true, y_pred):
        return 0.0 * ops.sum(y_pred)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_loss(zero, name="mine")
    with pytest.warns(UserWarning, match=r"'pn'.*replaced"):
        register_loss(zero, name="pn")
    assert float(triplet_loss("pn")(None, TRIPLETS)) == 0


def test_a_callable_is_returned_unchanged():
    def third(y_true, y_pred):
        return ops.mean(y_pred[2])

    assert triplet_loss(third) is third


CLASSES = {
    "pn": losses.EuclideanPnLoss,
    "euclidean": losses.EuclideanTripletLoss,
    "manhattan": losses.ManhattanTripletLoss,
    "manhattan_pn": losses.ManhattanPnLoss,
    "chebyshev": losses.ChebyshevTripletLoss,
    "chebyshev_pn": losses.ChebyshevPnLoss,
    "cosine": losses.CosineTripletLoss,
    "cosine_pn": losses.CosinePnLoss,
    "softmax_ratio": losses.EuclideanSoftmaxRatioLoss,
    "softmax_ratio_pn": losses.EuclideanSoftmaxRatioPnLoss,
}


@pytest.mark.parametrize("name", CLASSES)
def test_each_loss_exists_as_a_class_of_ivis(name):
    loss = CLASSES[name](name="mine")
    assert float(loss(None, TRIPLETS)) == float(triplet_loss(name)(None, TRIPLETS)) > 0
    assert (loss.name, CLASSES[name]().name) == ("mine", CLASSES[name].__name__)


@pytest.mark.parametrize("margin", [0, 0.25, 3])
@pytest.mark.parametrize("name", [name for name in CLASSES if "ratio" not in name])
def test_the_margin_is_added_to_the_difference_of_distances(name, margin):
    distance = {"pn": euclidean}.get(name) or globals()[name.removesuffix("_pn")]
    near, far = ([distance(t[0], t[i]) for t in TRIPLETS.swapaxes(0, 1).astype(float)] for i in (1, 2))
    across = [distance(t[1], t[2]) for t in TRIPLETS.swapaxes(0, 1).astype(float)]
    hinges = [np.maximum(0, np.subtract(near, other) + margin).mean() for other in (far, across)]
    expected = np.mean(hinges) if name.endswith("pn") else hinges[0]
    assert float(CLASSES[name](margin)(None, TRIPLETS)) == pytest.approx(expected, rel=1e-5)


# --- losses of labels


def test_missing_class_numbers_are_ignored():
    predicted = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]], np.float32)
    loss = losses.semi_supervised_loss("sparse_categorical_crossentropy")
    expected = -(math.log(0.5) + math.log(0.7)) / 2
    for labels in ([0, -1, 1], [0.0, -1.0, 1.0]):
        assert float(loss(np.array(labels, np.float32), predicted)) == pytest.approx(expected, rel=1e-5)
    assert float(loss(np.array([-1, -1, -1]), predicted)) == 0


@pytest.mark.parametrize(
    "given",
    ["mean_squared_error", keras.losses.mean_squared_error, keras.losses.MeanSquaredError()],
    ids=["name", "function", "object"],
)
def test_a_semi_supervised_loss_accepts_a_name_or_a_function_or_an_object(given):
    labels = np.array([[1, 2], [-1, -1], [3, -1], [0, 4]], np.float32)
    predicted = np.array([[2, 4], [9, 9], [9, 9], [0, 1]], np.float32)
    expected = ((1 + 4) / 2 + (0 + 9) / 2) / 2  # the first and the last row: a label of the third is missing
    assert float(losses.semi_supervised_loss(given)(labels, predicted)) == pytest.approx(expected)


def test_missing_labels_have_no_gradient(gradient):
    labels = np.array([[2.0], [-1.0]], np.float32)
    loss = losses.semi_supervised_loss("mse")
    np.testing.assert_allclose(gradient(lambda z: loss(labels, z), np.zeros((2, 1), np.float32)), [[-4], [0]])


def test_an_unknown_name_raises_an_error_that_lists_the_known_names():
    with pytest.raises(ValueError, match=r"loss='euclid' is not one of .*'euclidean'.*'infonce'.*register_loss"):
        triplet_loss("euclid")
