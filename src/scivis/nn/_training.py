"""The training loop, and the embedding of rows with a trained encoder."""

from __future__ import annotations

from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

import keras
import numpy as np

from ._batches import Batch
from ._epochs import EarlyStopping, EpochLayout, EpochSampler
from ._feeding import feed
from ._optimizer import build_optimizer, restore, state_values
from ._schedule import TrainingState
from ._siamese import Siamese

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from scivis.neighbors import LazyNeighbors, Neighbors

    from ._schedule import Schedule
    from ._siamese import Supervision

# Number of rows over all epochs above which the faster steps of XLA make up for the seconds of compilation.
_XLA_REPAYS = 300_000
# Rows per call of the encoder: large enough for matrix products, small enough for the cache.
_EMBED_BLOCK = 8192
# Number of rows above which a compiled graph makes up for the quarter of a second of tracing.
_GRAPH_REPAYS = 100_000


def train(
    encoder: keras.Model,
    x: NDArray[np.float32],
    neighbors: Neighbors | LazyNeighbors,
    schedule: Schedule,
    *,
    rng: np.random.Generator,
    anchors: NDArray[np.integer] | None = None,
    supervision: Supervision | None = None,
    callbacks: Iterable[keras.callbacks.Callback] = (),
    before: TrainingState | None = None,
    report: Callable[[TrainingState], None] | None = None,
) -> TrainingState:
    """Train `encoder`, and the head of `supervision`, in place on the rows of `x`.

    Each epoch visits every anchor once, in a new order. The last batches are filled with rows from the start of the order,
    so that all batches have the same shape and all calls of the compiled graph the same number of batches.

    Parameters
    ----------
    encoder, x, neighbors, schedule
        Network, data, neighbors and settings. Rows that are mapped from a file are read a few batches at a time.
    rng
        Source of randomness for the batches.
    anchors
        Indices of the rows that are anchors; by default all rows.
    supervision
        Labels to learn, if there are any.
    callbacks
        Keras callbacks.
    before
        State of an earlier training, which is continued. A decaying learning rate restarts, unless the earlier training
        was interrupted: then its remaining epochs are run.
    report
        Called with the state of training after each epoch, before `callbacks`.

    Raises
    ------
    ValueError
        If the loss becomes infinite or NaN.
    """
    layout = EpochLayout.of(len(x) if anchors is None else len(anchors), schedule.batch_size, resident=not is_mapped(x))
    batch = Batch.of(
        schedule.loss, neighbors, schedule.batch_size, all_rows=anchors is None, labels=supervision is not None
    )
    model = Siamese(
        encoder,
        x if layout.resident else np.zeros((layout.n_rows(batch), *x.shape[1:]), np.float32),
        loss=schedule.loss,
        global_weight=schedule.global_weight,
        n_batches=layout.n_batches,
        batch=batch,
        supervision=supervision,
    )
    steps = layout.n_rounds * layout.n_batches
    optimizer = build_optimizer(
        schedule.optimizer,
        schedule.learning_rate,
        model.trainable_variables,
        decay_steps=schedule.epochs * steps if schedule.decay else None,
    )
    model.compile(
        optimizer, steps_per_execution=layout.per_call, **_xla(layout.n_anchors * batch.n_views * schedule.epochs)
    )
    if before:
        restore(model.optimizer, before.optimizer, restart=schedule.decay and not before.interrupted)
    done = len(before.losses) if before and before.interrupted else 0
    sampler = EpochSampler(x, neighbors, layout, batch, schedule.shuffle, rng, supervision, anchors)
    losses = list(before.losses) if before else []
    stopping = [EarlyStopping(schedule.patience, model.learned, before)] if schedule.patience is not None else []
    if before and before.interrupted and (done >= schedule.epochs or any(rule.is_over for rule in stopping)):
        for rule in stopping:
            rule.restore()
        return before
    # One stream for all epochs: starting another takes Keras a tenth of a second.
    numbers = ((np.array([batch], np.int32),) for batch in cycle(range(layout.n_batches)))
    history = model.fit(
        feed(numbers, like=(np.zeros(1, np.int32),)),
        epochs=schedule.epochs,
        initial_epoch=done,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[sampler, *stopping, *([_Reporter(report, losses, stopping)] if report else []), *callbacks],
    )
    new = [float(loss) for loss in history.history["loss"]]
    if not np.isfinite(new).all():
        msg = (
            f"Training diverged: the loss became {new[-1]}. Take a smaller learning_rate than {schedule.learning_rate}."
        )
        raise ValueError(msg)
    return TrainingState([*losses, *new], state_values(model.optimizer))


def is_mapped(x: NDArray[np.float32]) -> bool:
    """Whether rows are mapped from a file, so that training holds only a few of them at a time."""
    return isinstance(x, np.memmap)


def _xla(n_rows: int) -> dict[str, bool]:
    backend = keras.backend.backend()
    return {"jit_compile": backend == "jax" or (backend == "tensorflow" and n_rows >= _XLA_REPAYS)}


class _Reporter(keras.callbacks.Callback):
    """Reports the state of training after each epoch."""

    def __init__(
        self, report: Callable[[TrainingState], None], losses: list[float], stopping: list[EarlyStopping]
    ) -> None:
        super().__init__()
        self.report, self.losses, self.stopping = report, list(losses), stopping

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.losses.append((logs or {})["loss"])
        best = [weight for stopping in self.stopping for weight in stopping.best]
        self.report(TrainingState(list(self.losses), state_values(self.model.optimizer), best))


def embed(encoder: keras.Model, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings of rows, computed in blocks, shape (n, n_components).

    A small number of rows is passed to the encoder directly: a compiled graph is twice as fast, but takes longer to trace
    than most queries take to run.
    """
    starts = range(0, len(x), _EMBED_BLOCK)
    call = encoder.predict_on_batch if len(x) >= _GRAPH_REPAYS else partial(encoder, training=False)
    parts = [keras.ops.convert_to_numpy(call(x[a : a + _EMBED_BLOCK])) for a in starts]
    return np.concatenate([np.empty((0, encoder.output_shape[-1]), np.float32), *parts])
