"""The training loop, and the embedding of rows with a trained encoder."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import keras
import numpy as np

from scivis._quiet import paused_collector, without_retracing_warnings

from ._backend import check_process
from ._batches import Batch
from ._epochs import Divergence, EarlyStopping, EpochLayout, EpochSampler
from ._feeding import feed_indices
from ._gradients import released_gradients, released_kernels
from ._optimizer import build_optimizer, restore_state, state_values
from ._progress import closing_bars
from ._schedule import TrainingState
from ._siamese import Siamese

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from scivis.neighbors import LazyNeighbors, Neighbors

    from ._schedule import Schedule
    from ._siamese import Supervision

# Number of rows over all epochs from which the faster steps of XLA make up for the seconds of compilation.
_MIN_ROWS_XLA = 300_000
# Rows per call of the encoder: large enough for matrix products, small enough for the cache.
_EMBED_BLOCK = 8192
# Numbers of rows from which a graph makes up for the fraction of a second of tracing, and XLA for that of compilation. The
# latter is a whole block of `Rows`, of which there are several where it matters.
_MIN_ROWS_GRAPH, _MIN_ROWS_XLA_GRAPH = 32_768, 131_072


def train(
    encoder: keras.Model,
    x: NDArray[np.float32],
    neighbors: Neighbors | LazyNeighbors | None,
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

    Each epoch visits every anchor once, in a new order. The last batches are filled with rows from the start of the
    order, so that all batches have the same shape and all calls of the compiled graph the same number of batches.

    Parameters
    ----------
    encoder, x, neighbors, schedule
        Network, data, neighbors (`None` if only labels are learned) and settings. Rows that are mapped from a file are read a few batches at a time.
    rng, callbacks
        Source of randomness for the batches, and Keras callbacks.
    anchors
        Indices of the rows that are anchors; by default all rows.
    supervision
        Labels to learn, if there are any.
    before
        State of an earlier training, which is continued. A decaying learning rate restarts, unless the earlier training
        was interrupted: then its remaining epochs are run.
    report
        Called with the state of training after each epoch, before `callbacks`.

    Raises
    ------
    ValueError
        If the loss becomes infinite or NaN.
    RuntimeError
        In a process that was forked from one that has computed.
    """
    check_process()
    n_anchors, is_mapped = len(x) if anchors is None else len(anchors), isinstance(x, np.memmap)
    layout = EpochLayout.of(n_anchors, schedule.batch_size, resident=not is_mapped)
    batch = Batch.of(
        schedule.loss, neighbors, schedule.batch_size, all_rows=anchors is None, labels=supervision is not None
    )
    model = _compiled_model(encoder, x, schedule, layout, batch, supervision)
    losses = before.losses if before else []
    resumed = before if before and before.interrupted else None
    n_done = len(losses) if resumed else 0
    if before:
        restore_state(model.optimizer, before.optimizer, restart=schedule.decay and not resumed)
    stopping = [EarlyStopping(schedule.patience, model.networks, before)] if schedule.patience is not None else []
    if resumed and (n_done >= schedule.epochs or any(rule.is_over for rule in stopping)):
        for rule in stopping:
            rule.restore()
        return resumed
    sampler = EpochSampler(x, neighbors, layout, batch, schedule, rng, supervision, anchors)
    divergence = Divergence(f"Use a smaller learning_rate than {schedule.learning_rate}.")
    reporter = [_reporter(report, model, losses, stopping)] if report else []
    with (
        ExitStack() as tracing,
        closing_bars(callbacks),
        released_gradients(),
        released_kernels(),
        without_retracing_warnings(),
    ):
        tracing.enter_context(paused_collector())
        traced = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: tracing.close())
        history = model.fit(
            feed_indices(layout.n_batches),  # for all epochs: starting another stream takes Keras a tenth of a second
            epochs=schedule.epochs,
            initial_epoch=n_done,
            steps_per_epoch=layout.n_steps,
            shuffle=False,
            verbose=0,
            callbacks=[traced, sampler, divergence, *stopping, *reporter, *callbacks],
        )
    new = [float(loss) for loss in history.history["loss"]]
    return TrainingState([*losses, *new], state_values(model.optimizer))


def _compiled_model(
    encoder: keras.Model,
    x: NDArray[np.float32],
    schedule: Schedule,
    layout: EpochLayout,
    batch: Batch,
    supervision: Supervision | None,
) -> Siamese:
    if not layout.resident:  # room for the rows of a round
        x = np.zeros((layout.n_batches * batch.n_rows, *x.shape[1:]), np.float32)
    model = Siamese(
        encoder,
        x,
        loss=schedule.loss,
        global_weight=schedule.global_weight,
        noisy=schedule.noise > 0,
        n_batches=layout.n_batches,
        batch=batch,
        supervision=supervision,
    )
    decay_steps = schedule.epochs * layout.n_steps if schedule.decay else None
    model.compile(
        build_optimizer(schedule.optimizer, schedule.learning_rate, model.trainable_variables, decay_steps=decay_steps),
        steps_per_execution=layout.per_call,
        jit_compile=_uses_xla(layout.n_anchors * batch.n_views * schedule.epochs),
    )
    return model


def _uses_xla(n_rows: int) -> bool:
    """Whether to compile the training step with XLA, for a number of rows over all epochs; under JAX always."""
    backend = keras.backend.backend()
    return backend == "jax" or (backend == "tensorflow" and n_rows >= _MIN_ROWS_XLA)


def _reporter(
    report: Callable[[TrainingState], None], model: Siamese, losses: list[float], stopping: list[EarlyStopping]
) -> keras.callbacks.Callback:
    """A callback that reports the state of training after each epoch; `losses` are those of earlier trainings."""
    losses = list(losses)

    def report_epoch(epoch: int, logs: dict[str, float]) -> None:
        losses.append(logs["loss"])
        best = [weight for rule in stopping for weight in rule.best]
        report(TrainingState(list(losses), state_values(model.optimizer), best))

    return keras.callbacks.LambdaCallback(on_epoch_end=report_epoch)


def embed(encoder: keras.Model, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings of rows, computed in blocks, shape (n, n_components).

    A small number of rows is passed to the encoder directly: a compiled graph is several times as fast, but takes longer to
    trace than most queries take to run.
    """
    check_process()
    blocks = [x[a : a + _EMBED_BLOCK] for a in range(0, len(x), _EMBED_BLOCK)]
    as_graph = len(x) >= _MIN_ROWS_GRAPH
    call = encoder.predict_on_batch if as_graph else partial(encoder, training=False)
    if as_graph:
        blocks[-1] = _filled(blocks[-1])
    if len(x) >= _MIN_ROWS_XLA_GRAPH:
        _compile_graph(encoder)
    with without_retracing_warnings(), released_gradients():
        parts = [keras.ops.convert_to_numpy(call(block)) for block in blocks]
    return np.concatenate([np.empty((0, encoder.output_shape[-1]), np.float32), *parts])[: len(x)]


def _compile_graph(encoder: keras.Model) -> None:
    """Have TensorFlow compile the graph of an encoder by XLA, which JAX always does; PyTorch would compile for a minute."""
    if keras.backend.backend() == "tensorflow" and not encoder.jit_compile:
        encoder.jit_compile = True
        if encoder.jit_compile:  # Keras warns, and leaves it, if a layer of the user does not support it
            encoder.make_predict_function(force=True)


def _filled(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """The last block with as many rows as the others, the last one repeated: the graph is traced again for another shape."""
    return np.concatenate([block, np.repeat(block[-1:], _EMBED_BLOCK - len(block), axis=0)])
