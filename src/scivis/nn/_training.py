"""Running the training: epochs in shuffled order, a learning-rate schedule, early stopping, embedding of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ._siamese import Siamese

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from scivis.neighbors import Neighbors

    from .losses import IvisLoss

# Batches joined into one call of the compiled graph: the Python between calls costs as much as a small batch.
_STEPS_PER_CALL = 32
# Rows embedded at once: large enough for the matrix products, small enough for the cache.
_EMBED_BLOCK = 8192


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Parameters
    ----------
    loss
        `infonce`, a triplet loss's name, or a callable with ivis's signature.
    batch_size
        Anchors per step.
    epochs
        Passes over the rows, at most.
    learning_rate
        Adam's, at the start.
    decay
        Whether the learning rate falls to zero along a cosine over the epochs.
    patience
        Epochs without a lower loss before training stops and the best weights come back; `None` never stops.
    global_weight
        Weight of the distance-correlation term.
    """

    loss: str | IvisLoss
    batch_size: int
    epochs: int
    learning_rate: float
    decay: bool
    patience: int | None
    global_weight: float


def train(
    encoder: keras.Model,
    x: NDArray[np.float32],
    neighbors: Neighbors,
    schedule: Schedule,
    *,
    rng: np.random.Generator,
    callbacks: Iterable[keras.callbacks.Callback] = (),
) -> list[float]:
    """Train `encoder` in place on the rows of `x`; returns the mean loss of each epoch.

    Every epoch takes each row as anchor once, in a new order; the last batch is filled up with rows from the front,
    so that all batches have one shape and are compiled once.

    Raises
    ------
    ValueError
        If the loss is no longer finite.
    """
    n_batches = -(-len(x) // schedule.batch_size)
    model = Siamese(
        encoder,
        x,
        neighbors,
        loss=schedule.loss,
        global_weight=schedule.global_weight,
        n_positions=n_batches * schedule.batch_size,
        seed=int(rng.integers(2**31)),
    )
    model.compile(optimizer=_optimizer(schedule, n_batches), steps_per_execution=_steps_per_call(n_batches), **_xla())
    # Built here, or the first step would be traced twice: once to create the optimizer's variables.
    model.optimizer.build(model.trainable_variables)
    history = model.fit(
        np.arange(n_batches * schedule.batch_size, dtype=np.int32),
        batch_size=schedule.batch_size,
        epochs=schedule.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[_Shuffle(len(x), rng), *_early_stopping(schedule), *callbacks],
    )
    losses = [float(loss) for loss in history.history["loss"]]
    if not np.isfinite(losses).all():
        msg = f"Training diverged: the loss became {losses[-1]}. Take a smaller learning_rate than {schedule.learning_rate}."
        raise ValueError(msg)
    return losses


def _optimizer(schedule: Schedule, n_batches: int) -> keras.optimizers.Optimizer:
    rate: Any = schedule.learning_rate
    if schedule.decay:
        rate = keras.optimizers.schedules.CosineDecay(rate, schedule.epochs * n_batches)
    return keras.optimizers.Adam(rate)


def _steps_per_call(n_batches: int) -> int:
    return 1 if keras.backend.backend() == "torch" else min(_STEPS_PER_CALL, n_batches)


def _xla() -> dict[str, bool]:
    return {"jit_compile": keras.backend.backend() != "torch"}


class _Shuffle(keras.callbacks.Callback):
    """Gives the model a new order of rows before each epoch."""

    def __init__(self, n_rows: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.n_rows, self.rng = n_rows, rng

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        order = self.rng.permutation(self.n_rows).astype(np.int32)
        self.model.order.assign(np.resize(order, self.model.order.shape))


def _early_stopping(schedule: Schedule) -> list[keras.callbacks.Callback]:
    return [] if schedule.patience is None else [_KeepBest(schedule.patience)]


class _KeepBest(keras.callbacks.Callback):
    """Stops after `patience` epochs without a lower loss, and ends with the weights of the lowest.

    Keras's own callback would copy the whole model at each improvement, and the data are part of this model.
    """

    def __init__(self, patience: int) -> None:
        super().__init__()
        self.patience, self.best, self.waited = patience, np.inf, 0
        self.weights: list[NDArray[Any]] | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {})["loss"]
        if loss < self.best:
            self.best, self.waited, self.weights = loss, 0, self.model.encoder.get_weights()
            return
        self.waited += 1
        self.model.stop_training = self.model.stop_training or self.waited >= self.patience

    def on_train_end(self, logs: Any = None) -> None:
        if self.weights is not None:
            self.model.encoder.set_weights(self.weights)


def embed(encoder: keras.Model, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embed rows, in blocks, shape (n, n_components).

    The encoder is called as it is: `Model.predict` would first compile a graph, which takes longer than most queries.
    """
    starts = range(0, len(x), _EMBED_BLOCK)
    parts = [keras.ops.convert_to_numpy(encoder(x[a : a + _EMBED_BLOCK], training=False)) for a in starts]
    return np.concatenate([np.empty((0, encoder.output_shape[-1]), np.float32), *parts])
