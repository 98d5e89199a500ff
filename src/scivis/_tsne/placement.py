"""Placement of new rows on an embedding, which does not change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy import sparse

from scivis._checks import check_choice, check_positive, check_positive_int

from .settings import check_schedule, phases

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from openTSNE import TSNEEmbedding

    from .affinities import Nearest
    from .anchor import Anchor
    from .settings import Settings

Initialization = Literal["median", "weighted", "random", "anchor"]
# Steps from the place that the anchor gives to a new row toward the nearest group of its neighbors.
_STEPS = 5


@dataclass(frozen=True)
class PlacementSettings:
    """Parameters of openTSNE's `TSNEEmbedding.transform`, with its names and defaults."""

    perplexity: float | tuple[float, ...] = 5
    initialization: Initialization | NDArray[np.floating] = "median"
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
        """One or several perplexities as a tuple."""
        try:
            return tuple(np.atleast_1d(np.asarray(self.perplexity, float)).tolist())
        except (TypeError, ValueError):
            msg = f"perplexity={self.perplexity!r} must be a number above 0, or several."
            raise ValueError(msg) from None

    @property
    def n_required(self) -> int:
        """Number of reference cells that attract a new cell."""
        return max(1, int(3 * max(self.perplexities)))

    def check(self) -> None:
        """Raise for settings that cannot be used."""
        check_positive_int("k", self.k)
        check_schedule(self)
        if self.learning_rate == "auto":
            msg = "learning_rate='auto' depends on the number of new cells. Pass a number; the default is 0.1."
            raise ValueError(msg)
        check_positive("early_exaggeration", self.early_exaggeration)
        if isinstance(self.initialization, str):
            check_choice("initialization", self.initialization, get_args(Initialization))


@dataclass(frozen=True, eq=False)
class AnchoredPlaces:
    """Where an anchor puts new rows on an embedding: each among those of its neighbors that lie nearest to this place.

    Parameters
    ----------
    places
        Coordinates of the new rows in the anchor, in scale and position of the embedding, shape (n_new, n_components).
    residuals
        How far each reference cell lies from its own place, shape (n, n_components).
    """

    places: NDArray[np.floating]
    residuals: NDArray[np.floating]

    @classmethod
    def of(cls, anchor: Anchor, reference: NDArray[np.floating], new: NDArray[np.floating]) -> AnchoredPlaces:
        """From the coordinates of the reference, and those of the new rows in the anchor."""
        scale, position = anchor.line(reference)
        residuals = anchor.is_known * (reference - scale * anchor.coordinates - position)
        return cls(scale * (new - anchor.center) + position, residuals)

    def among(
        self, rows: slice, neighbors: NDArray[np.integer], reference: NDArray[np.floating]
    ) -> NDArray[np.floating]:
        """Coordinates of some new rows, whose `neighbors` are reference cells, shape (rows, k).

        A row starts at its place, moved as its neighbors were. It then moves to their mean, weighted by the kernel of t-SNE: if
        the neighbors lie in several groups, the anchor decides between these.
        """
        around = reference[neighbors]
        places = self.places[rows] + np.median(self.residuals[neighbors], axis=1)
        for _ in range(_STEPS):
            weights = 1 / (1 + np.square(around - places[:, None]).sum(axis=2, keepdims=True))
            places = (weights * around).sum(axis=1) / weights.sum(axis=1)
        return places

    def among_nearest(
        self, blocks: Iterable[NDArray[np.float32]], nearest: Nearest, reference: NDArray[np.floating], k: int
    ) -> NDArray[np.floating]:
        """Coordinates of all new rows, which are read in `blocks` of their order; memory holds one of them.

        `nearest` finds the `k` nearest reference cells of some rows.
        """
        coordinates, done = np.empty(self.places.shape), 0
        for block in blocks:
            rows = slice(done, done + len(block))
            coordinates[rows] = self.among(rows, nearest(block, k), reference)
            done = rows.stop
        return coordinates


