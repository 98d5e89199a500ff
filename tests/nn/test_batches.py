"""Which rows meet in a batch, and that every pair of neighbours among them, and no other, is compared."""

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
    """Each row's neighbours are the next k."""
    return Neighbors.from_indices((np.arange(n)[:, None] + np.arange(1, k + 1)) % n)


@st.composite
def batches(draw):
    """A ragged table of neighbours, and some of its rows, each once."""
    n = draw(st.integers(3, 15))
    lists = [draw(st.lists(st.integers(0, n - 1), unique=True, max_size=n - 1)) for _ in range(n)]
    rows = draw(st.permutations(range(n)))[: draw(st.integers(1, n))]
    return Neighbors.from_indices(lists), np.array(rows, np.int32)


@given(batches())
def test_pairs_within_a_batch_are_those_of_a_loop(drawn):
    neighbors, rows = drawn
    wanted = {
        (i, j)
        for i, x in enumerate(rows)
        for j, y in enumerate(rows)
        if y in neighbors.indices[x, : neighbors.counts[x]]
    }
    found = pairs.pairs_within(rows, neighbors)
    assert found.shape == (2, len(wanted))
    assert set(map(tuple, found.T)) == wanted


@given(batches(), st.integers(0, 99))
def test_every_pair_is_drawn_as_often_as_any_other_or_once_more(drawn, seed):
    neighbors, rows = drawn
    found = {tuple(pair) for pair in pairs.pairs_within(rows, neighbors).T}
    batch = Batch(len(rows), 0, 50)
    at, times = np.unique(
        batch.draw_pairs(rows[None], neighbors, np.random.default_rng(seed)), axis=1, return_counts=True
    )
    assert times.sum() == 50
    if found:
        assert set(map(tuple, at.T)) <= found
        assert len(times) == min(len(found), 50)
        assert times.max() - times.min() <= 1
    else:
        assert at.tolist() == [[0], [0]]


@pytest.mark.parametrize(
    ("n", "k", "n_anchors", "wanted"),
    [
        (2638, 20, 527, Batch(527, 0, 3 * 527)),  # 20 · 527 / 2638 = 3.996
        (100, 50, 20, Batch(20, 0, 80)),  # ten neighbours met: four pairs for each row are enough
        (100, 9, 10, Batch(10, 3, 80)),  # .9
        (100, 10, 10, Batch(10, 0, 10)),
    ],
)
def test_anchors_come_alone_where_they_meet_neighbours_anyway(n, k, n_anchors, wanted):
    assert Batch.of("infonce", ring(n, k), n_anchors) == wanted
    assert Batch.of("infonce", LazyNeighbors(ring(n, k).indices.tolist()), n_anchors) == wanted
    assert Batch.of("pn", ring(n, k), n_anchors) == Batch(n_anchors, 2)


def test_anchors_that_are_not_all_rows_bring_neighbours():
    """Otherwise the rows that are no anchors would never be seen."""
    assert Batch.of("infonce", ring(100, 50), 20, all_rows=False) == Batch(20, 3, 160)


def test_labels_are_learned_from_anchors_with_one_neighbour():
    assert Batch.of("infonce", ring(100, 9), 10, labels=True) == Batch(10, 1, 20)
    assert Batch.of("infonce", ring(100, 50), 20, labels=True) == Batch(20, 0, 80)


def test_rows_of_one_class_are_paired_one_by_one():
    neighbors = LazyNeighbors(LabeledNeighbourMap(np.arange(60) % 3))
    batch, rng = Batch.of("infonce", neighbors, 12), np.random.default_rng(0)
    rows = batch.draw_rows(np.arange(12, dtype=np.int32), neighbors, rng)
    assert batch == Batch(12, 1, 12)
    assert rows[0].tolist() == list(range(12))
    assert (rows[1] % 3 == rows[0] % 3).all()
    assert batch.draw_pairs(rows, neighbors, rng).tolist() == [list(range(12)), list(range(12, 24))]


def test_anchors_bring_different_neighbours_each_as_often():
    neighbors, rng = ring(40, 7), np.random.default_rng(0)
    batch = Batch(40, 3, 80)
    times = np.zeros(7, int)
    for _ in range(50):
        rows = batch.draw_rows(np.arange(40, dtype=np.int32), neighbors, rng)
        ranks = (rows[1:] - rows[0]) % 40 - 1
        assert rows.shape == (4, 40)
        assert all(len(set(column)) == 3 for column in ranks.T)
        times += np.bincount(ranks.ravel(), minlength=7)
    assert chisquare(times).pvalue > 0.01


def test_an_anchor_of_fewer_neighbours_brings_them_again_and_one_of_none_itself():
    neighbors = Neighbors.from_indices([[1, 2], [0], []])
    rows = Batch(3, 3, 24).draw_rows(np.arange(3, dtype=np.int32), neighbors, np.random.default_rng(0))
    assert set(rows[1:, 0]) == {1, 2}
    assert rows[1:, 1:].tolist() == [[0, 2], [0, 2], [0, 2]]


def test_triplets_have_a_positive_and_a_negative():
    neighbors = ring(10, 2)
    rows = Batch(10, 2).draw_rows(np.arange(10, dtype=np.int32), neighbors, np.random.default_rng(0))
    ranks = (rows[1:] - rows[0]) % 10
    assert set(ranks[0]) <= {1, 2}
    assert set(ranks[1]) <= set(range(3, 10))
