"""Distances: whether what is far apart is drawn far apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]

N_BINS = 50
# Whiskers, box and median.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def triplets_kept(x: Matrix, z: Matrix, triplets: NDArray[np.integer]) -> float:
    """Share of the triplets (i, j, l) in which j is nearer to i than l is, or is not, in both.

    0.5 is chance. As in Wang et al. (PaCMAP), Journal of Machine Learning Research 22, 201, 2021.

    Parameters
    ----------
    x, z
        Cells × features, and cells × axes.
    triplets
        Row numbers, shape (3, n).

    Examples
    --------
    >>> import numpy as np
    >>> x, z = np.array([[0.0], [1.0], [3.0]]), np.array([[0.0], [2.0], [1.5]])
    >>> triplets_kept(x, z, np.array([[0, 2], [1, 1], [2, 0]]))
    0.5
    """

    def first_is_nearer(points: Matrix) -> NDArray[np.bool_]:
        i, j, l = (points[rows] for rows in triplets)
        return np.square(i - j).sum(axis=1) < np.square(i - l).sum(axis=1)

    return float(np.mean(first_is_nearer(x) == first_is_nearer(z)))


def correlations(before: Matrix, after: Matrix) -> tuple[float, float]:
    """Spearman and Pearson correlation of distances with the same distances on the map.

    Examples
    --------
    >>> rho, r = correlations([1.0, 2.0, 3.0], [1.0, 2.0, 9.0])
    >>> round(rho, 3), round(r, 3)
    (1.0, 0.918)
    """
    from scipy.stats import pearsonr, spearmanr

    return float(spearmanr(before, after)[0]), float(pearsonr(before, after)[0])


@dataclass(frozen=True, eq=False)
class Boxes:
    """Distances on a map, in bins of the same distances in the representation.

    Parameters
    ----------
    edges
        Of the bins, all of the same width.
    quantiles
        5th, 25th, 50th, 75th and 95th percentile of the distances on the map, bins × 5; NaN where a bin is empty.
    counts
        Pairs of cells per bin.
    """

    edges: Matrix
    quantiles: Matrix
    counts: NDArray[np.integer]


def distance_boxes(before: Matrix, after: Matrix, n_bins: int = N_BINS) -> Boxes:
    """Percentiles of distances on the map in bins of distances in the representation.

    Examples
    --------
    >>> boxes = distance_boxes([0.0, 1.0, 2.0, 4.0], [0.0, 2.0, 3.0, 5.0], n_bins=2)
    >>> boxes.counts.tolist(), boxes.quantiles[:, 2].tolist()
    ([2, 2], [1.0, 4.0])
    """
    edges = np.linspace(np.min(before), np.max(before), n_bins + 1)
    bins = np.digitize(before, edges[1:-1])
    counts = np.bincount(bins, minlength=n_bins)
    # Sorted by bin once, rather than searched through for every bin.
    groups = np.split(np.asarray(after)[np.argsort(bins, kind="stable")], np.cumsum(counts)[:-1])
    empty = np.full(len(QUANTILES), np.nan)
    return Boxes(edges, np.array([np.quantile(group, QUANTILES) if len(group) else empty for group in groups]), counts)
