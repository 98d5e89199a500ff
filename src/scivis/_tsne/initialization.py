"""Coordinates of the cells before the first iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scivis.data._validation import check_finite, check_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .anchor import Anchor
    from .settings import Settings

COMPUTED = ("pca", "spectral", "random", "anchor")


def check_input(x: NDArray[np.float32], settings: Settings) -> None:
    """Raise if rows, shape (n, features), cannot be embedded: too few of them, all equal, or too few features."""
    check_rows(x)
    if settings.initialization == "pca" and settings.n_components > min(x.shape):
        msg = f"n_components={settings.n_components}, but the PCA has {min(x.shape)}: set initialization='spectral'."
        raise ValueError(msg)


def check_coordinates(coordinates: Any, name: str, shape: tuple[int, int]) -> NDArray[np.floating]:
    """The coordinates as an array; raise unless they are finite numbers of the given shape (n, n_components)."""
    coordinates = np.asarray(coordinates)
    if coordinates.shape != shape or coordinates.dtype.kind not in "fiu":
        msg = (
            f"{name} has shape {coordinates.shape} and type {coordinates.dtype}; numbers of shape {shape} are required."
        )
        raise ValueError(msg)
    return check_finite(coordinates, name)


def initial_coordinates(
    x: NDArray[np.float32],
    affinities: Any,
    settings: Settings,
    given: NDArray[np.floating] | None = None,
    anchor: Anchor | None = None,
) -> NDArray[np.floating]:
    """Coordinates with a standard deviation of 0.0001 on the first axis, or those of the anchor; shape (n, n_components).

    With larger values, t-SNE does not reorder the cells, as it need not at the anchor. Given coordinates keep their
    proportions. As openTSNE does with its own, noise of a hundredth of their size is added, which separates cells of equal
    coordinates.
    """
    from openTSNE import initialization

    seed, n_components = settings.random_state, settings.n_components
    if given is not None:
        return initialization.jitter(initialization.rescale(np.asarray(given, float)), random_state=seed)
    match settings.initialization:
        case "anchor" if anchor is not None:
            return anchor.start(affinities.P)
        case "pca":
            return initialization.pca(x, n_components, random_state=seed)
        case "spectral":
            return initialization.spectral(affinities.P, n_components, random_state=seed)
        case _:
            return initialization.random(len(x), n_components, random_state=seed)
