"""Optimization on arrays, compared with formulas written in NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from scivis._tsne.affinities import make_affinities
from scivis._tsne.initialization import initial_coordinates
from scivis._tsne.optimization import History, make_embedding, optimize
from scivis._tsne.settings import Settings, resolve


def settings(**changes):
    return resolve(Settings(perplexity=10, n_jobs=1, **changes), 120)


def embed(y, affinities, chosen):
    """An embedding that starts at coordinates `y` and is optimized."""
    embedding = make_embedding(y, affinities, chosen)
    optimize(embedding, chosen)
    return embedding


def first_gradient(y, affinities, **changes):
    """The gradient, from the update of the first iteration.

    Gains start at 1 and increase by .2 in the first iteration, without momentum: the update is −1.2 × the gradient.
    openTSNE leaves out the factor 4.
    """
    chosen = settings(early_exaggeration_iter=0, n_iter=1, learning_rate=1.0, max_step_norm=float("inf"), **changes)
    return -4 * np.asarray(embed(y, affinities, chosen).optimizer.update) / 1.2


def kl_divergence(p, y, dof=1.0):
    """Kullback-Leibler divergence with the kernel (1 + d² / dof) ** −dof, as in Kobak et al. 2019."""
    kernel = (1 + cdist(y, y, "sqeuclidean") / dof) ** -dof
    np.fill_diagonal(kernel, 0)
    q = kernel / kernel.sum()
    used = p > 0
    return float((p[used] * np.log(p[used] / q[used])).sum())


def numerical_gradient(function, y, step=1e-5):
    """Central differences."""
    result = np.empty_like(y)
    for i in np.ndindex(*y.shape):
        up, down = y.copy(), y.copy()
        up[i] += step
        down[i] -= step
        result[i] = (function(up) - function(down)) / (2 * step)
    return result


@pytest.mark.parametrize("dof", [1.0, 0.5])
def test_the_gradient_is_that_of_the_kullback_leibler_divergence(x, dof):
    y = np.random.default_rng(0).normal(size=(120, 2))
    affinities = make_affinities(x, settings())
    p = affinities.P.toarray()
    computed = first_gradient(y, affinities, theta=0, dof=dof)
    expected = numerical_gradient(lambda y: kl_divergence(p, y, dof), y)
    assert_allclose(computed, expected, atol=1e-6 * np.abs(computed).max() + 1e-8)


def exact_gradient(p, y):
    kernel = 1 / (1 + cdist(y, y, "sqeuclidean"))
    np.fill_diagonal(kernel, 0)
    force = (p - kernel / kernel.sum()) * kernel
    return 4 * (force.sum(axis=1)[:, None] * y - force @ y)


def test_theta_zero_is_exact(x):
    y = np.random.default_rng(0).normal(size=(120, 2)) * 3
    affinities = make_affinities(x, settings())
    exact = first_gradient(y, affinities, theta=0)
    assert_allclose(exact, exact_gradient(affinities.P.toarray(), y), atol=1e-8)
    approximate = first_gradient(y, affinities, theta=0.8)
    assert 1e-8 < np.abs(approximate - exact).max() < 0.1 * np.abs(exact).max()


def test_interpolation_is_accurate_to_one_percent_and_finer_grids_are_more_accurate():
    y = np.random.default_rng(0).normal(size=(1000, 2)) * 5
    x = y.astype(np.float32)
    affinities = make_affinities(x, settings())
    exact = exact_gradient(affinities.P.toarray(), y)

    def error(**grid):
        computed = first_gradient(y, affinities, negative_gradient_method="fft", **grid)
        return np.linalg.norm(computed - exact) / np.linalg.norm(exact)

    errors = error(n_interpolation_points=2), error(), error(min_num_intervals=100)
    assert errors[1] < 1e-2
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("method", ["bh", "BH", "barnes-hut", "fft", "FFT", "interpolation", "auto"])
def test_the_divergence_is_correct_with_any_method(x, method):
    y = np.random.default_rng(0).normal(size=(120, 2)) * 3
    affinities = make_affinities(x, settings())
    chosen = settings(early_exaggeration_iter=0, n_iter=0, negative_gradient_method=method)
    embedding = embed(y, affinities, chosen)
    assert_allclose(embedding.kl_divergence, kl_divergence(affinities.P.toarray(), y), rtol=0.01)


@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_embeddings_have_one_to_three_dimensions(x, n_components):
    chosen = settings(n_components=n_components, early_exaggeration_iter=20, n_iter=20)
    affinities = make_affinities(x, chosen)
    embedding = embed(initial_coordinates(x, affinities, chosen), affinities, chosen)
    assert embedding.shape == (120, n_components)
    assert embedding.kl_divergence < kl_divergence(affinities.P.toarray(), np.zeros((120, n_components)))


def test_long_gradients_and_steps_are_shortened(x):
    y = np.random.default_rng(0).normal(size=(120, 2))
    affinities = make_affinities(x, settings())
    unlimited = first_gradient(y, affinities)
    limit = float(np.median(np.linalg.norm(unlimited, axis=1)))
    shortened = first_gradient(y, affinities, max_grad_norm=limit / 4)
    assert_allclose(np.linalg.norm(shortened, axis=1).max(), limit, rtol=0.01)
    directions = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (shortened, unlimited)]
    assert_allclose(*directions)
    chosen = settings(early_exaggeration_iter=0, n_iter=1, learning_rate=1e6, max_step_norm=2)
    steps = np.linalg.norm(embed(y, affinities, chosen).optimizer.update, axis=1)
    assert_allclose(steps, 2)


def test_coordinates_of_equal_cells_are_finite(x):
    x = np.repeat(x[:30], 4, axis=0)
    chosen = settings(early_exaggeration_iter=50, n_iter=50)
    affinities = make_affinities(x, chosen)
    for how in ("pca", "random"):
        start = initial_coordinates(x, affinities, settings(initialization=how))
        assert np.isfinite(np.asarray(embed(start, affinities, chosen))).all()


def test_a_history_is_continued_after_its_last_iteration():
    history = History(phase=(4.0, 100.0))
    history(10, 2.5, None)
    history(20, 2.0, None)
    again = History.of(history.columns())
    assert (again.rows, again.n_done) == ({10: (2.5, 4.0, 100.0), 20: (2.0, 4.0, 100.0)}, 20)


@pytest.mark.parametrize(
    "columns",
    [None, 3, "text", np.ones(3), {}, {"iteration": [1]}, dict.fromkeys(History().columns(), np.array(["a"]))],
    ids=str,
)
def test_an_altered_history_is_an_empty_one(columns):
    assert (History.of(columns).rows, History.of(columns).n_done) == ({}, 0)
