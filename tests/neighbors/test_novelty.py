"""The novelty score against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from scivis.neighbors import _novelty
from scivis.neighbors._novelty import Reference, fit_reference, novelty


def five_nearest_by_hand(x, landmarks, *, itself=False):
    distances = np.linalg.norm(x[:, None].astype(float) - landmarks[None].astype(float), axis=2)
    first = 1 if itself else 0
    return np.sort(distances, axis=1)[:, first : first + 5].mean(axis=1)


def test_all_rows_of_small_data_are_landmarks(points):
    reference = fit_reference(points, np.random.default_rng(0))
    np.testing.assert_array_equal(reference.landmarks, points)
    wanted = np.quantile(five_nearest_by_hand(points, points, itself=True), 0.99)
    assert reference.unit == pytest.approx(wanted, rel=1e-5)


def test_landmarks_of_large_data_are_a_subsample(points, monkeypatch):
    monkeypatch.setattr(_novelty, "_MAX_LANDMARKS", 100)
    rng = np.random.default_rng(0)
    reference = fit_reference(points, rng)
    order = np.random.default_rng(0).permutation(400)
    np.testing.assert_array_equal(reference.landmarks, points[np.sort(order[:100])])
    wanted = np.quantile(five_nearest_by_hand(points[order[100:200]], reference.landmarks), 0.99)
    assert reference.unit == pytest.approx(wanted, rel=1e-5)


def test_wide_data_have_fewer_landmarks(points, monkeypatch):
    monkeypatch.setattr(_novelty, "_MAX_VALUES", 8 * 50)
    assert fit_reference(points, np.random.default_rng(0)).landmarks.shape == (50, 8)
    monkeypatch.setattr(_novelty, "_MAX_VALUES", 8)
    assert fit_reference(points, np.random.default_rng(0)).landmarks.shape == (10, 8)


def test_the_score_is_the_mean_distance_to_the_five_nearest_landmarks_in_units(points):
    reference = Reference(points[:100], 2.5)
    score = novelty(reference, points[100:])
    assert score.dtype == np.float32
    np.testing.assert_allclose(score, five_nearest_by_hand(points[100:], points[:100]) / 2.5, rtol=1e-4)


def test_99_percent_of_similar_cells_score_at_most_one():
    x = np.random.default_rng(0).normal(size=(6000, 5)).astype(np.float32)
    reference = fit_reference(x, np.random.default_rng(1))
    similar = novelty(reference, np.random.default_rng(2).normal(size=(4000, 5)).astype(np.float32))
    assert (similar <= 1).mean() == pytest.approx(0.99, abs=0.007)
    assert (novelty(reference, x[:10] + 20) > 10).all()


def test_scores_beyond_float32_are_its_largest_number(points):
    tiny = np.finfo(np.float32).tiny
    assert (novelty(Reference(points, float(tiny)), points + 1e4) == np.finfo(np.float32).max).all()


def test_twice_the_distance_is_twice_the_score(points):
    reference = fit_reference(points, np.random.default_rng(0))
    far, farther = novelty(reference, np.array([[1e4] * 8, [2e4] * 8], np.float32))
    assert farther == pytest.approx(2 * far, rel=1e-3)


def test_a_score_does_not_depend_on_the_other_cells_of_the_query(points):
    reference, query = Reference(points[12:], 1.0), points[:12]
    alone = np.concatenate([novelty(reference, query[[i]]) for i in range(12)])
    for order in (range(12), range(11, -1, -1), [7, 2, 2, 5]):
        np.testing.assert_allclose(novelty(reference, query[order]), alone[order], rtol=1e-5)


def test_duplicates_give_a_unit_of_one():
    reference = fit_reference(np.ones((50, 3), np.float32), np.random.default_rng(0))
    assert reference.unit == 1.0
    np.testing.assert_allclose(novelty(reference, np.array([[1, 1, 3.0]], np.float32)), [2.0])


@pytest.mark.parametrize("n", [2, 3, 5, 6])
def test_distances_of_few_cells_are_finite(n):
    reference = fit_reference(np.arange(n, dtype=np.float32)[:, None], np.random.default_rng(0))
    assert np.isfinite(novelty(reference, np.array([[0.5]], np.float32))).all()


def test_an_empty_query_has_no_scores(points):
    score = novelty(fit_reference(points, np.random.default_rng(0)), points[:0])
    assert (score.shape, score.dtype) == ((0,), np.float32)


def test_the_seed_determines_the_landmarks(points, monkeypatch):
    monkeypatch.setattr(_novelty, "_MAX_LANDMARKS", 50)
    first, again, other = (fit_reference(points, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.landmarks, again.landmarks)
    assert (first.landmarks != other.landmarks).any()
