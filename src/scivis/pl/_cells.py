"""Cells in a panel: as dots, or as an image if there are too many for dots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ._colors import CellColors

# With more cells, dots cover each other, and an image is faster.
MAX_DOTS = 50_000
_N_PIXELS = 400
# Half of the side of a panel, in units of the longer side of the embedding. 0.5 would leave no margin.
_HALF_SIDE = 0.53
_MIN_OPACITY = 0.35
_LEGEND_ROWS = 18


def plot_cells(
    ax: Axes,
    xy: NDArray[np.floating],
    rgb: NDArray[np.floating],
    *,
    n_pixels: int | None = None,
    order: NDArray[np.integer] | None = None,
) -> None:
    """Plot cells at `xy`, shape (cells, 2), in colors `rgb`, shape (cells, 3), with equal scales on both axes.

    Up to 50,000 cells are plotted as dots. More cells are plotted as an image, as are fewer if `n_pixels` is given. The
    default order of dots is random, so that no class covers another by its place in the file.
    """
    if n_pixels is None and len(xy) <= MAX_DOTS:
        order = np.random.default_rng(0).permutation(len(xy)) if order is None else order
        x, y = xy[order].T
        # Half of the area of dots in scanpy, whose panels are larger.
        ax.scatter(x, y, s=15_000 / max(len(xy), 1000), c=rgb[order], linewidths=0, rasterized=True)
    else:
        image, extent = rasterize(xy, rgb, n_pixels or _N_PIXELS)
        ax.imshow(image, extent=extent, origin="lower", interpolation="nearest", aspect="auto")
    middle, half = (xy.min(axis=0) + xy.max(axis=0)) / 2, _HALF_SIDE * _longer_side(xy)
    limits = {f"{axis}lim": (at - half, at + half) for axis, at in zip("xy", middle, strict=True)}
    ax.set(xticks=[], yticks=[], box_aspect=1, **limits)


def _longer_side(xy: NDArray[np.floating]) -> float:
    """Longer side of an embedding; 1 if all cells are at one point."""
    return float(np.ptp(xy, axis=0).max()) or 1.0


def rasterize(
    xy: NDArray[np.floating], rgb: NDArray[np.floating], n_pixels: int
) -> tuple[NDArray[np.float64], tuple[float, float, float, float]]:
    """An image in which each pixel has the mean color of its cells, and is more opaque the more cells it has.

    The opacity of a pixel is the share of pixels with at most as many cells, scaled to 0.35 for the fewest cells and 1 for
    the most. Sparse and dense regions are therefore both visible, whatever the numbers.

    From coordinates `xy`, shape (cells, 2), and colors `rgb` from 0 to 1, shape (cells, 3), with `n_pixels` along the
    longer side. Returns red, green, blue and opacity, shape (rows, columns, 4), with the lowest row first, and the left,
    right, bottom and top coordinates.

    Examples
    --------
    >>> xy = np.array([[0.0, 0.0], [0.0, 0.0], [2.0, 1.0]])
    >>> image, extent = rasterize(xy, np.array([[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]]), 2)
    >>> image[0, 0].tolist(), image[-1, -1].tolist()
    ([0.5, 0.0, 0.5, 1.0], [0.0, 1.0, 0.0, 0.35])
    """
    low, high = xy.min(axis=0).astype(float), xy.max(axis=0).astype(float)
    pixel = _longer_side(xy) / n_pixels
    n_columns, n_rows = np.maximum(np.ceil((high - low) / pixel).astype(int), 1)
    column, row = np.minimum(((xy - low) / pixel).astype(int), [n_columns - 1, n_rows - 1]).T
    index = row * n_columns + column
    counts = np.bincount(index, minlength=n_rows * n_columns)
    sums = [np.bincount(index, weights=channel, minlength=len(counts)) for channel in rgb.T]
    image = np.stack([*(channel / np.maximum(counts, 1) for channel in sums), _opacity(counts)], axis=1)
    extent = (low[0], low[0] + n_columns * pixel, low[1], low[1] + n_rows * pixel)
    return image.reshape(n_rows, n_columns, 4), extent


def _opacity(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Opacity of pixels with these numbers of cells."""
    filled = np.sort(counts[counts > 0])
    if filled[0] == filled[-1]:
        return (counts > 0).astype(float)
    share = np.searchsorted(filled, counts, side="right") / len(filled)
    lowest = np.searchsorted(filled, filled[0], side="right") / len(filled)
    return np.where(counts > 0, _MIN_OPACITY + (1 - _MIN_OPACITY) * (share - lowest) / (1 - lowest), 0)


def add_legend(ax: Axes, colors: CellColors, label: str) -> None:
    """Add a legend or a color bar to the right of the Axes."""
    from matplotlib.lines import Line2D

    if colors.scale is not None:
        ax.figure.colorbar(colors.scale, ax=ax, shrink=0.7, label=label)
    if colors.legend is not None:
        dots = [Line2D([], [], color=color, marker="o", linestyle="") for color in colors.legend.values()]
        ax.legend(
            dots, colors.legend, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False,
            ncols=-(-len(dots) // _LEGEND_ROWS), fontsize="small",
        )  # fmt: skip
