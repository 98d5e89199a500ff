"""InfoNCE and the distance correlation, compared with loops over pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from keras import ops
from scipy.spatial.distance import cdist
from scipy.stats import pearsonr

from scivis.nn._contrastive import distance_correlation, infonce, similarity_sums, squared_distances

pytestmark = pytest.mark.backend


def rows(n, dims, seed=0, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=(n, dims))).astype(np.float32)


PAIRS = np.array([[0, 1, 5, 5, 2, 6], [1, 3, 4, 0, 1, 2]], np.int32)  # of seven rows, some in several pairs


def infonce_formula(z, pairs):
    """The mean of −log q over pairs, plus the mean over rows of the log of the sum of q to all other rows."""

    def q(x, y):
        return 1 / (1 + sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))

    near = [-math.log(q(z[i], z[j])) for i, j in pairs.T]
    all_others = [math.log(sum(q(x, y) for j, y in enumerate(z) if j != i)) for i, x in enumerate(z)]
    return sum(near) / len(near) + sum(all_others) / len(z)


@pytest.mark.parametrize("dims", [1, 2, 3, 10])
def test_squared_distances_equal_those_of_scipy(dims):
    x, y = rows(6, dims, 0), rows(9, dims, 1)
    np.testing.assert_allclose(squared_distances(x, y), cdist(x, y, "sqeuclidean"), rtol=1e-5)


@pytest.mark.parametrize("dims", [1, 2, 3, 10])
@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_infonce_equals_its_formula(dims, scale):
    z = rows(7, dims, 0, scale)
    assert float(infonce(z, PAIRS)) == pytest.approx(infonce_formula(z.astype(float), PAIRS), rel=2e-6)


def test_infonce_is_the_cross_entropy_of_identifying_a_neighbor_if_each_row_is_in_one_pair():
    z = rows(8, 2).astype(float)
    q = 1 / (1 + cdist(z, z, "sqeuclidean")) - np.eye(8)
    probabilities = (q / q.sum(axis=1, keepdims=True))[np.arange(8), (np.arange(8) + 4) % 8]
    pairs = np.arange(8, dtype=np.int32).reshape(2, 4)
    assert float(infonce(z.astype(np.float32), pairs)) == pytest.approx(-np.log(probabilities).mean(), rel=1e-6)


def test_infonce_of_coinciding_rows_is_the_logarithm_of_the_number_of_other_rows():
    assert float(infonce(np.ones((7, 2), np.float32), PAIRS)) == pytest.approx(math.log(6), rel=1e-6)


def test_infonce_decreases_with_the_distance_of_neighbors():
    first, second = rows(20, 2, 0), rows(20, 2, 1)
    pairs = np.arange(40, dtype=np.int32).reshape(2, 20)
    moved = [np.concatenate([first, first + t * (second - first)]) for t in (1.0, 0.5, 0.0)]
    at = [float(infonce(z, pairs)) for z in moved]
    assert at == sorted(at, reverse=True)


def test_infonce_is_invariant_to_translation_and_rotation():
    z = rows(10, 2)
    rotation = np.array([[0.6, -0.8], [0.8, 0.6]], np.float32)
    assert float(infonce(z @ rotation + 3, PAIRS)) == pytest.approx(float(infonce(z, PAIRS)), rel=1e-5)


def test_a_pair_of_a_row_with_itself_has_no_gradient(gradient):
    z, with_itself = rows(6, 2), np.zeros((2, 4), np.int32)
    found = gradient(lambda rows: infonce(rows, with_itself), z)
    of_sums = gradient(lambda rows: ops.mean(ops.log(similarity_sums(rows))), z)
    np.testing.assert_allclose(found, of_sums, rtol=1e-5, atol=1e-7)


def correlation_formula(inputs, embeddings):
    """1 − r between the log squared distances of each row and the four rows after it, cyclically."""

    def logs(x):
        steps = range(1, min(4, len(x) - 1) + 1)
        pairs = [(x[i], x[(i + step) % len(x)]) for step in steps for i in range(len(x))]
        return [math.log(sum((a - b) ** 2 for a, b in zip(*pair, strict=True)) + 1e-4) for pair in pairs]

    return 1 - pearsonr(logs(inputs.astype(float)), logs(embeddings.astype(float)))[0]


@pytest.mark.parametrize("dims", [1, 2, 3, 10])
@pytest.mark.parametrize("n", [3, 8, 9, 64])
def test_distance_correlation_equals_its_formula(dims, n):
    inputs, embeddings = rows(n, 20, 0), rows(n, dims, 1)
    expected = correlation_formula(inputs, embeddings)
    assert float(distance_correlation(inputs, embeddings)) == pytest.approx(expected, abs=2e-6)


def test_distance_correlation_accepts_rows_of_any_shape():
    images = rows(12, 24).reshape(12, 2, 3, 4)
    embeddings = rows(12, 2, 1)
    flat = float(distance_correlation(images.reshape(12, -1), embeddings))
    assert float(distance_correlation(images, embeddings)) == pytest.approx(flat, rel=1e-5)


def test_distance_correlation_is_zero_for_proportional_distances():
    inputs = rows(50, 3, 0)
    assert float(distance_correlation(inputs, inputs)) == pytest.approx(0, abs=1e-6)
    assert float(distance_correlation(inputs, 30 * inputs)) == pytest.approx(0, abs=1e-3)


def test_one_outlying_row_does_not_determine_the_distance_correlation():
    inputs, embeddings = rows(100, 5, 0), rows(100, 2, 1)
    before = float(distance_correlation(inputs, embeddings))
    inputs[0] *= 1e3
    embeddings[0] *= 1e3
    # Of plain distances, r is near 1 because of the two pairs of this row.
    plain = [np.linalg.norm(x - np.roll(x, -1, axis=0), axis=1) for x in (inputs, embeddings)]
    assert pearsonr(*plain)[0] > 0.99
    assert before > 0.8
    assert float(distance_correlation(inputs, embeddings)) > 0.2


@pytest.mark.parametrize("dims", [1, 2, 3, 10])
def test_the_gradient_of_infonce_equals_that_of_its_formula(dims, gradient):
    z, step = rows(7, dims), 1e-5
    found = gradient(lambda rows: infonce(rows, PAIRS), z)
    for at in np.ndindex(z.shape):
        shift = np.zeros(z.shape)
        shift[at] = step
        above, below = (infonce_formula(z + sign * shift, PAIRS) for sign in (1, -1))
        assert found[at] == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-6)


def test_similarity_sums_exclude_the_row_itself():
    x = rows(20, 2)
    expected = (1 / (1 + cdist(x, x, "sqeuclidean"))).sum(axis=1) - 1
    np.testing.assert_allclose(np.asarray(similarity_sums(x)), expected, rtol=1e-5)
    assert (np.asarray(similarity_sums(np.array([[0.0], [1e5]], np.float32))) > 0).all()


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_gradients_are_finite_where_embeddings_coincide(value, gradient):
    at, inputs = np.full((7, 2), value, np.float32), rows(7, 4)
    assert np.isfinite(gradient(lambda z: infonce(z, PAIRS), at)).all()
    assert np.isfinite(gradient(lambda z: distance_correlation(inputs, z), at)).all()


def test_gradients_are_finite_for_large_distances(gradient):
    assert np.isfinite(gradient(lambda z: infonce(z, PAIRS), rows(7, 2, scale=1e6))).all()
