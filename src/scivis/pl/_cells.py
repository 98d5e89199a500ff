"""Cells in a panel: as dots, or as an image if there are too many for dots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._scatter import name_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ._colors import CellColors

# With more cells, dots cover each other, and an image is faster.
MAX_DOTS = 50_000
_N_PIXELS = 400
# Half of the side of a panel, in units of the longer side of the embedding. 0.5 would leave no margin.
_HALF_SIDE = 0.53
_MIN_OPACITY = 0.5
# Mean distance of cells that fill a square, in units of the radius of a disc.
_DISC = 8
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
        ax.scatter(x, y, s=15_000 / max(len(xy), 500), c=rgb[order], linewidths=0, rasterized=True)
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

    The opacity of a pixel is the share of pixels with at most as many cells, and at least 0.5. Sparse and dense regions are
    therefore both visible, whatever the numbers, and where all pixels have one cell, all are opaque. Few cells would be
    specks: they are discs, which become pixels as the cells become more.

    From coordinates `xy`, shape (cells, 2), and colors `rgb` from 0 to 1, shape (cells, 3), with `n_pixels` along the
    longer side. Returns red, green, blue and opacity, shape (rows, columns, 4), with the lowest row first, and the left,
    right, bottom and top coordinates.

    Examples
    --------
    >>> xy = np.array([[0.0, 0.0], [0.0, 0.0], [2.0, 1.0]])
    >>> image, extent = rasterize(xy, np.array([[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]]), 2)
    >>> image[0, 0].tolist(), image[-1, -1].tolist()
    ([0.5, 0.0, 0.5, 1.0], [0.0, 1.0, 0.0, 0.5])
    """
    disc = _disc(n_pixels / (_DISC * np.sqrt(len(xy))))
    margin = len(disc) // 2
    low, high = xy.min(axis=0).astype(float), xy.max(axis=0).astype(float)
    pixel = _longer_side(xy) / n_pixels
    n_columns, n_rows = np.maximum(np.ceil((high - low) / pixel).astype(int), 1) + 2 * margin
    column, row = np.minimum(((xy - low) / pixel).astype(int) + margin, [n_columns - 1, n_rows - 1]).T
    index = row * n_columns + column
    channels = [np.bincount(index, weights=w, minlength=n_rows * n_columns) for w in (np.ones(len(xy)), *rgb.T)]
    counts, *sums = (_spread(channel.reshape(n_rows, n_columns), disc) for channel in channels)
    image = np.stack([*(channel / np.maximum(counts, 1) for channel in sums), _opacity(counts)], axis=2)
    left, bottom = low - margin * pixel
    return image, (left, left + n_columns * pixel, bottom, bottom + n_rows * pixel)


def _disc(radius: float) -> NDArray[np.float64]:
    """The pixels of a disc as 1 in a square of odd size: a single pixel for a small radius."""
    reach = int(radius + 0.3)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return (x**2 + y**2 <= (radius + 0.3) ** 2).astype(float)


def _spread(channel: NDArray[Any], disc: NDArray[np.float64]) -> NDArray[Any]:
    """The sum of the discs around all pixels, multiplied by their values."""
    from scipy.signal import convolve2d

    return convolve2d(channel, disc, mode="same") if disc.size > 1 else channel


def _opacity(counts: NDArray[np.floating]) -> NDArray[np.float64]:
    """Opacity of pixels with these numbers of cells."""
    filled = np.sort(counts[counts > 0])
    share = np.searchsorted(filled, counts, side="right") / len(filled)
    return np.where(counts > 0, np.maximum(share, _MIN_OPACITY), 0)


def add_legend(
    ax: Axes, xy: NDArray[np.floating], colors: CellColors, label: str, legend_loc: str | None = "right margin"
) -> None:
    """Add a color bar, or a legend in a place that scanpy knows: `right margin`, `on data`, a place inside the Axes, or none."""
    if colors.scale is not None:
        ax.figure.colorbar(colors.scale, ax=ax, shrink=0.7, label=label)
    if colors.legend is not None and legend_loc == "on data":
        _write_names(ax, xy, colors)
    elif colors.legend is not None and legend_loc not in (None, "none"):
        _add_dots(ax, colors.legend, legend_loc)


def _write_names(ax: Axes, xy: NDArray[np.floating], colors: CellColors) -> None:
    """Write each category at the median of its cells."""
    from matplotlib.patheffects import withStroke

    for name in colors.legend or ():
        cells = xy[colors.names == name]
        if len(cells):
            x, y = np.median(cells, axis=0)
            outline = [withStroke(linewidth=2, foreground="white")]
            ax.text(x, y, name, ha="center", va="center", weight="bold", size="small", path_effects=outline)


def _add_dots(ax: Axes, legend: dict[str, Any], legend_loc: str) -> None:
    """Add a legend beside the Axes, or inside them."""
    from matplotlib.lines import Line2D

    dots = [Line2D([], [], color=color, marker="o", linestyle="") for color in legend.values()]
    place: dict[str, Any] = {"loc": legend_loc, "framealpha": 0.7}
    if legend_loc == "right margin":
        place = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "ncols": _n_columns(legend), "frameon": False}
    ax.legend(dots, legend, fontsize="small", handletextpad=0.2, **place)


def _n_columns(legend: dict[str, Any]) -> int:
    return -(-len(legend) // _LEGEND_ROWS)


def legend_width(colors: CellColors, legend_loc: str | None = "right margin") -> float:
    """Width to the right of a panel that its legend or color bar needs, in inches."""
    if colors.scale is not None:
        return 0.9
    if not colors.legend or legend_loc != "right margin":
        return 0
    return name_width(colors.legend, _LEGEND_ROWS, 0.075)
