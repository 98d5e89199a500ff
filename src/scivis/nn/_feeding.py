"""Streams of batches for Keras, without the automatic tuning of TensorFlow's input pipeline."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from scivis._quiet import load_quietly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Arrays = tuple[NDArray[np.generic], ...]

# Number of batches that are prepared while another is trained on.
_PREFETCH = 2


def feed(batches: Iterator[Arrays], like: Arrays) -> Any:
    """`batches` as an argument of `keras.Model.fit`. Dtypes and shapes are those of `like`, except for the row count.

    TensorFlow tunes an input pipeline in a thread that sleeps between its steps, each time twice as long. At the end of
    `fit` the thread is sometimes not woken, so that a training of 6 s takes 10 s and one of 50 s takes 82 s.
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    tf = load_quietly("tensorflow")  # `keras.ops` has no pipelines
    signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in like)
    dataset = tf.data.Dataset.from_generator(lambda: batches, output_signature=signature)
    return dataset.prefetch(_PREFETCH).with_options(_without_tuning(tf))


def feed_indices(n: int) -> Any:
    """The numbers from 0 to `n` − 1 as batches of one, again and again, as an argument of `keras.Model.fit`.

    TensorFlow counts by itself, without calling Python for each number, which would take a tenth of a small training step.
    """
    if keras.backend.backend() != "tensorflow":
        return ((np.array([i], np.int32),) for i in cycle(range(n)))
    tf = load_quietly("tensorflow")
    dataset = tf.data.Dataset.range(n, output_type=tf.int32).batch(1, drop_remainder=True).repeat()
    return dataset.with_options(_without_tuning(tf))


def _without_tuning(tf: Any) -> Any:
    options = tf.data.Options()
    options.autotune.enabled = False
    return options
