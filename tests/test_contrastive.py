"""InfoNCE and the distance correlation against loops over pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import pearsonr

from scivis.nn._contrastive import distance_correlation, infonce, similarity_sums, squared_distances

pytestmark = pytest.mark.backend


def rows(n, dims, seed=0, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=(n, dims))).astype(np.float32)


def infonce_by_hand(anchors, positives):
    """The mean of −log(q(x, y) / (q(x, y) + Σ q(x, n))) over both rows x of each pair, n over all rows but the pair."""

    def q(x, y):
        return 1 / (1 + sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))

    total = 0.0
    for i, (anchor, positive) in enumerate(zip(anchors, positives, strict=True)):
        near = q(anchor, positive)
        for row in (anchor, positive):
            others = sum(q(row, anchors[j]) + q(row, positives[j]) for j in range(len(anchors)) if j != i)
            total -= math.log(near / (near + others)) / 2
    return total / len(anchors)


@pytest.mark.parametrize("dims", [1, 2, 3, 10])
def test_squared_distances_are_scipys(dims):
    x, y = rows(6, dims, 0), rows(9, dims, 1)
    np.testing.assert_allclose(squared_distances(x, y), cdist(x, y, "sqeuclidean"), rtol=1e-5)


@pytest.mark.parametrize("dims", [1, 2, 3, 10])
@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_infonce_is_its_formula(dims, scale):
    anchors, positives = rows(7, dims, 0, scale), rows(7, dims, 1, scale)
    wanted = infonce_by_hand(anchors.astype(float), positives.astype(float))
    assert float(infonce(anchors, positives)) == pytest.approx(wanted, rel=2e-6)


def test_infonce_of_coinciding_rows_is_the_log_of_the_number_of_candidates():
    same = np.ones((5, 2), np.float32)  # every similarity is 1: one positive and eight negatives
    assert float(infonce(same, same)) == pytest.approx(math.log(9), rel=1e-6)


def test_infonce_falls_as_the_positive_nears():
    anchors, positives = rows(20, 2, 0), rows(20, 2, 1)
    at = [float(infonce(anchors, anchors + t * (positives - anchors))) for t in (1.0, 0.5, 0.0)]
    assert at == sorted(at, reverse=True)


def test_infonce_does_not_depend_on_where_the_map_lies_or_how_it_is_turned():
    anchors, positives = rows(10, 2, 0), rows(10, 2, 1)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]], np.float32)
    moved = float(infonce(anchors @ turn + 3, positives @ turn + 3))
    assert moved == pytest.approx(float(infonce(anchors, positives)), rel=1e-5)


def correlation_by_hand(inputs, embeddings):
    """1 − r between the log squared distances of each row and the four after it, the first following the last."""

    def logs(x):
        steps = range(1, min(4, len(x) - 1) + 1)
        pairs = [(x[i], x[(i + step) % len(x)]) for step in steps for i in range(len(x))]
        return [math.log(sum((a - b) ** 2 for a, b in zip(*pair, strict=True)) + 1e-4) for pair in pairs]

    return 1 - pearsonr(logs(inputs.astype(float)), logs(embeddings.astype(float)))[0]


@pytest.mark.parametrize("dims", [1, 2, 3, 10])
@pytest.mark.parametrize("n", [3, 8, 9, 64])
def test_distance_correlation_is_its_formula(dims, n):
    inputs, embeddings = rows(n, 20, 0), rows(n, dims, 1)
    wanted = correlation_by_hand(inputs, embeddings)
    assert float(distance_correlation(inputs, embeddings)) == pytest.approx(wanted, abs=2e-6)


def test_distance_correlation_takes_rows_of_any_shape():
    images = rows(12, 24).reshape(12, 2, 3, 4)
    embeddings = rows(12, 2, 1)
    flat = float(distance_correlation(images.reshape(12, -1), embeddings))
    assert float(distance_correlation(images, embeddings)) == pytest.approx(flat, rel=1e-5)


def test_distance_correlation_is_zero_for_the_same_distances_at_any_scale():
    inputs = rows(50, 3, 0)
    assert float(distance_correlation(inputs, inputs)) == pytest.approx(0, abs=1e-6)
    assert float(distance_correlation(inputs, 30 * inputs)) == pytest.approx(0, abs=1e-3)


def test_one_outlying_cell_does_not_decide_the_distance_correlation():
    inputs, embeddings = rows(100, 5, 0), rows(100, 2, 1)
    before = float(distance_correlation(inputs, embeddings))
    inputs[0] *= 1e3
    embeddings[0] *= 1e3
    # Plain distances: r is near 1 by its two pairs. Logarithms of random pairs stay far from it.
    plain = [np.linalg.norm(x - np.roll(x, -1, axis=0), axis=1) for x in (inputs, embeddings)]
    assert pearsonr(*plain)[0] > 0.99
    assert before > 0.8
    assert float(distance_correlation(inputs, embeddings)) > 0.2


@pytest.mark.parametrize("dims", [1, 2, 3, 10])
def test_the_gradient_of_infonce_is_that_of_its_formula(dims, gradient):
    pairs, step = np.stack([rows(4, dims, 0), rows(4, dims, 1)]), 1e-5
    found = gradient(lambda z: infonce(z[0], z[1]), pairs)
    for at in np.ndindex(pairs.shape):
        shift = np.zeros(pairs.shape)
        shift[at] = step
        above, below = (infonce_by_hand(*(pairs + sign * shift)) for sign in (1, -1))
        assert found[at] == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-6)


def test_similarity_sums_leave_out_the_row_itself():
    x = rows(20, 2)
    wanted = (1 / (1 + cdist(x, x, "sqeuclidean"))).sum(axis=1) - 1
    np.testing.assert_allclose(np.asarray(similarity_sums(x)), wanted, rtol=1e-5)
    assert (np.asarray(similarity_sums(np.array([[0.0], [1e5]], np.float32))) > 0).all()


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_gradients_stay_finite_where_embeddings_coincide(value, gradient):
    at, inputs = np.full((2, 6, 2), value, np.float32), rows(6, 4)
    assert np.isfinite(gradient(lambda z: infonce(z[0], z[1]), at)).all()
    assert np.isfinite(gradient(lambda z: distance_correlation(inputs, z[0]), at)).all()


def test_gradients_stay_finite_far_out(gradient):
    at = rows(12, 2, scale=1e6).reshape(2, 6, 2)
    assert np.isfinite(gradient(lambda z: infonce(z[0], z[1]), at)).all()
