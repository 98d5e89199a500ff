"""Noise in the input of a model that counts have: half of them are drawn anew."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scivis._quality.uncertainty import covariances, draw_places, mahalanobis, nearby_radii, noise_weights
from scivis.data._reading import collect_blocks
from scivis.data._redrawing import KEPT, SCALE, group_profiles, measured_twice, redraw
from scivis.neighbors._cross_fitting import unseen_expression

from .correction import is_integrated
from .expression import fitted_representation
from .noise import model_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

    from .counts import CountReader
    from .noise import Network

    Array = NDArray[np.float32]

# Cells whose replicates are in memory at the same time.
_BLOCK = 512
# Groups of similar cells, relative to the square root of the number of cells, and their largest number.
_GROUPS, _MAX_GROUPS = 0.5, 500
# Pairs of measurements on which ellipses are calibrated, of so many cells, or of few cells several times.
_CALIBRATION, _MAX_PAIRS = 500, 5
# Parts of the cells that are left out of the principal components in turn, and the largest number of values of which components
# are computed again. Of more cells, the components fit little noise.
_FOLDS, _MAX_VALUES = 10, 2**26
# Largest deviation of the input that follows from the counts, relative to the input of the model.
_TOLERANCE = 0.1


class Sample(NamedTuple):
    """Some cells, by index, and their counts."""

    cells: NDArray[np.integer]
    counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class NoiseOfCounts:
    """Noise of counts, half of which are drawn anew.

    Parameters
    ----------
    counts
        Counts, and how the input of the model follows from them.
    network
        The fitted network.
    at
        Places of the cells on the map, shape (cells, n_components).
    shift
        What integration added to the input of each cell, shape (cells, features); `None` for none.
    unseen
        Input of cells from which the components were computed, as if they had not been among them, shape (cells, features);
        `None` for other cells.
    """

    counts: CountReader
    network: Network
    at: Array
    shift: Array | None = None
    unseen: Array | None = None
    name: str = "counts"

    @property
    def description(self) -> str:
        """For the message."""
        return f"drawing counts anew ({self.counts.name})"

    @classmethod
    def of(
        cls, adata: AnnData, entry: Any, counts: CountReader, network: Network, places: Array, *, is_fitted: bool
    ) -> NoiseOfCounts:  # fmt: skip
        """The noise of the counts of cells at these places.

        Raises
        ------
        ValueError
            If the counts do not lead to the input of the model.
        """
        kind, _, _ = fitted_representation(entry.get("params"))
        known = model_rows(adata, entry, counts.source) if kind == "obsm" else None
        shift = None
        if known is not None:
            follows = collect_blocks((counts.inputs(x) for x in counts.blocks(_BLOCK)), known.shape)
            if is_integrated(entry):
                shift = known - follows
            else:
                _check_same(follows, known, counts.name)
        return cls(counts, network, places, shift, _unseen_inputs(counts, len(places)) if is_fitted else None)

    def places(self, rng: np.random.Generator, n_replicates: int, scale: float) -> Iterator[tuple[Array, Array]]:
        """Rows of the input, shape (n, features), and drawn places, shape (places, n, n_components), block by block."""
        mixing, *streams = rng.spawn(n_replicates + 1)
        weights = np.float32(scale * np.sqrt(SCALE)) * noise_weights(n_replicates, mixing)
        done = 0
        for counts in self.counts.blocks(_BLOCK):
            own = np.arange(done, done + len(counts))
            deviations = self._replicates(counts, self._profiles[self._groups[own]], streams)
            rows = self._expected(counts, own)
            yield rows, draw_places(self.network.embed, rows, deviations, weights)
            done += len(counts)

    def _expected(self, counts: NDArray[np.int64], cells: NDArray[np.integer]) -> Array:
        """Input of the model that is expected of some cells, by index, with these counts, if they were measured again."""
        return self._integrated(self.counts.inputs(counts) if self.unseen is None else self.unseen[cells], cells)

    def _integrated(self, rows: Array, cells: NDArray[np.integer]) -> Array:
        return rows if self.shift is None else rows + self.shift[cells]

    def radii(self, rng: np.random.Generator, n_replicates: int, level: float) -> NDArray[np.float64]:
        """For each cell, the Mahalanobis distance within which a share `level` of repeated measurements nearby lies, shape (cells,).

        The counts of some cells are split binomially in halves, which are independent, and each half is filled up to the depth of
        the cell. The ellipses of the one measurement must cover the places of the other, both ways.
        """
        chosen = self._some_cells()
        splitting, mixing, *streams = rng.spawn(n_replicates + 2)
        shares = self._profiles[self._groups[chosen.cells]]
        weights = np.float32(np.sqrt(2 * SCALE)) * noise_weights(n_replicates, mixing)
        n_pairs = min(max(_CALIBRATION // len(chosen.cells), 1), _MAX_PAIRS)
        pairs = [measured_twice(chosen.counts, shares, splitting) for _ in range(n_pairs)]
        shift, distances = self._half_overfit(chosen), []
        for counts, again in (both for one, other in pairs for both in ((one, other), (other, one))):
            deviations = self._replicates(counts, shares, streams)
            places = draw_places(self.network.embed, self.counts.inputs(counts) + shift, deviations, weights)
            off = self.network.embed(self.counts.inputs(again) + shift) - places.mean(axis=0)
            distances.append(mahalanobis(off, covariances(places)))
        return nearby_radii(np.stack(distances), self.at[chosen.cells], self.at, level)

    def _half_overfit(self, chosen: Sample) -> Array:
        """What takes back the noise that the components fitted, in measurements half of whose counts are those of the cell."""
        return KEPT * (self._expected(chosen.counts, chosen.cells) - self.counts.inputs(chosen.counts))

    @cached_property
    def _groups(self) -> NDArray[np.integer]:
        """Groups of cells whose first halves lie close together on the map, shape (cells,)."""
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits

        places, done = np.empty(self.at.shape), 0
        for half, _ in self._halves():
            own = np.arange(done, done + len(half))
            places[own] = self.network.embed(self._integrated(self.counts.inputs(half), own))
            done += len(half)
        n_groups = min(max(int(_GROUPS * np.sqrt(len(places))), 1), _MAX_GROUPS)
        with threadpool_limits(1, user_api="openmp"):
            return KMeans(n_groups, n_init=1, max_iter=25, random_state=0).fit_predict(places)

    @cached_property
    def _profiles(self) -> NDArray[np.float64]:
        """Shares of genes in the second halves of the counts of each group, shape (groups, genes).

        Cells came to lie together by their noise, too, which therefore is in the mean of those counts that placed them: where two
        types touch, the genes by which these differ would seem to vary too little.
        """
        return group_profiles((rest for _, rest in self._halves()), self._groups, int(self._groups.max(initial=0)) + 1)

    def _halves(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Counts that are split binomially in halves, which are independent, the same in each call."""
        rng = np.random.default_rng(0)
        for counts in self.counts.blocks(_BLOCK):
            half = rng.binomial(counts, 0.5)
            yield half, counts - half

    def _some_cells(self) -> Sample:
        """Evenly spaced cells with their counts."""
        cells = np.unique(np.linspace(0, len(self.at) - 1, _CALIBRATION).astype(np.int64))
        found, done = [], 0
        for counts in self.counts.blocks(_BLOCK):
            found.append(counts[cells[(cells >= done) & (cells < done + len(counts))] - done])
            done += len(counts)
        return Sample(cells, np.concatenate(found))

    def _replicates(
        self, counts: NDArray[np.int64], shares: NDArray[np.float64], streams: list[np.random.Generator]
    ) -> Array:  # fmt: skip
        """Deviations of the replicates from their mean in the input, shape (replicates, n, features)."""
        stacked = np.stack([self.counts.inputs(redraw(counts, shares, stream)) for stream in streams])
        return stacked - stacked.mean(axis=0)


def _unseen_inputs(counts: CountReader, n_cells: int) -> Array | None:
    """The input of all cells, each as the components that were computed without it show it; `None` if that cannot be computed.

    Components fit the noise of the cells that they were computed from, which therefore lie farther apart than if they were
    measured again. The cells are left out in turn, a tenth at a time.
    """
    n_genes, n_components = counts.source.loadings.shape
    if not n_components or n_cells * n_genes > _MAX_VALUES or n_cells < 2 * n_components:
        return None
    x = collect_blocks((counts.expression(some) for some in counts.blocks(_BLOCK)), (n_cells, n_genes))
    found = np.empty((n_cells, n_components), np.float32)
    for rows in np.array_split(np.random.default_rng(0).permutation(n_cells), _FOLDS):
        found[rows] = counts.source.project(unseen_expression(x, rows, n_components))
    return found


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
