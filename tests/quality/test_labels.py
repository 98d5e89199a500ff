"""Measures of labels against scikit-learn, SciPy, and values computed by hand."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr
from sklearn.neighbors import KNeighborsClassifier

from scivis._quality.labels import (
    centroids,
    class_recall,
    compare_class_distances,
    label_accuracy,
    mantel_test,
    resampled_centroids,
)


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
    assert class_recall(pdist(before), pdist(after), 1) == 0.75
    assert class_recall(pdist(before), pdist(before * 4), 2) == 1


def test_class_distances_are_compared_in_each_row():
    rng = np.random.default_rng(0)
    before, after = rng.uniform(size=(2, 3, 10))
    recall, r, rho = compare_class_distances(before, after, 2)
    for i in range(3):
        assert recall[i] == class_recall(before[i], after[i], 2)
        assert r[i] == pytest.approx(pearsonr(before[i], after[i])[0])
        assert rho[i] == pytest.approx(spearmanr(before[i], after[i])[0])


def test_centroids_by_hand():
    assert centroids(np.array([[1.0], [5], [3]]), np.array([7, 2, 7])).tolist() == [[5], [2]]


@pytest.mark.parametrize("n", [50, 4000])  # more cells than are resampled
def test_resampled_centroids_have_the_standard_error_of_a_mean(n):
    rng = np.random.default_rng(0)
    labels = np.append(np.repeat([0, 1], n), -1)
    x, z = rng.normal(size=(2 * n + 1, 2)), rng.normal(scale=3, size=(2 * n + 1, 1))
    centers = [centroids(points[:-1], labels[:-1]) for points in (x, z)]
    of_x, of_z = resampled_centroids([x, z], centers, labels, rng)
    assert (of_x.shape[1:], of_z.shape[1:]) == ((2, 2), (2, 1))
    assert of_x.std(axis=0) == pytest.approx(np.full((2, 2), n**-0.5), rel=0.35)
    assert of_z.std(axis=0) == pytest.approx(np.full((2, 1), 3 * n**-0.5), rel=0.35)
    assert of_x.mean(axis=0) == pytest.approx(centers[0], abs=0.2 * n**-0.5)
