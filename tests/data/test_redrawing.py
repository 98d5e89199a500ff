"""Redrawn counts have the variance of Poisson counts, and those of a cell do not depend on the blocks."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from scivis.data._redrawing import SCALE, group_profiles, measured_twice, redraw


@pytest.mark.parametrize("rate", [0.05, 1.0, 20.0])
def test_the_variance_is_that_of_poisson_counts(rate):
    rng = np.random.default_rng(0)
    counts = rng.poisson(rate, size=(1, 20_000))
    replicates = np.stack([redraw(counts, np.full(counts.shape, 1 / 20_000), rng)[0] for _ in range(30)])
    assert SCALE * replicates.var(axis=0, ddof=1).mean() == pytest.approx(rate, rel=0.05)
    assert replicates.mean() == pytest.approx(rate, rel=0.05)


def test_of_logarithms_the_variance_is_right_where_counts_are_few():
    # Resampling of the counts themselves would give a quarter of it, because a gene without counts would never get any.
    rng, rate = np.random.default_rng(0), 0.05
    counts = rng.poisson(rate, size=(1, 20_000))
    replicates = np.stack([redraw(counts, np.full(counts.shape, 1 / 20_000), rng)[0] for _ in range(30)])
    expected = np.log1p(100 * rng.poisson(rate, size=200_000)).var()
    assert SCALE * np.log1p(100 * replicates).var(axis=0, ddof=1).mean() == pytest.approx(expected, rel=0.1)
    resampled = np.log1p(100 * rng.poisson(np.repeat(counts, 30, axis=0))).var(axis=0, ddof=1).mean()
    assert resampled < 0.4 * expected


def test_blocks_make_no_difference():
    counts = np.random.default_rng(1).poisson(2, size=(7, 30))
    shares = np.full(counts.shape, 1 / 30)
    whole, rng = redraw(counts, shares, np.random.default_rng(3)), np.random.default_rng(3)
    assert_array_equal(whole, np.concatenate([redraw(counts[a:b], shares[a:b], rng) for a, b in [(0, 2), (2, 7)]]))


def test_profiles_add_up_over_blocks():
    counts, groups = np.random.default_rng(0).poisson(3, size=(10, 4)), np.arange(10) % 2
    found = group_profiles(iter([counts[:3], counts[3:]]), groups, 2)
    for group in range(2):
        own = counts[groups == group].sum(axis=0)
        np.testing.assert_allclose(found[group], own / own.sum())


@pytest.mark.parametrize("rate", [0.05, 3.0])
def test_two_measurements_are_independent_poisson_counts_of_the_same_depth(rate):
    rng = np.random.default_rng(0)
    counts = rng.poisson(rate, size=(1, 50_000))
    one, other = measured_twice(counts, np.full(counts.shape, 1 / 50_000), rng)
    for measured in (one, other):
        assert measured.mean() == pytest.approx(rate, rel=0.05)
        assert measured.var() == pytest.approx(rate, rel=0.05)
    assert abs(np.corrcoef(one[0], other[0])[0, 1]) < 0.02
