"""Initialization of the linear path: the first principal components, or a linear regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from .networks import Architecture

# Penalty of the regression relative to the variance of a standardized feature. Principal components without variance
# would otherwise get any weight.
_RIDGE = 1e-3
# Enough rows for the leading axes of the covariance. The covariance of all rows of larger data would take longer than
# an epoch.
_MAX_ROWS = 50_000


def start_at_pca(encoder: keras.Model, x: NDArray[np.float32], architecture: Architecture) -> None:
    """Set the weights of the linear path to the first principal axes of the rows `x`, shape (n, ...)."""
    rows = x[:: -(-len(x) // _MAX_ROWS)].reshape(-1, architecture.n_features)
    encoder.get_layer("linear_path").set_weights([principal_axes(rows, architecture.n_components)])


def start_at_regression(
    encoder: keras.Model, x: NDArray[np.float32], coordinates: NDArray[np.float32], architecture: Architecture
) -> None:
    """Set the weights of the linear path to a ridge regression of `coordinates` on the rows of `x`, shape (n, features)."""
    step = -(-len(x) // _MAX_ROWS)
    rows = (x[::step].astype(np.float64) - np.asarray(architecture.offset)) * architecture.scale
    penalty = _RIDGE * len(rows) * np.eye(rows.shape[1])
    slopes = np.linalg.solve(rows.T @ rows + penalty, rows.T @ coordinates[::step])
    encoder.get_layer("linear_path").set_weights([slopes.astype(np.float32)])


def principal_axes(x: NDArray[np.float32], n_axes: int) -> NDArray[np.float32]:
    """Leading eigenvectors of the covariance of `x`, shape (features, n_axes); zeros beyond the number of features.

    The largest entry of each is positive, so that the signs do not depend on the linear-algebra library.
    """
    covariance = np.cov(x.T.astype(np.float64), ddof=0).reshape(x.shape[1], x.shape[1])
    vectors = np.linalg.eigh(covariance)[1][:, ::-1][:, :n_axes]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    axes = np.zeros((x.shape[1], n_axes), np.float32)
    axes[:, : vectors.shape[1]] = vectors * np.sign(largest)
    return axes
