"""Neighbors that are read on demand, and the batches that training samples from them."""

from __future__ import annotations

import numpy as np
import pytest

from scivis.neighbors import AnnoyKnnMatrix, LabeledNeighbourMap, LazyNeighbors, Neighbors, NeighbourMatrix
from scivis.nn import pairs


class Ring(NeighbourMatrix):
    """Each of ten rows lies between two others."""

    def __len__(self):
        return 10

    def __getitem__(self, idx):
        if not 0 <= idx < 10:
            raise IndexError(idx)
        return [(idx - 1) % 10, (idx + 1) % 10][: idx + 1]


def test_a_subclass_only_needs_rows_and_their_number():
    ring = Ring()
    assert ring.k == 2
    assert ring.get_batch([0, 4]) == [[9], [3, 5]]
    assert [len(row) for row in ring] == [1] + 9 * [2]
    with pytest.raises(TypeError, match="abstract"):
        NeighbourMatrix()


def test_a_subclass_can_set_k():
    class Known(Ring):
        def __init__(self):
            self.k = 5

    assert Known().k == 5


# --- for training


def samples(neighbors):
    """Positives and negatives of two epochs of batches."""
    rng, found = np.random.default_rng(5), []
    for anchors in np.random.default_rng(6).permutation(2 * neighbors.n_cells).reshape(-1, 5) % neighbors.n_cells:
        indices, counts = neighbors.take(anchors)
        assert indices.dtype == counts.dtype == np.int32
        assert ((indices >= 0) == (np.arange(indices.shape[1]) < counts[:, None])).all()
        found += [
            *pairs.sample_positives(anchors, indices, counts, rng, 3),
            pairs.sample_negatives(anchors, indices, counts, neighbors.n_cells, rng),
        ]
    return np.concatenate(found).tolist()


RAGGED = [[1, 2, 1, 0], [], [2], [9, 4, 3, 9, 8], [5, -1], [4, -1, -1], [0, 1, 2], [], [7, 9], [8]]
LABELS = np.random.default_rng(8).integers(-1, 5, 60)


@pytest.mark.parametrize(
    "lists",
    [RAGGED, np.array([[i, (i + 1) % 10, (i + 3) % 10] for i in range(10)]), Ring(), LabeledNeighbourMap(LABELS)],
    ids=["lists", "array", "class", "labels"],
)
def test_samples_are_those_of_the_table(lists):
    table = Neighbors.from_indices(lists if isinstance(lists, np.ndarray) else [list(row) for row in lists])
    assert samples(LazyNeighbors(lists)) == samples(table)


def test_samples_do_not_depend_on_precompute(x):
    lazy, eager = (
        AnnoyKnnMatrix.build(x, k=7, precompute=precompute, verbose=0, random_state=0) for precompute in (False, True)
    )
    assert samples(LazyNeighbors(lazy)) == samples(LazyNeighbors(eager)) == samples(Neighbors.from_indices(lazy[:]))


def test_rows_without_neighbors_give_an_empty_table():
    indices, counts = LazyNeighbors(RAGGED).take(np.array([1, 7, 2]))
    assert indices.shape == (3, 0)
    assert counts.tolist() == [0, 0, 0]
    assert LazyNeighbors(RAGGED).n_cells == 10


def test_only_the_requested_rows_are_read_in_batches_if_possible():
    class Spy(Ring):
        requested = ()

        def get_batch(self, idx_seq):
            self.requested += (idx_seq,)
            return super().get_batch(idx_seq)

    spy = Spy()
    LazyNeighbors(spy).take(np.array([3, 9], np.int32))
    assert spy.requested == ([3, 9],)
    assert all(type(i) is int for i in spy.requested[0])

    rows = []

    class Plain:
        def __len__(self):
            return 10

        def __getitem__(self, i):
            rows.append(i)
            return [0]

    LazyNeighbors(Plain()).take(np.array([3, 9]))
    assert rows == [3, 9]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1, 3], r"row 1 include row 3, but there are only rows 0 to 2"),
        ([0, -2], r"row 1 include row -2"),
        ([0.0, 1.0], r"row 1 must be a list of row indices, but are \[0\.0, 1\.0\]"),
        (([0, 2], [0.1, 0.2]), r"row 1 must be a list of row indices"),
        (2, "must be a list of row indices, but are 2"),
        ("ab", "must be a list of row indices"),
        ([True, False], "must be a list of row indices"),
    ],
)
def test_invalid_rows_are_reported_with_their_index(row, message):
    with pytest.raises(ValueError, match=message):
        LazyNeighbors([[1], row, [0]]).take(np.array([0, 1]))


def test_a_batch_of_another_length_is_rejected():
    class Short(Ring):
        def get_batch(self, idx_seq):
            return [[1]]

    with pytest.raises(ValueError, match="returned 1 rows, but 2 were requested"):
        LazyNeighbors(Short()).take(np.array([4, 5]))


@pytest.mark.slow
def test_importing_the_classes_loads_neither_annoy_nor_tensorflow(fresh_process):
    code = """
        import sys
        from scivis.neighbors import AnnoyKnnMatrix, LabeledNeighbourMap, LazyNeighbors
        from scivis.data import ImageDataset
        from scivis.data._reading import read_rows

        read_rows([[1, 2], [3, 4]])
        print([name for name in ("annoy", "tensorflow", "keras", "h5py", "dask", "zarr", "PIL") if name in sys.modules])
        """
    assert fresh_process(code).strip() == "[]"
