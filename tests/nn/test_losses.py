"""The ten triplet losses of ivis against formulas written out for one triplet at a time."""

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
    return off_ideal(euclidean(a, p), euclidean(a, n))


def softmax_ratio_pn(a, p, n):
    return off_ideal(euclidean(a, p), min(euclidean(a, n), euclidean(p, n)))


def off_ideal(near, far):
    """Mean of |(0, 1) − softmax(near, far)|."""
    total = math.exp(near) + math.exp(far)
    return (math.exp(near) / total + abs(1 - math.exp(far) / total)) / 2


BY_HAND = {
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
    """Losses that a test registers are gone after it."""
    monkeypatch.setattr(losses, "TRIPLET_LOSSES", dict(losses.TRIPLET_LOSSES))
    return losses.TRIPLET_LOSSES


def test_the_ten_losses_of_ivis_are_known():
    assert set(losses.TRIPLET_LOSSES) >= set(BY_HAND)


@pytest.mark.parametrize("name", BY_HAND)
def test_each_triplet_has_the_loss_of_its_formula(name):
    loss, by_hand = triplet_loss(name), BY_HAND[name]
    found = [float(loss(None, one[:, None])) for one in TRIPLETS.swapaxes(0, 1)]
    wanted = [by_hand(*one.astype(np.float64)) for one in TRIPLETS.swapaxes(0, 1)]
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_batch_has_the_mean_loss_of_its_triplets(name):
    wanted = np.mean([BY_HAND[name](*one.astype(np.float64)) for one in TRIPLETS.swapaxes(0, 1)])
    assert float(triplet_loss(name)(None, TRIPLETS)) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_pn_in_numbers():
    triplet = np.array([[[0, 0]], [[3, 4]], [[0, 1]]], np.float32)
    # d(a, p) = 5, d(a, n) = 1, d(p, n) = √18
    assert float(triplet_loss("pn")(None, triplet)) == pytest.approx((5 + 6 - math.sqrt(18)) / 2)
    assert float(triplet_loss("euclidean")(None, triplet)) == 5


def test_the_hinge_is_zero_when_the_negative_is_far():
    assert float(triplet_loss("pn")(None, np.array([[[0, 0]], [[0, 1]], [[0, 9]]], np.float32))) == 0


def test_the_cosine_of_one_triplet_does_not_depend_on_the_batch():
    many = np.repeat(TRIPLETS[:, :1], 50, axis=1)
    loss = triplet_loss("cosine")
    assert float(loss(None, many)) == pytest.approx(float(loss(None, many[:, :1])), rel=1e-6)


def test_the_cosine_ignores_lengths():
    scales = np.array([0.1, 3, 20], np.float32)[:, None, None]
    for name in ("cosine", "cosine_pn"):
        loss = triplet_loss(name)
        assert float(loss(None, scales * TRIPLETS)) == pytest.approx(float(loss(None, TRIPLETS)), rel=1e-5)


@pytest.mark.parametrize("dims", [1, 2, 10])
@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_gradients_stay_finite_where_embeddings_coincide(name, dims, value, gradient):
    loss = triplet_loss(name)
    at = np.full((3, 4, dims), value, np.float32)
    slope = gradient(lambda z: loss(None, z), at)
    assert np.isfinite(slope).all()


def test_a_loss_registered_by_decorator_is_known_by_its_function_name(registry):
    @register_loss
    def pull(y_true, y_pred):
        return ops.sum(ops.square(y_pred[0] - y_pred[1]), axis=-1)

    assert registry["pull"] is triplet_loss("pull") is pull  # the decorator leaves the function as it is


def test_a_loss_can_be_registered_under_another_name(registry):
    @register_loss(name="nothing")
    def zero(y_true, y_pred):
        return 0.0 * ops.sum(y_pred)

    assert "zero" not in registry
    assert float(triplet_loss("nothing")(None, TRIPLETS)) == 0


def test_a_registered_class_is_instantiated_with_its_name(registry):
    @register_loss(name="constant")
    class Constant:
        def __init__(self, name):
            self.__name__ = name

        def __call__(self, y_true, y_pred):
            return ops.mean(y_pred * 0 + len(self.__name__))

    assert float(triplet_loss("constant")(None, TRIPLETS)) == len("constant")


def test_registering_a_name_again_warns_and_replaces(registry):
    def zero(y_true, y_pred):
        return 0.0 * ops.sum(y_pred)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_loss(zero, name="mine")
    with pytest.warns(UserWarning, match=r"'pn'.*replaced"):
        register_loss(zero, name="pn")
    assert float(triplet_loss("pn")(None, TRIPLETS)) == 0


def test_a_callable_is_returned_as_it_is():
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
def test_each_loss_is_a_class_of_ivis_too(name):
    own = CLASSES[name](name="mine")
    assert float(own(None, TRIPLETS)) == float(triplet_loss(name)(None, TRIPLETS)) > 0
    assert (own.name, CLASSES[name]().name) == ("mine", CLASSES[name].__name__)


@pytest.mark.parametrize("margin", [0, 0.25, 3])
@pytest.mark.parametrize("name", [name for name in CLASSES if "ratio" not in name])
def test_the_margin_is_what_the_negative_must_be_farther_by(name, margin):
    # By hand at margin m: the hinge of margin 1 at distances that are m − 1 larger for the positive.
    distance = {"pn": euclidean}.get(name) or globals()[name.removesuffix("_pn")]
    near, far = ([distance(t[0], t[i]) for t in TRIPLETS.swapaxes(0, 1).astype(float)] for i in (1, 2))
    across = [distance(t[1], t[2]) for t in TRIPLETS.swapaxes(0, 1).astype(float)]
    hinges = [np.maximum(0, np.subtract(near, other) + margin).mean() for other in (far, across)]
    wanted = np.mean(hinges) if name.endswith("pn") else hinges[0]
    assert float(CLASSES[name](margin)(None, TRIPLETS)) == pytest.approx(wanted, rel=1e-5)


# Labels that may be missing


def test_missing_class_numbers_neither_count_nor_are_looked_up():
    predicted = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]], np.float32)
    loss = losses.semi_supervised_loss("sparse_categorical_crossentropy")
    wanted = -(math.log(0.5) + math.log(0.7)) / 2
    for labels in ([0, -1, 1], [0.0, -1.0, 1.0]):
        assert float(loss(np.array(labels, np.float32), predicted)) == pytest.approx(wanted, rel=1e-5)
    assert float(loss(np.array([-1, -1, -1]), predicted)) == 0


@pytest.mark.parametrize(
    "given",
    ["mean_squared_error", keras.losses.mean_squared_error, keras.losses.MeanSquaredError()],
    ids=["name", "function", "object"],
)
def test_a_loss_is_given_by_name_or_as_function_or_as_object(given):
    labels = np.array([[1, 2], [-1, -1], [3, -1], [0, 4]], np.float32)
    predicted = np.array([[2, 4], [9, 9], [9, 9], [0, 1]], np.float32)
    wanted = ((1 + 4) / 2 + (0 + 9) / 2) / 2  # the first and the last row: the third has one label only
    assert float(losses.semi_supervised_loss(given)(labels, predicted)) == pytest.approx(wanted)


def test_missing_labels_have_no_gradient(gradient):
    labels = np.array([[2.0], [-1.0]], np.float32)
    loss = losses.semi_supervised_loss("mse")
    np.testing.assert_allclose(gradient(lambda z: loss(labels, z), np.zeros((2, 1), np.float32)), [[-4], [0]])


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"loss='euclid' is not one of .*'euclidean'.*'infonce'.*register_loss"):
        triplet_loss("euclid")
