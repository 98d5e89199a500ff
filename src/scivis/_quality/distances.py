"""Preservation of distances between cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import pearsonr, spearmanr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]

N_BINS = 50
# Lower whisker, box, median, box, upper whisker.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def triplet_accuracy(x: Matrix, z: Matrix, triplets: NDArray[np.integer]) -> float:
    """Share of the triplets (i, j, l), shape (3, n), in which `x` and `z` agree whether j or l is nearer to i.

    0.5 is chance. As in Wang et al. (PaCMAP), Journal of Machine Learning Research 22, 201, 2021.
    """
    return float(np.mean(kept_triplets(x, z, triplets)))


def kept_triplets(x: Matrix, z: Matrix, triplets: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether `x` and `z` agree which of two cells is nearer to a third, for each triplet, shape (n,)."""

    def first_is_nearer(points: Matrix) -> NDArray[np.bool_]:
        i, j, l = (points[rows] for rows in triplets)
        return np.square(i - j).sum(axis=1) < np.square(i - l).sum(axis=1)

    return first_is_nearer(x) == first_is_nearer(z)


def distance_correlations(before: Matrix, after: Matrix) -> tuple[float, float]:
    """Spearman and Pearson correlation of the same distances in the representation and in the embedding."""
    return float(spearmanr(before, after)[0]), float(pearsonr(before, after)[0])


@dataclass(frozen=True, eq=False)
class DistanceBins:
    """Percentiles of distances in the embedding, in bins of the same distances in the representation.

    Parameters
    ----------
    edges
        Edges of the bins, which have equal widths.
    quantiles
        5th, 25th, 50th, 75th and 95th percentile, shape (bins, 5). NaN in empty bins.
    counts
        Number of pairs of cells in each bin.
    """

    edges: Matrix
    quantiles: Matrix
    counts: NDArray[np.integer]


def bin_distances(before: Matrix, after: Matrix, n_bins: int = N_BINS) -> DistanceBins:
    """Distances `after` in bins of the distances `before`."""
    edges = np.linspace(np.min(before), np.max(before), n_bins + 1)
    bins = np.digitize(before, edges[1:-1]).astype(np.min_scalar_type(n_bins))  # small integers are sorted faster
    counts = np.bincount(bins, minlength=n_bins)
    # Sorting once is faster than searching all distances for each bin.
    groups = np.split(np.asarray(after)[np.argsort(bins, kind="stable")], np.cumsum(counts)[:-1])
    empty = np.full(len(QUANTILES), np.nan)
    quantiles = np.array([np.quantile(group, QUANTILES) if len(group) else empty for group in groups])
    return DistanceBins(edges, quantiles, counts)
