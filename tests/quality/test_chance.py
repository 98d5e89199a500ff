"""Chance by counting all random orders of few cells."""

import itertools

import numpy as np
import pytest

from scivis._quality.chance import chance_recall, chance_trust, no_better_than_chance, trust_limit
from scivis._quality.neighbors import trust_from_ranks


def test_chance_is_the_mean_over_all_choices_of_neighbors():
    n, k = 8, 3
    ranks = np.array(list(itertools.combinations(range(1, n), k)), float)
    assert chance_trust(k, n) == pytest.approx(trust_from_ranks(ranks, n).mean())
    assert chance_recall(k, n) == pytest.approx((ranks <= k).mean())


def test_most_cells_with_random_neighbors_are_no_better_than_chance():
    rng, n, k = np.random.default_rng(0), 1000, 10
    trust = trust_from_ranks(1.0 + np.array([rng.choice(n - 1, k, replace=False) for _ in range(4000)]), n)
    assert no_better_than_chance(trust, trust_limit(k, n, rng)).mean() == pytest.approx(0.95, abs=0.015)


def test_the_limit_is_nearer_to_the_mean_for_more_neighbors():
    rng = np.random.default_rng(0)
    limits = [trust_limit(k, 1000, rng) for k in (5, 15, 100)]
    assert limits == sorted(limits, reverse=True)
    assert 0.5 < limits[2] < limits[0] < 0.8
