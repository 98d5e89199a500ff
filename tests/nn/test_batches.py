"""Rows and pairs of a batch: every pair of neighbors among the rows is compared, and no other pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from scivis.neighbors import LabeledNeighbourMap, LazyNeighbors, Neighbors
from scivis.nn import pairs
from scivis.nn._batches import Batch


def ring(n, k):
    """The neighbors of each row are the next k rows."""
    return Neighbors.from_indices((np.arange(n)[:, None] + np.arange(1, k + 1)) % n)


@st.composite
def examples(draw):
    """Rows with different numbers of neighbors, and some of the rows, each once."""
    n = draw(st.integers(3, 15))
    lists = [draw(st.lists(st.integers(0, n - 1), unique=True, max_size=n - 1)) for _ in range(n)]
    rows = draw(st.permutations(range(n)))[: draw(st.integers(1, n))]
    return Neighbors.from_indices(lists), np.array(rows, np.int32)


@given(examples())
def test_pairs_of_a_batch_equal_those_of_a_loop_over_rows(example):
    neighbors, rows = example
    expected = {
        (i, j)
        for i, x in enumerate(rows)
        for j, y in enumerate(rows)
        if y in neighbors.indices[x, : neighbors.counts[x]]
    }
    found = pairs.find_pairs(rows, neighbors)
    assert found.shape == (2, len(expected))
    assert set(map(tuple, found.T)) == expected


@given(examples(), st.integers(0, 99))
def test_frequencies_of_sampled_pairs_differ_by_at_most_one(example, seed):
    neighbors, rows = example
    found = {tuple(pair) for pair in pairs.find_pairs(rows, neighbors).T}
    batch = Batch(len(rows), 0, 50)
    at, frequencies = np.unique(
        batch.sample_pairs(rows[None], neighbors, np.random.default_rng(seed)), axis=1, return_counts=True
    )
    assert frequencies.sum() == 50
    if found:
        assert set(map(tuple, at.T)) <= found
        assert len(frequencies) == min(len(found), 50)
        assert frequencies.max() - frequencies.min() <= 1
    else:
        assert at.tolist() == [[0], [0]]


@pytest.mark.parametrize(
    ("n", "k", "n_anchors", "expected"),
    [
        (2638, 20, 527, Batch(527, 0, 3 * 527)),  # 20 · 527 / 2638 = 3.996
        (100, 50, 20, Batch(20, 0, 80)),  # 10 neighbors by chance, but at most four pairs per row
        (100, 9, 10, Batch(10, 3, 80)),  # 9 · 10 / 100 = 0.9
        (100, 10, 10, Batch(10, 0, 10)),
    ],
)
def test_anchors_have_no_partners_if_a_batch_contains_their_neighbors_by_chance(n, k, n_anchors, expected):
    assert Batch.of("infonce", ring(n, k), n_anchors) == expected
    assert Batch.of("infonce", LazyNeighbors(ring(n, k).indices.tolist()), n_anchors) == expected
    assert Batch.of("pn", ring(n, k), n_anchors) == Batch(n_anchors, 2)


def test_anchors_have_partners_if_some_rows_are_not_anchors():
    """Otherwise the other rows would never be used."""
    assert Batch.of("infonce", ring(100, 50), 20, all_rows=False) == Batch(20, 3, 160)


def test_anchors_have_a_single_partner_with_labels():
    assert Batch.of("infonce", ring(100, 9), 10, labels=True) == Batch(10, 1, 20)
    assert Batch.of("infonce", ring(100, 50), 20, labels=True) == Batch(20, 0, 80)


def test_a_label_map_gives_each_anchor_one_partner_of_its_class():
    neighbors = LazyNeighbors(LabeledNeighbourMap(np.arange(60) % 3))
    batch, rng = Batch.of("infonce", neighbors, 12), np.random.default_rng(0)
    rows = batch.sample_rows(np.arange(12, dtype=np.int32), neighbors, rng)
    assert batch == Batch(12, 1, 12)
    assert rows[0].tolist() == list(range(12))
    assert (rows[1] % 3 == rows[0] % 3).all()
    assert batch.sample_pairs(rows, neighbors, rng).tolist() == [list(range(12)), list(range(12, 24))]


def test_partners_are_different_neighbors_with_equal_frequencies():
    neighbors, rng = ring(40, 7), np.random.default_rng(0)
    batch = Batch(40, 3, 80)
    frequencies = np.zeros(7, int)
    for _ in range(50):
        rows = batch.sample_rows(np.arange(40, dtype=np.int32), neighbors, rng)
        ranks = (rows[1:] - rows[0]) % 40 - 1
        assert rows.shape == (4, 40)
        assert all(len(set(column)) == 3 for column in ranks.T)
        frequencies += np.bincount(ranks.ravel(), minlength=7)
    assert chisquare(frequencies).pvalue > 0.01


def test_an_anchor_with_few_neighbors_has_them_repeatedly_and_one_without_neighbors_has_itself():
    neighbors = Neighbors.from_indices([[1, 2], [0], []])
    rows = Batch(3, 3, 24).sample_rows(np.arange(3, dtype=np.int32), neighbors, np.random.default_rng(0))
    assert set(rows[1:, 0]) == {1, 2}
    assert rows[1:, 1:].tolist() == [[0, 2], [0, 2], [0, 2]]


def test_triplets_have_a_positive_and_a_negative():
    neighbors = ring(10, 2)
    rows = Batch(10, 2).sample_rows(np.arange(10, dtype=np.int32), neighbors, np.random.default_rng(0))
    ranks = (rows[1:] - rows[0]) % 10
    assert set(ranks[0]) <= {1, 2}
    assert set(ranks[1]) <= set(range(3, 10))
