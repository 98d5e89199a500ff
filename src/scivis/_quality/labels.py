"""Labels: whether the map tells classes apart, and keeps what lies between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import squareform

from .neighbors import nearest, neighbors_kept

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]
    Codes = NDArray[np.integer]


def label_accuracy(z: Matrix, labels: Codes) -> float:
    """Accuracy of the last quarter's labels, each voted by its 10 nearest neighbours among the others.

    The rows should be in random order.

    Examples
    --------
    >>> import numpy as np
    >>> z = np.tile([[0.0], [9.0]], (40, 1))
    >>> label_accuracy(z, np.tile([0, 1], 40))
    1.0
    """
    from sklearn.neighbors import KNeighborsClassifier

    split = int(len(z) * 0.75)
    classifier = KNeighborsClassifier(min(10, split), n_jobs=-1).fit(z[:split], labels[:split])
    return float(classifier.score(z[split:], labels[split:]))


def centroids(points: Matrix, labels: Codes) -> Matrix:
    """The mean point of each label, in the order of the labels.

    Examples
    --------
    >>> import numpy as np
    >>> centroids(np.array([[1.0], [3.0], [7.0]]), np.array([0, 0, 1])).tolist()
    [[2.0], [7.0]]
    """
    return np.array([points[labels == label].mean(axis=0) for label in np.unique(labels)])


def mantel(before: Matrix, after: Matrix, orders: NDArray[np.integer]) -> tuple[float, float]:
    """Pearson correlation of two sets of pairwise distances, and how seldom chance gives as much.

    The test of Mantel (Cancer Research 27, 209, 1967), one-sided: p is the share of orders of the points, the given one
    counted, in which the correlation is at least as high. Ranks instead of distances give Spearman's correlation.

    Parameters
    ----------
    before, after
        Distances in the order of :func:`scipy.spatial.distance.pdist`.
    orders
        Random permutations of the points, one a row. The smallest possible p is 1 / (rows + 1).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> orders = np.array([rng.permutation(5) for _ in range(99)])
    >>> r, p = mantel(np.arange(10.0), np.arange(10.0) ** 2, orders)
    >>> round(r, 3), p
    (0.963, 0.01)
    """
    square = squareform(after)
    upper = np.triu_indices(len(square), 1)
    shuffled = np.array([square[np.ix_(order, order)][upper] for order in orders])
    # Standardised, so that a correlation is a mean of products.
    here, there = _standardised(np.asarray(before)), _standardised(np.vstack([after, shuffled]))
    correlations = there @ here / len(here)
    # The slack is for rounding, by which the same order may fall short of itself.
    return float(correlations[0]), float((correlations >= correlations[0] - 1e-9).mean())


def _standardised(values: Matrix) -> Matrix:
    centred = values - values.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):  # distances that are all equal correlate with nothing: NaN
        return centred / centred.std(axis=-1, keepdims=True)


def nearest_classes_kept(before: Matrix, after: Matrix, k: int) -> float:
    """Mean share of each class's `k` nearest classes that are also its `k` nearest on the map.

    Between centroids; the measure KNC of Kobak and Berens (Nature Communications 10, 5416, 2019).

    Parameters
    ----------
    before, after
        Centroids, classes × features and classes × axes.
    k
        Less than the number of classes.

    Examples
    --------
    >>> import numpy as np
    >>> nearest_classes_kept(np.array([[0.0], [1.0], [3.0]]), np.array([[0.0], [1.0], [1.4]]), 1)
    0.666...
    """
    classes = np.arange(len(before))
    return neighbors_kept(nearest(before, classes, k)[0], nearest(after, classes, k)[0])
