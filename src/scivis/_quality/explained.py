"""How much of a map is a function of the representation of the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .neighbors import nearest_neighbors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]

# Cells that are predicted, cells among which their neighbors are searched, and neighbors per cell.
_PREDICTED, _AMONG, _NEAREST = 1000, 20_000, 10


def explained_by_neighbors(x: Matrix, coordinates: Matrix, rng: np.random.Generator) -> float:
    """Share of the variance of a map that the neighbors of the cells explain.

    A cell is predicted by the median of the coordinates of its ten nearest neighbors in the representation `x`, shape
    (n, features). If `coordinates`, shape (n, dims), do not follow from `x`, the share is around zero, or negative.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(1000, 2))
    >>> explained_by_neighbors(x, 3 * x[:, ::-1] + 7, rng) > 0.9
    True
    >>> explained_by_neighbors(x, rng.permutation(x), rng) < 0.1
    True
    """
    rows = rng.permutation(len(x))[:_AMONG]
    among, places = x[rows], np.asarray(coordinates[rows], np.float64)
    cells = np.arange(min(len(rows), _PREDICTED))
    found, _ = nearest_neighbors(among, cells, min(_NEAREST, len(rows) - 1))
    return explained_share(places[cells], np.median(places[found], axis=1))


def explained_share(coordinates: Matrix, predicted: Matrix) -> float:
    """Coefficient of determination over all axes: 1 minus squared errors, divided by squared distances from the mean.

    Examples
    --------
    >>> explained_share(np.array([[0.0], [2.0]]), np.array([[0.5], [1.5]]))  # 1 − (0.25 + 0.25) / (1 + 1)
    0.75
    """
    total = np.square(coordinates - coordinates.mean(axis=0)).sum()
    return float(1.0 - np.square(coordinates - predicted).sum() / total)
