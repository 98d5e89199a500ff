"""Noise in the input of a model that the differences between nearest neighbors stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scivis._quality.uncertainty import gaussian_radius, gaussian_weights
from scivis.neighbors import find_neighbors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .noise import Network

    Array = NDArray[np.float32]

# Cells whose places are in memory at the same time.
_BLOCK = 512
# Nearest neighbors whose differences stand for noise.
_N_NEIGHBORS = 15


@dataclass(frozen=True, eq=False)
class NoiseOfNeighbors:
    """Differences between a cell and its nearest neighbors, mapped by the derivatives of the network.

    If two cells differ by their noise only, the covariance of their difference is twice that of the noise.

    Parameters
    ----------
    network
        The fitted network.
    rows
        Input of the model, shape (cells, features).
    neighbors
        Nearest neighbors of each cell, shape (cells, k).
    """

    network: Network
    rows: Array
    neighbors: NDArray[np.integer]
    name: str = "neighbors"

    @property
    def description(self) -> str:
        """For the message."""
        return f"using the differences between a cell and its {self.neighbors.shape[1]} nearest neighbors as noise"

    @classmethod
    def of(cls, network: Network, rows: Array | None) -> NoiseOfNeighbors:
        """The noise of these rows."""
        if rows is None:
            msg = "Neither counts nor the representation of the model are in adata."
            raise ValueError(msg)
        found = find_neighbors(rows, min(_N_NEIGHBORS, len(rows) - 1)).indices
        # An approximate search may find fewer; a row does not differ from itself.
        return cls(network, rows, np.where(found < 0, np.arange(len(rows))[:, None], found))

    def radii(self, rng: np.random.Generator, n_replicates: int, level: float) -> NDArray[np.float64]:
        """Mahalanobis distance within which a share `level` of Gaussian places lies, the same for all cells: it is not calibrated."""
        return np.full(len(self.rows), gaussian_radius(level, self.network.embed(self.rows[:1]).shape[1]))

    def places(self, rng: np.random.Generator, n_replicates: int, scale: float) -> Iterator[tuple[Array, Array]]:
        """Rows of the input, shape (n, features), and drawn places, shape (places, n, n_components), block by block."""
        k = self.neighbors.shape[1]
        weights = np.float32(scale / np.sqrt(2 * k)) * gaussian_weights(k, rng)
        for start in range(0, len(self.rows), _BLOCK):
            rows = self.rows[start : start + _BLOCK]
            differences = self.rows[self.neighbors[start : start + _BLOCK]] - rows[:, None]
            moved = np.einsum("ncf,nkf->knc", self.network.derivatives(rows), differences)
            yield rows, self.network.embed(rows) + np.tensordot(weights, moved, axes=1)
