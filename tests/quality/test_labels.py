"""Measures of labels against scikit-learn, SciPy, and values computed by hand."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr
from sklearn.neighbors import KNeighborsClassifier

from scivis._quality.labels import class_recall, label_accuracy, mantel_test


def test_accuracy_is_that_of_scikit_learns_classifier(points):
    codes = (points[:, 0] + points[:, 1] > 0).astype(int)
    expected = KNeighborsClassifier(10).fit(points[:300, :2], codes[:300]).score(points[300:, :2], codes[300:])
    assert label_accuracy(points[:, :2], codes) == expected
    assert 0.9 < expected < 1


def test_mantel_test_is_pearsons_correlation_with_a_p_value_by_permutation():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 4))
    permutations = np.array([rng.permutation(9) for _ in range(200)])
    z = x[:, :2] + 0.1 * rng.normal(size=(9, 2))
    r, p = mantel_test(pdist(x), pdist(z), permutations)
    assert r == pytest.approx(pearsonr(pdist(x), pdist(z))[0])
    by_hand = [pearsonr(pdist(x), pdist(z[order]))[0] for order in permutations]
    assert p == pytest.approx((1 + np.sum(np.array(by_hand) >= r)) / 201)


def test_p_value_is_smallest_for_the_same_points_and_uniform_for_others():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(12, 3))
    permutations = np.array([rng.permutation(12) for _ in range(999)])
    assert mantel_test(pdist(x), pdist(x), permutations) == (pytest.approx(1), 0.001)
    chance = [mantel_test(pdist(x), pdist(rng.normal(size=(12, 2))), permutations)[1] for _ in range(20)]
    assert min(chance) < 0.4
    assert max(chance) > 0.6


def test_mantel_test_counts_the_identity_among_ties():
    distances = pdist(np.eye(3)[:, :2])
    permutations = np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0]])
    last = squareform(squareform(distances)[np.ix_(permutations[2], permutations[2])])
    same = np.corrcoef(distances, last)[0, 1]
    _, p = mantel_test(distances, distances, permutations)
    assert p == (1 + 2 + (same > 0.999)) / 4


def test_nearest_classes_by_hand():
    before = np.array([[0.0], [1.0], [3.0], [6.5]])  # nearest: 1, 0, 1, 2
    after = np.array([[0.0], [1.0], [1.5], [9.0]])  # nearest: 1, 2, 1, 2
    assert class_recall(before, after, 1) == 0.75
    assert class_recall(before, before * 4, 2) == 1
