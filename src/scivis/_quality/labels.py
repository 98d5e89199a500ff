"""Separation of labeled classes, and preservation of the distances between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from .resampling import resampled_means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]
    Codes = NDArray[np.integer]

# Cells of a class that are resampled.
_RESAMPLED = 1000


def label_accuracy(z: Matrix, labels: Codes) -> float:
    """Accuracy of 10-nearest-neighbor classification, trained on the first three quarters of rows in random order."""
    return float(label_hits(z, labels).mean())


def label_hits(z: Matrix, labels: Codes) -> NDArray[np.bool_]:
    """Whether the classifier of :func:`label_accuracy` is right, for each of the last quarter of rows."""
    from sklearn.neighbors import KNeighborsClassifier

    split = int(len(z) * 0.75)
    classifier = KNeighborsClassifier(min(10, split), n_jobs=-1).fit(z[:split], labels[:split])
    return classifier.predict(z[split:]) == labels[split:]


def centroids(points: Matrix, labels: Codes) -> Matrix:
    """Mean point of each label, in the order of the labels."""
    return averaging(labels) @ points


def averaging(labels: Codes) -> csr_array:
    """Matrix that takes points to the mean point of each label, shape (labels, n)."""
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    n = len(codes)
    return csr_array((1 / counts[codes], (codes, np.arange(n))), shape=(len(counts), n))


def resampled_centroids(
    matrices: Sequence[Matrix], centers: Sequence[Matrix], labels: Codes, rng: np.random.Generator
) -> list[Matrix]:
    """Centroids of resamples of the cells of each class, for each matrix of shape (resamples, classes, columns).

    At most 1,000 cells of a class are resampled. If there are more, what they move the centroid by is scaled to all of them.

    Parameters
    ----------
    matrices
        Points of the same cells.
    centers
        Their centroids, by :func:`centroids`.
    labels
        Classes of the cells; cells with a negative one are left out.
    """
    moved = []
    for label in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == label)
        some = rng.choice(rows, min(len(rows), _RESAMPLED), replace=False)
        points = np.hstack([matrix[some].astype(np.float64) for matrix in matrices])
        moved.append(resampled_means(points - points.mean(axis=0), rng) * np.sqrt(len(some) / len(rows)))
    parts = np.split(np.stack(moved, axis=1), np.cumsum([matrix.shape[1] for matrix in matrices])[:-1], axis=2)
    return [center + part for center, part in zip(centers, parts, strict=True)]


def mantel_test(before: Matrix, after: Matrix, permutations: NDArray[np.integer]) -> tuple[float, float]:
    """Pearson correlation of pairwise distances, and its p-value by the one-sided test of Mantel.

    p is the share of permutations, including the identity, with at least the same correlation. Spearman's correlation
    results from ranks in place of distances. Source: Mantel, Cancer Research 27, 209, 1967.

    Parameters
    ----------
    before, after
        Distances in the order of :func:`scipy.spatial.distance.pdist`.
    permutations
        Random permutations of the points, one per row. The smallest possible p is 1 / (rows + 1).
    """
    square = squareform(after)
    upper = np.triu_indices(len(square), 1)
    shuffled = np.array([square[np.ix_(order, order)][upper] for order in permutations])
    # The correlation of standardized values is the mean of their products.
    here, there = _standardize(np.asarray(before)), _standardize(np.vstack([after, shuffled]))
    correlations = there @ here / len(here)
    # By rounding, the correlation of the same order may be slightly smaller.
    return float(correlations[0]), float((correlations >= correlations[0] - 1e-9).mean())


def _standardize(values: Matrix) -> Matrix:
    centered = values - values.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):  # the correlation of constant distances is NaN
        return centered / centered.std(axis=-1, keepdims=True)


def compare_class_distances(before: Matrix, after: Matrix, k: int) -> NDArray[np.float64]:
    """Class recall, and Pearson and Spearman correlation of distances between centroids, in rows of shape (pairs,).

    Returns an array of shape (3, rows).
    """
    recall = [class_recall(*pair, k) for pair in zip(before, after, strict=True)]
    rho = _correlate(rankdata(before, axis=1), rankdata(after, axis=1))
    return np.array([recall, _correlate(before, after), rho])


def class_recall(before: Matrix, after: Matrix, k: int) -> float:
    """Mean share of the `k` nearest classes of each class that stay its `k` nearest, from pairwise distances of centroids.

    Source: KNC in Kobak and Berens, Nature Communications 10, 5416, 2019.
    """
    near, near_after = _nearest_classes(before, k), _nearest_classes(after, k)
    return float((near & near_after).sum() / (len(near) * k))


def _nearest_classes(distances: Matrix, k: int) -> NDArray[np.bool_]:
    """Whether a class, in columns, is among the `k` nearest of another one, in rows."""
    square = squareform(distances)
    np.fill_diagonal(square, np.inf)
    nearest = np.argsort(square, axis=1, kind="stable")[:, :k]
    is_near = np.zeros(square.shape, np.bool_)
    np.put_along_axis(is_near, nearest, values=True, axis=1)
    return is_near


def _correlate(before: Matrix, after: Matrix) -> Matrix:
    """Pearson correlation of each row, as the mean of products of standardized values."""
    return np.mean(_standardize(before) * _standardize(after), axis=-1)
