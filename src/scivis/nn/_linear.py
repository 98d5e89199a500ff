"""Where training starts when there is a linear path: at the first principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from .networks import Architecture

# Enough rows for the first few axes of the covariance; all rows of larger data would cost more than an epoch.
_MAX_ROWS = 50_000


def start_at_pca(encoder: keras.Model, x: NDArray[np.float32], architecture: Architecture) -> None:
    """Set the linear path to the first principal axes of the standardised rows."""
    rows = x[:: -(-len(x) // _MAX_ROWS)].reshape(-1, architecture.n_features)
    axes = principal_axes(rows, architecture.n_components)
    encoder.get_layer("linear_path").set_weights([axes])


def principal_axes(x: NDArray[np.float32], n_axes: int) -> NDArray[np.float32]:
    """The leading eigenvectors of the covariance of `x`, shape (features, n_axes); zeros beyond its rank.

    The largest entry of each is positive, so that the start does not depend on the linear-algebra library.
    """
    covariance = np.cov(x.T.astype(np.float64), ddof=0).reshape(x.shape[1], x.shape[1])
    vectors = np.linalg.eigh(covariance)[1][:, ::-1][:, :n_axes]
    strongest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    axes = np.zeros((x.shape[1], n_axes), np.float32)
    axes[:, : vectors.shape[1]] = vectors * np.sign(strongest)
    return axes
