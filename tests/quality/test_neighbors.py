"""Measures of neighbors against scikit-learn, SciPy, and values computed by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.manifold import trustworthiness

from scivis._quality.neighbors import (
    nearest_neighbors,
    neighbor_ranks,
    neighbor_recall,
    trust_from_ranks,
)

ALL = np.arange(400)
# scikit-learn sorts distances in single precision: a few nearly equal ones change places.
ROUNDING = 1e-5


@pytest.mark.parametrize("width", [2, 8, 20])  # by a tree and by comparing all pairs
def test_nearest_neighbors_are_those_of_sorted_distances(points, width, sorted_neighbors):
    x = np.tile(points, 3)[:, :width] * np.arange(1, width + 1)
    found, distances = nearest_neighbors(x, ALL[50:90], 7)
    expected, far = sorted_neighbors(x, 7)
    assert_array_equal(found, expected[50:90])
    assert_allclose(distances, far[50:90], rtol=1e-4)


@pytest.mark.parametrize("width", [2, 12])
def test_no_cell_is_its_own_neighbor_even_among_duplicates(width):
    x = np.zeros((30, width), np.float32)
    x[20:] += np.arange(1, 11)[:, None]
    found, distances = nearest_neighbors(x, np.arange(30), 5)
    assert found.shape == (30, 5)
    assert not (found == np.arange(30)[:, None]).any()
    assert (found[:20] < 20).all()
    assert_allclose(distances[:20], 0, atol=1e-3)


def test_recall_ignores_the_order_of_neighbors(points):
    found, _ = nearest_neighbors(points, ALL, 10)
    assert neighbor_recall(found, found[:, ::-1]) == 1


def test_recall_by_hand():
    assert neighbor_recall([[1, 2, 3], [4, 5, 6]], [[3, 9, 1], [7, 8, 9]]) == pytest.approx(1 / 3)
    assert neighbor_recall([[1, 2], [0, 2]], [[2, 1], [3, 2]]) == 0.75


def test_recall_of_an_unrelated_embedding_is_chance(points):
    other = np.random.default_rng(3).permutation(points)
    recall = neighbor_recall(nearest_neighbors(points, ALL, 40)[0], nearest_neighbors(other, ALL, 40)[0])
    assert recall == pytest.approx(40 / 399, abs=0.01)


@pytest.mark.parametrize("k", [1, 5, 30])
def test_mean_trust_is_the_trustworthiness_of_scikit_learn(points, plane, k):
    for x, z in ((points, plane), (plane, points)):
        [rank] = neighbor_ranks(x, ALL, [nearest_neighbors(z, ALL, k)[0]], ALL)
        expected = trustworthiness(x, z, n_neighbors=k)
        assert trust_from_ranks(rank, 400).mean() == pytest.approx(expected, abs=ROUNDING)


def test_ranks_are_those_of_sorted_distances(points, plane, sorted_neighbors):
    found, _ = nearest_neighbors(plane, ALL[:30], 6)
    [rank] = neighbor_ranks(points, ALL[:30], [found], ALL)
    full = sorted_neighbors(points, 399)[0][:30]
    expected = [[list(full[i]).index(j) + 1 for j in found[i]] for i in range(30)]
    assert_array_equal(rank, expected)


def test_several_matrices_are_ranked_as_each_alone(points, plane):
    some = [nearest_neighbors(plane, ALL[:20], 3)[0], nearest_neighbors(points, ALL[:20], 5)[0]]
    together = neighbor_ranks(points, ALL[:20], some, ALL[100:250])
    for matrix, rank in zip(some, together, strict=True):
        assert_array_equal(rank, neighbor_ranks(points, ALL[:20], [matrix], ALL[100:250])[0])
    assert_array_equal(neighbor_ranks(points, ALL[:20], some, ALL)[1], np.tile(np.arange(1, 6), (20, 1)))


def test_ranks_among_landmarks_estimate_the_exact_ones(points, plane):
    found, _ = nearest_neighbors(plane, ALL, 15)
    [exact] = neighbor_ranks(points, ALL, [found], ALL)
    [estimated] = neighbor_ranks(points, ALL, [found], ALL[::2])
    assert estimated.mean() == pytest.approx(exact.mean(), rel=0.02)
    assert np.corrcoef(estimated.ravel(), exact.ravel())[0, 1] > 0.98