class Placer:
    """Places consecutive blocks of new rows on an embedding. Coordinates of a row do not depend on the other rows.

    The embedding has coordinates of shape (n, n_components) and resolved settings.
    """

    def __init__(
        self,
        coordinates: NDArray[np.floating],
        settings: Settings,
        placement: PlacementSettings,
        anchored: AnchoredPlaces | None = None,
    ) -> None:
        from openTSNE import TSNEEmbedding
        from openTSNE.affinity import PrecomputedAffinities

        n = len(coordinates)
        # openTSNE centers an embedding in place before it places rows. This copy is centered, and the result moved back.
        self.center = (coordinates.max(axis=0) + coordinates.min(axis=0)) / 2
        no_affinities = PrecomputedAffinities(sparse.csr_matrix((n, n)), normalize=False)
        self.reference: TSNEEmbedding = TSNEEmbedding(coordinates - self.center, no_affinities)
        names = ("learning_rate", "max_grad_norm", "max_step_norm")
        self.gradient = settings.gradient() | {name: getattr(placement, name) for name in names}
        # The same for all rows, so that coordinates do not depend on the other rows.
        self.random = np.random.default_rng(settings.random_state).normal(0, 1e-4, coordinates.shape[1])
        self.placement, self.anchored, self.n_placed = placement, anchored, 0

    def __call__(self, neighbors: NDArray[np.integer], distances: NDArray[np.floating]) -> NDArray[np.float64]:
        """Coordinates of the next rows from their nearest cells and distances, nearest first, both of shape (rows, k)."""
        from openTSNE.tsne import PartialTSNEEmbedding

        steps, is_weighted = phases(self.placement), str(self.placement.initialization) == "weighted"
        affinities = self._affinities(neighbors, distances) if steps or is_weighted else None
        placed = self._initial(neighbors, affinities)
        self.n_placed += len(placed)
        if steps:
            placed = PartialTSNEEmbedding(placed, self.reference, affinities, **self.gradient)
        for n_iter, exaggeration, momentum in steps:
            placed.optimize(n_iter, inplace=True, exaggeration=exaggeration, momentum=momentum)
        return np.asarray(placed) + self.center

    def _affinities(self, neighbors: NDArray[np.integer], distances: NDArray[np.floating]) -> sparse.csr_matrix:
        from openTSNE.affinity import joint_probabilities_nn

        width = neighbors.shape[1]
        perplexities = [p if p <= width else width / 3 for p in self.placement.perplexities]
        return joint_probabilities_nn(
            neighbors, distances, perplexities, symmetrize=False, normalization="point-wise",
            n_reference_samples=len(self.reference), n_jobs=self.gradient["n_jobs"],
        )  # fmt: skip

    def _initial(self, neighbors: NDArray[np.integer], affinities: Any) -> Any:
        how, reference = self.placement.initialization, np.asarray(self.reference)
        rows = slice(self.n_placed, self.n_placed + len(neighbors))
        if not isinstance(how, str):
            return np.asarray(how, float)[rows] - self.center
        if how == "anchor" and self.anchored is not None:
            return self.anchored.among(rows, neighbors, reference + self.center) - self.center
        if how == "random":
            return np.tile(self.random, (len(neighbors), 1))
        if how == "weighted":
            return affinities @ reference
        return np.median(reference[neighbors[:, : self.placement.k]], axis=1)


def check_distances(distances: Any, n_reference: int, n_required: int) -> Any:
    """Distances of new to reference cells as an array or CSR array; raise unless there are `n_required` for each new cell."""
    distances = sparse.csr_array(distances) if sparse.issparse(distances) else np.asarray(distances)
    if distances.ndim != 2 or distances.shape[1] != n_reference:
        msg = f"distances has shape {distances.shape}; it must have {n_reference} columns, one per reference cell."
        raise ValueError(msg)
    values = distances.data if sparse.issparse(distances) else distances
    if not np.isfinite(values).all() or (values < 0).any():
        msg = "distances must hold finite numbers of at least 0."
        raise ValueError(msg)
    counts = np.diff(distances.indptr) if sparse.issparse(distances) else [n_reference]
    if min(counts, default=n_required) < min(n_required, n_reference):
        msg = f"distances stores only {min(counts)} for some new cell, but {n_required} are required: decrease perplexity."
        raise ValueError(msg)
    return distances
