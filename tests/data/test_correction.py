"""Correction of batches: numbers computed by hand, least squares, and symphonypy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from scivis.data import _correction
from scivis.data._correction import SoftClusters, correct_rows, fit_clusters


def corrected(x, batches, clusters):
    return np.concatenate(list(correct_rows(np.asarray(x, np.float32), np.asarray(batches), clusters)))


def one_cluster(mass, total):
    return SoftClusters(np.array([mass], np.float32), np.array([total], np.float32), 0.1)


@pytest.fixture
def cells():
    """Three groups of reference cells in four dimensions, in different directions."""
    rng = np.random.default_rng(0)
    centers = 5 * np.eye(4)[:3]
    return (centers[np.arange(240) % 3] + rng.normal(size=(240, 4))).astype(np.float32)


@pytest.fixture
def query(cells):
    """60 new cells of two batches, which are shifted by different vectors."""
    batches = np.arange(60) % 2
    shifts = np.array([[1, 0, 0, 2], [0, -1, 1, 0]], np.float32)
    return cells[:60] + shifts[batches], batches


def test_memberships_are_those_computed_by_hand():
    clusters = SoftClusters(np.ones(2, np.float32), np.array([[3, 0], [0, 2]], np.float32), 0.5)
    # Cosines 1 and 0 give exp(0) and exp(−2 / 0.5); on the diagonal, both clusters are equally near.
    far = np.exp(-4)
    expected = [[1 / (1 + far), far / (1 + far)], [0.5, 0.5], [0.5, 0.5]]
    assert_allclose(clusters.memberships(np.array([[9, 0], [2, 2], [0, 0]], np.float32)), expected, rtol=1e-6)


def test_one_batch_in_one_cluster_by_hand():
    # 4 reference cells with the sum 8, and 5 + 6 + 7 = 18: 7 c + 3 w = 26 and 3 c + 4 w = 18, so that w = 48 / 19.
    assert_allclose(
        corrected([[5], [6], [7]], [0, 0, 0], one_cluster(4, [8])), np.array([[5], [6], [7]]) - 48 / 19, rtol=1e-6
    )


def test_two_batches_in_one_cluster_by_hand():
    # 10 c + 2 w + 1 v = 7 + 2 + 6, 2 c + 3 w = 2 and 1 c + 2 v = 6: c = 64 / 49, w = −10 / 49, v = 115 / 49.
    found = corrected([[1], [1], [6]], [0, 0, 1], one_cluster(7, [7]))
    assert_allclose(found, np.array([[1 + 10 / 49], [1 + 10 / 49], [6 - 115 / 49]]), rtol=1e-6)


def test_shifts_are_those_of_a_ridge_regression_on_all_cells(cells, query):
    """Least squares on reference and new cells, weighted by memberships, with one row for each penalty."""
    x, batches = query
    clusters = fit_clusters(cells, len(cells))
    shares, known = clusters.memberships(x), clusters.memberships(cells)
    clusters = SoftClusters(known.sum(axis=0), known.T @ cells, clusters.sigma)
    shares = clusters.memberships(x)
    expected = x.astype(np.float64)
    for k in range(len(clusters.masses)):
        roots = np.sqrt(np.concatenate([known[:, k], shares[:, k]]))[:, None]
        shifts = np.concatenate([np.zeros((len(cells), 2)), np.eye(2)[batches]])
        design = np.concatenate([np.ones((len(roots), 1)), shifts], axis=1) * roots
        target = np.concatenate([cells, x]) * roots
        penalty = np.eye(3)[1:]
        fitted, *_ = np.linalg.lstsq(np.concatenate([design, penalty]), np.concatenate([target, np.zeros((2, 4))]))
        expected -= shares[:, [k]] * fitted[1:][batches]
    assert_allclose(corrected(x, batches, clusters), expected, atol=1e-5)


def test_the_numbers_are_those_of_symphonypy(cells, query):
    utils = pytest.importorskip("symphonypy._utils")
    x, batches = query
    clusters = fit_clusters(cells, len(cells))
    n_clusters = len(clusters.masses)
    shares = utils._assign_clusters(x, clusters.sigma, clusters.directions, n_clusters)
    assert_allclose(clusters.memberships(x), shares.T, atol=1e-5)
    design = np.concatenate([np.ones((1, len(x))), np.eye(2)[batches].T])
    penalties = np.diag([0.0, 1.0, 1.0])
    expected = utils._correct_query(x, design, shares, clusters.masses, clusters.sums, penalties)
    assert_allclose(corrected(x, batches, clusters), expected, atol=1e-4)


def test_a_shifted_copy_of_the_reference_is_moved_back(cells):
    clusters = fit_clusters(cells, len(cells))
    moved = cells + np.array([1.0, 0.5, 0, 0], np.float32)
    before, after = (
        np.linalg.norm(moved - cells, axis=1),
        np.linalg.norm(corrected(moved, [0] * 240, clusters) - cells, axis=1),
    )
    assert np.median(after) < 0.25 * np.median(before)


def test_batches_are_corrected_apart(cells, query):
    x, batches = query
    clusters = fit_clusters(cells, len(cells))
    apart = corrected(x, batches, clusters)
    assert np.linalg.norm(apart - cells[:60], axis=1).mean() < np.linalg.norm(x - cells[:60], axis=1).mean()
    assert not np.allclose(apart, corrected(x, np.zeros(60, int), clusters), atol=0.1)


@given(st.floats(0.1, 1000), st.floats(-5, 5), st.integers(1, 5))
def test_a_batch_with_the_center_of_the_reference_is_not_moved(mass, center, n_cells):
    clusters = one_cluster(mass, [mass * center, mass])
    x = np.tile(clusters.sums / clusters.masses[:, None], (n_cells, 1))
    assert_allclose(corrected(x, [0] * n_cells, clusters), x, atol=1e-4)


@given(st.integers(0, 10**6))
def test_the_order_of_cells_and_the_names_of_batches_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    cells, x = rng.normal(size=(90, 3)).astype(np.float32), rng.normal(size=(20, 3)).astype(np.float32)
    batches, order = rng.integers(3, size=20), rng.permutation(20)
    clusters = fit_clusters(cells, 90)
    assert_allclose(
        corrected(x[order], 2 - batches[order], clusters), corrected(x, batches, clusters)[order], atol=1e-5
    )


def test_the_size_of_blocks_has_no_effect(cells, query, monkeypatch):
    x, batches = query
    clusters = fit_clusters(cells, len(cells))
    expected = corrected(x, batches, clusters)
    monkeypatch.setattr(_correction, "BLOCK", 7)
    assert_allclose(corrected(x, batches, clusters), expected, atol=1e-5)


def test_no_cells_give_no_blocks(cells):
    assert list(correct_rows(cells[:0], np.empty(0, int), fit_clusters(cells, 240))) == []


def test_clusters_hold_all_cells(cells):
    clusters = fit_clusters(cells, 2400)  # of which the rows are a tenth
    assert len(clusters.masses) == 8
    assert_allclose(clusters.masses.sum(), 2400, rtol=1e-5)
    assert_allclose(clusters.sums.sum(axis=0), 10 * cells.sum(axis=0), rtol=1e-4, atol=1e-2)
    assert_allclose(np.linalg.norm(clusters.directions, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(("n_cells", "n_clusters"), [(1, 1), (44, 1), (60, 2), (3030, 100)])
def test_the_number_of_clusters_is_that_of_harmony(n_cells, n_clusters):
    cells = np.random.default_rng(0).normal(size=(n_cells, 3)).astype(np.float32)
    assert len(fit_clusters(cells, n_cells).masses) == n_clusters


def test_clusters_are_the_same_in_every_call(cells):
    first, second = fit_clusters(cells, 240), fit_clusters(cells.copy(), 240)
    assert_array_equal(first.sums, second.sums)
    assert_array_equal(first.masses, second.masses)


def test_many_cells_are_sampled_evenly(cells, monkeypatch):
    monkeypatch.setattr(_correction, "_SAMPLE", 100)
    sampled, third = fit_clusters(cells, 240), fit_clusters(cells[::3], 240)
    assert_array_equal(sampled.sums, third.sums)


def test_equal_cells_are_no_error():
    clusters = fit_clusters(np.ones((90, 2), np.float32), 90)
    assert_allclose(corrected([[1, 1]], [0], clusters), [[1, 1]], atol=1e-5)
