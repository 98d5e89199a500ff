"""The ten triplet losses of ivis against formulas written out for one triplet at a time."""

from __future__ import annotations

import math
import warnings

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
    found = [float(loss(*(part[None] for part in one))) for one in TRIPLETS.swapaxes(0, 1)]
    wanted = [by_hand(*one.astype(np.float64)) for one in TRIPLETS.swapaxes(0, 1)]
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_batch_has_the_mean_loss_of_its_triplets(name):
    wanted = np.mean([BY_HAND[name](*one.astype(np.float64)) for one in TRIPLETS.swapaxes(0, 1)])
    assert float(triplet_loss(name)(*TRIPLETS)) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_pn_in_numbers():
    anchor, positive, negative = np.array([[[0, 0]], [[3, 4]], [[0, 1]]], np.float32)
    # d(a, p) = 5, d(a, n) = 1, d(p, n) = √18
    assert float(triplet_loss("pn")(anchor, positive, negative)) == pytest.approx((5 + 6 - math.sqrt(18)) / 2)
    assert float(triplet_loss("euclidean")(anchor, positive, negative)) == 5


def test_the_hinge_is_zero_when_the_negative_is_far():
    anchor, positive, negative = np.array([[[0, 0]], [[0, 1]], [[0, 9]]], np.float32)
    assert float(triplet_loss("pn")(anchor, positive, negative)) == 0


def test_the_cosine_of_one_triplet_does_not_depend_on_the_batch():
    many = np.repeat(TRIPLETS[:, :1], 50, axis=1)
    assert float(triplet_loss("cosine")(*many)) == pytest.approx(float(triplet_loss("cosine")(*many[:, :1])), rel=1e-6)


def test_the_cosine_ignores_lengths():
    scales = np.array([0.1, 3, 20], np.float32)[:, None, None]
    for name in ("cosine", "cosine_pn"):
        loss = triplet_loss(name)
        assert float(loss(*(scales * TRIPLETS))) == pytest.approx(float(loss(*TRIPLETS)), rel=1e-5)


@pytest.mark.parametrize("dims", [1, 2, 10])
@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_gradients_stay_finite_where_embeddings_coincide(name, dims, value, gradient):
    loss = triplet_loss(name)
    at = np.full((3, 4, dims), value, np.float32)
    slope = gradient(lambda z: loss(z[0], z[1], z[2]), at)
    assert np.isfinite(slope).all()


def test_a_loss_registered_by_decorator_is_known_by_its_function_name(registry):
    @register_loss
    def pull(y_true, y_pred):
        assert y_true is None
        return ops.sum(ops.square(y_pred[0] - y_pred[1]), axis=-1)

    a, p, _ = TRIPLETS
    assert pull(None, TRIPLETS).shape == (40,)  # the decorator leaves the function as it is
    assert float(triplet_loss("pull")(*TRIPLETS)) == pytest.approx(((a - p) ** 2).sum(axis=1).mean(), rel=1e-5)


def test_a_loss_can_be_registered_under_another_name(registry):
    @register_loss(name="nothing")
    def zero(y_true, y_pred):
        return ops.zeros(y_pred.shape[1])

    assert "zero" not in registry
    assert float(triplet_loss("nothing")(*TRIPLETS)) == 0


def test_a_registered_class_is_instantiated_with_its_name(registry):
    @register_loss(name="constant")
    class Constant:
        def __init__(self, name):
            self.__name__ = name

        def __call__(self, y_true, y_pred):
            return ops.ones(y_pred.shape[1]) * len(self.__name__)

    assert float(triplet_loss("constant")(*TRIPLETS)) == len("constant")


def test_registering_a_name_again_warns_and_replaces(registry):
    def zero(y_true, y_pred):
        return 0.0 * y_pred[0]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_loss(zero, name="mine")
    with pytest.warns(UserWarning, match=r"'pn'.*replaced"):
        register_loss(zero, name="pn")
    assert float(triplet_loss("pn")(*TRIPLETS)) == 0


def test_a_callable_is_taken_as_it_is():
    seen = {}

    def third(y_true, y_pred):
        seen["shape"] = tuple(y_pred.shape)
        return ops.mean(y_pred[2])

    assert float(triplet_loss(third)(*TRIPLETS)) == pytest.approx(TRIPLETS[2].mean(), rel=1e-5)
    assert seen["shape"] == TRIPLETS.shape


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"loss='euclid' is not one of .*'euclidean'.*'infonce'.*register_loss"):
        triplet_loss("euclid")
