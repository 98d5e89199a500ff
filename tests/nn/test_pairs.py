"""Positives are neighbours; negatives are neither the anchor nor its neighbours; both uniform over what is allowed."""

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
    """Neighbours of a few cells: rows of unequal length, some empty, each leaving at least one negative."""
    n = draw(st.integers(3, 12))
    lists = []
    for cell in range(n):
        others = st.permutations([i for i in range(n) if i != cell])
        lists.append(draw(others)[: draw(st.integers(0, n - 2))])
    return Neighbors.from_indices(lists)


def allowed_negatives(neighbors, cell):
    taken = {cell, *neighbors.indices[cell, : neighbors.counts[cell]]}
    return [i for i in range(neighbors.n_cells) if i not in taken]


def positives(neighbors, anchors, seed=0):
    anchors = np.asarray(anchors, np.int32)
    return pairs.draw_positives(anchors, *neighbors.take(anchors), np.random.default_rng(seed))[0]


def negatives(neighbors, anchors, seed=0):
    anchors, rng = np.asarray(anchors, np.int32), seed if isinstance(seed, mock.Mock) else np.random.default_rng(seed)
    return pairs.draw_negatives(anchors, *neighbors.take(anchors), neighbors.n_cells, rng)


RAGGED = Neighbors.from_indices([[3, 1, 4], [2], [], [0, 1, 2, 4, 5], [5, 0], [4]])


@given(tables(), st.integers(0, 1000))
def test_a_positive_is_a_neighbour_and_an_isolated_cell_its_own(neighbors, seed):
    anchors = np.repeat(np.arange(neighbors.n_cells), 20)
    for anchor, drawn in zip(anchors, positives(neighbors, anchors, seed), strict=True):
        mine = neighbors.indices[anchor, : neighbors.counts[anchor]]
        assert drawn in (mine if len(mine) else [anchor])


@given(tables(), st.integers(0, 1000))
def test_a_negative_is_never_the_anchor_nor_a_neighbour(neighbors, seed):
    anchors = np.repeat(np.arange(neighbors.n_cells), 20)
    for anchor, drawn in zip(anchors, negatives(neighbors, anchors, seed), strict=True):
        assert drawn in allowed_negatives(neighbors, anchor)


@given(tables())
def test_each_allowed_negative_is_reached_by_exactly_one_number(neighbors):
    """With the random number replaced by each possible one in turn, the allowed rows come out once each, in order."""
    for cell in range(neighbors.n_cells):
        allowed = allowed_negatives(neighbors, cell)
        numbers = np.arange(len(allowed), dtype=np.int32)

        chance = mock.Mock()
        chance.integers.return_value = numbers
        drawn = negatives(neighbors, np.full(len(allowed), cell), chance)
        low, high = chance.integers.call_args.args
        assert low == 0
        assert set(high) == {len(allowed)}
        assert drawn.tolist() == allowed


@pytest.mark.parametrize("cell", range(6))
def test_positives_are_uniform(cell):
    drawn = positives(RAGGED, np.full(6000, cell))
    mine = RAGGED.indices[cell, : RAGGED.counts[cell]]
    wanted = mine if len(mine) else np.array([cell])
    counts = np.bincount(drawn, minlength=6)
    assert counts[wanted].sum() == 6000
    assert len(wanted) == 1 or chisquare(counts[wanted]).pvalue > 1e-3


@pytest.mark.parametrize("cell", [0, 1, 2, 4, 5])
def test_negatives_are_uniform(cell):
    neighbors = Neighbors.from_indices([[3, 1, 4], [2], [], [0, 1, 2, 4], [5, 0], [4]])
    counts = np.bincount(negatives(neighbors, np.full(6000, cell)), minlength=6)
    wanted = allowed_negatives(neighbors, cell)
    assert counts[wanted].sum() == 6000
    assert chisquare(counts[wanted]).pvalue > 1e-3


def test_every_anchor_of_a_batch_draws_its_own_rank():
    """ivis draws one rank for a whole batch; here equal anchors of one batch get different neighbours."""
    neighbors = Neighbors.from_indices([[j for j in range(11) if j != i] for i in range(11)])
    assert len(set(positives(neighbors, np.zeros(200)))) == 10


def test_each_batch_draws_anew_and_a_seed_repeats_the_draws():
    seed = np.random.default_rng(3)
    anchors = np.arange(6).repeat(30)
    for draw in (positives, negatives):
        neighbors = Neighbors.from_indices([[3, 1, 4], [2], [], [0, 1], [5, 0], [4]])
        first, second = draw(neighbors, anchors, seed), draw(neighbors, anchors, seed)
        assert (first != second).any()
        np.testing.assert_array_equal(draw(neighbors, anchors, 7), draw(neighbors, anchors, 7))
        assert (draw(neighbors, anchors, 7) != draw(neighbors, anchors, 8)).any()


