"""The pull of an anchor is the gradient of a loss, and changes neither size nor position of the embedding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from openTSNE.tsne import kl_divergence_bh
from scipy import sparse

from scivis._tsne.anchor import Anchor, AnchoredObjective, start_size


def coordinates(seed, n=20):
    return np.random.default_rng(seed).normal(size=(n, 2)) * (3, 1)


def anchor(mask=None, weight=2.0, n=20):
    return Anchor.of(coordinates(0, n), np.ones(n) if mask is None else mask, weight)


def divergence(y, p):
    q = 1 / (1 + ((y[:, None] - y) ** 2).sum(axis=2))
    np.fill_diagonal(q, 0)
    return (p[p > 0] * np.log(p[p > 0] / (q / q.sum())[p > 0])).sum()


@pytest.mark.parametrize("is_masked", [False, True])
def test_the_gradient_is_that_of_divergence_plus_weight_times_one_minus_correlation(is_masked):
    mask = np.arange(20) % 3 if is_masked else np.ones(20)
    p = np.random.default_rng(1).random((20, 20))
    p = (p + p.T) * (1 - np.eye(20)) / (p + p.T).sum()
    p /= p.sum()
    y, target = coordinates(2), anchor(mask, weight=2.0)

    def loss(y):
        m = mask / mask.sum()
        (a, b) = (x - m @ x for x in (y, coordinates(0)))
        correlation = m @ (a * b).sum(axis=1) / np.sqrt((m @ (a * a).sum(axis=1)) * (m @ (b * b).sum(axis=1)))
        return divergence(y, p) + 2.0 * mask.mean() * (1 - correlation)

    numeric = np.zeros_like(y)
    for index in np.ndindex(y.shape):
        step = np.zeros_like(y)
        step[index] = 1e-5
        numeric[index] = (loss(y + step) - loss(y - step)) / 2e-5
    rate, displacement = target.pull(y)
    _, gradient = kl_divergence_bh(y, sparse.csr_matrix(p), dof=1, bh_params={"theta": 0}, should_eval_error=True)
    assert_allclose(4 * (gradient + rate * displacement), numeric, atol=1e-7)


@given(st.floats(0.1, 10), st.floats(-5, 5), st.integers(0, 100))
def test_the_pull_depends_on_neither_size_nor_position(factor, shift, seed):
    y, target = coordinates(seed), anchor()
    assert_allclose(target.correlation(factor * y + shift), target.correlation(y), atol=1e-10)
    rate, displacement = target.pull(factor * y + shift)
    assert_allclose((rate * displacement).sum(axis=0), 0, atol=1e-10)  # no translation
    assert_allclose((rate * displacement * y).sum(), 0, atol=1e-9)  # no dilation


@pytest.mark.parametrize("weight", [1e-3, 1.0, np.inf])
def test_the_step_is_implicit_so_that_no_weight_is_too_large(weight):
    y, target = coordinates(2), anchor(weight=weight)
    plain = np.full_like(y, 0.01)
    _, gradient = AnchoredObjective(target, lambda *args: (0.0, plain), learning_rate=20.0)(y)
    rate, displacement = target.pull(y)
    expected = displacement / 20 if np.isinf(weight) else (plain + rate * displacement) / (1 + 20 * rate)
    assert_allclose(gradient, expected, atol=1e-9)


def test_exempt_cells_are_not_pulled_and_start_between_their_neighbors():
    y, mask = coordinates(0), np.ones(20)
    y[:2], mask[:2] = np.nan, 0
    target = Anchor.of(y, mask, 2.0)
    rate, displacement = target.pull(coordinates(3))
    assert_array_equal(rate[:2], 0)
    assert np.isfinite(displacement).all()
    p = np.zeros((20, 20))
    p[0, [4, 5]], p[1, 0], p[2:, 2:] = (1, 3), 1, 1  # the second knows only the first
    start = target.start(sparse.csr_matrix(p))
    assert_allclose(start[0], (start[4] + 3 * start[5]) / 4)
    assert_allclose(start[1], start[0])
    known = start[2:]
    assert_allclose(np.sqrt((known**2).sum(axis=1).mean()), start_size(20))
    assert_allclose(
        known / start_size(20), target.coordinates[2:] / np.sqrt((target.coordinates[2:] ** 2).sum(axis=1).mean())
    )
