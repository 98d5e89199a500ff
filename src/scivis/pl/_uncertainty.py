"""`scivis.pl.uncertainty`: how far the cells of an embedding may be off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scivis._adata.keys import Keys
from scivis._checks import check_integer

from ._cells import add_legend, plot_cells
from ._colors import cell_colors, number_colors
from ._figure import finish, new_axes
from ._scatter import embedding_key

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ._colors import Palette

    Points = NDArray[np.floating]

# Uncertainties above this quantile have the color of this quantile, so that a few cells do not determine the scale.
_HIGHEST = 0.98
_INK = "#222222"
# Squares of the map for each ellipse. Most of them are empty.
_SQUARES = 8


def uncertainty(
    adata: AnnData,
    *,
    key: str = "ivis",
    color: str | None = None,
    palette: Palette | None = None,
    legend_loc: str | None = "right margin",
    n_ellipses: int = 150,
    ax: Axes | None = None,
    show: bool | None = None,
    save: bool | str | None = None,
    return_fig: bool | None = None,
) -> Figure | Axes | list[Axes] | None:
    """Plot an embedding with the ellipses in which cells may lie.

    Ellipses are drawn around the expected places of some cells, each with a line from the place of its cell. The cells are
    chosen at random, without those that would cover each other. Up to 50,000 cells are plotted as dots, and more as an image
    (see :func:`scivis.pl.raster`).

    Parameters
    ----------
    adata
        Annotated data matrix with the results of :func:`scivis.tl.uncertainty`.
    key
        The `key` of :func:`scivis.tl.uncertainty`.
    color
        Column of `.obs`, or gene. Default: the uncertainty of each cell.
    palette
        Colors of categories, which are stored in `.uns`: a colormap, a list, or a dictionary, as in scanpy.
    legend_loc
        `right margin`, `on data`, a place in the Axes, such as `best`, or `None`.
    n_ellipses
        Largest number of ellipses; 0 for none.
    ax
        Axes to plot in. Default: those of a new figure.
    show
        Show the figure. Default: `sc.settings.autoshow`, or `False` if `ax` is given.
    save
        Save the figure in `sc.settings.figdir`, as `uncertainty.pdf`, or with a text after the name: `"_a.png"`. Default:
        `sc.settings.autosave`.
    return_fig
        Return the figure instead of the Axes, and do not show it.

    Returns
    -------
    With `show=False` the Axes; with `return_fig=True` the figure.

    Raises
    ------
    KeyError
        If there are no results of :func:`scivis.tl.uncertainty`, or `color` is not in `adata`.
    ValueError
        If the embedding does not have two axes.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.ivis(adata, epochs=2)
    >>> scivis.tl.uncertainty(adata, noise="neighbors")
    >>> scivis.pl.uncertainty(adata, n_ellipses=0, show=False).get_xlabel()
    'ivis1'
    """
    check_integer("n_ellipses", n_ellipses, at_least=0)
    keys, name = Keys.of("ivis", key), embedding_key(adata, key)
    xy = np.asarray(adata.obsm[name])
    if keys.uncertainty not in adata.obs or keys.ellipse not in adata.obsm:
        msg = (
            f"Did not find adata.obs[{keys.uncertainty!r}] and adata.obsm[{keys.ellipse!r}]. Run `scivis.tl.uncertainty` first, "
            "on an embedding of two dimensions."
        )
        raise KeyError(msg)
    values = adata.obs[keys.uncertainty].to_numpy(np.float64)
    colors = cell_colors(adata, color, palette)
    if color is None:
        colors = number_colors(values, 0.0, float(np.quantile(values, _HIGHEST)))
    axes = new_axes(6.5, 5, ax)
    # The most uncertain cells on top.
    plot_cells(axes, xy, colors.rgb, order=np.argsort(values, kind="stable") if color is None else None)
    if n_ellipses:
        expected = np.asarray(adata.obsm[keys.expected])
        chosen = _spread_out(expected, n_ellipses)
        _add_ellipses(axes, xy[chosen], expected[chosen], adata.obsm[keys.ellipse][chosen])
    label = name.removeprefix("X_")
    axes.set(title=color or "uncertainty", xlabel=f"{label}1", ylabel=f"{label}2")
    add_legend(axes, xy, colors, "" if color else "root mean square distance", legend_loc)
    return finish("uncertainty", axes, show=show, save=save, return_fig=return_fig, ax=ax)


def _spread_out(xy: Points, n: int) -> NDArray[np.integer]:
    """Random cells, at most one in each square of a grid, shape (at most n,).

    They are chosen among twice as many random cells: among all cells, each of the few between groups would have a square of its
    own, and its large ellipse would hide those of the many.
    """
    order = np.random.default_rng(0).permutation(len(xy))[: 2 * n]
    side = float(np.ptp(xy, axis=0).max()) or 1.0
    squares = np.floor((xy[order] - xy.min(axis=0)) / (side / np.sqrt(_SQUARES * n))).astype(np.int64)
    _, first = np.unique(squares, axis=0, return_index=True)
    return order[np.sort(first)[:n]]


def _add_ellipses(ax: Axes, xy: Points, centers: Points, ellipses: Points) -> None:
    from matplotlib.collections import EllipseCollection, LineCollection

    long, short, angle = ellipses.T
    drawn = EllipseCollection(
        2 * long, 2 * short, angle, units="xy", offsets=centers, offset_transform=ax.transData,
        facecolors="none", edgecolors=_INK, linewidths=0.8, alpha=0.7,
    )  # fmt: skip
    lines = LineCollection(list(np.stack([xy, centers], axis=1)), colors=_INK, linewidths=0.4, alpha=0.6)
    ax.add_collection(lines, autolim=False)
    ax.add_collection(drawn, autolim=False)
