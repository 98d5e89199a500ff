"""What happens between the steps of training: new pairs for the batches to come, and the end when nothing improves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import keras
import numpy as np

from . import pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scivis.neighbors import LazyNeighbors, Neighbors

    from ._batches import Batch
    from ._siamese import Siamese, Supervision
    from ._training import Trained
    from .pairs import Shuffle

# Batches joined into one call of the compiled graph: the Python between calls costs as much as a small batch.
_STEPS_PER_CALL = 32
# Anchors whose rows are held at once when the others stay in a file.
_ROUND = 65_536


@dataclass(frozen=True)
class Plan:
    """How the anchors of an epoch are cut into rounds, calls and batches.

    Parameters
    ----------
    n_anchors
        Anchors of an epoch.
    batch_size
        Anchors of a batch.
    n_rounds
        Times per epoch that pairs are drawn: once, unless the rows are read from a file, some at a time.
    n_batches
        Batches of a round, rounded up to whole calls of the compiled graph.
    per_call
        Batches of a call.
    resident
        Whether all rows are in memory.
    """

    n_anchors: int
    batch_size: int
    n_rounds: int
    n_batches: int
    per_call: int
    resident: bool

    @classmethod
    def of(cls, n_anchors: int, batch_size: int, *, resident: bool) -> Self:
        """The plan for so many anchors.

        Examples
        --------
        >>> Plan.of(10_000, 100, resident=True).per_call  # 100 batches, in 4 calls
        25
        """
        n_rounds = 1 if resident else -(-n_anchors // _ROUND)
        n_batches = -(-n_anchors // (batch_size * n_rounds))
        n_calls = n_batches if keras.backend.backend() == "torch" else -(-n_batches // _STEPS_PER_CALL)
        per_call = -(-n_batches // n_calls)
        return cls(n_anchors, batch_size, n_rounds, n_calls * per_call, per_call, resident)

    def n_rows(self, batch: Batch) -> int:
        """Rows of a round, if all are different."""
        return self.n_batches * batch.n_rows


class Draw(keras.callbacks.Callback):
    """Gives the model the rows of the batches to come: anchors in a new order, with partners of their own.

    Where the rows of `x` lie in a file, those that a round needs are read in the file's order, each once.
    """

    def __init__(
        self,
        x: NDArray[np.float32],
        neighbors: Neighbors | LazyNeighbors,
        plan: Plan,
        batch: Batch,
        shuffle: Shuffle,
        rng: np.random.Generator,
        supervision: Supervision | None,
        anchors: NDArray[np.integer] | None = None,
    ) -> None:
        super().__init__()
        self.x, self.neighbors, self.plan, self.batch, self.shuffle, self.rng = x, neighbors, plan, batch, shuffle, rng
        self.supervision, self.anchors = supervision, anchors

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        plan = self.plan
        order = pairs.draw_anchors(
            plan.n_anchors, plan.n_rounds * plan.n_batches, plan.batch_size, self.shuffle, self.rng
        )
        self.order = order if self.anchors is None else self.anchors[order].astype(np.int32)
        self._next_round(0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        done, within = divmod(batch + 1, self.plan.n_batches)
        if within == 0 and done < self.plan.n_rounds:
            self._next_round(done)

    def _next_round(self, number: int) -> None:
        n_batches = self.plan.n_batches
        anchors = self.order[number * n_batches : (number + 1) * n_batches]
        rows = np.stack([self.batch.draw_rows(batch, self.neighbors, self.rng) for batch in anchors])
        if self.batch.n_pairs:
            self.model.pairs.assign(
                np.stack([self.batch.draw_pairs(batch, self.neighbors, self.rng) for batch in rows])
            )
        self.model.rows.assign(rows if self.plan.resident else self._load(rows))
        if self.supervision is not None and self.supervision.noise:
            self.model.noise.assign(self.rng.normal(0.0, self.supervision.noise, self.model.noise.shape))

    def _load(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """Put these rows, and their labels, into the model; gives where they are now."""
        needed, places = np.unique(rows, return_inverse=True)
        self._fill(self.model.x, self.x[needed])
        if self.supervision is not None:
            self._fill(self.model.labels, self.supervision.targets.values[needed])
            self._fill(self.model.labelled, self.supervision.targets.labelled[needed])
        return places.reshape(rows.shape).astype(np.int32)

    @staticmethod
    def _fill(variable: keras.Variable, values: NDArray[Any]) -> None:
        padded = np.zeros(variable.shape, variable.dtype)
        padded[: len(values)] = values
        variable.assign(padded)


class EarlyStopping(keras.callbacks.Callback):
    """Stops after `patience` epochs without a lower loss, and ends with the weights of the lowest.

    Keras's own callback would copy the whole model at each improvement, and the data are part of this model.
    """

    def __init__(self, patience: int, before: Trained | None) -> None:
        super().__init__()
        self.patience = patience
        losses = before.losses if before else []
        self.lowest = min(losses, default=np.inf)
        # Of a training that was interrupted; one that had ended went back to its best weights.
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
        self.go_back(self.model)

    @property
    def is_over(self) -> bool:
        """Whether patience is at an end."""
        return self.waited >= self.patience

    def go_back(self, model: Siamese) -> None:
        """Give the model its best weights."""
        rest = iter(self.best)
        for part in model.learned:
            part.set_weights([next(rest) for _ in part.weights])

    def _weights(self) -> list[NDArray[Any]]:
        return [weight for part in self.model.learned for weight in part.get_weights()]
