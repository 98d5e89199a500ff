"""The novelty score against its definition, and its p-values against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import binom
from sklearn.decomposition import PCA, TruncatedSVD

from scivis.neighbors import _novelty
from scivis.neighbors._cross_fitting import cross_fitted_scores, missing_share, unseen_expression
from scivis.neighbors._novelty import (
    Reference,
    calibrated,
    fit_reference,
    novelty,
    p_values,
    scores,
    subsample_reference,
)


def nearest(distances, k):
    return np.argsort(distances, axis=1, kind="stable")[:, :k]


def scales_by_hand(landmarks, k=15):
    between = cdist(landmarks, landmarks)
    np.fill_diagonal(between, np.inf)
    return np.sort(between, axis=1)[:, :k].mean(axis=1)


def score_by_hand(row, landmarks, k=15):
    """Mean distance to the nearest landmarks over their own mean distance, with 0.3 of the average one added."""
    distances, scales = cdist(row[None], landmarks)[0], scales_by_hand(landmarks, k)
    found = np.argsort(distances)[:k]
    return distances[found].mean() / (scales[found].mean() + 0.3 * scales.mean())


def share_interval(n, share):
    """Where 99.99 % of the shares of `n` independent cells are."""
    return np.array(binom.interval(0.9999, n, share)) / n


def test_the_score_is_the_distance_to_15_landmarks_over_their_own(points):
    reference = fit_reference(points[:100], np.random.default_rng(0))
    np.testing.assert_array_equal(reference.landmarks, points[:100])
    np.testing.assert_allclose(reference.scales, scales_by_hand(points[:100]), rtol=1e-5)
    by_hand = [score_by_hand(row, points[:100]) for row in points[100:120].astype(np.float64)]
    np.testing.assert_allclose(scores(reference, points[100:120]), by_hand, rtol=1e-5)
    score = novelty(reference, points[100:120])
    assert score.dtype == np.float32
    np.testing.assert_allclose(score, np.array(by_hand) / reference.unit, rtol=1e-5)


def test_each_landmark_of_small_data_is_scored_by_the_others(points):
    points = points[:60]
    reference = fit_reference(points, np.random.default_rng(0))
    expected = []
    for i, row in enumerate(points.astype(np.float64)):
        distances, scales = cdist(row[None], np.delete(points, i, 0))[0], scales_by_hand(np.delete(points, i, 0))
        expected.append((distances, scales))
    # The average scale is that of the neighbors of all landmarks, each without the landmark that is left out.
    nearby = [(d[nearest(d[None], 15)[0]].mean(), s[nearest(d[None], 15)[0]].mean()) for d, s in expected]
    distance, scale = np.array(nearby).T
    by_hand = np.sort(distance / (scale + 0.3 * scale.mean()))
    np.testing.assert_allclose(reference.calibration * reference.unit, by_hand, rtol=1e-4)


def test_large_data_are_calibrated_by_cells_that_are_not_landmarks(points, monkeypatch):
    monkeypatch.setattr(_novelty, "_MAX_LANDMARKS", 100)
    reference = fit_reference(points, np.random.default_rng(0))
    order = np.random.default_rng(0).permutation(400)
    np.testing.assert_array_equal(reference.landmarks, points[np.sort(order[:100])])
    wanted = np.sort(scores(reference, points[order[100:]]))
    np.testing.assert_allclose(reference.calibration * reference.unit, wanted, rtol=1e-5)


def test_wide_data_have_fewer_landmarks(points, monkeypatch):
    monkeypatch.setattr(_novelty, "_MAX_VALUES", 8 * 50)
    assert fit_reference(points, np.random.default_rng(0)).landmarks.shape == (50, 8)
    monkeypatch.setattr(_novelty, "_MAX_VALUES", 8)
    assert fit_reference(points, np.random.default_rng(0)).landmarks.shape == (32, 8)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "width"), [(5000, 50), (600, 2000)])
def test_what_is_stored_is_below_1_mb(n, width):
    reference = fit_reference(
        np.random.default_rng(0).normal(size=(n, width)).astype(np.float32), np.random.default_rng(0)
    )
    assert sum(array.nbytes for array in (reference.landmarks, reference.scales, reference.calibration)) < 1e6


def test_a_cell_is_as_novel_as_its_surroundings_are_dense():
    rng = np.random.default_rng(0)
    dense, wide = rng.normal(scale=0.1, size=(200, 5)), 50 + rng.normal(scale=5, size=(200, 5))
    reference = fit_reference(np.concatenate([dense, wide]).astype(np.float32), rng)
    beside_dense, beside_wide = novelty(reference, np.array([[4.0] * 5, [54.0] * 5], np.float32))
    assert beside_dense > 1 > beside_wide


# P-values


@pytest.mark.parametrize("n", [700, 4000])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_share_of_at_most_alpha_of_exchangeable_cells_has_a_p_value_of_at_most_alpha(n, seed, monkeypatch):
    monkeypatch.setattr(_novelty, "_MAX_LANDMARKS", 1000)  # those of 700 cells are left out in turn
    rng = np.random.default_rng(seed)
    cells = np.concatenate([rng.normal(size=(n, 6)), rng.normal(4, 0.3, size=(n, 6))]).astype(np.float32)
    cells = rng.permutation(cells)
    reference = fit_reference(cells[:n], rng)
    p = p_values(reference, novelty(reference, cells[n:]))
    assert p.min() >= 1 / (1 + len(reference.calibration))
    assert p.max() <= 1
    for alpha in (0.01, 0.05, 0.1):
        # Both the cells and their calibration are samples.
        size = 1 / (1 / len(p) + 1 / len(reference.calibration))
        low, high = share_interval(int(size), alpha)
        assert low <= (p <= alpha).mean() <= high


def test_a_novelty_above_1_is_a_p_value_of_at_most_1_percent(points):
    reference = fit_reference(points, np.random.default_rng(0))
    score = novelty(reference, np.concatenate([points, points + 1, points + 2]))
    p = p_values(reference, score)
    np.testing.assert_array_equal(score > 1, p <= 0.01)
    assert 0.1 < (p <= 0.01).mean() < 0.9


def test_equal_scores_count_as_at_least_as_novel():
    reference = calibrated(Reference(np.zeros((2, 1), np.float32), 1.0), np.repeat([1.0, 2.0, 3.0], 10))
    assert reference.unit == 3.0
    np.testing.assert_allclose(
        p_values(reference, np.float32([0, 1 / 3, 0.5, 1, 1.01])), np.array([31, 31, 21, 11, 1]) / 31
    )


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
def test_calibration_holds_for_cells_that_the_principal_components_have_not_seen(overfitted, alpha):
    optimistic, honest = overfitted
    # The cells of the PCA lie farther apart than new ones, which therefore seem too ordinary.
    assert (optimistic <= alpha).mean() == 0
    low, high = share_interval(int(1 / (1 / 700 + 1 / 300)), alpha)
    assert low <= (honest <= alpha).mean() <= high


@pytest.fixture(scope="module")
def overfitted():
    """P-values of 700 new cells, calibrated on the 300 cells of a PCA that fits their noise, and on cells held out of it."""
    rng = np.random.default_rng(0)
    types, noise = rng.normal(scale=0.5, size=(4, 600)), rng.normal(size=(1000, 600))
    genes = (noise * rng.uniform(0.7, 1.3, size=(1000, 1)) + types[rng.integers(0, 4, 1000)]).astype(np.float32)
    fitted, mean = genes[:300], genes[:300].mean(axis=0)
    axes = np.linalg.svd(fitted - mean, full_matrices=False)[2][:20].T
    optimistic = fit_reference((fitted - mean) @ axes, rng)
    honest = calibrated(optimistic, cross_fitted_scores(fitted, 20, 300, rng))
    return [p_values(reference, novelty(reference, (genes[300:] - mean) @ axes)) for reference in (optimistic, honest)]


def test_unseen_expression_is_projected_onto_components_of_the_other_rows():
    x = np.random.default_rng(0).normal(size=(80, 30)).astype(np.float32) * np.linspace(3, 1, 30, dtype=np.float32)
    rows = np.array([3, 50, 51])
    others = np.delete(x, rows, axis=0).astype(np.float64)
    mean = others.mean(axis=0)
    axes = np.linalg.svd(others - mean, full_matrices=False)[2][:29]
    expected = (x[rows] - mean) @ axes.T @ axes + mean
    np.testing.assert_allclose(unseen_expression(x, rows, 29), expected, atol=1e-3)


@pytest.fixture(scope="module")
def genes():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(2000, 6)) @ rng.normal(size=(6, 80)) * 2 + rng.normal(size=(2000, 80)) + 3).astype(
        np.float32
    )


@pytest.mark.parametrize(
    "decomposition", [PCA(20), PCA(20, svd_solver="randomized"), TruncatedSVD(20, algorithm="arpack")]
)
@pytest.mark.parametrize("share", [0, 0.05, 0.25, 0.5])
def test_the_share_of_the_cells_of_a_pca_that_are_missing_is_estimated(genes, decomposition, share):
    components = decomposition.set_params(random_state=0).fit_transform(genes).astype(np.float32)
    estimate = missing_share(components[int(share * 2000) :])
    # 190 pairs of components: 5 standard errors, of which each is sqrt(2 / 190) of the share. All cells are recognized exactly.
    assert estimate == pytest.approx(share, rel=0.52, abs=1e-3)


def test_the_missing_share_is_the_ratio_of_squared_means_to_mean_squares():
    x = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    scaled = x / np.sqrt((x.astype(np.float64) ** 2).mean(axis=0))
    pairs = [scaled[:, i] * scaled[:, j] for i, j in ((0, 1), (0, 2), (1, 2))]
    expected = 30 * sum(pair.mean() ** 2 for pair in pairs) / sum((pair**2).mean() for pair in pairs)
    assert missing_share(x) == pytest.approx(min(expected, 1), rel=1e-5)


@pytest.mark.parametrize("components", [np.zeros((10, 3)), np.ones((10, 1)), np.eye(3)])
def test_nothing_is_missing_where_no_two_components_vary_together(components):
    assert missing_share(components.astype(np.float32)) == 0


def test_landmarks_can_be_fewer_than_the_rows(points):
    reference = subsample_reference(points, 50, np.random.default_rng(0))
    assert reference.landmarks.shape == (50, 8)
    np.testing.assert_allclose(reference.scales, scales_by_hand(reference.landmarks), rtol=1e-5)


# Models of earlier versions


def test_without_scales_the_score_is_the_distance_to_five_landmarks_and_there_are_no_p_values(points):
    reference = Reference(points[:100], 2.5)
    distances = cdist(points[100:], points[:100])
    score = novelty(reference, points[100:])
    np.testing.assert_allclose(score, np.sort(distances, axis=1)[:, :5].mean(axis=1) / 2.5, rtol=1e-4)
    assert p_values(reference, score) is None


# Any data


def test_scores_beyond_float32_are_its_largest_number(points):
    tiny = np.finfo(np.float32).tiny
    assert (novelty(Reference(points, float(tiny)), points + 1e4) == np.finfo(np.float32).max).all()


def test_twice_the_distance_is_twice_the_score(points):
    reference = fit_reference(points, np.random.default_rng(0))
    far, farther = novelty(reference, np.array([[1e4] * 8, [2e4] * 8], np.float32))
    assert farther == pytest.approx(2 * far, rel=1e-3)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_score_is_bitwise_the_same_in_blocks_of_any_size(points, size):
    reference, query = fit_reference(points[100:], np.random.default_rng(0)), points[:100]
    blocks = [novelty(reference, query[i : i + size]) for i in range(0, 100, size)]
    np.testing.assert_array_equal(np.concatenate(blocks), novelty(reference, query))
    order = np.random.default_rng(0).permutation(100)
    np.testing.assert_array_equal(novelty(reference, query[order]), novelty(reference, query)[order])


@pytest.mark.parametrize("k", [1, 15])
def test_few_rows_have_the_nearest_landmarks_of_many_rows(points, k):
    landmarks, rows = points[:200], points[200:240]
    distances, found = _novelty.nearest_landmarks(landmarks, rows, k)
    few = [_novelty.nearest_landmarks(landmarks, rows[i : i + 8], k) for i in range(0, len(rows), 8)]
    np.testing.assert_array_equal(np.concatenate([each for each, _ in few]), distances)
    np.testing.assert_array_equal(np.concatenate([each for _, each in few]), found)
    np.testing.assert_array_equal(found, cdist(rows, landmarks).argsort(axis=1)[:, :k])


def test_the_score_of_duplicates_is_finite():
    reference = fit_reference(np.ones((50, 3), np.float32), np.random.default_rng(0))
    assert reference.unit == 1.0
    same, other = novelty(reference, np.array([[1, 1, 1.0], [1, 1, 3.0]], np.float32))
    assert (same, other) == (0.0, 2.0)
    np.testing.assert_allclose(p_values(reference, np.float32([same, other])), [1, 1 / 51])


@pytest.mark.parametrize("n", [2, 3, 5, 16, 17])
def test_scores_of_few_cells_are_finite(n):
    reference = fit_reference(np.arange(n, dtype=np.float32)[:, None], np.random.default_rng(0))
    score = novelty(reference, np.array([[0.5]], np.float32))
    assert np.isfinite(score).all()
    assert 0 < p_values(reference, score)[0] <= 1


def test_an_empty_query_has_no_scores(points):
    reference = fit_reference(points, np.random.default_rng(0))
    score = novelty(reference, points[:0])
    assert (score.shape, score.dtype) == ((0,), np.float32)
    assert p_values(reference, score).shape == (0,)


def test_the_seed_determines_the_landmarks(points, monkeypatch):
    monkeypatch.setattr(_novelty, "_MAX_LANDMARKS", 50)
    first, again, other = (fit_reference(points, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.landmarks, again.landmarks)
    np.testing.assert_array_equal(first.calibration, again.calibration)
    assert (first.landmarks != other.landmarks).any()
