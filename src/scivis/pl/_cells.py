"""Cells on a map: as dots, or, where there are too many for dots, as an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ._colors import CellColors

# Above this dots lie on each other: an image shows more, sooner.
DOTS_UP_TO = 50_000
_PIXELS = 400
# Of the side of a panel, in extents of its map: a little room around the cells.
_HALF = 0.53
_FAINTEST = 0.35
_LEGEND_ROWS = 18


def draw_cells(
    ax: Axes,
    xy: NDArray[np.floating],
    rgb: NDArray[np.floating],
    *,
    n_pixels: int | None = None,
    order: NDArray[np.integer] | None = None,
) -> None:
    """Dots up to 50,000 cells, an image above or if its number of pixels is given; equal scales on both axes.

    Dots are drawn in the given order; by default at random, so that no class covers another by its place in the file.
    """
    if n_pixels is None and len(xy) <= DOTS_UP_TO:
        order = np.random.default_rng(0).permutation(len(xy)) if order is None else order
        x, y = xy[order].T
        ax.scatter(x, y, s=_dot_size(len(xy)), c=rgb[order], linewidths=0, rasterized=True)
    else:
        image, extent = rasterize(xy, rgb, n_pixels or _PIXELS)
        ax.imshow(image, extent=extent, origin="lower", interpolation="nearest", aspect="auto")
    middle, half = (xy.min(axis=0) + xy.max(axis=0)) / 2, _HALF * _extent(xy)
    limits = {f"{axis}lim": (at - half, at + half) for axis, at in zip("xy", middle, strict=True)}
    ax.set(xticks=[], yticks=[], box_aspect=1, **limits)


def _extent(xy: NDArray[np.floating]) -> float:
    """The longer side of the map; 1 for a map that is a point."""
    return float(np.ptp(xy, axis=0).max()) or 1.0


def _dot_size(n_cells: int) -> float:
    """Half of the area of scanpy's dots, whose panels are larger."""
    return 15_000 / max(n_cells, 1000)


def rasterize(
    xy: NDArray[np.floating], rgb: NDArray[np.floating], n_pixels: int
) -> tuple[NDArray[np.float64], tuple[float, float, float, float]]:
    """The map as an image in which every cell counts: the mean colour of each pixel's cells, stronger where there are more.

    The opacity of a pixel is the share of pixels with at most as many cells, from 0.35 for a lonely cell to 1: thin and
    dense places are both seen, whatever the numbers.

    Parameters
    ----------
    xy
        Cells × axes; the first two are drawn.
    rgb
        Cells × 3, from 0 to 1.
    n_pixels
        Along the longer side.

    Returns
    -------
    Red, green, blue and opacity, rows × columns × 4, from below; and left, right, bottom, top in units of the map.

    Examples
    --------
    >>> import numpy as np
    >>> xy = np.array([[0.0, 0.0], [0.0, 0.0], [2.0, 1.0]])
    >>> image, extent = rasterize(xy, np.array([[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]]), 2)
    >>> image[0, 0].tolist(), image[-1, -1].tolist()
    ([0.5, 0.0, 0.5, 1.0], [0.0, 1.0, 0.0, 0.35])
    """
    low, high = xy[:, :2].min(axis=0).astype(float), xy[:, :2].max(axis=0).astype(float)
    pixel = _extent(xy) / n_pixels
    n_columns, n_rows = np.maximum(np.ceil((high - low) / pixel).astype(int), 1)
    column, row = np.minimum(((xy[:, :2] - low) / pixel).astype(int), [n_columns - 1, n_rows - 1]).T
    place = row * n_columns + column
    counts = np.bincount(place, minlength=n_rows * n_columns)
    sums = [np.bincount(place, weights=channel, minlength=len(counts)) for channel in rgb.T]
    image = np.stack([*(channel / np.maximum(counts, 1) for channel in sums), _opacity(counts)], axis=1)
    extent = (low[0], low[0] + n_columns * pixel, low[1], low[1] + n_rows * pixel)
    return image.reshape(n_rows, n_columns, 4), extent


def _opacity(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    filled = np.sort(counts[counts > 0])
    if filled[0] == filled[-1]:
        return (counts > 0).astype(float)
    share = np.searchsorted(filled, counts, side="right") / len(filled)
    lowest = np.searchsorted(filled, filled[0], side="right") / len(filled)
    return np.where(counts > 0, _FAINTEST + (1 - _FAINTEST) * (share - lowest) / (1 - lowest), 0)


def explain(ax: Axes, colors: CellColors, label: str) -> None:
    """A legend or a colour bar to the right of the Axes."""
    from matplotlib.lines import Line2D

    if colors.scale is not None:
        ax.figure.colorbar(colors.scale, ax=ax, shrink=0.7, label=label)
    if colors.legend is not None:
        marks = [Line2D([], [], color=color, marker="o", linestyle="") for color in colors.legend.values()]
        columns = -(-len(marks) // _LEGEND_ROWS)
        ax.legend(
            marks,
            colors.legend,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            ncols=columns,
            fontsize="small",
        )


def grid(n_panels: int, n_columns: int, size: float = 3.2, width: float = 0) -> tuple[Figure, Sequence[Axes]]:
    """A figure of square panels, with some more width for a legend."""
    import matplotlib.pyplot as plt

    n_columns = min(n_columns, n_panels)
    n_rows = -(-n_panels // n_columns)
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(size * n_columns + width, size * n_rows), squeeze=False, layout="constrained"
    )
    for empty in axes.flat[n_panels:]:
        empty.set_axis_off()
    return figure, list(axes.flat[:n_panels])
