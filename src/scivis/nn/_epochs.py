"""Callbacks between the steps of training: sampling of the next batches, and early stopping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import keras
import numpy as np

from . import pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scivis.neighbors import LazyNeighbors, Neighbors

    from ._batches import Batch
    from ._schedule import Schedule, TrainingState
    from ._siamese import Supervision

# Batches per call of the compiled graph. The Python code between two calls takes as long as a small batch.
_STEPS_PER_CALL = 32
# Anchors per round. If the rows are in a file, only those of one round are in memory.
_ANCHORS_PER_ROUND = 65_536


@dataclass(frozen=True)
class EpochLayout:
    """Division of the anchors of an epoch into rounds, calls of the compiled graph, and batches."""

    n_anchors: int  # anchors per epoch
    n_rounds: int  # how often batches are sampled per epoch: once, unless the rows are read from a file in parts
    n_batches: int  # batches per round, rounded up to a multiple of `per_call`
    per_call: int  # batches per call
    resident: bool  # whether all rows are in memory

    @classmethod
    def of(cls, n_anchors: int, batch_size: int, *, resident: bool) -> Self:
        """The layout for a number of anchors."""
        n_rounds = 1 if resident else -(-n_anchors // _ANCHORS_PER_ROUND)
        n_batches = -(-n_anchors // (batch_size * n_rounds))
        n_calls = n_batches if keras.backend.backend() == "torch" else -(-n_batches // _STEPS_PER_CALL)
        per_call = -(-n_batches // n_calls)
        return cls(n_anchors, n_rounds, n_calls * per_call, per_call, resident)

    @property
    def n_steps(self) -> int:
        """Batches per epoch."""
        return self.n_rounds * self.n_batches


class EpochSampler(keras.callbacks.Callback):
    """Samples the batches of each epoch and assigns them to the model: anchors in a new order, with new partners.

    If `x` is mapped from a file, the rows of a round are read in the order of the file, each row once.
    """

    def __init__(
        self,
        x: NDArray[np.float32],
        neighbors: Neighbors | LazyNeighbors | None,
        layout: EpochLayout,
        batch: Batch,
        schedule: Schedule,
        rng: np.random.Generator,
        supervision: Supervision | None,
        anchors: NDArray[np.integer] | None = None,
    ) -> None:
        super().__init__()
        self.x, self.neighbors, self.layout, self.batch = x, neighbors, layout, batch
        self.schedule, self.rng = schedule, rng
        self.supervision, self.anchors = supervision, anchors

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        layout, batch_size = self.layout, self.batch.n_anchors
        order = pairs.sample_anchors(layout.n_anchors, layout.n_steps, batch_size, self.schedule.shuffle, self.rng)
        self.order = order if self.anchors is None else self.anchors[order].astype(np.int32)
        self._start_round(0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        n_done, n_left = divmod(batch + 1, self.layout.n_batches)
        if n_left == 0 and n_done < self.layout.n_rounds:
            self._start_round(n_done)

    def _start_round(self, number: int) -> None:
        n_batches = self.layout.n_batches
        anchors = self.order[number * n_batches : (number + 1) * n_batches]
        rows = np.stack([self.batch.sample_rows(batch, self.neighbors, self.rng) for batch in anchors])
        if self.neighbors is not None and self.batch.n_pairs:
            sampled = [self.batch.sample_pairs(batch, self.neighbors, self.rng) for batch in rows]
            self.model.pairs.assign(np.stack(sampled))
        self.model.rows.assign(rows if self.layout.resident else self._load(rows))
        if self.schedule.noise:
            self.model.noise.assign(self.rng.normal(0.0, self.schedule.noise, self.model.noise.shape))

    def _load(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """Copy rows and their labels into the model. Returns their positions there, in the shape of `rows`."""
        needed, positions = np.unique(rows, return_inverse=True)
        _fill(self.model.x, self.x[needed])
        if self.supervision is not None:
            _fill(self.model.labels, self.supervision.targets.values[needed])
            _fill(self.model.labeled, self.supervision.targets.labeled[needed])
        return positions.reshape(rows.shape).astype(np.int32)


def _fill(variable: keras.Variable, values: NDArray[Any]) -> None:
    """Assign values to the first rows of a variable, and zeros to the others."""
    padded = np.zeros(variable.shape, variable.dtype)
    padded[: len(values)] = values
    variable.assign(padded)


class Divergence(keras.callbacks.Callback):
    """Raises an error after the first epoch whose loss is infinite or NaN, before anything of that epoch is kept."""

    def __init__(self, remedy: str) -> None:
        super().__init__()
        self.remedy = remedy

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {})["loss"]
        if not np.isfinite(loss):
            msg = f"Training diverged: the loss of epoch {epoch + 1} is {loss}. {self.remedy}"
            raise ValueError(msg)


class EarlyStopping(keras.callbacks.Callback):
    """Stops after `patience` epochs without a lower loss, and restores the weights of the epoch with the lowest loss.

    The callback of Keras would copy the whole siamese model, which contains the data, at each improvement. This one
    copies `networks`. With `patience=None`, training does not stop, but the best weights are restored. `before` is the
    state of an earlier training that this one continues.
    """

    def __init__(
        self, patience: int | None, networks: Sequence[keras.Model], before: TrainingState | None = None
    ) -> None:
        super().__init__()
        self.patience, self.networks = patience, networks
        losses = before.losses if before else []
        self.lowest = min(losses, default=np.inf)
        # An earlier training that has finished has restored its best weights, so that counting starts again.
        self.waited = len(losses) - 1 - int(np.argmin(losses)) if before and before.interrupted else 0
        self.best = before.best if before and before.interrupted else []

    def on_train_begin(self, logs: Any = None) -> None:
        self.best = self.best or self._weights()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {})["loss"]
        if loss < self.lowest:
            self.lowest, self.waited = loss, 0
            self.best = self._weights()
            return
        self.waited += 1
        self.model.stop_training = self.model.stop_training or self.is_over

    def on_train_end(self, logs: Any = None) -> None:
        self.restore()

    @property
    def is_over(self) -> bool:
        """Whether the loss has not fallen for `patience` epochs."""
        return self.patience is not None and self.waited >= self.patience

    def restore(self) -> None:
        """Set the best weights."""
        weights = iter(self.best)
        for network in self.networks:
            network.set_weights([next(weights) for _ in network.weights])

    def _weights(self) -> list[NDArray[Any]]:
        return [weight for network in self.networks for weight in network.get_weights()]
