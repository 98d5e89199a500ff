"""Comparison of clusters with labels: a matching of clusters and labels, and its accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def match_clusters(truth: ArrayLike, labels: ArrayLike) -> dict[Any, Any]:
    """One-to-one matching of clusters and labels with the largest number of correct rows.

    A cluster has no match if there are more clusters than labels, or if it shares no row with the remaining label.

    Parameters
    ----------
    truth
        True labels, shape (n,): names or numbers.
    labels
        Clusters, shape (n,).

    Returns
    -------
    The label of each matched cluster, found by :func:`scipy.optimize.linear_sum_assignment` (the Hungarian method).

    Raises
    ------
    ValueError
        If the two are not one-dimensional arrays of the same length.

    Examples
    --------
    >>> match_clusters(["B", "B", "T", "T", "T"], [1, 1, 0, 0, 1])
    {0: 'T', 1: 'B'}
    """
    names, clusters, counts, (rows, columns) = _matched(truth, labels)
    return {clusters[i]: names[j] for i, j in zip(rows, columns, strict=True) if counts[i, j]}


def cluster_accuracy(truth: ArrayLike, labels: ArrayLike) -> float:
    """Fraction of rows whose cluster is matched with their label, for the best matching of clusters and labels.

    Parameters
    ----------
    truth
        True labels, shape (n,): names or numbers.
    labels
        Clusters, shape (n,).

    Returns
    -------
    Accuracy from 0 to 1. It can reach 1 only if there are as many clusters as labels. Random clusters score above
    chance, because the best matching is used.

    Raises
    ------
    ValueError
        If the two are not one-dimensional arrays of the same length.

    Examples
    --------
    >>> cluster_accuracy(["B", "B", "T", "T", "T"], [1, 1, 0, 0, 1])
    0.8
    """
    *_, counts, matched = _matched(truth, labels)
    return float(counts[matched].sum() / counts.sum())


def _matched(truth: ArrayLike, labels: ArrayLike) -> tuple[list[Any], list[Any], NDArray[np.int64], Any]:
    """Names, clusters, number of rows of each pair (clusters × names), and the row and column indices of the matches."""
    from scipy.optimize import linear_sum_assignment

    y, labels = np.asarray(truth), np.asarray(labels)
    if y.shape != labels.shape or y.ndim != 1 or not y.size:
        msg = f"The labels have shape {y.shape} and the clusters {labels.shape}: one label per row is needed."
        raise ValueError(msg)
    names, name_of = np.unique(y, return_inverse=True)
    clusters, cluster_of = np.unique(labels, return_inverse=True)
    counts = np.zeros((clusters.size, names.size), np.int64)
    np.add.at(counts, (cluster_of, name_of), 1)
    return names.tolist(), clusters.tolist(), counts, linear_sum_assignment(counts, maximize=True)


def assess(y: ArrayLike, labels: ArrayLike) -> tuple[float, float, float]:
    """Accuracy, normalized mutual information and adjusted Rand index, rounded to five digits."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    accuracy = cluster_accuracy(y, labels)
    scores = (accuracy, normalized_mutual_info_score(y, labels), adjusted_rand_score(y, labels))
    return tuple(round(float(score), 5) for score in scores)  # type: ignore[return-value]  # three
