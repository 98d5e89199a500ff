"""The table of neighbors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scivis.neighbors import Neighbors


def test_lists_of_unequal_length_become_a_padded_table_without_the_row_itself():
    table = Neighbors.from_indices([[0, 2, 1], [], [2], [1]])
    assert table.indices.tolist() == [[2, 1], [-1, -1], [-1, -1], [1, -1]]
    assert table.counts.tolist() == [2, 0, 0, 1]
    assert table.indices.dtype == table.counts.dtype == np.int32
    assert table.n_cells == 4


@given(st.integers(2, 8).flatmap(lambda n: st.lists(st.permutations(range(n)), min_size=n, max_size=n)), st.data())
def test_the_order_of_the_neighbors_is_preserved(orders, data):
    lists = [order[: data.draw(st.integers(0, len(orders)))] for order in orders]
    table = Neighbors.from_indices(lists)
    for i, given_row in enumerate(lists):
        assert table.indices[i, : table.counts[i]].tolist() == [j for j in given_row if j != i]
        assert (table.indices[i, table.counts[i] :] == -1).all()


def test_an_index_array_is_not_changed_and_can_have_gaps():
    given_table = np.array([[0, 1, 2], [-1, 2, 0], [2, -1, 1]])
    table = Neighbors.from_indices(given_table)
    assert table.indices.tolist() == [[1, 2], [2, 0], [1, -1]]
    assert given_table.tolist() == [[0, 1, 2], [-1, 2, 0], [2, -1, 1]]


@pytest.mark.parametrize("as_array", [True, False])
def test_repeated_neighbors_are_counted_once(as_array):
    """The sampling of negatives counts on different neighbors."""
    lists = [[1, 1, 2], [2, 2, 2], [0, 1, 0]]
    table = Neighbors.from_indices(np.array(lists) if as_array else lists)
    assert table.indices.tolist() == [[1, 2], [2, -1], [0, 1]]
    assert table.counts.tolist() == [2, 1, 2]


@pytest.mark.parametrize(
    ("indices", "counts", "message"),
    [
        ([[1], [5]], [1, 1], "row 5, but there are only 2 rows"),
        ([[0], [0]], [1, 1], "the row itself"),
        ([[1], [0]], [1, 0], "as many neighbors as counts"),
        ([[1], [0]], [1, 1, 1], r"counts has shape \(3,\), but indices has 2 rows"),
        ([[-1, 1], [0, -1]], [1, 1], "followed by -1"),
        ([[1, 1], [0, -1]], [2, 1], "twice"),
    ],
)
def test_invalid_tables_are_rejected(indices, counts, message):
    with pytest.raises(ValueError, match=message):
        Neighbors(np.array(indices, np.int32), np.array(counts, np.int32))
