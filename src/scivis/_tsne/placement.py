"""New rows on a finished map, which they do not move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy import sparse

from .settings import check_positive, check_share, check_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from openTSNE import TSNEEmbedding

    from .settings import Settings

Start = Literal["median", "weighted", "random"]


@dataclass(frozen=True)
class Transform:
    """How new cells are placed, by the names and defaults of openTSNE's `TSNEEmbedding.transform`."""

    perplexity: float | tuple[float, ...] = 5
    initialization: Start | NDArray[np.floating] = "median"
    k: int = 25
    learning_rate: float | Literal["auto"] = 0.1
    early_exaggeration: float = 4
    early_exaggeration_iter: int = 0
    exaggeration: float = 1.5
    n_iter: int = 250
    initial_momentum: float = 0.8
    final_momentum: float = 0.8
    max_grad_norm: float | None = 0.25
    max_step_norm: float | None = None

    @property
    def perplexities(self) -> tuple[float, ...]:
        """One or several, as a tuple."""
        return tuple(np.atleast_1d(np.asarray(self.perplexity, float)).tolist())

    @property
    def width(self) -> int:
        """How many reference cells attract a new one."""
        return max(1, int(3 * max(self.perplexities)))

    def check(self) -> None:
        """Refuse what cannot be used."""
        for name in ("k", "early_exaggeration_iter", "n_iter"):
            check_whole(name, getattr(self, name), 1 if name == "k" else 0)
        for perplexity in self.perplexities:
            check_positive("perplexity", perplexity)
        for name in ("early_exaggeration", "exaggeration"):
            check_positive(name, getattr(self, name))
        for name in ("max_grad_norm", "max_step_norm"):
            check_positive(name, getattr(self, name), optional=True)
        for name in ("initial_momentum", "final_momentum"):
            check_share(name, getattr(self, name))
        if self.learning_rate == "auto":
            msg = "learning_rate='auto' depends on how many cells come together. Give a number; 0.1 is the default."
            raise ValueError(msg)
        check_positive("learning_rate", self.learning_rate)
        if isinstance(self.initialization, str) and self.initialization not in get_args(Start):
            msg = f"initialization={self.initialization!r} is not one of {get_args(Start)}, nor an array."
            raise ValueError(msg)


class Placer:
    """Places blocks of new rows on a map, each row by itself.

    Parameters
    ----------
    positions
        The map, shape (n, n_components).
    settings
        Resolved ones, with which it was made.
    transform
        How to place.
    """

    def __init__(self, positions: NDArray[np.floating], settings: Settings, transform: Transform) -> None:
        from openTSNE import TSNEEmbedding
        from openTSNE.affinity import PrecomputedAffinities

        n = len(positions)
        # openTSNE centres a map, in place, before it places anything. This copy is centred, and the result moved back.
        self.centre = (positions.max(axis=0) + positions.min(axis=0)) / 2
        nothing = PrecomputedAffinities(sparse.csr_matrix((n, n)), normalize=False)
        self.reference: TSNEEmbedding = TSNEEmbedding(positions - self.centre, nothing)
        self.gradient = settings.gradient() | {
            "learning_rate": transform.learning_rate,
            "max_grad_norm": transform.max_grad_norm,
            "max_step_norm": transform.max_step_norm,
        }
        # The same for all, so that a cell's place does not depend on the cells that come with it.
        self.random_start = np.random.default_rng(settings.random_state).normal(0, 1e-4, positions.shape[1])
        self.transform, self.placed = transform, 0

    def __call__(self, neighbors: NDArray[np.integer], distances: NDArray[np.floating]) -> NDArray[np.float64]:
        """Positions of the next rows, from their nearest cells of the map, nearest first."""
        from openTSNE.tsne import PartialTSNEEmbedding

        p = self._affinities(neighbors, distances)
        start = self._start(neighbors, p)
        self.placed += len(start)
        placed = PartialTSNEEmbedding(start, self.reference, p, **self.gradient)
        t = self.transform
        for n_iter, exaggeration, momentum in (
            (t.early_exaggeration_iter, t.early_exaggeration, t.initial_momentum),
            (t.n_iter, t.exaggeration, t.final_momentum),
        ):
            if n_iter:
                placed.optimize(n_iter, inplace=True, exaggeration=exaggeration, momentum=momentum)
        return np.asarray(placed) + self.centre

    def _affinities(self, neighbors: NDArray[np.integer], distances: NDArray[np.floating]) -> sparse.csr_matrix:
        from openTSNE.affinity import joint_probabilities_nn

        width = neighbors.shape[1]
        perplexities = [p if p <= width else width / 3 for p in self.transform.perplexities]
        return joint_probabilities_nn(
            neighbors, distances, perplexities, symmetrize=False, normalization="point-wise",
            n_reference_samples=len(self.reference), n_jobs=self.gradient["n_jobs"],
        )  # fmt: skip

    def _start(self, neighbors: NDArray[np.integer], p: sparse.csr_matrix) -> NDArray[np.floating]:
        given = self.transform.initialization
        reference = np.asarray(self.reference)
        if not isinstance(given, str):
            return np.asarray(given, float)[self.placed : self.placed + len(neighbors)] - self.centre
        if given == "random":
            return np.tile(self.random_start, (len(neighbors), 1))
        if given == "weighted":
            return p @ reference
        return np.median(reference[neighbors[:, : self.transform.k]], axis=1)


def check_start(initialization: Any, n_new: int, n_components: int) -> None:
    """Refuse positions that are not those of the new cells."""
    positions = np.asarray(initialization)
    if positions.shape != (n_new, n_components):
        msg = f"initialization has shape {positions.shape}, but {n_new} new cells start on {n_components} axes."
        raise ValueError(msg)
    if positions.dtype.kind not in "fiu" or not np.isfinite(positions).all():
        msg = "initialization must hold finite numbers."
        raise ValueError(msg)


def check_distances(distances: Any, n_reference: int, width: int) -> Any:
    """Distances of new cells to the cells of the reference, by rows; refused if they are not that, or too few."""
    distances = sparse.csr_array(distances) if sparse.issparse(distances) else np.asarray(distances)
    if distances.ndim != 2 or distances.shape[1] != n_reference:
        msg = f"distances has shape {distances.shape}; it needs a row per new cell and {n_reference} columns, one per reference cell."
        raise ValueError(msg)
    values = distances.data if sparse.issparse(distances) else distances
    if not np.isfinite(values).all() or (values < 0).any():
        msg = "distances must hold finite numbers that are not negative."
        raise ValueError(msg)
    counts = np.diff(distances.indptr) if sparse.issparse(distances) else [n_reference]
    if min(counts, default=width) < min(width, n_reference):
        msg = (
            f"distances stores only {min(counts)} for some new cell, but {width} neighbours are looked at. Store more, or "
            "give a perplexity of at most a third of that."
        )
        raise ValueError(msg)
    return distances
