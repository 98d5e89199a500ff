"""Noise in the input of a model: of counts that are drawn anew, or of the differences between nearest neighbors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from scivis._quality.uncertainty import (
    calibrated_radius,
    component_shrinkage,
    covariances,
    draw_places,
    gaussian_radius,
    gaussian_weights,
    mahalanobis,
    noise_weights,
    shrink_to_new,
)
from scivis.data._blocks import dense, iter_blocks
from scivis.data._reading import collect_blocks
from scivis.data._redrawing import KEPT, SCALE, group_profiles, measured_twice, redraw
from scivis.neighbors import find_neighbors
from scivis.neighbors._stored_reference import unpack_reference

from .correction import is_integrated
from .expression import fitted_representation
from .representation import choose_expression, choose_representation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

    from .counts import CountReader
    from .expression import ExpressionInput

    Array = NDArray[np.float32]

# Cells whose replicates are in memory at the same time.
_BLOCK = 512
# Cells per group of similar cells, and the largest number of groups.
_GROUP_CELLS, _MAX_GROUPS = 30, 500
# Nearest neighbors whose differences stand for noise.
_N_NEIGHBORS = 15
# Pairs of measurements on which ellipses are calibrated, of so many cells, or of few cells several times.
_CALIBRATION, _MAX_PAIRS = 500, 5
# Largest number of values of which all singular values are computed. Of more cells, the components fit little noise.
_MAX_VALUES = 2**26
# Largest deviation of the input that follows from the counts, relative to the input of the model.
_TOLERANCE = 0.1


class Network(NamedTuple):
    """A fitted network: its coordinates of rows, and their derivatives, shape (n, n_components, features)."""

    embed: Callable[[Array], Array]
    derivatives: Callable[[Array], Array]


class Sample(NamedTuple):
    """Some cells, by index, and their counts."""

    cells: NDArray[np.integer]
    counts: NDArray[np.int64]


def model_rows(adata: AnnData, entry: Any, source: ExpressionInput | None) -> Array | None:
    """The input of the model: a representation in `.obsm`, or genes, projected as the model says; `None` if it is not there."""
    kind, key, width = fitted_representation(entry.get("params"))
    if kind == "obsm":
        return dense(choose_representation(adata, use_rep=key).matrix[:, :width]) if key in adata.obsm else None
    if (
        source is None
        or (source.layer and source.layer not in adata.layers)
        or not set(source.genes) <= set(adata.var_names)
    ):
        return None
    genes = adata.var_names.get_indexer(source.genes)
    matrix = choose_expression(adata, source.layer).matrix
    return collect_blocks((source.project(dense(x[:, genes])) for x in iter_blocks(matrix)), (adata.n_obs, width))


@dataclass(frozen=True, eq=False)
class NoiseOfCounts:
    """Noise of counts, half of which are drawn anew.

    Parameters
    ----------
    counts
        Counts, and how the input of the model follows from them.
    groups
        Group of similar cells to which each cell belongs, shape (cells,).
    shift
        What integration added to the input of each cell, shape (cells, features); `None` for none.
    center, singular
        Mean and singular values of the components, for cells that these were computed from; `None` for others.
    """

    counts: CountReader
    groups: NDArray[np.integer]
    shift: Array | None = None
    center: Array | None = None
    singular: NDArray[np.float64] | None = None
    name: str = "counts"

    @property
    def description(self) -> str:
        """For the message."""
        return f"drawing counts anew ({self.counts.name})"

    @classmethod
    def of(cls, adata: AnnData, entry: Any, counts: CountReader, places: Array, *, is_fitted: bool) -> NoiseOfCounts:
        """The noise of the counts of cells at these places.

        Raises
        ------
        ValueError
            If the counts do not lead to the input of the model.
        """
        groups = _groups(places)
        kind, _, _ = fitted_representation(entry.get("params"))
        known = model_rows(adata, entry, counts.source) if kind == "obsm" else None
        shift = None
        if known is not None:
            follows = collect_blocks((counts.inputs(x) for x in counts.blocks(_BLOCK)), known.shape)
            if is_integrated(entry):
                shift = known - follows
            else:
                _check_same(follows, known, counts.name)
        if not (is_fitted and counts.source.loadings.size):
            return cls(counts, groups, shift)
        landmarks = unpack_reference(entry["model"]).landmarks.astype(np.float64)
        n_cells = int(entry["params"].get("n_train_cells", adata.n_obs))
        return cls(
            counts, groups, shift, landmarks.mean(axis=0).astype(np.float32), np.sqrt(n_cells * landmarks.var(axis=0))
        )

    def places(
        self, network: Network, rng: np.random.Generator, n_replicates: int, scale: float
    ) -> Iterator[tuple[Array, Array]]:
        """Rows of the input, shape (n, features), and drawn places, shape (places, n, n_components), block by block."""
        mixing, *streams = rng.spawn(n_replicates + 1)
        weights = np.float32(scale * np.sqrt(SCALE)) * noise_weights(n_replicates, mixing)
        done = 0
        for counts in self.counts.blocks(_BLOCK):
            own = np.arange(done, done + len(counts))
            deviations, loads = self._replicates(counts, self._profiles[self.groups[own]], streams)
            rows = self._expected(self.counts.inputs(counts), loads, own)
            yield rows, draw_places(network.embed, rows, deviations, weights)
            done += len(counts)

    def _expected(self, rows: Array, loads: NDArray[np.float64], cells: NDArray[np.integer]) -> Array:
        """Input of the model that is expected of some cells, by index, without what the components fitted of their noise."""
        left, mean_load = self._overfit
        if left is not None and self.center is not None:
            rows = shrink_to_new(rows, self.center, left, loads / mean_load)
        return rows if self.shift is None else rows + self.shift[cells]

    def radius(self, network: Network, rng: np.random.Generator, n_replicates: int, level: float) -> float:
        """Mahalanobis distance within which a share `level` of repeated measurements lies.

        The counts of some cells are split binomially in halves, which are independent, and each half is filled up to the depth of
        the cell. The ellipses of the one measurement must cover the places of the other, both ways.
        """
        chosen = self._some_cells()
        splitting, mixing, *streams = rng.spawn(n_replicates + 2)
        shares = self._profiles[self.groups[chosen.cells]]
        weights = np.float32(np.sqrt(2 * SCALE)) * noise_weights(n_replicates, mixing)
        n_pairs = min(max(_CALIBRATION // len(chosen.cells), 1), _MAX_PAIRS)
        pairs = [measured_twice(chosen.counts, shares, splitting) for _ in range(n_pairs)]
        distances = []
        for counts, again in (both for one, other in pairs for both in ((one, other), (other, one))):
            deviations, loads = self._replicates(counts, shares, streams)
            shift = self._half_overfit(chosen, loads)
            places = draw_places(network.embed, self.counts.inputs(counts) + shift, deviations, weights)
            off = network.embed(self.counts.inputs(again) + shift) - places.mean(axis=0)
            distances.append(mahalanobis(off, covariances(places)))
        return calibrated_radius(np.concatenate(distances), level)

    def _half_overfit(self, chosen: Sample, loads: NDArray[np.float64]) -> Array:
        """What takes back the noise that the components fitted, in measurements half of whose counts are those of the cell."""
        whole = self.counts.inputs(chosen.counts)
        return KEPT * (self._expected(whole, loads, chosen.cells) - whole)

    @cached_property
    def _profiles(self) -> NDArray[np.float64]:
        """Shares of genes in the counts of each group, shape (groups, genes)."""
        return group_profiles(self.counts.blocks(_BLOCK), self.groups, int(self.groups.max(initial=0)) + 1)

    def _some_cells(self) -> Sample:
        """Evenly spaced cells with their counts."""
        cells = np.unique(np.linspace(0, len(self.groups) - 1, _CALIBRATION).astype(np.int64))
        found, done = [], 0
        for counts in self.counts.blocks(_BLOCK):
            found.append(counts[cells[(cells >= done) & (cells < done + len(counts))] - done])
            done += len(counts)
        return Sample(cells, np.concatenate(found))

    @cached_property
    def _overfit(self) -> tuple[NDArray[np.float64] | None, float]:
        """What is left of each component in a new measurement, and the mean noise variance of a cell over all genes.

        The difference of two replicates is a sample of the noise of all cells, of which singular values are computed. They
        hardly depend on the sample, so that it is the same in every call.
        """
        shape = len(self.groups), len(self.counts.source.genes)
        if self.singular is None or np.prod(shape) > _MAX_VALUES:
            return None, 1.0
        rng = np.random.default_rng(0)
        noise, done = np.empty(shape, np.float32), 0
        for counts in self.counts.blocks(_BLOCK):
            own = slice(done, done + len(counts))
            shares = self._profiles[self.groups[own]]
            one, other = (self.counts.expression(redraw(counts, shares, rng)) for _ in range(2))
            noise[own] = (one - other) * np.float32(np.sqrt(SCALE / 2))
            done += len(counts)
        squares = noise.T @ noise if shape[0] > shape[1] else noise @ noise.T
        values = np.sqrt(np.maximum(np.linalg.eigvalsh(squares.astype(np.float64)), 0))[::-1]
        return component_shrinkage(self.singular, values, shape), float(np.mean(np.sum(noise**2, axis=1)))

    def _replicates(
        self, counts: NDArray[np.int64], shares: NDArray[np.float64], streams: list[np.random.Generator]
    ) -> tuple[Array, NDArray[np.float64]]:
        """Deviations of the replicates from their mean in the input, and the noise variance of each cell over all genes."""
        replicates: list[Array] = []
        sums, squares = np.zeros((2, len(counts), len(self.counts.source.genes)))
        for stream in streams:
            expression = self.counts.expression(redraw(counts, shares, stream))
            sums += expression
            squares += np.square(expression, dtype=np.float64)
            replicates.append(self.counts.source.project(expression))
        n = len(streams)
        variances = (squares - np.square(sums) / n) / (n - 1)
        stacked = np.stack(replicates)
        return stacked - stacked.mean(axis=0), SCALE * variances.sum(axis=1)


@dataclass(frozen=True, eq=False)
class NoiseOfNeighbors:
    """Differences between a cell and its nearest neighbors, mapped by the derivatives of the network.

    If two cells differ by their noise only, the covariance of their difference is twice that of the noise.

    Parameters
    ----------
    rows
        Input of the model, shape (cells, features).
    neighbors
        Nearest neighbors of each cell, shape (cells, k).
    """

    rows: Array
    neighbors: NDArray[np.integer]
    name: str = "neighbors"

    @property
    def description(self) -> str:
        """For the message."""
        return f"using the differences between a cell and its {self.neighbors.shape[1]} nearest neighbors as noise"

    @classmethod
    def of(cls, rows: Array | None) -> NoiseOfNeighbors:
        """The noise of these rows."""
        if rows is None:
            msg = "Neither counts nor the representation of the model are in adata."
            raise ValueError(msg)
        found = find_neighbors(rows, min(_N_NEIGHBORS, len(rows) - 1)).indices
        # An approximate search may find fewer; a row does not differ from itself.
        return cls(rows, np.where(found < 0, np.arange(len(rows))[:, None], found))

    def radius(self, network: Network, rng: np.random.Generator, n_replicates: int, level: float) -> float:
        """Mahalanobis distance within which a share `level` of Gaussian places lies: nothing is there to calibrate it."""
        return gaussian_radius(level, network.embed(self.rows[:1]).shape[1])

    def places(
        self, network: Network, rng: np.random.Generator, n_replicates: int, scale: float
    ) -> Iterator[tuple[Array, Array]]:
        """Rows of the input, shape (n, features), and drawn places, shape (places, n, n_components), block by block."""
        k = self.neighbors.shape[1]
        weights = np.float32(scale / np.sqrt(2 * k)) * gaussian_weights(k, rng)
        for start in range(0, len(self.rows), _BLOCK):
            rows = self.rows[start : start + _BLOCK]
            differences = self.rows[self.neighbors[start : start + _BLOCK]] - rows[:, None]
            moved = np.einsum("ncf,nkf->knc", network.derivatives(rows), differences)
            yield rows, network.embed(rows) + np.tensordot(weights, moved, axes=1)


Noise: TypeAlias = NoiseOfCounts | NoiseOfNeighbors


def _groups(places: Array) -> NDArray[np.integer]:
    """Groups of about 30 cells that lie close together on the map, shape (cells,)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    n_groups = min(max(len(places) // _GROUP_CELLS, 1), _MAX_GROUPS)
    with threadpool_limits(1, user_api="openmp"):
        return KMeans(n_groups, n_init=1, max_iter=25, random_state=0).fit_predict(places.astype(np.float64))


def _check_same(follows: Array, known: Array, name: str) -> None:
    """Raise unless the input that follows from the counts is that of the model."""
    difference = np.sqrt(np.mean((follows - known) ** 2, dtype=np.float64))
    if not difference <= _TOLERANCE * known.std(dtype=np.float64):
        msg = (
            f"The counts in {name} do not lead to the representation of the model: it differs from what follows from them by "
            f"{difference:.3g}, and varies by {known.std():.3g}. Were they changed, or were other genes normalized? Name the "
            "counts by `layer`, or pass noise='neighbors'."
        )
        raise ValueError(msg)
