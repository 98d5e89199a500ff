"""The stages of t-SNE on arrays, against formulas written out in NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.spatial.distance import cdist

from scivis._tsne.affinities import Index, make_affinities, nearest
from scivis._tsne.initialization import initial_positions
from scivis._tsne.optimization import optimize, start_embedding
from scivis._tsne.settings import Settings, resolve


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(2).normal(size=(120, 5)).astype(np.float32)


def settings(**changes):
    return resolve(Settings(perplexity=10, **changes), 120)


def embed(x, y, affinities, chosen):
    """An embedding at positions `y`, which takes a single step, from which its gradient is read."""
    embedding = start_embedding(y, affinities, chosen)
    optimize(embedding, chosen)
    return embedding


def gradient(x, y, affinities, **changes):
    """The gradient that a first step shows.

    Gains start at 1 and rise by .2 in the first step, and there is no momentum yet: the step is −1.2 × the gradient.
    openTSNE leaves out the factor 4.
    """
    chosen = settings(early_exaggeration_iter=0, n_iter=1, learning_rate=1.0, max_step_norm=float("inf"), **changes)
    embedding = embed(x, y, affinities, chosen)
    return -4 * np.asarray(embedding.optimizer.update) / 1.2, embedding


def kl(p, y, dof=1.0):
    """Kullback-Leibler divergence of a map, the kernel being (1 + d² / dof) ** −dof as in Kobak et al. 2019."""
    kernel = (1 + cdist(y, y, "sqeuclidean") / dof) ** -dof
    np.fill_diagonal(kernel, 0)
    q = kernel / kernel.sum()
    used = p > 0
    return float((p[used] * np.log(p[used] / q[used])).sum())


def slope(function, y, step=1e-5):
    """Central differences."""
    result = np.empty_like(y)
    for i in np.ndindex(*y.shape):
        up, down = y.copy(), y.copy()
        up[i] += step
        down[i] -= step
        result[i] = (function(up) - function(down)) / (2 * step)
    return result


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
    indices, distances = nearest(cdist(x, x), k, own=True)
    p = np.zeros((len(x), len(x)))
    np.put_along_axis(p, indices, gaussian_affinities(distances, perplexity), axis=1)
    return (p + p.T) / (2 * len(x))


def test_perplexity_is_the_exponential_of_the_entropy(x):
    p = make_affinities(x, settings()).P.toarray()
    assert_allclose(p, expected_affinities(x, 10, 30), atol=1e-4 * p.max())


def test_multiscale_is_the_mean_of_its_scales(x):
    chosen = resolve(Settings(affinity="multiscale", perplexity=(5, 10)), 120)
    p = make_affinities(x, chosen).P.toarray()
    parts = [expected_affinities(x, perplexity, 30) for perplexity in (5, 10)]
    assert_allclose(p, sum(parts) / 2, atol=1e-4 * p.max())


def test_fixed_sigma_is_one_gaussian_for_all(x):
    chosen = Settings(affinity="fixed_sigma", sigma=0.7, n_neighbors=12)
    indices, distances = nearest(cdist(x, x), 12, own=True)
    weights = np.exp(-(distances**2) / (2 * 0.7**2))
    p = np.zeros((120, 120))
    np.put_along_axis(p, indices, weights / weights.sum(axis=1, keepdims=True), axis=1)
    assert_allclose(make_affinities(x, chosen).P.toarray(), (p + p.T) / 240, atol=1e-6)


def test_uniform_counts_all_neighbours_alike(x):
    indices, _ = nearest(cdist(x, x), 12, own=True)
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
def test_affinities_are_symmetric_sum_to_one_and_do_not_care_where_neighbours_came_from(x, changes):
    chosen = Settings(**changes)
    searched = make_affinities(x, chosen).P
    assert_allclose(searched.sum(), 1)
    assert_allclose(searched.toarray(), searched.T.toarray(), atol=1e-18)
    graph = sparse.csr_matrix(cdist(x, x))
    width = chosen.width or 30
    if chosen.width is None:  # then the graph decides
        graph = sparse.csr_matrix(np.where(cdist(x, x) <= np.sort(cdist(x, x), axis=1)[:, [width]], cdist(x, x), 0))
    assert_allclose(make_affinities(x, chosen, graph).P.toarray(), searched.toarray(), atol=1e-7)


def test_the_nearest_of_a_table():
    distances = np.array([[0, 3, 1, 2], [3, 0, 4, 0.5]])
    indices, values = nearest(distances, 2)
    assert indices.tolist() == [[0, 2], [1, 3]]
    assert values.tolist() == [[0, 1], [0, 0.5]]
    indices, values = nearest(sparse.csr_array(distances), own=True)
    assert indices.tolist() == [[2, 3, 1], [3, 0, 2]]


def test_the_index_finds_what_comparing_all_pairs_finds(x):
    rows, cells = x[:7], x[7:]
    indices, distances = Index(cells, settings()).query(rows, 4)
    order = np.argsort(cdist(rows, cells), axis=1)[:, :4]
    assert indices.tolist() == order.tolist()
    assert_allclose(distances, np.take_along_axis(cdist(rows, cells), order, axis=1), rtol=1e-5)


@pytest.mark.parametrize("dof", [1.0, 0.5])
def test_the_gradient_is_that_of_the_divergence(x, dof):
    y = np.random.default_rng(0).normal(size=(120, 2))
    affinities = make_affinities(x, settings())
    p = affinities.P.toarray()
    own, _ = gradient(x, y, affinities, theta=0, dof=dof)
    assert_allclose(own, slope(lambda y: kl(p, y, dof), y), atol=1e-6 * np.abs(own).max() + 1e-8)


def exact_gradient(p, y):
    kernel = 1 / (1 + cdist(y, y, "sqeuclidean"))
    np.fill_diagonal(kernel, 0)
    force = (p - kernel / kernel.sum()) * kernel
    return 4 * (force.sum(axis=1)[:, None] * y - force @ y)


def test_theta_zero_makes_no_approximation(x):
    y = np.random.default_rng(0).normal(size=(120, 2)) * 3
    affinities = make_affinities(x, settings())
    own, _ = gradient(x, y, affinities, theta=0)
    assert_allclose(own, exact_gradient(affinities.P.toarray(), y), atol=1e-8)
    rough, _ = gradient(x, y, affinities, theta=0.8)
    assert 1e-8 < np.abs(rough - own).max() < 0.1 * np.abs(own).max()


def test_interpolation_is_within_a_hundredth_and_finer_grids_are_nearer():
    y = np.random.default_rng(0).normal(size=(1000, 2)) * 5
    x = y.astype(np.float32)
    affinities = make_affinities(x, settings())
    exact = exact_gradient(affinities.P.toarray(), y)

    def error(**grid):
        own, _ = gradient(x, y, affinities, negative_gradient_method="fft", **grid)
        return np.linalg.norm(own - exact) / np.linalg.norm(exact)

    errors = error(n_interpolation_points=2), error(), error(min_num_intervals=100)
    assert errors[1] < 1e-2
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("method", ["bh", "BH", "barnes-hut", "fft", "FFT", "interpolation", "auto"])
def test_the_divergence_is_right_by_any_method(x, method):
    y = np.random.default_rng(0).normal(size=(120, 2)) * 3
    affinities = make_affinities(x, settings())
    chosen = settings(early_exaggeration_iter=0, n_iter=0, negative_gradient_method=method)
    embedding = embed(x, y, affinities, chosen)
    assert_allclose(embedding.kl_divergence, kl(affinities.P.toarray(), y), rtol=0.01)


def test_auto_takes_the_tree_for_few_cells_or_three_axes():
    methods = [
        resolve(Settings(n_components=d), n).negative_gradient_method for n, d in ((9999, 2), (10**4, 2), (10**4, 3))
    ]
    assert methods == ["bh", "fft", "bh"]


def test_early_exaggeration_follows_exaggeration():
    assert [resolve(Settings(exaggeration=e), 100).early_exaggeration for e in (1, 4, 20)] == [12, 12, 20]


@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_maps_have_one_to_three_axes(x, n_components):
    chosen = settings(n_components=n_components, early_exaggeration_iter=20, n_iter=20)
    affinities = make_affinities(x, chosen)
    embedding = embed(x, initial_positions(x, affinities, chosen, None), affinities, chosen)
    assert embedding.shape == (120, n_components)
    assert embedding.kl_divergence < kl(affinities.P.toarray(), np.zeros((120, n_components)))


def test_long_gradients_and_steps_are_cut(x):
    y = np.random.default_rng(0).normal(size=(120, 2))
    affinities = make_affinities(x, settings())
    free, _ = gradient(x, y, affinities)
    limit = float(np.median(np.linalg.norm(free, axis=1)))
    cut, _ = gradient(x, y, affinities, max_grad_norm=limit / 4)
    assert_allclose(np.linalg.norm(cut, axis=1).max(), limit, rtol=0.01)
    assert_allclose(
        cut / np.linalg.norm(cut, axis=1, keepdims=True), free / np.linalg.norm(free, axis=1, keepdims=True)
    )
    chosen = settings(early_exaggeration_iter=0, n_iter=1, learning_rate=1e6, max_step_norm=2)
    steps = np.linalg.norm(embed(x, y, affinities, chosen).optimizer.update, axis=1)
    assert_allclose(steps, 2)


def test_cells_that_lie_on_each_other_stay_finite(x):
    x = np.repeat(x[:30], 4, axis=0)
    chosen = settings(early_exaggeration_iter=50, n_iter=50)
    affinities = make_affinities(x, chosen)
    for how in ("pca", "random"):
        positions = initial_positions(x, affinities, settings(initialization=how), None)
        assert np.isfinite(np.asarray(embed(x, positions, affinities, chosen))).all()


@pytest.mark.parametrize("how", ["pca", "spectral", "random"])
def test_starts_are_small(x, how):
    chosen = settings(initialization=how)
    start = initial_positions(x, make_affinities(x, chosen), chosen, None)
    assert_allclose(start[:, 0].std(), 1e-4, rtol=0.2 if how == "random" else 0.01)
    if how == "pca":
        centred = x - x.mean(axis=0)
        pcs = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
        assert abs(np.corrcoef(pcs[:, 0], start[:, 0])[0, 1]) > 0.999
        assert_allclose(start[:, 1].std() / start[:, 0].std(), pcs[:, 1].std() / pcs[:, 0].std(), rtol=0.02)
