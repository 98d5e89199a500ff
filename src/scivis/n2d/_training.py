"""Training of an autoencoder: batches in a new order each epoch, early stopping, and restoring the best weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._quiet import without_retracing_warnings
from scivis.nn import keras
from scivis.nn._epochs import Divergence, EarlyStopping
from scivis.nn._feeding import feed
from scivis.nn._progress import EpochBar, closing_bars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from ._settings import TrainingSettings

    Rows = NDArray[np.float32]
    Transform = Callable[[Rows], ArrayLike] | None


def train(
    model: keras.Model, x: Rows, transform: Transform, settings: TrainingSettings, rng: np.random.Generator
) -> list[float]:
    """Train `model` in place to reconstruct validated rows, shape (n, ...), and return the mean loss of each epoch.

    The network reads `transform(rows)`, if there is a transform. `ValueError` if the loss becomes infinite or NaN.
    """
    # Compilation with XLA takes longer than it saves for matrix products of this size; JAX requires it.
    model.compile(_new_optimizer(settings.optimizer), settings.loss, jit_compile=keras.backend.backend() == "jax")
    divergence = Divergence(
        f"Scale the data, or use an optimizer with a lower learning rate than {settings.optimizer!r}."
    )
    bar = [EpochBar(settings.epochs)] if settings.verbose else []
    with closing_bars(bar), without_retracing_warnings():
        history = model.fit(
            feed(_batches(x, transform, settings.batch_size, rng), like=(x, x)),
            epochs=settings.epochs,
            steps_per_epoch=-(-len(x) // settings.batch_size),
            shuffle=False,
            verbose=0,
            callbacks=[divergence, EarlyStopping(settings.patience, [model]), *settings.callbacks, *bar],
        )
    return [float(loss) for loss in history.history["loss"]]


def _new_optimizer(given: Any) -> keras.optimizers.Optimizer:
    """A new optimizer with the same configuration, because the user's object may belong to another network."""
    optimizer = keras.optimizers.get(given)
    return type(optimizer).from_config(optimizer.get_config())


def _batches(x: Rows, transform: Transform, batch_size: int, rng: np.random.Generator) -> Iterator[tuple[Rows, Rows]]:
    """Batches of inputs and targets; in each epoch every row once, in a new order.

    There is one stream for all epochs, because Keras takes longer to start a stream than to train a small epoch.
    """
    while True:
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            clean = x[order[start : start + batch_size]]
            yield clean if transform is None else np.asarray(transform(clean), np.float32), clean


def check_transform(transform: Transform, x: Rows) -> None:
    """Raise unless a transform of the input keeps the shape of its rows."""
    if transform is None:
        return
    if not callable(transform):
        msg = f"x_lambda={transform!r} must be a function of rows, or None."
        raise ValueError(msg)
    few = x[:2].copy()
    shape = np.shape(transform(few))
    if shape != few.shape:
        msg = f"x_lambda turned rows of shape {few.shape} into shape {shape}; it must keep their shape."
        raise ValueError(msg)
