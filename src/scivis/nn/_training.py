"""Running the training: epochs in shuffled order, a learning-rate schedule, early stopping, embedding of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from . import pairs
from ._siamese import Siamese

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from scivis.neighbors import LazyNeighbors, Neighbors

    from ._siamese import Supervision
    from .losses import IvisLoss
    from .pairs import Shuffle

# Batches joined into one call of the compiled graph: the Python between calls costs as much as a small batch.
_STEPS_PER_CALL = 32
# Anchors, over all epochs, from which XLA's faster steps repay the seconds that it takes to compile them.
_XLA_REPAYS = 150_000
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
    shuffle
        The order of the rows in an epoch: see :func:`scivis.nn.pairs.draw_anchors`.
    """

    loss: str | IvisLoss
    batch_size: int
    epochs: int
    learning_rate: float
    decay: bool
    patience: int | None
    global_weight: float
    shuffle: Shuffle = True


@dataclass(frozen=True, eq=False)
class Trained:
    """How a training ended.

    Parameters
    ----------
    losses
        Mean loss of each epoch, those of the trainings before included.
    optimizer
        The optimizer's step and moments.
    """

    losses: list[float]
    optimizer: list[NDArray[Any]]


def train(
    encoder: keras.Model,
    x: NDArray[np.float32],
    neighbors: Neighbors | LazyNeighbors,
    schedule: Schedule,
    *,
    rng: np.random.Generator,
    supervision: Supervision | None = None,
    callbacks: Iterable[keras.callbacks.Callback] = (),
    before: Trained | None = None,
) -> Trained:
    """Train `encoder`, and the head of `supervision`, in place on the rows of `x`.

    Every epoch takes each row as anchor once, in a new order; the last batches are filled up with rows from the front,
    so that all batches have one shape, and all calls of the compiled graph the same number of batches.

    Parameters
    ----------
    encoder, x, neighbors, schedule
        What to train, on what, and how.
    rng
        Draws the pairs.
    supervision
        Labels, if there are any.
    callbacks
        Called by Keras.
    before
        How an earlier training ended, which this one continues; a falling learning rate starts anew.

    Raises
    ------
    ValueError
        If the loss is no longer finite.
    """
    n_batches, per_call = _steps(len(x), schedule.batch_size)
    model = Siamese(
        encoder,
        x,
        loss=schedule.loss,
        global_weight=schedule.global_weight,
        n_batches=n_batches,
        batch_size=schedule.batch_size,
        supervision=supervision,
    )
    model.compile(
        optimizer=_optimizer(schedule, n_batches), steps_per_execution=per_call, **_xla(len(x) * schedule.epochs)
    )
    # Built here, or the first step would be traced twice: once to create the optimizer's variables.
    model.optimizer.build(model.trainable_variables)
    losses_before = list(before.losses) if before else []
    if before:
        _restore(model.optimizer, before.optimizer, restart=schedule.decay)
    # The batches of all epochs in one array: Keras takes a tenth of a second to start an array again.
    history = model.fit(
        np.tile(np.arange(n_batches, dtype=np.int32), schedule.epochs),
        batch_size=1,
        epochs=schedule.epochs,
        steps_per_epoch=n_batches,
        shuffle=False,
        verbose=0,
        callbacks=[
            _Draw(neighbors, schedule.shuffle, rng, supervision.noise if supervision else 0.0),
            *_early_stopping(schedule, losses_before),
            *callbacks,
        ],
    )
    losses = [float(loss) for loss in history.history["loss"]]
    if not np.isfinite(losses).all():
        msg = f"Training diverged: the loss became {losses[-1]}. Take a smaller learning_rate than {schedule.learning_rate}."
        raise ValueError(msg)
    return _trained([*losses_before, *losses], model.optimizer)


def _restore(optimizer: keras.optimizers.Optimizer, values: list[NDArray[Any]], *, restart: bool) -> None:
    """Go on with the moments of an earlier training; with a falling learning rate, count its steps from zero."""
    for variable, value in zip(_state(optimizer), values, strict=True):
        variable.assign(value)
    if restart:
        optimizer.iterations.assign(0)


def _trained(losses: list[float], optimizer: keras.optimizers.Optimizer) -> Trained:
    return Trained(losses, [np.array(keras.ops.convert_to_numpy(variable)) for variable in _state(optimizer)])


