"""Clusters against labels: which cluster is which label, and how often that is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def match_clusters(truth: ArrayLike, labels: ArrayLike) -> dict[Any, Any]:
    """Which label each cluster stands for, one to one, so that as many rows as possible agree.

    Clusters beyond the number of labels, and those that share no row with the label left for them, are left out.

    Parameters
    ----------
    truth
        True labels, shape (n,): names or numbers.
    labels
        Clusters, shape (n,).

    Returns
    -------
    The label of each matched cluster (Kuhn's assignment, by :func:`scipy.optimize.linear_sum_assignment`).

    Examples
    --------
    >>> match_clusters(["B", "B", "T", "T", "T"], [1, 1, 0, 0, 1])
    {0: 'T', 1: 'B'}
    """
    from scipy.optimize import linear_sum_assignment

    names, clusters, counts = _contingency(truth, labels)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    plain_clusters, plain_names = clusters.tolist(), names.tolist()
    return {plain_clusters[i]: plain_names[j] for i, j in zip(rows, columns, strict=True) if counts[i, j]}


def cluster_accuracy(truth: ArrayLike, labels: ArrayLike) -> float:
    """Share of rows whose cluster is that of their label, clusters and labels matched as well as possible.

    Parameters
    ----------
    truth
        True labels, shape (n,): names or numbers.
    labels
        Clusters, shape (n,).

    Returns
    -------
    From 0 to 1. It is 1 only if there are as many clusters as labels; the matching makes it above chance for clusters
    that say nothing.

    Examples
    --------
    >>> cluster_accuracy(["B", "B", "T", "T", "T"], [1, 1, 0, 0, 1])
    0.8
    """
    from scipy.optimize import linear_sum_assignment

    _, _, counts = _contingency(truth, labels)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / counts.sum())


def _contingency(truth: ArrayLike, labels: ArrayLike) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]:
    """Names, clusters, and how many rows have both, clusters × names."""
    y, labels = np.asarray(truth), np.asarray(labels)
    if y.shape != labels.shape or y.ndim != 1 or not y.size:
        msg = f"The labels have shape {y.shape} and the clusters {labels.shape}: one label per row is needed."
        raise ValueError(msg)
    names, name_of = np.unique(y, return_inverse=True)
    clusters, cluster_of = np.unique(labels, return_inverse=True)
    counts = np.zeros((clusters.size, names.size), np.int64)
    np.add.at(counts, (cluster_of, name_of), 1)
    return names, clusters, counts


def assess(y: ArrayLike, labels: ArrayLike) -> tuple[float, float, float]:
    """Accuracy, normalised mutual information and adjusted Rand index, to five places."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    accuracy = cluster_accuracy(y, labels)
    scores = (accuracy, normalized_mutual_info_score(y, labels), adjusted_rand_score(y, labels))
    return tuple(round(float(score), 5) for score in scores)  # type: ignore[return-value]  # three
