"""Correction of batches: soft clusters of reference cells, toward which the cells of each new batch are shifted.

The model is that of Symphony (Kang et al., Nature Communications 2021, doi:10.1038/s41467-021-25957-x), which holds a
reference as a few numbers per cluster. Harmony clusters cells in the same way (Korsunsky et al., Nature Methods 2019).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ._blocks import BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# Harmony's defaults: at most 100 clusters of about 30 cells, and the width of their borders.
_MAX_CLUSTERS, _CLUSTER_CELLS, _SIGMA = 100, 30, 0.1
# Iterations and cells of k-means. There are 200 cells for each of the most clusters.
_ITERATIONS, _SAMPLE = 25, 20_000
# Symphony's ridge penalty of a shift, in cells: a batch with few cells in a cluster is shifted less.
_RIDGE = 1.0


@dataclass(frozen=True, eq=False)
class SoftClusters:
    """Soft clusters of the reference cells, by the direction of a cell from the origin.

    Parameters
    ----------
    masses
        Number of reference cells in each cluster, the sum of their memberships; shape (clusters,).
    sums
        Sum of the reference cells, weighted by their memberships; shape (clusters, columns).
    sigma
        Width of the borders between clusters. The membership of a cell in a cluster is proportional to
        ``exp(−2 (1 − cosine) / sigma)``.
    """

    masses: NDArray[np.float32]
    sums: NDArray[np.float32]
    sigma: float

    @cached_property
    def directions(self) -> NDArray[np.float64]:
        """Centers of the clusters as unit vectors, shape (clusters, columns)."""
        return _unit(self.sums)

    def memberships(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Share of each cell in each cluster, shape (n, clusters); each row sums to 1."""
        return _memberships(rows, self.directions, self.sigma)


def fit_clusters(x: NDArray[np.float32], n_cells: int) -> SoftClusters:
    """Soft clusters of reference cells.

    Parameters
    ----------
    x
        Rows of the reference, shape (n, columns), centered at the origin as principal components are: all cells or a
        sample of them. At most 20,000 evenly spaced rows are read.
    n_cells
        Number of cells that the rows stand for.
    """
    rows = np.asarray(x[:: max(-(-len(x) // _SAMPLE), 1)], np.float32)
    n_clusters = min(max(round(len(rows) / _CLUSTER_CELLS), 1), _MAX_CLUSTERS)
    shares = _memberships(rows, _unit(_centers(_unit(rows), n_clusters)), _SIGMA)
    weight = n_cells / len(rows)
    masses, sums = weight * shares.sum(axis=0), weight * (shares.T @ rows)
    return SoftClusters(masses.astype(np.float32), sums.astype(np.float32), _SIGMA)


def _centers(directions: NDArray[np.float64], n_clusters: int) -> NDArray[np.float64]:
    """Centers of clusters of unit vectors, shape (clusters, columns), the same in every call."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # The clusters belong to the data: fits with different seeds are corrected alike.
    k_means = KMeans(n_clusters, n_init=1, max_iter=_ITERATIONS, random_state=0)
    # Several threads would add distances in varying order. Equal cells give fewer clusters, which does no harm.
    with threadpool_limits(1, user_api="openmp"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(k_means.fit(directions).cluster_centers_)


def correct_rows(
    x: NDArray[np.float32], batches: NDArray[np.integer], clusters: SoftClusters
) -> Iterator[NDArray[np.float32]]:
    """Rows of new cells, shifted toward the reference, in blocks.

    In each cluster, a cell is modeled as the center of the cluster plus a shift of its batch, by ridge regression on the
    reference cells, which have no shift, and on the new cells. The shifts, weighted by the memberships of a cell, are
    subtracted from it. The rows are read twice: for the sums of each batch in each cluster, and to be shifted.

    Parameters
    ----------
    x
        Rows of the new cells in the space of the reference before it was integrated, shape (n, columns).
    batches
        Number of the batch of each cell, from 0, shape (n,).
    clusters
        The reference.
    """
    shifts = _shifts(*_batch_sums(x, batches, clusters), clusters)
    for rows, own in _blocks(x, batches):
        shares, corrected = clusters.memberships(rows), rows.astype(np.float64)
        for batch in np.unique(own):
            corrected[own == batch] -= shares[own == batch] @ shifts[batch]
        yield corrected.astype(np.float32)


def _batch_sums(
    x: NDArray[np.float32], batches: NDArray[np.integer], clusters: SoftClusters
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Number and sum of the cells of each batch in each cluster, shapes (batches, clusters) and (batches, clusters, columns)."""
    n_batches = int(batches.max(initial=-1)) + 1
    masses, sums = np.zeros((n_batches, len(clusters.masses))), np.zeros((n_batches, *clusters.sums.shape))
    for rows, own in _blocks(x, batches):
        shares = clusters.memberships(rows)
        for batch in np.unique(own):
            masses[batch] += shares[own == batch].sum(axis=0)
            sums[batch] += shares[own == batch].T @ rows[own == batch]
    return masses, sums


def _blocks(
    x: NDArray[np.float32], batches: NDArray[np.integer]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.integer]]]:  # fmt: skip
    for start in range(0, len(x), BLOCK):
        yield np.asarray(x[start : start + BLOCK]), batches[start : start + BLOCK]


def _shifts(
    masses: NDArray[np.float64], sums: NDArray[np.float64], clusters: SoftClusters
) -> NDArray[np.float64]:  # fmt: skip
    """Shift of each batch in each cluster, shape (batches, clusters, columns).

    In a cluster, let n and s be the mass and the sum of the reference, nᵢ and sᵢ those of batch i, c the center, wᵢ the
    shifts and λ the penalty. The normal equations of the regression are (n + Σ nᵢ) c + Σ nᵢ wᵢ = s + Σ sᵢ, and
    nᵢ c + (nᵢ + λ) wᵢ = sᵢ for each batch. The first less the others, each times nᵢ / (nᵢ + λ), gives the center.
    """
    masses = masses[:, :, None]
    penalties = _RIDGE / (masses + _RIDGE)
    total = clusters.sums + (penalties * sums).sum(axis=0)
    center = total / (clusters.masses[:, None] + (penalties * masses).sum(axis=0))
    return (sums - masses * center) / (masses + _RIDGE)


def _memberships(rows: NDArray[np.float32], directions: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    exponents = 2 * (_unit(rows) @ directions.T - 1) / sigma
    shares = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rows scaled to length 1; zeros stay zeros."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)
