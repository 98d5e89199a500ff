"""Where the cells of an embedding may lie, given the noise of the input of its network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

# Places that are drawn for each cell, and cells around a place that vote for its cluster.
N_PLACES, _N_VOTES = 200, 15
# Cells nearby whose distances determine the radius of an ellipse, and cells whose radius is computed at once.
_NEARBY, _BLOCK = 50, 4096


def draw_places(embed: Callable[[Array], Array], rows: Array, deviations: Array, weights: Array) -> Array:
    """Places of rows with Gaussian noise that has the covariance of the deviations, shape (places, n, n_components).

    Parameters
    ----------
    embed
        Function from rows to coordinates.
    rows
        Input without noise, shape (n, features).
    deviations
        Replicates of the noise, whose mean is zero, shape (replicates, n, features).
    weights
        Weights of the replicates in each place, shape (places, replicates).
    """
    noise = np.tensordot(weights, deviations, axes=1)
    places = embed((rows + noise).reshape(-1, rows.shape[1]))
    return places.reshape(len(weights), len(rows), -1)


def noise_weights(n_replicates: int, rng: np.random.Generator) -> Array:
    """Weights with which the deviations of replicates from their mean add up to noise of their variance."""
    weights = gaussian_weights(n_replicates, rng)
    weights -= weights.mean(axis=1, keepdims=True)
    return weights / np.float32(np.sqrt(n_replicates - 1))


def gaussian_weights(n: int, rng: np.random.Generator) -> Array:
    """Standard normal weights, shape (places, n). The second half has the opposite signs, so that their mean is zero."""
    half = rng.normal(size=(N_PLACES // 2, n)).astype(np.float32)
    return np.concatenate([half, -half])


def covariances(places: Array) -> Array:
    """Covariance matrix of the places of each cell, shape (n, n_components, n_components)."""
    deviations = places.astype(np.float64) - places.mean(axis=0, dtype=np.float64)
    return (np.einsum("rni,rnj->nij", deviations, deviations) / (len(places) - 1)).astype(np.float32)


def mahalanobis(differences: Array, covariance: Array) -> NDArray[np.float64]:
    """Distance of each difference from zero in units of its covariance, shape (n,).

    Examples
    --------
    >>> mahalanobis(np.array([[0.0, 6.0]]), np.array([[[1.0, 0.0], [0.0, 9.0]]]))
    array([2.])
    """
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    along = np.einsum("ni,nij->nj", differences, vectors)
    values = np.maximum(values, np.finfo(np.float32).eps * values[:, -1:])
    squares = np.divide(along**2, values, out=np.zeros_like(along), where=values > 0)
    return np.sqrt(squares.sum(axis=1))


def nearby_radii(
    distances: NDArray[np.floating], known: NDArray[np.floating], places: NDArray[np.floating], level: float
) -> NDArray[np.float64]:
    """For each place, the distance within which a share `level` of further cells nearby lies, shape (n,).

    Conformal prediction from the nearest cells only: an ellipse has to cover as many cells of a rare population as of a common one
    (Lei and Wasserman, Journal of the Royal Statistical Society B 76, 2014; Guan, Biometrika 110, 2023).

    Parameters
    ----------
    distances
        Mahalanobis distances of some cells, each from several measurements, shape (measurements, cells).
    known
        Places of these cells, shape (cells, n_components).
    places
        Shape (n, n_components).

    Examples
    --------
    >>> known = np.repeat([[0.0], [10.0]], 50, axis=0)
    >>> distances = np.concatenate([np.arange(1.0, 51.0), np.full(50, 7.0)])[None]
    >>> nearby_radii(distances, known, np.array([[1.0], [8.0]]), 0.9)  # 46 of 51 cells are the first nine tenths
    array([46.,  7.])
    """
    from sklearn.neighbors import NearestNeighbors

    k = min(_NEARBY, len(known))
    n = k * len(distances)
    rank = min(int(np.ceil(level * (n + 1))), n) - 1
    nearest = NearestNeighbors(n_neighbors=k).fit(known).kneighbors(places, return_distance=False)
    radii = [
        np.partition(distances.T[some].reshape(len(some), -1), rank, axis=1)[:, rank]
        for some in np.split(nearest, range(_BLOCK, len(nearest), _BLOCK))
    ]
    return np.concatenate(radii)


def gaussian_radius(level: float, n_components: int) -> float:
    """The Mahalanobis distance within which a share `level` of Gaussian places lies.

    Examples
    --------
    >>> round(gaussian_radius(0.9, 2), 3)
    2.146
    """
    from scipy.stats import chi2

    return float(np.sqrt(chi2.ppf(level, n_components)))


def ellipses(covariance: Array, radii: NDArray[np.floating]) -> Array:
    """Semi-axes, the longer first, and angle of the longer one from the first axis in degrees, shape (n, 3).

    `radii` are factors from standard deviations to the axes, shape (n,).

    Examples
    --------
    >>> ellipses(np.array([[[1.0, 0.0], [0.0, 4.0]]]), np.array([2.0]))
    array([[ 4.,  2., 90.]], dtype=float32)
    """
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    axes = radii[:, None] * np.sqrt(np.maximum(values[:, ::-1], 0))
    angle = np.degrees(np.arctan2(vectors[:, 1, -1], vectors[:, 0, -1])) % 180
    return np.column_stack([axes, angle]).astype(np.float32)


def leaving_shares(
    places: Array, clusters: NDArray[np.integer], coordinates: Array, known: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Share of the places of each cell that lie in another cluster than its own, shape (n,).

    Most of the 15 nearest cells of a place decide its cluster.

    Parameters
    ----------
    places
        Shape (places, n, n_components).
    clusters
        Cluster of each of these cells, shape (n,).
    coordinates, known
        Coordinates and clusters of all cells of the embedding.
    """
    from sklearn.neighbors import KNeighborsClassifier

    votes = KNeighborsClassifier(min(_N_VOTES, len(known)), algorithm="kd_tree").fit(coordinates, known)
    found = votes.predict(places.reshape(-1, places.shape[2])).reshape(places.shape[:2])
    return (found != clusters).mean(axis=0).astype(np.float32)


def stretch(jacobian: Array) -> Array:
    """Singular values of the derivatives of each cell, the largest first, shape (n, n_components)."""
    return np.linalg.svd(jacobian, compute_uv=False).astype(np.float32)