def _state(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """The step and two moments of each weight. The rate is a setting: another fit may have another."""
    return [variable for variable in optimizer.variables if variable.name != "learning_rate"]


def _optimizer(schedule: Schedule, n_batches: int) -> keras.optimizers.Optimizer:
    rate: Any = schedule.learning_rate
    if schedule.decay:
        rate = keras.optimizers.schedules.CosineDecay(rate, schedule.epochs * n_batches)
    return keras.optimizers.Adam(rate)


def _steps(n_rows: int, batch_size: int) -> tuple[int, int]:
    """Steps of an epoch, rounded up to whole calls of the compiled graph, and steps of a call."""
    n_batches = -(-n_rows // batch_size)
    n_calls = n_batches if keras.backend.backend() == "torch" else -(-n_batches // _STEPS_PER_CALL)
    per_call = -(-n_batches // n_calls)
    return n_calls * per_call, per_call


def _xla(n_anchors: int) -> dict[str, bool]:
    backend = keras.backend.backend()
    return {"jit_compile": backend == "jax" or (backend == "tensorflow" and n_anchors >= _XLA_REPAYS)}


class _Draw(keras.callbacks.Callback):
    """Gives the model new rows before each epoch: anchors in a new order, with partners of their own."""

    def __init__(
        self, neighbors: Neighbors | LazyNeighbors, shuffle: Shuffle, rng: np.random.Generator, noise: float = 0.0
    ) -> None:
        super().__init__()
        self.neighbors, self.shuffle, self.rng, self.noise = neighbors, shuffle, rng, noise

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        n_batches, n_views, batch_size = self.model.rows.shape
        anchors = pairs.draw_anchors(self.neighbors.n_cells, n_batches, batch_size, self.shuffle, self.rng)
        self.model.rows.assign(np.stack([self._rows(batch, n_views) for batch in anchors]))
        if self.noise:
            self.model.noise.assign(self.rng.normal(0.0, self.noise, self.model.noise.shape))

    def _rows(self, anchors: NDArray[np.int32], n_views: int) -> NDArray[np.int32]:
        return np.stack([anchors, *pairs.draw_partners(self.neighbors, anchors, self.rng, negatives=n_views == 3)])


class Report(keras.callbacks.Callback):
    """Tells after each epoch where training is, from which another could go on."""

    def __init__(self, tell: Callable[[Trained], None], before: Trained | None) -> None:
        super().__init__()
        self.tell, self.losses = tell, list(before.losses) if before else []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.losses.append((logs or {})["loss"])
        self.tell(_trained(list(self.losses), self.model.optimizer))


def _early_stopping(schedule: Schedule, losses: list[float]) -> list[keras.callbacks.Callback]:
    return [] if schedule.patience is None else [_KeepBest(schedule.patience, losses)]


class _KeepBest(keras.callbacks.Callback):
    """Stops after `patience` epochs without a lower loss, and ends with the weights of the lowest.

    Keras's own callback would copy the whole model at each improvement, and the data are part of this model.
    """

    def __init__(self, patience: int, losses: list[float]) -> None:
        super().__init__()
        self.patience = patience
        self.best, self.waited = min(losses, default=np.inf), 0
        self.weights: list[list[NDArray[Any]]] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        # What an earlier training ended with are the weights of its best epoch.
        self.weights = [part.get_weights() for part in self.model.learned]

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {})["loss"]
        if loss < self.best:
            self.best, self.waited = loss, 0
            self.weights = [part.get_weights() for part in self.model.learned]
            return
        self.waited += 1
        self.model.stop_training = self.model.stop_training or self.waited >= self.patience

    def on_train_end(self, logs: Any = None) -> None:
        for part, weights in zip(self.model.learned, self.weights or [], strict=True):
            part.set_weights(weights)


def embed(encoder: keras.Model, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embed rows, in blocks, shape (n, n_components).

    The encoder is called as it is: `Model.predict` would first compile a graph, which takes longer than most queries.
    """
    starts = range(0, len(x), _EMBED_BLOCK)
    parts = [keras.ops.convert_to_numpy(encoder(x[a : a + _EMBED_BLOCK], training=False)) for a in starts]
    return np.concatenate([np.empty((0, encoder.output_shape[-1]), np.float32), *parts])
