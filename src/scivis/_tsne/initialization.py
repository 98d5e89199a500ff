"""Where the cells stand before the first iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .settings import Settings

COMPUTED = ("pca", "spectral", "random")


def initial_positions(
    x: NDArray[np.float32], affinities: Any, settings: Settings, given: NDArray[np.floating] | None
) -> NDArray[np.floating]:
    """Positions with a standard deviation of 0.0001 on the first axis, shape (n, n_components).

    Larger ones hinder t-SNE from ordering the cells. A shape that is given keeps its proportions, and noise of a
    hundredth of its size parts cells that lie on each other, as openTSNE does with its own.
    """
    from openTSNE import initialization

    seed, n_components = settings.random_state, settings.n_components
    if given is not None:
        positions = initialization.rescale(np.asarray(given, float))
        return initialization.jitter(positions, random_state=seed)
    match settings.initialization:
        case "pca":
            return initialization.pca(x, n_components, random_state=seed)
        case "spectral":
            return initialization.spectral(affinities.P, n_components, random_state=seed)
        case _:
            return initialization.random(len(x), n_components, random_state=seed)


def check_positions(positions: Any, name: str, n_cells: int, n_components: int) -> NDArray[np.floating]:
    """Refuse positions that cannot be a start; of further axes than are drawn the first count."""
    positions = np.asarray(positions)
    if positions.ndim != 2 or len(positions) != n_cells or positions.shape[1] < n_components:
        msg = f"{name} has shape {positions.shape}, but {n_cells} cells start on {n_components} axes."
        raise ValueError(msg)
    positions = positions[:, :n_components]
    if positions.dtype.kind not in "fiu" or not np.isfinite(positions).all() or not np.ptp(positions[:, 0]):
        msg = f"{name} must hold finite numbers that are not all equal on the first axis."
        raise ValueError(msg)
    return positions
