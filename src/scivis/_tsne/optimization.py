"""Gradient descent in two phases, and the record of its course."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .anchor import gradient_method
from .settings import phases

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from openTSNE import TSNEEmbedding

    from .anchor import Anchor
    from .settings import Settings

    Callback = Callable[[int, float, TSNEEmbedding], bool | None]
    # Gain and last update of each coordinate, both of shape (n, n_components).
    State = tuple[NDArray[np.floating], NDArray[np.floating]]

_COLUMNS = ("kl_divergence", "exaggeration", "learning_rate")


@dataclass(eq=False)
class History:
    """Kullback-Leibler divergence, exaggeration and learning rate by iteration; openTSNE calls it as a callback.

    The current `phase` has an exaggeration and a learning rate, and starts after `n_done` iterations. `report` is called with
    the number of iterations so far.
    """

    rows: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    n_done: int = 0
    phase: tuple[float, float] = (1.0, 0.0)
    report: Callable[[int], object] = lambda iteration: None

    @classmethod
    def of(cls, columns: Any) -> History:
        """The history of earlier calls, to be continued; an empty one if the columns are incomplete or altered."""
        if not hasattr(columns, "keys"):
            return cls()
        try:
            iterations, *values = (np.atleast_1d(columns[name]).tolist() for name in ("iteration", *_COLUMNS))
            rows = dict(zip(iterations, zip(*values, strict=True), strict=True))
            return cls(rows, n_done=int(max(iterations, default=0)))
        except (KeyError, TypeError, ValueError, OverflowError):
            return cls()

    def __call__(self, iteration: int, error: float, embedding: Any) -> None:
        """Record an iteration of the current phase."""
        self.rows[self.n_done + iteration] = (error, *self.phase)
        self.report(self.n_done + iteration)

    def columns(self) -> dict[str, NDArray[Any]]:
        """The history as arrays of equal length."""
        values = np.array(list(self.rows.values())).reshape(-1, len(_COLUMNS))
        iterations = np.array(list(self.rows), dtype=np.int64)
        return {"iteration": iterations, **dict(zip(_COLUMNS, values.T.copy(), strict=True))}


def make_embedding(
    coordinates: NDArray[np.floating],
    affinities: Any,
    settings: Settings,
    state: State | None = None,
    anchor: Anchor | None = None,
) -> TSNEEmbedding:
    """openTSNE's embedding before its first iteration, or with the state in which an earlier optimization ended.

    If it is optimized further, it is pulled toward the anchor.
    """
    from openTSNE import TSNEEmbedding
    from openTSNE.tsne import gradient_descent

    optimizer = gradient_descent()
    if state is not None:
        optimizer.gains, optimizer.update = (np.array(values, float) for values in state)
    return TSNEEmbedding(
        coordinates, affinities, random_state=settings.random_state, optimizer=optimizer,
        learning_rate=settings.learning_rate, momentum=settings.final_momentum, exaggeration=settings.exaggeration,
        **settings.gradient() | _method(settings, anchor, _rate(settings, len(coordinates), settings.exaggeration)),
    )  # fmt: skip


def _rate(settings: Settings, n_cells: int, exaggeration: float) -> float:
    """The learning rate of a phase with this exaggeration."""
    return float(n_cells / exaggeration if settings.learning_rate == "auto" else settings.learning_rate)


def _method(settings: Settings, anchor: Anchor | None, learning_rate: float) -> dict[str, Any]:
    return {"negative_gradient_method": gradient_method(settings, anchor, learning_rate)}


def optimize(
    embedding: TSNEEmbedding,
    settings: Settings,
    callbacks: Sequence[Callback] = (),
    history: History | None = None,
    anchor: Anchor | None = None,
) -> History:
    """Run the phases in place; a callback that returns true ends all of them.

    The history ends with the divergence of the final coordinates, which is also `embedding.kl_divergence`.
    """
    from openTSNE import OptimizationInterrupt

    history = history or History()
    for n_iter, exaggeration, momentum in phases(settings):
        rate = _rate(settings, len(embedding), exaggeration)
        history.phase = (exaggeration, rate)
        try:
            embedding.optimize(
                n_iter, inplace=True, propagate_exception=True, exaggeration=exaggeration, momentum=momentum,
                callbacks=[history, *callbacks], callbacks_every_iters=settings.callbacks_every_iters,
                **_method(settings, anchor, rate),
            )  # fmt: skip
        except OptimizationInterrupt as stop:
            embedding.kl_divergence = stop.error
            return history
        history(n_iter, embedding.kl_divergence, embedding)
        history.n_done += n_iter
    if embedding.kl_divergence is None:
        embedding.optimize(0, inplace=True, exaggeration=1)
    return history
