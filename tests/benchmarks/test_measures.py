"""Measures of placed cells against values computed by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture
def line(script):
    """Reference cells at 0, 1, 2, 10, 11, 12 of a line, in which the map exchanges the third and the fourth."""
    x = np.array([[0.0], [1], [2], [10], [11], [12]])
    on_map = np.array([[0.0, 0], [1, 0], [10, 0], [2, 0], [11, 0], [12, 0]])
    return script("measures").Part(x, on_map, np.array(["a", "a", "a", "b", "b", "b"]))


def test_recall_of_placed_cells_by_hand(script, line):
    measures = script("measures")
    # Nearest to 0.4 are the cells 0, 1 and 2, nearest to 11.2 the cells 4, 5 and 3. On the map, they are 0, 1 and 3
    # at 0.4, and 4, 5 and 2 at 11.2.
    new = measures.Part(np.array([[0.4], [11.2]]), np.array([[0.4, 0], [11.2, 0]]), np.array(["a", "b"]))
    assert measures.placed_recall(line, new, k=3) == pytest.approx(2 / 3)
    assert measures.placed_recall(line, new, k=2) == 1
    # Placed at the other end, the first cell has none of its neighbors; the second keeps two of three.
    wrong = measures.Part(new.x, np.array([[30.0, 0], [11.2, 0]]), new.labels)
    assert measures.placed_recall(line, wrong, k=3) == pytest.approx((1 / 3 + 2 / 3) / 2)


def test_accuracy_of_placed_cells_by_hand(script, line):
    measures = script("measures")
    # On the map, nearest are the cells 0, 1, 3 (a, a, b), 4, 5, 2 (b, b, a), and again 4, 5, 2.
    on_map = np.array([[0.4, 0], [11.2, 0], [11.2, 0]])
    new = measures.Part(np.zeros((3, 1)), on_map, np.array(["a", "b", "a"]))
    assert measures.placed_accuracy(line, new, k=3) == pytest.approx(2 / 3)


def test_the_representation_itself_has_full_recall(script):
    measures = script("measures")
    rng = np.random.default_rng(0)
    reference, new = rng.normal(size=(60, 4)), rng.normal(size=(20, 4))
    labels = SimpleNamespace(reference=rng.integers(0, 2, 60), new=rng.integers(0, 2, 20))
    same = (measures.Part(reference, reference, labels.reference), measures.Part(new, new, labels.new))
    found = measures.evaluate_placed(*same)
    assert (found["knn"], found["recall"]) == (1, 1)
    # New cells that are placed elsewhere lose neighbors, and the reference loses none.
    lost = measures.evaluate_placed(same[0], measures.Part(new, np.zeros((20, 4)), labels.new))
    assert lost["knn"] == 1
    assert lost["recall"] < 0.6
