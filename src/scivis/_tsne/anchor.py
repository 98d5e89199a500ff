"""An anchor: other coordinates of the same cells, toward which the optimization pulls the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .settings import Settings

    Matrix = NDArray[np.floating]
    Objective = Callable[..., tuple[float, Matrix]]

# openTSNE's gradient is a quarter of that of the divergence.
_FACTOR = 4
# In place of infinity: the divergence has no effect any more.
_LARGEST = 1e15
# Rounds in which coordinates spread from cells to their neighbors.
_ROUNDS = 20


def start_size(n_cells: int) -> float:
    """Root mean squared distance from the center at which an anchored t-SNE starts.

    Neither loss nor anchor prefers a size before the neighbors of a cell lie around it. In a small start, cells that are no neighbors
    lie between those that are, the more of them the more cells there are, and the map has to grow first, which takes hundreds
    of iterations. In a large start, groups are small dots, and the interpolation of openTSNE takes longer. This is
    about the size of a finished t-SNE of thousands of cells, and twice that for 100,000 (benchmarks/anchor.py sizes).
    """
    return 32 * (n_cells / 2638) ** 0.35


@dataclass(frozen=True, eq=False)
class Anchor:
    """Coordinates of the cells in another embedding, and how strongly each cell is pulled toward its own.

    Parameters
    ----------
    coordinates
        Shape (n, n_components); the mean of the cells, weighted by `mask`, is zero. Unknown ones are zero.
    mask
        Relative strength for each cell, shape (n, 1), at least 0.
    is_known
        Whether the coordinates of a cell are known, shape (n, 1). Those of cells with a mask above 0 are.
    weight
        Weight of the correlation in the loss.
    center
        The mean before centering, shape (n_components,).
    """

    coordinates: Matrix
    mask: Matrix
    is_known: Matrix
    weight: float
    center: Matrix

    @classmethod
    def of(cls, coordinates: Any, mask: Any, weight: float) -> Anchor:
        """The anchor of coordinates, shape (n, n_components), and masks, shape (n,). Missing coordinates are NaN."""
        coordinates, mask = np.asarray(coordinates, float), np.asarray(mask, float)[:, None]
        is_known = np.isfinite(coordinates).all(axis=1, keepdims=True)
        known = np.where(is_known, coordinates, 0)
        center = _mean(known, mask)
        centered = np.where(is_known, known - center, 0)
        return cls(centered, mask, is_known.astype(float), min(weight, _LARGEST), center)

    def start(self, affinities: Any) -> Matrix:
        """The coordinates in the size of a t-SNE. Unknown ones are the means of the neighbors by affinity, shape (n, n)."""
        coordinates, is_known = self.coordinates, self.is_known
        for _ in range(_ROUNDS if not is_known.all() else 0):
            total = affinities @ is_known
            means = (affinities @ (is_known * coordinates)) / np.where(total > 0, total, 1)
            coordinates = np.where(self.is_known > 0, self.coordinates, means)
            is_known = np.maximum(is_known, total > 0)
        size = np.sqrt(_mean(np.square(self.coordinates), self.mask).sum())
        return coordinates * (start_size(len(coordinates)) / size)

    def line(self, embedding: Matrix) -> tuple[float, Matrix]:
        """Scale and position, shape (n_components,), that bring the anchor nearest to an embedding, by least squares."""
        _, correlation, _, ratio = self._compare(embedding)
        return correlation * ratio, _mean(embedding, self.mask)

    def correlation(self, embedding: Matrix) -> float:
        """Correlation of all coordinates of an embedding, shape (n, n_components), with those of the anchor."""
        return float(self._compare(embedding)[1])

    def pull(self, embedding: Matrix) -> tuple[Matrix, Matrix]:
        """Gradient of `weight` × (1 − correlation) in openTSNE's unit, as a rate, shape (n, 1), times a displacement.

        The correlation depends on neither the size nor the position of the embedding, so that the pull changes neither.
        """
        centered, correlation, size, ratio = self._compare(embedding)
        rate = self.weight * self.mask / (_FACTOR * len(centered) * size**2)
        return rate, correlation * centered - ratio * self.coordinates

    def _compare(self, embedding: Matrix) -> tuple[Matrix, float, float, float]:
        """The centered embedding, its correlation with the anchor, its size, and its size relative to that of the anchor."""
        centered = embedding - _mean(embedding, self.mask)
        size, own = (float(np.sqrt(_mean(np.square(x), self.mask).sum())) for x in (centered, self.coordinates))
        product = float(_mean(centered * self.coordinates, self.mask).sum())
        return centered, product / (size * own), size, size / own


def _mean(values: Matrix, mask: Matrix) -> Matrix:
    return (mask * values).sum(axis=0) / mask.sum()


@dataclass(frozen=True, eq=False)
class AnchoredObjective:
    """openTSNE's objective with the pull of an anchor in its gradient; openTSNE calls it as `negative_gradient_method`.

    The step toward the anchor is computed implicitly: the gradient is divided by one plus the rate of the pull times the
    learning rate. Its zero stays where it is, and no weight is too large for the learning rate.
    """

    anchor: Anchor
    objective: Objective
    learning_rate: float

    def __call__(self, embedding: Matrix, *args: Any, **kwargs: Any) -> tuple[float, Matrix]:
        """The divergence of the embedding, shape (n, n_components), and the gradient of divergence and pull."""
        error, gradient = self.objective(embedding, *args, **kwargs)
        rate, displacement = self.anchor.pull(np.asarray(embedding))
        return error, (gradient + rate * displacement) / (1 + self.learning_rate * rate)


def gradient_method(settings: Settings, anchor: Anchor | None, learning_rate: float) -> str | AnchoredObjective:
    """The `negative_gradient_method` of resolved settings: openTSNE's own, or with the pull of an anchor."""
    if anchor is None:
        return settings.negative_gradient_method
    from openTSNE import tsne

    objective = tsne.kl_divergence_fft if settings.negative_gradient_method == "fft" else tsne.kl_divergence_bh
    return AnchoredObjective(anchor, objective, learning_rate)
