"""Neighbors by label."""

from __future__ import annotations

import numpy as np
import pytest

from scivis.neighbors import LabeledNeighbourMap


@pytest.mark.parametrize(
    "labels",
    [["T", "B", "T", "NK", "T"], [2, 0, 2, 1, 2], [2.5, 0.0, 2.5, -3.0, 2.5], np.array([1, 0, 1, 7, 1], np.uint8)],
)
def test_rows_of_the_same_label_are_neighbors(labels):
    matrix = LabeledNeighbourMap(labels)
    assert [row.tolist() for row in matrix] == [[2, 4], [], [0, 4], [], [0, 2]]
    assert [row.tolist() for row in matrix[::2]] == [[2, 4], [0, 4], [0, 2]]
    assert matrix[-1].tolist() == [0, 2]
    assert (len(matrix), matrix.k) == (5, 2)
    with pytest.raises(IndexError):
        matrix[5]


@pytest.mark.parametrize(
    "labels", [[-1, 4, -1, 4], [-1.0, 4.0, np.nan, 4.0], [None, "b", None, "b"], [np.nan, "b", None, "b"]]
)
def test_rows_without_a_label_have_no_neighbors(labels):
    assert [row.tolist() for row in LabeledNeighbourMap(np.array(labels))] == [[], [3], [], [1]]


def test_labels_can_be_categorical_and_all_missing():
    import pandas as pd

    labels = pd.Series(["b", None, "b"], dtype="category", index=["x", "y", "z"])
    assert [row.tolist() for row in LabeledNeighbourMap(labels)] == [[2], [], [0]]
    assert [row.tolist() for row in LabeledNeighbourMap([-1, -1])] == [[], []]


def test_labels_of_two_axes_are_rejected():
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        LabeledNeighbourMap([[0, 1], [1, 0]])
