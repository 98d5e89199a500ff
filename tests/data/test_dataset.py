"""The base class of data that are read on demand."""

from __future__ import annotations

import numpy as np
import pytest

from scivis.data import IndexableDataset


class Dataset(IndexableDataset):
    """The rows of a list, one by one."""

    def __init__(self, rows):
        self.rows, self.shape = rows, (len(rows), len(rows[0]))

    shape = None

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, idx):
        return self.rows[idx]


def test_batches_consist_of_single_rows(values):
    dataset = Dataset(values.tolist())
    np.testing.assert_array_equal(dataset.get_batch([3, 0, 3]).astype(np.float32), values[[3, 0, 3]])
    assert dataset.get_batch([]).shape == (0, 9)
    assert len(list(dataset)) == 57


def test_a_subclass_without_a_shape_cannot_be_instantiated():
    class NoShape(IndexableDataset):
        def __len__(self):
            return 1

        def __getitem__(self, idx):
            return [0]

    with pytest.raises(TypeError, match="shape"):
        NoShape()
