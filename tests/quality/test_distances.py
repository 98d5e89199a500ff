"""Measures of distances by hand and against NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from scivis._quality.distances import bin_distances, distance_correlations, triplet_accuracy


def test_triplets_by_hand():
    x, z = np.array([[0.0], [1], [5], [6]]), np.array([[0.0], [1], [5], [2]])
    # Nearer to 0 is 1 (kept); nearer to 0 is 2, not 3 (lost); nearer to 3 is 2 (lost).
    assert triplet_accuracy(x, z, np.array([[0, 0, 3], [1, 2, 2], [2, 3, 0]])) == pytest.approx(1 / 3)


def test_a_rotated_and_scaled_embedding_keeps_all_triplets_and_a_random_one_half(points):
    rng = np.random.default_rng(0)
    triplets = rng.integers(0, 400, (3, 20_000))
    rotation, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    assert triplet_accuracy(points, 3 * points.astype(float) @ rotation, triplets) > 0.999
    assert triplet_accuracy(points, rng.normal(size=(400, 2)), triplets) == pytest.approx(0.5, abs=0.02)


def test_correlations_are_those_of_spearman_and_pearson():
    rho, r = distance_correlations([1.0, 2.0, 3.0], [1.0, 2.0, 9.0])
    assert (round(rho, 3), round(r, 3)) == (1.0, 0.918)


def test_bins_hold_percentiles_of_their_distances():
    rng = np.random.default_rng(0)
    before, after = rng.uniform(2, 7, 3000), rng.normal(size=3000)
    before[0], before[1] = 2, 7
    bins = bin_distances(before, after, n_bins=5)
    assert_allclose(bins.edges, [2, 3, 4, 5, 6, 7])
    assert_array_equal(bins.counts, np.histogram(before, bins.edges)[0])
    inside = after[(before >= 3) & (before < 4)]
    assert_allclose(bins.quantiles[1], np.percentile(inside, [5, 25, 50, 75, 95]))


def test_an_empty_bin_has_no_percentiles():
    bins = bin_distances([0.0, 0.1, 1.0], [1.0, 2.0, 3.0], n_bins=3)
    assert_array_equal(bins.counts, [2, 0, 1])
    assert_array_equal(np.isnan(bins.quantiles[:, 0]), [False, True, False])
