"""Affinities on arrays, compared with formulas written in NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.spatial.distance import cdist

from scivis._tsne.affinities import NeighborIndex, make_affinities, nearest_columns, search_method
from scivis._tsne.settings import Settings, resolve


def gaussian_affinities(distances, perplexity):
    """Rows of exp(−β d²), with the β at which their entropy is log(perplexity), found by bisection."""
    rows = []
    for d in distances**2:
        low, high = 0.0, 1e4
        for _ in range(200):
            beta = (low + high) / 2
            weights = np.exp(-beta * (d - d.min()))
            p = weights / weights.sum()
            entropy = -(p[p > 0] * np.log(p[p > 0])).sum()
            low, high = (beta, high) if entropy > np.log(perplexity) else (low, beta)
        rows.append(p)
    return np.array(rows)


def expected_affinities(x, perplexity, k):
    indices, distances = nearest_columns(cdist(x, x), k, same_cells=True)
    p = np.zeros((len(x), len(x)))
    np.put_along_axis(p, indices, gaussian_affinities(distances, perplexity), axis=1)
    return (p + p.T) / (2 * len(x))


def test_perplexity_is_the_exponential_of_the_entropy(x):
    p = make_affinities(x, resolve(Settings(perplexity=10), 120)).P.toarray()
    assert_allclose(p, expected_affinities(x, 10, 30), atol=1e-4 * p.max())


def test_multiscale_is_the_mean_of_several_perplexities(x):
    settings = resolve(Settings(affinity="multiscale", perplexity=(5, 10)), 120)
    p = make_affinities(x, settings).P.toarray()
    parts = [expected_affinities(x, perplexity, 30) for perplexity in (5, 10)]
    assert_allclose(p, sum(parts) / 2, atol=1e-4 * p.max())


def test_fixed_sigma_is_the_same_gaussian_for_all_cells(x):
    settings = Settings(affinity="fixed_sigma", sigma=0.7, n_neighbors=12)
    indices, distances = nearest_columns(cdist(x, x), 12, same_cells=True)
    weights = np.exp(-(distances**2) / (2 * 0.7**2))
    p = np.zeros((120, 120))
    np.put_along_axis(p, indices, weights / weights.sum(axis=1, keepdims=True), axis=1)
    assert_allclose(make_affinities(x, settings).P.toarray(), (p + p.T) / 240, atol=1e-6)


def test_uniform_affinities_are_equal_for_all_neighbors(x):
    indices, _ = nearest_columns(cdist(x, x), 12, same_cells=True)
    p = np.zeros((120, 120))
    np.put_along_axis(p, indices, 1.0, axis=1)
    p = np.maximum(p, p.T)
    assert_allclose(make_affinities(x, Settings(affinity="uniform", n_neighbors=12)).P.toarray(), p / p.sum())


@pytest.mark.parametrize(
    "changes",
    [
        {"perplexity": (5, 10)},
        {"affinity": "multiscale", "perplexity": (5, 10)},
        {"affinity": "uniform", "n_neighbors": 9},
        {"affinity": "uniform"},
        {"affinity": "fixed_sigma", "sigma": 1.0, "n_neighbors": 9},
    ],
    ids=str,
)
def test_affinities_are_symmetric_sum_to_one_and_are_the_same_from_a_graph(x, changes):
    settings = Settings(**changes)
    searched = make_affinities(x, settings).P
    assert_allclose(searched.sum(), 1)
    assert_allclose(searched.toarray(), searched.T.toarray(), atol=1e-18)
    graph = sparse.csr_matrix(cdist(x, x))
    width = settings.n_required or 30
    if settings.n_required is None:  # all neighbors of the graph are used
        graph = sparse.csr_matrix(np.where(cdist(x, x) <= np.sort(cdist(x, x), axis=1)[:, [width]], cdist(x, x), 0))
    assert_allclose(make_affinities(x, settings, graph).P.toarray(), searched.toarray(), atol=1e-7)


def test_nearest_columns_of_dense_and_sparse_distances():
    distances = np.array([[0, 3, 1, 2], [3, 0, 4, 0.5]])
    indices, values = nearest_columns(distances, 2)
    assert indices.tolist() == [[0, 2], [1, 3]]
    assert values.tolist() == [[0, 1], [0, 0.5]]
    indices, values = nearest_columns(sparse.csr_array(distances), same_cells=True)
    assert indices.tolist() == [[2, 3, 1], [3, 0, 2]]


def test_the_index_finds_the_same_neighbors_as_a_comparison_of_all_pairs(x):
    rows, cells = x[:7], x[7:]
    indices, distances = NeighborIndex(cells, resolve(Settings(perplexity=10), 120)).query(rows, 4)
    order = np.argsort(cdist(rows, cells), axis=1)[:, :4]
    assert indices.tolist() == order.tolist()
    assert_allclose(distances, np.take_along_axis(cdist(rows, cells), order, axis=1), rtol=1e-5)


def test_auto_is_an_approximate_search_above_100_000_cells():
    assert [search_method(Settings(), n) for n in (100_000, 100_001)] == ["exact", "approx"]
    assert search_method(Settings(metric="dot"), 1000) == "approx"  # which the exact search does not support
