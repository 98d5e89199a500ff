"""Resamples and influence terms against SciPy's bootstrap and against new samples."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, rankdata, spearmanr

from scivis._quality.resampling import (
    interval,
    pair_terms,
    pearson_terms,
    resampled_counts,
    resampled_means,
    resampled_medians,
    spearman_terms,
)


def correlated(rng, rho, n=300):
    a = rng.normal(size=n)
    return a, rho * a + np.sqrt(1 - rho**2) * rng.normal(size=n)


def test_resampled_means_have_the_standard_error_of_a_mean():
    terms = np.random.default_rng(0).normal(size=(400, 2)) * [1, 5] + [2, 3]
    means = resampled_means(terms, np.random.default_rng(1))
    assert means.shape == (500, 2)
    assert_allclose(means.mean(axis=0), terms.mean(axis=0), atol=0.05)
    assert_allclose(means.std(axis=0), terms.std(axis=0) / 20, rtol=0.1)


def test_resampled_medians_are_the_medians_of_the_resamples():
    values = np.random.default_rng(0).normal(size=101)
    medians = resampled_medians(values, np.random.default_rng(1))
    counts = np.vstack(list(resampled_counts(101, np.random.default_rng(1)))).astype(int)
    assert_allclose(medians, [np.median(np.repeat(values, row)) for row in counts])


def test_all_columns_are_resampled_alike():
    terms = np.random.default_rng(0).normal(size=100)
    both = resampled_means(np.column_stack([terms, 2 * terms + 1]), np.random.default_rng(1))
    assert_allclose(both[:, 1], 2 * both[:, 0] + 1)
    assert_allclose(resampled_means(terms[:, None], np.random.default_rng(1)), both[:, :1])


def test_the_interval_has_the_value_in_the_middle_and_stays_between_the_possible_values():
    assert interval(0.7, np.array([0.1, 0.2, 0.3])) == pytest.approx((0.605, 0.795))
    assert interval(0.99, np.array([0.5, 0.9])) == pytest.approx((0.80, 1.0))


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.95])
def test_correlations_vary_between_resamples_as_between_new_samples(rho):
    rng = np.random.default_rng(0)
    new = np.array([[spearmanr(*pair)[0], pearsonr(*pair)[0]] for pair in (correlated(rng, rho) for _ in range(300))])
    found = []
    for _ in range(10):
        a, b = correlated(rng, rho)
        (of_ranks, terms_of_ranks), (r, terms) = spearman_terms(rankdata(a), rankdata(b)), pearson_terms(a, b)
        assert (of_ranks, r) == (pytest.approx(spearmanr(a, b)[0]), pytest.approx(pearsonr(a, b)[0]))
        found.append(resampled_means(np.column_stack([terms_of_ranks, terms]), rng).std(axis=0))
    assert_allclose(np.mean(found, axis=0), new.std(axis=0), rtol=0.15)


def test_terms_are_the_change_of_the_correlation_when_a_pair_counts_twice():
    a, b = correlated(np.random.default_rng(0), 0.6, n=2000)
    r, terms = pearson_terms(a, b)
    rho, terms_of_ranks = spearman_terms(rankdata(a), rankdata(b))
    for i in (0, 1, 2):
        twice = np.append(a, a[i]), np.append(b, b[i])
        assert terms[i] == pytest.approx(2001 * (pearsonr(*twice)[0] - r), abs=0.02)
        assert terms_of_ranks[i] == pytest.approx(2001 * (spearmanr(*twice)[0] - rho), abs=0.02)


def test_distances_vary_between_resamples_of_cells_as_between_new_cells():
    def distances(rng):
        x = rng.normal(size=(150, 5))
        return pdist(x), pdist(x[:, :2] * [1, 0.5])

    rng = np.random.default_rng(0)
    new = np.array([[spearmanr(*pair)[0], pearsonr(*pair)[0]] for pair in (distances(rng) for _ in range(100))])
    found = []
    for _ in range(10):
        before, after = distances(rng)
        terms = spearman_terms(rankdata(before), rankdata(after))[1], pearson_terms(before, after)[1]
        found.append(resampled_means(np.column_stack([pair_terms(some, 150) for some in terms]), rng).std(axis=0))
    assert_allclose(np.mean(found, axis=0), new.std(axis=0), rtol=0.25)


def test_constant_values_have_no_correlation():
    a, b = np.ones(5), np.arange(5.0)
    for value, terms in (pearson_terms(a, b), spearman_terms(rankdata(a), rankdata(b))):
        assert np.isnan(value)
        assert np.isnan(terms).all()
