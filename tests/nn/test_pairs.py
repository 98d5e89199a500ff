"""Sampling of anchors, of positives among the neighbors, and of negatives among all other rows, both uniformly."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chisquare

from scivis.neighbors import LabeledNeighbourMap, LazyNeighbors, Neighbors
from scivis.nn import pairs


@st.composite
def tables(draw) -> Neighbors:
    """Neighbors of a few rows: lists of different lengths, some empty, each with at least one possible negative."""
    n = draw(st.integers(3, 12))
    lists = []
    for cell in range(n):
        others = st.permutations([i for i in range(n) if i != cell])
        lists.append(draw(others)[: draw(st.integers(0, n - 2))])
    return Neighbors.from_indices(lists)


def allowed_negatives(neighbors, cell):
    excluded = {cell, *neighbors.indices[cell, : neighbors.counts[cell]]}
    return [i for i in range(neighbors.n_cells) if i not in excluded]


def positives(neighbors, anchors, seed=0):
    anchors = np.asarray(anchors, np.int32)
    return pairs.sample_positives(anchors, *neighbors.take(anchors), np.random.default_rng(seed))[0]


def negatives(neighbors, anchors, seed=0):
    anchors, rng = np.asarray(anchors, np.int32), seed if isinstance(seed, mock.Mock) else np.random.default_rng(seed)
    return pairs.sample_negatives(anchors, *neighbors.take(anchors), neighbors.n_cells, rng)


RAGGED = Neighbors.from_indices([[3, 1, 4], [2], [], [0, 1, 2, 4, 5], [5, 0], [4]])


@given(tables(), st.integers(0, 1000))
def test_a_positive_is_a_neighbor_or_the_anchor_if_it_has_no_neighbors(neighbors, seed):
    anchors = np.repeat(np.arange(neighbors.n_cells), 20)
    for anchor, sampled in zip(anchors, positives(neighbors, anchors, seed), strict=True):
        own_neighbors = neighbors.indices[anchor, : neighbors.counts[anchor]]
        assert sampled in (own_neighbors if len(own_neighbors) else [anchor])


@given(tables(), st.integers(0, 1000))
def test_a_negative_is_neither_the_anchor_nor_a_neighbor(neighbors, seed):
    anchors = np.repeat(np.arange(neighbors.n_cells), 20)
    for anchor, sampled in zip(anchors, negatives(neighbors, anchors, seed), strict=True):
        assert sampled in allowed_negatives(neighbors, anchor)


@given(tables())
def test_each_allowed_negative_is_sampled_by_exactly_one_random_number(neighbors):
    """If the random number takes all possible values, each allowed row is sampled once, in ascending order."""
    for cell in range(neighbors.n_cells):
        allowed = allowed_negatives(neighbors, cell)
        numbers = np.arange(len(allowed), dtype=np.int32)

        rng = mock.Mock()
        rng.integers.return_value = numbers
        sampled = negatives(neighbors, np.full(len(allowed), cell), rng)
        low, high = rng.integers.call_args.args
        assert low == 0
        assert set(high) == {len(allowed)}
        assert sampled.tolist() == allowed


@pytest.mark.parametrize("cell", range(6))
def test_positives_are_uniform(cell):
    sampled = positives(RAGGED, np.full(6000, cell))
    own_neighbors = RAGGED.indices[cell, : RAGGED.counts[cell]]
    expected = own_neighbors if len(own_neighbors) else np.array([cell])
    counts = np.bincount(sampled, minlength=6)
    assert counts[expected].sum() == 6000
    assert len(expected) == 1 or chisquare(counts[expected]).pvalue > 1e-3


@pytest.mark.parametrize("cell", [0, 1, 2, 4, 5])
def test_negatives_are_uniform(cell):
    neighbors = Neighbors.from_indices([[3, 1, 4], [2], [], [0, 1, 2, 4], [5, 0], [4]])
    counts = np.bincount(negatives(neighbors, np.full(6000, cell)), minlength=6)
    expected = allowed_negatives(neighbors, cell)
    assert counts[expected].sum() == 6000
    assert chisquare(counts[expected]).pvalue > 1e-3


def test_every_anchor_of_a_batch_has_a_rank_of_its_own():
    """ivis samples one rank for a whole batch; here, equal anchors of a batch have different neighbors."""
    neighbors = Neighbors.from_indices([[j for j in range(11) if j != i] for i in range(11)])
    assert len(set(positives(neighbors, np.zeros(200)))) == 10


def test_batches_differ_and_the_same_seed_repeats_them():
    seed = np.random.default_rng(3)
    anchors = np.arange(6).repeat(30)
    for sample in (positives, negatives):
        neighbors = Neighbors.from_indices([[3, 1, 4], [2], [], [0, 1], [5, 0], [4]])
        first, second = sample(neighbors, anchors, seed), sample(neighbors, anchors, seed)
        assert (first != second).any()
        np.testing.assert_array_equal(sample(neighbors, anchors, 7), sample(neighbors, anchors, 7))
        assert (sample(neighbors, anchors, 7) != sample(neighbors, anchors, 8)).any()


def test_rows_without_neighbors_have_negatives():
    neighbors = Neighbors.from_indices([[], [], []])
    assert positives(neighbors, [0, 1, 2]).tolist() == [0, 1, 2]
    assert (negatives(neighbors, np.arange(3).repeat(50)) != np.arange(3).repeat(50)).all()


def test_an_anchor_whose_neighbors_are_all_other_rows_raises_an_error():
    with pytest.raises(ValueError, match=r"n_neighbors=5 leaves no negatives among 6 cells; take fewer"):
        negatives(RAGGED, [3])


def test_the_only_allowed_negative_is_found():
    neighbors = Neighbors.from_indices([[1, 3, 4, 2], [], [], [], [], []])
    assert set(negatives(neighbors, np.zeros(40))) == {5}


@given(st.integers(2, 60), st.integers(1, 20))
def test_the_anchors_of_an_epoch_are_all_rows_followed_by_the_first_ones(n, batch_size):
    n_batches = -(-n // batch_size)
    anchors = pairs.sample_anchors(n, n_batches, batch_size, True, np.random.default_rng(0))  # noqa: FBT003
    assert anchors.shape == (n_batches, batch_size)
    assert sorted(anchors.ravel()[:n]) == list(range(n))
    assert anchors.ravel()[n:].tolist() == anchors.ravel()[: n_batches * batch_size - n].tolist()


def test_without_shuffling_the_rows_keep_their_order():
    anchors = pairs.sample_anchors(7, 3, 3, False, np.random.default_rng(0))  # noqa: FBT003
    assert anchors.tolist() == [[0, 1, 2], [3, 4, 5], [6, 0, 1]]


def test_shuffled_batches_contain_consecutive_rows():
    rng = np.random.default_rng(0)
    epochs = [pairs.sample_anchors(60, 20, 3, "batch", rng) for _ in range(2)]
    for anchors in epochs:
        assert sorted(anchors[:, 0]) == list(range(0, 60, 3))
        assert (anchors == anchors[:, :1] + np.arange(3)).all()
    assert (epochs[0] != epochs[1]).any()


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=3, max_size=12), st.booleans(), st.integers(0, 99))
def test_samples_by_label_equal_samples_from_a_table_of_the_same_neighbors(labels, negatives, seed):
    by_label = LabeledNeighbourMap(np.array(labels, dtype=object))
    table = Neighbors.from_indices([list(row) for row in by_label])
    assume(table.counts.max() < len(labels) - 1)
    anchors = np.random.default_rng(1).integers(len(labels), size=40).astype(np.int32)
    sampled = [
        pairs.sample_partners(neighbors, anchors, np.random.default_rng(seed), negatives=negatives)
        for neighbors in (LazyNeighbors(by_label), table)
    ]
    assert len(sampled[0]) == 1 + negatives
    np.testing.assert_array_equal(sampled[0], sampled[1], strict=True)


def test_sampling_by_label_lists_no_neighbors(monkeypatch):
    """Two classes of half a million rows: each list would have half a million entries."""
    monkeypatch.setattr(LabeledNeighbourMap, "__getitem__", lambda *_: pytest.fail("neighbors were listed"))
    labels = np.arange(1_000_000) % 2
    neighbors = LazyNeighbors(LabeledNeighbourMap(labels))
    anchors = np.arange(0, 1_000_000, 5000, dtype=np.int32)
    positives, negatives = pairs.sample_partners(neighbors, anchors, np.random.default_rng(0), negatives=True)
    assert (labels[positives] == labels[anchors]).all()
    assert (positives != anchors).all()
    assert (labels[negatives] != labels[anchors]).all()
    assert negatives.min() < 50_000 < 950_000 < negatives.max()


def test_a_single_class_raises_an_error_for_negatives():
    with pytest.raises(ValueError, match="n_neighbors=3 leaves no negatives among 4 cells"):
        pairs.sample_partners(
            LazyNeighbors(LabeledNeighbourMap([1, 1, 1, 1])), np.arange(4), np.random.default_rng(0), negatives=True
        )


def test_a_subclass_of_the_label_map_can_have_other_neighbors():
    class Next(LabeledNeighbourMap):
        def __getitem__(self, idx):
            return [(idx + 1) % len(self)]

    neighbors = LazyNeighbors(Next([0, 0, 1, 1]))
    [positives] = pairs.sample_partners(neighbors, np.arange(4), np.random.default_rng(0), negatives=False)
    assert positives.tolist() == [1, 2, 3, 0]
