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
# Largest singular value of noise, relative to that of one sample of it: they vary by a few percent.
_EDGE = 1.03


def component_shrinkage(
    singular: NDArray[np.floating], noise: NDArray[np.floating], shape: tuple[int, int]
) -> NDArray[np.float64]:  # fmt: skip
    """Share of each principal component that the same cells would have if they were measured again, shape (components,).

    Principal components fit the noise of the cells that they were computed from, so that these lie farther apart than new
    measurements of them. The share is the slope of new components on fitted ones, which follows from the singular values of
    the data and of their noise by random matrix theory (OptShrink; Nadakuditi, IEEE Transactions on Information Theory
    2014): −2 D(d) / (d D'(d)), where D is the D-transform of the noise. Of components whose singular value is not larger than
    those of the noise, nothing is left.

    Parameters
    ----------
    singular
        Singular values of the components.
    noise
        All singular values of a matrix of noise of this `shape`, (cells, genes).

    Examples
    --------
    >>> noise = np.linalg.svd(np.random.default_rng(0).normal(size=(100, 400)), compute_uv=False)
    >>> component_shrinkage(np.array([100.0, 35.0, 20.0]), noise, (100, 400)).round(1)
    array([0.9, 0.5, 0. ])
    """
    z = np.asarray(singular, np.float64)[:, None]
    above = z[:, 0] > _EDGE * noise.max(initial=0)
    z = np.where(above[:, None], z, 2 * noise.max(initial=0) + 1)
    inner, slope = np.zeros((2, len(z))), np.zeros((2, len(z)))
    for side, length in enumerate(shape):
        values = np.concatenate([noise, np.zeros(max(length - len(noise), 0))])[:length]
        difference = z**2 - values**2
        inner[side] = (z / difference).mean(axis=1)
        slope[side] = (1 / difference - 2 * z**2 / difference**2).mean(axis=1)
    transform, derivative = inner.prod(axis=0), slope[0] * inner[1] + slope[1] * inner[0]
    return np.where(above, np.clip(-2 * transform / (derivative * z[:, 0]), 0, 1), 0.0)


def shrink_to_new(rows: Array, center: Array, shares: NDArray[np.floating], loads: NDArray[np.floating]) -> Array:
    """Expected components of cells if they were measured again, shape (n, components).

    Parameters
    ----------
    rows
        Components of cells that the components were computed from, shape (n, components).
    center
        Mean of the components, shape (components,).
    shares
        What is left of each component, see :func:`component_shrinkage`.
    loads
        Noise variance of each cell over all genes, relative to the mean of all cells, shape (n,). What a cell loses is
        proportional to it.

    Examples
    --------
    >>> shrink_to_new(np.ones((2, 2), np.float32), np.zeros(2), np.array([0.9, 0.0]), np.array([1.0, 2.0]))
    array([[0.9, 0. ],
           [0.8, 0. ]], dtype=float32)
    """
    left = np.clip(1 - np.outer(loads, 1 - shares), 0, 1)
    return (center + left * (rows - center)).astype(np.float32)


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


def calibrated_radius(distances: NDArray[np.floating], level: float) -> float:
    """The Mahalanobis distance within which a share `level` of further cells lies (split conformal prediction).

    Examples
    --------
    >>> calibrated_radius(np.arange(1.0, 10.0), 0.5)
    5.0
    """
    rank = int(np.ceil(level * (len(distances) + 1)))
    return float(np.sort(distances)[min(rank, len(distances)) - 1])


def gaussian_radius(level: float, n_components: int) -> float:
    """The Mahalanobis distance within which a share `level` of Gaussian places lies.

    Examples
    --------
    >>> round(gaussian_radius(0.9, 2), 3)
    2.146
    """
    from scipy.stats import chi2

    return float(np.sqrt(chi2.ppf(level, n_components)))


def ellipses(covariance: Array, radius: float) -> Array:
    """Semi-axes, the longer first, and angle of the longer one from the first axis in degrees, shape (n, 3).

    Examples
    --------
    >>> ellipses(np.array([[[1.0, 0.0], [0.0, 4.0]]]), 2.0)
    array([[ 4.,  2., 90.]], dtype=float32)
    """
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    axes = radius * np.sqrt(np.maximum(values[:, ::-1], 0))
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
