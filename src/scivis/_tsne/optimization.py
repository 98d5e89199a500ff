"""Moving the cells: gradient descent in phases, with a record of how it went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from openTSNE import TSNEEmbedding

    from .settings import Settings

    Callback = Callable[[int, float, TSNEEmbedding], bool | None]


class Phase(NamedTuple):
    """A stretch of iterations with one strength of attraction."""

    n_iter: int
    exaggeration: float
    momentum: float


def phases(settings: Settings) -> list[Phase]:
    """Early exaggeration and the final phase, as far as they have iterations."""
    early = Phase(settings.early_exaggeration_iter, float(settings.early_exaggeration), settings.initial_momentum)
    final = Phase(settings.n_iter, settings.exaggeration, settings.final_momentum)
    return [phase for phase in (early, final) if phase.n_iter]


@dataclass(eq=False)
class Record:
    """Kullback-Leibler divergences along the way, called by openTSNE every so many iterations.

    Parameters
    ----------
    done
        Iterations before this phase.
    tell
        Told the number of all iterations so far.
    """

    done: int = 0
    tell: Callable[[int], object] = lambda iteration: None
    rows: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    phase: tuple[float, float] = (1.0, 0.0)

    @classmethod
    def of(cls, history: Any) -> Record:
        """That of earlier calls, to be gone on with."""
        columns = ("iteration", "kl_divergence", "exaggeration", "learning_rate")
        if not hasattr(history, "keys") or not set(columns) <= set(history):
            return cls()
        iterations, *values = (np.atleast_1d(history[name]).tolist() for name in columns)
        rows = dict(zip(iterations, zip(*values, strict=True), strict=True))
        return cls(done=int(max(iterations, default=0)), rows=rows)

    def __call__(self, iteration: int, error: float, embedding: Any) -> None:
        """Note an iteration of the present phase."""
        self.rows[self.done + iteration] = (error, *self.phase)
        self.tell(self.done + iteration)

    def history(self) -> dict[str, NDArray[Any]]:
        """By column."""
        values = np.array(list(self.rows.values())).reshape(-1, 3)
        columns = dict(zip(("kl_divergence", "exaggeration", "learning_rate"), values.T.copy(), strict=True))
        return {"iteration": np.array(list(self.rows), dtype=np.int64), **columns}


def start_embedding(
    positions: NDArray[np.floating], affinities: Any, settings: Settings, optimizer: tuple[Any, Any] | None = None
) -> TSNEEmbedding:
    """openTSNE's embedding before its first iteration, or where the `optimizer` (gains, last update) left it."""
    from openTSNE import TSNEEmbedding
    from openTSNE.tsne import gradient_descent

    descent = gradient_descent()
    if optimizer is not None:
        descent.gains, descent.update = (np.array(values, float) for values in optimizer)
    return TSNEEmbedding(
        positions, affinities, random_state=settings.random_state, optimizer=descent,
        learning_rate=settings.learning_rate, momentum=settings.final_momentum, exaggeration=settings.exaggeration,
        **settings.gradient(),
    )  # fmt: skip


def optimize(
    embedding: TSNEEmbedding, settings: Settings, callbacks: Sequence[Callback] = (), record: Record | None = None
) -> Record:
    """Run the phases in place; a callback that returns true ends all of them.

    The record ends with the divergence of the final positions, which openTSNE leaves in `embedding.kl_divergence`.
    """
    from openTSNE import OptimizationInterrupt

    record = record or Record()
    for phase in phases(settings):
        rate = len(embedding) / phase.exaggeration if settings.learning_rate == "auto" else settings.learning_rate
        record.phase = (phase.exaggeration, float(rate))
        try:
            embedding.optimize(
                phase.n_iter, inplace=True, propagate_exception=True, exaggeration=phase.exaggeration,
                momentum=phase.momentum, callbacks=[record, *callbacks],
                callbacks_every_iters=settings.callbacks_every_iters,
            )  # fmt: skip
        except OptimizationInterrupt as stop:
            embedding.kl_divergence = stop.error
            return record
        record(phase.n_iter, embedding.kl_divergence, embedding)
        record.done += phase.n_iter
    if embedding.kl_divergence is None:
        embedding.optimize(0, inplace=True, exaggeration=1)
    return record
