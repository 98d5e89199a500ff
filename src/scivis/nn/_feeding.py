"""How batches reach Keras: a stream of arrays, without TensorFlow's tuning of its input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    Arrays = tuple[NDArray[np.generic], ...]

# Batches made while the one before is trained on.
_AHEAD = 2


def feed(batches: Iterator[Arrays], like: Arrays) -> Any:
    """What `fit` takes in place of `batches`, of which all are `like` this one but for the number of rows.

    TensorFlow would start a thread that tunes the pipeline, and that sleeps ever longer, twice as long each time. At the end
    of `fit` it is sometimes not woken: a training of six seconds then takes ten, and one of fifty takes 82.
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf  # noqa: TID251 (`keras.ops` has no pipelines)

    signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in like)
    options = tf.data.Options()
    options.autotune.enabled = False
    return (
        tf.data.Dataset.from_generator(lambda: batches, output_signature=signature)
        .prefetch(_AHEAD)
        .with_options(options)
    )
