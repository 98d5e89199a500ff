"""Comparison of clusters with labels, against values computed by hand or from all permutations."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from scivis.n2d import cluster_accuracy, match_clusters
from scivis.n2d._assess import assess


def test_accuracy_mutual_information_and_rand_index():
    """Two clusters of two and three rows; by hand, 4 of 5 agree."""
    y, labels = np.array(["a", "a", "b", "b", "b"]), np.array([5, 5, 2, 2, 5])
    # Mutual information of the table [[2, 1], [0, 2]], divided by the mean of the two entropies.
    h_y = -(0.4 * np.log(0.4) + 0.6 * np.log(0.6))
    mutual = 0.4 * np.log(0.4 / (0.4 * 0.6)) + 0.2 * np.log(0.2 / (0.6 * 0.6)) + 0.4 * np.log(0.4 / (0.4 * 0.6))
    # Pairs: 2 are together in both, 4 in each; 4·4/10 are expected.
    rand = (2 - 1.6) / (4 - 1.6)
    assert assess(y, labels) == (0.8, round(mutual / h_y, 5), round(rand, 5))


def test_the_estimator_assesses_the_clusters_of_the_fitted_rows(fitted, groups):
    assert fitted.assess(groups) == assess(groups, fitted.labels_)
    with pytest.raises(ValueError, match="one label per row"):
        fitted.assess([1, 2, 3])


def test_the_matching_is_the_best_of_all_permutations():
    rng = np.random.default_rng(0)
    y, labels = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    best = max(np.mean(np.array(order)[labels] == y) for order in permutations(range(4)))
    assert cluster_accuracy(y, labels) == pytest.approx(best)
    matched = match_clusters(y, labels)
    assert np.mean([matched[c] == label for c, label in zip(labels.tolist(), y.tolist(), strict=True)]) == best


def test_more_clusters_than_labels_lower_the_accuracy():
    assert cluster_accuracy([0, 0, 0, 0], [0, 1, 1, 2]) == 0.5
    assert match_clusters([0, 0, 0, 0], [0, 1, 1, 2]) == {1: 0}
    # No row of cluster 1 has label 1, so that it has no match.
    assert match_clusters([0, 0, 0, 0, 1], [0, 0, 0, 1, 0]) == {0: 0}
