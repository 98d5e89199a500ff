"""Separation of labeled classes, and preservation of the distances between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import squareform

from .neighbors import nearest_neighbors, neighbor_recall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]
    Codes = NDArray[np.integer]


def label_accuracy(z: Matrix, labels: Codes) -> float:
    """Accuracy of 10-nearest-neighbor classification, trained on the first three quarters of rows in random order."""
    from sklearn.neighbors import KNeighborsClassifier

    split = int(len(z) * 0.75)
    classifier = KNeighborsClassifier(min(10, split), n_jobs=-1).fit(z[:split], labels[:split])
    return float(classifier.score(z[split:], labels[split:]))


def centroids(points: Matrix, labels: Codes) -> Matrix:
    """Mean point of each label, in the order of the labels."""
    return np.array([points[labels == label].mean(axis=0) for label in np.unique(labels)])


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


def class_recall(before: Matrix, after: Matrix, k: int) -> float:
    """Mean share of the `k` nearest classes of each class that stay its `k` nearest, by centroids.

    Source: KNC in Kobak and Berens, Nature Communications 10, 5416, 2019.
    """
    classes = np.arange(len(before))
    return neighbor_recall(nearest_neighbors(before, classes, k)[0], nearest_neighbors(after, classes, k)[0])
