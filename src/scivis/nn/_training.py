"""Running the training: epochs in shuffled order, a learning-rate schedule, embedding of all rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ._batches import Batch
from ._epochs import Draw, EarlyStopping, Plan
from ._feeding import feed
from ._optimizer import build_optimizer, restore, state_values
from ._siamese import Siamese

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from scivis.neighbors import LazyNeighbors, Neighbors

    from ._optimizer import Optimizer
    from ._siamese import Supervision
    from .losses import IvisLoss
    from .pairs import Shuffle

# Rows, over all epochs, from which XLA's faster steps repay the seconds that it takes to compile them.
_XLA_REPAYS = 300_000
# Rows embedded at once: large enough for the matrix products, small enough for the cache.
_EMBED_BLOCK = 8192
# Rows from which a compiled graph is worth the quarter of a second that it takes to make.
_GRAPH_REPAYS = 100_000


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
    optimizer
        See :func:`scivis.nn._optimizer.build_optimizer`.
    learning_rate
        The optimizer's, at the start.
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
    optimizer: Optimizer
    learning_rate: float
    decay: bool
    patience: int | None
    global_weight: float
    shuffle: Shuffle = True


@dataclass(frozen=True, eq=False)
class Trained:
    """Where a training is, or how it ended.

    Parameters
    ----------
    losses
        Mean loss of each epoch, those of the trainings before included.
    optimizer
        The optimizer's step and moments.
    best
        Where early stopping would go back to: the weights of the epoch of the lowest loss.
    interrupted
        Whether it was stopped before its last epoch, so that the epochs left are to be trained and no others.
    """

    losses: list[float]
    optimizer: list[NDArray[Any]]
    best: list[NDArray[Any]] = field(default_factory=list)
    interrupted: bool = False


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
    before: Trained | None = None,
    tell: Callable[[Trained], None] | None = None,
) -> Trained:
    """Train `encoder`, and the head of `supervision`, in place on the rows of `x`.

    Every epoch takes each anchor once, in a new order; the last batches are filled up with rows from the front,
    so that all batches have one shape, and all calls of the compiled graph the same number of batches.

    Parameters
    ----------
    encoder, x, neighbors, schedule
        What to train, on what, and how. Rows that are mapped from a file are read some batches at a time.
    rng
        Draws the pairs.
    anchors
        The rows that are anchors; all, if not given.
    supervision
        Labels, if there are any.
    callbacks
        Called by Keras.
    before
        How an earlier training ended, which this one continues; a falling learning rate starts anew. If it was
        interrupted, this is the rest of it.
    tell
        Told after each epoch where training is, before `callbacks` are called.

    Raises
    ------
    ValueError
        If the loss is no longer finite.
    """
    plan = Plan.of(len(x) if anchors is None else len(anchors), schedule.batch_size, resident=not is_mapped(x))
    batch = Batch.of(
        schedule.loss, neighbors, schedule.batch_size, all_rows=anchors is None, labels=supervision is not None
    )
    model = Siamese(
        encoder,
        x if plan.resident else np.zeros((plan.n_rows(batch), *x.shape[1:]), np.float32),
        loss=schedule.loss,
        global_weight=schedule.global_weight,
        n_batches=plan.n_batches,
        batch=batch,
        supervision=supervision,
    )
    steps = plan.n_rounds * plan.n_batches
    optimizer = build_optimizer(
        schedule.optimizer,
        schedule.learning_rate,
        model.trainable_variables,
        decay_steps=schedule.epochs * steps if schedule.decay else None,
    )
    model.compile(
        optimizer, steps_per_execution=plan.per_call, **_xla(plan.n_anchors * batch.n_views * schedule.epochs)
    )
    if before:
        restore(model.optimizer, before.optimizer, restart=schedule.decay and not before.interrupted)
    done = len(before.losses) if before and before.interrupted else 0
    draw = Draw(x, neighbors, plan, batch, schedule.shuffle, rng, supervision, anchors)
    losses = list(before.losses) if before else []
    stopping = [EarlyStopping(schedule.patience, before)] if schedule.patience is not None else []
    if before and before.interrupted and (done >= schedule.epochs or any(rule.is_over for rule in stopping)):
        for rule in stopping:
            rule.go_back(model)
        return before
    # One stream for all epochs: Keras takes a tenth of a second to start another.
    numbers = ((np.array([batch], np.int32),) for batch in cycle(range(plan.n_batches)))
    history = model.fit(
        feed(numbers, like=(np.zeros(1, np.int32),)),
        epochs=schedule.epochs,
        initial_epoch=done,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[draw, *stopping, *([_Report(tell, losses, stopping)] if tell else []), *callbacks],
    )
    new = [float(loss) for loss in history.history["loss"]]
    if not np.isfinite(new).all():
        msg = (
            f"Training diverged: the loss became {new[-1]}. Take a smaller learning_rate than {schedule.learning_rate}."
        )
        raise ValueError(msg)
    return _trained([*losses, *new], model.optimizer)


def is_mapped(x: NDArray[np.float32]) -> bool:
    """Whether rows lie in a file, of which training then holds a few at a time."""
    return isinstance(x, np.memmap)


def _trained(losses: list[float], optimizer: keras.optimizers.Optimizer, best: Sequence[NDArray[Any]] = ()) -> Trained:
    return Trained(losses, state_values(optimizer), list(best))


def _xla(n_rows: int) -> dict[str, bool]:
    backend = keras.backend.backend()
    return {"jit_compile": backend == "jax" or (backend == "tensorflow" and n_rows >= _XLA_REPAYS)}


class _Report(keras.callbacks.Callback):
    """Tells after each epoch where training is, from which another could go on."""

    def __init__(self, tell: Callable[[Trained], None], losses: list[float], stopping: list[EarlyStopping]) -> None:
        super().__init__()
        self.tell, self.losses, self.stopping = tell, list(losses), stopping

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.losses.append((logs or {})["loss"])
        best = [weight for stopping in self.stopping for weight in stopping.best]
        self.tell(_trained(list(self.losses), self.model.optimizer, best))


def embed(encoder: keras.Model, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embed rows, in blocks, shape (n, n_components).

    Few rows go through the encoder as it is: a compiled graph is twice as fast, but takes longer to make than most queries.
    """
    starts = range(0, len(x), _EMBED_BLOCK)
    call = encoder.predict_on_batch if len(x) >= _GRAPH_REPAYS else partial(encoder, training=False)
    parts = [keras.ops.convert_to_numpy(call(x[a : a + _EMBED_BLOCK])) for a in starts]
    return np.concatenate([np.empty((0, encoder.output_shape[-1]), np.float32), *parts])