def test_cells_without_any_neighbours_all_get_negatives():
    nobody = Neighbors.from_indices([[], [], []])
    assert positives(nobody, [0, 1, 2]).tolist() == [0, 1, 2]
    assert (negatives(nobody, np.arange(3).repeat(50)) != np.arange(3).repeat(50)).all()


def test_a_cell_whose_neighbours_are_all_others_leaves_no_negative():
    with pytest.raises(ValueError, match=r"n_neighbors=5 leaves no negatives among 6 cells; take fewer"):
        negatives(RAGGED, [3])


def test_the_largest_table_row_leaves_its_only_negative():
    neighbors = Neighbors.from_indices([[1, 3, 4, 2], [], [], [], [], []])
    assert set(negatives(neighbors, np.zeros(40))) == {5}


@given(st.integers(2, 60), st.integers(1, 20))
def test_the_anchors_of_an_epoch_are_all_rows_and_then_the_first_again(n, batch_size):
    n_batches = -(-n // batch_size)
    anchors = pairs.draw_anchors(n, n_batches, batch_size, True, np.random.default_rng(0))  # noqa: FBT003
    assert anchors.shape == (n_batches, batch_size)
    assert sorted(anchors.ravel()[:n]) == list(range(n))
    assert anchors.ravel()[n:].tolist() == anchors.ravel()[: n_batches * batch_size - n].tolist()


def test_without_shuffling_rows_come_in_the_order_given():
    anchors = pairs.draw_anchors(7, 3, 3, False, np.random.default_rng(0))  # noqa: FBT003
    assert anchors.tolist() == [[0, 1, 2], [3, 4, 5], [6, 0, 1]]


def test_shuffled_batches_keep_neighbouring_rows_together():
    rng = np.random.default_rng(0)
    epochs = [pairs.draw_anchors(60, 20, 3, "batch", rng) for _ in range(2)]
    for anchors in epochs:
        assert sorted(anchors[:, 0]) == list(range(0, 60, 3))
        assert (anchors == anchors[:, :1] + np.arange(3)).all()
    assert (epochs[0] != epochs[1]).any()


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=3, max_size=12), st.booleans(), st.integers(0, 99))
def test_labels_draw_what_a_table_of_the_same_neighbours_draws(labels, negatives, seed):
    by_label = LabeledNeighbourMap(np.array(labels, dtype=object))
    table = Neighbors.from_indices([list(row) for row in by_label])
    assume(table.counts.max() < len(labels) - 1)
    anchors = np.random.default_rng(1).integers(len(labels), size=40).astype(np.int32)
    drawn = [
        pairs.draw_partners(neighbors, anchors, np.random.default_rng(seed), negatives=negatives)
        for neighbors in (LazyNeighbors(by_label), table)
    ]
    assert len(drawn[0]) == 1 + negatives
    np.testing.assert_array_equal(drawn[0], drawn[1], strict=True)


def test_labels_are_drawn_from_without_listing_neighbours(monkeypatch):
    """Two classes of half a million rows: every list would have half a million entries."""
    monkeypatch.setattr(LabeledNeighbourMap, "__getitem__", lambda *_: pytest.fail("a list was made"))
    labels = np.arange(1_000_000) % 2
    neighbors = LazyNeighbors(LabeledNeighbourMap(labels))
    anchors = np.arange(0, 1_000_000, 5000, dtype=np.int32)
    positives, negatives = pairs.draw_partners(neighbors, anchors, np.random.default_rng(0), negatives=True)
    assert (labels[positives] == labels[anchors]).all()
    assert (positives != anchors).all()
    assert (labels[negatives] != labels[anchors]).all()
    assert negatives.min() < 50_000 < 950_000 < negatives.max()


def test_one_class_for_all_leaves_no_negative():
    with pytest.raises(ValueError, match="n_neighbors=3 leaves no negatives among 4 cells"):
        pairs.draw_partners(
            LazyNeighbors(LabeledNeighbourMap([1, 1, 1, 1])), np.arange(4), np.random.default_rng(0), negatives=True
        )


def test_a_subclass_may_have_other_neighbours():
    class Next(LabeledNeighbourMap):
        def __getitem__(self, idx):
            return [(idx + 1) % len(self)]

    neighbors = LazyNeighbors(Next([0, 0, 1, 1]))
    [positives] = pairs.draw_partners(neighbors, np.arange(4), np.random.default_rng(0), negatives=False)
    assert positives.tolist() == [1, 2, 3, 0]
