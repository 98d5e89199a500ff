"""The stream of batches that Keras trains on."""

from __future__ import annotations

from itertools import count

import keras
import numpy as np
import pytest

from scivis.nn._feeding import feed, feed_indices

pytestmark = pytest.mark.backend


def batches():
    """Batches of two rows and one row in turn; rows and targets contain the number of the batch."""
    for i in count():
        rows = np.full((2 - i % 2, 3), i, np.float32)
        yield rows, rows[:, :1].astype(np.int32)


def test_batches_arrive_complete_and_in_order():
    stream = feed(batches(), like=next(batches()))
    for i, (rows, targets) in zip(range(6), stream, strict=False):
        rows, targets = (keras.ops.convert_to_numpy(array) for array in (rows, targets))
        assert (rows.dtype, targets.dtype) == (np.float32, np.int32)
        np.testing.assert_array_equal(rows, np.full((2 - i % 2, 3), i))
        np.testing.assert_array_equal(targets, np.full((2 - i % 2, 1), i))


def test_indices_are_counted_again_and_again():
    found = [keras.tree.flatten(batch)[0] for batch, _ in zip(feed_indices(3), range(7), strict=False)]
    arrays = [keras.ops.convert_to_numpy(index) for index in found]
    assert {(array.shape, array.dtype) for array in arrays} == {((1,), np.dtype(np.int32))}
    assert [int(array[0]) for array in arrays] == [0, 1, 2, 0, 1, 2, 0]


def test_the_input_pipeline_is_not_tuned():
    stream = feed(batches(), like=next(batches()))
    if keras.backend.backend() == "tensorflow":
        assert stream.options().autotune.enabled is False
        assert feed_indices(2).options().autotune.enabled is False
    else:
        assert next(stream)[0].shape == (2, 3)


def test_epochs_continue_one_stream():
    """Two epochs of three batches, with a learning rate of zero and the mean of the input as loss."""
    model = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")]
    )
    model.compile(keras.optimizers.SGD(0.0), loss=lambda _, predicted: keras.ops.mean(predicted, axis=-1) / 3)
    history = model.fit(feed(batches(), like=next(batches())), epochs=2, steps_per_epoch=3, shuffle=False, verbose=0)
    # Rows 0, 0, 1, 2, 2, then 3, 4, 4, 5.
    assert history.history["loss"] == pytest.approx([1.0, 4.0], rel=1e-6)
