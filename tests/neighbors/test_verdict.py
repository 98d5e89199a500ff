"""The verdict on queries whose kind is known."""

from __future__ import annotations

import numpy as np
import pytest

from scivis.neighbors._novelty import fit_reference, novelty, p_values
from scivis.neighbors._verdict import judge, spread_relative_to

# Centers of five types, far from each other.
CENTERS = np.eye(6, dtype=np.float32)[:5] * 8


def cells(rng, n, types=range(5)):
    return (CENTERS[rng.choice(list(types), n)] + rng.normal(size=(n, 6))).astype(np.float32)


@pytest.fixture(scope="module")
def reference():
    rng = np.random.default_rng(0)
    return fit_reference(cells(rng, 1500), rng)


def verdict(reference, query):
    p = p_values(reference, novelty(reference, query))
    return judge(reference, p, query, p)


def new_type(rng, n):
    return (np.float32([0, 0, 0, 0, 0, 8]) + rng.normal(size=(n, 6))).astype(np.float32)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_wrong_with_cells_of_the_same_kind(reference, seed):
    found = verdict(reference, cells(np.random.default_rng(seed), 600))
    assert found.kind == "none"
    assert found.share < 0.02


@pytest.mark.parametrize("types", [range(5), [0, 1]])
def test_another_composition_is_nothing_unusual(reference, types):
    assert verdict(reference, cells(np.random.default_rng(1), 600, types)).kind == "none"


@pytest.mark.parametrize("n_new", [30, 600])
def test_a_new_type_lies_together(reference, n_new):
    rng = np.random.default_rng(1)
    found = verdict(reference, np.concatenate([cells(rng, 600), new_type(rng, n_new)]))
    assert found.kind == "population"
    assert found.gathered > 0.5
    assert found.excess == pytest.approx(n_new / (600 + n_new), abs=0.03)
    # The direction in which they differ from all types of the reference.
    assert np.argmax(found.difference) == 5


def test_a_shift_concerns_cells_of_all_types(reference):
    shift = np.float32([0, 0, 0, 0, 0, 4])
    found = verdict(reference, cells(np.random.default_rng(1), 600) + shift)
    assert found.kind == "shift"
    assert found.shifted > 0.8
    # The nearest landmarks are those that lie in the direction of the shift.
    np.testing.assert_allclose(found.difference, [0, 0, 0, 0, 0, 2.5], atol=0.7)


def test_a_query_of_a_single_new_type_is_one_group(reference):
    found = verdict(reference, new_type(np.random.default_rng(1), 300))
    assert found.kind == "group"
    assert found.spread < 0.2


def test_a_single_type_of_the_reference_in_another_batch_looks_the_same(reference):
    shifted = cells(np.random.default_rng(1), 300, [2]) + np.float32([0, 0, 0, 0, 0, 6])
    assert verdict(reference, shifted).kind == "group"


def test_a_new_type_that_dominates_a_query_is_a_population_and_no_shift(reference):
    rng = np.random.default_rng(1)
    found = verdict(reference, np.concatenate([cells(rng, 60), new_type(rng, 240)]))
    assert found.shifted > 0.2
    assert found.kind == "population"


def test_the_spread_is_the_covariance_along_that_of_the_reference():
    rng = np.random.default_rng(0)
    reference, query = rng.normal(size=(300, 4)) * [4, 2, 1, 1], rng.normal(size=(200, 4)) * [1, 2, 3, 1]
    r, x = np.cov(reference.T, bias=True), np.cov(query.T, bias=True)
    expected = np.trace(r @ x) / np.trace(r @ r)
    assert spread_relative_to(reference, query) == pytest.approx(expected, rel=1e-6)
    assert spread_relative_to(reference, query + 100) == pytest.approx(expected, rel=1e-6)
    assert spread_relative_to(reference, query[:1]) == spread_relative_to(np.ones((5, 4)), query) == 1


def test_doublets_are_scattered(reference):
    rng = np.random.default_rng(1)
    far = rng.uniform(-12, 12, size=(40, 6)).astype(np.float32)
    found = verdict(reference, np.concatenate([cells(rng, 600), far]))
    assert found.kind == "scattered"
    assert found.gathered < 0.25


def test_the_share_is_that_of_all_p_values_and_not_of_the_sample(reference):
    x = cells(np.random.default_rng(1), 50)
    p_of_x = p_values(reference, novelty(reference, x))
    assert judge(reference, np.array([0.001, 0.005, 0.5, 0.9]), x, p_of_x).share == 0.5


def test_two_strangers_among_30_cells_are_chance(reference):
    x = cells(np.random.default_rng(1), 30)
    p = np.where(np.arange(30) < 2, 0.001, 0.5)
    assert judge(reference, p, x, p).kind == "none"
    p = np.where(np.arange(30) < 5, 0.001, 0.5)
    assert judge(reference, p, x, p).kind != "none"


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_cells_are_judged(reference, n):
    rng = np.random.default_rng(0)
    assert verdict(reference, cells(rng, n)).kind == "none"
    found = verdict(reference, cells(rng, n) + 100)
    assert found.kind in (("shift", "group") if n > 1 else ("scattered",))
    assert np.isfinite(found.difference).all()
