"""`scivis.pl.raster`: a map of more cells than dots can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes


def raster(
    adata: AnnData,
    basis: str,
    *,
    color: str | None = None,
    n_pixels: int = 400,
    ax: Axes | None = None,
    show: bool | None = None,
) -> Axes | None:
    """A map as an image in which every cell counts, however many there are.

    Dots of many cells hide each other, and what is seen is the cells that were drawn last. Here each pixel has the mean
    colour of its cells, and is the stronger the more cells it holds, compared with the other pixels. A million cells take
    about a second.

    Parameters
    ----------
    adata
        Holds the map in `.obsm`.
    basis
        Its key; `umap` stands for `X_umap`.
    color
        A column of `.obs`, or a gene. Classes have the colours that scanpy stored; if there are none, up to ten get colours
        that colour-blind people can tell apart.
    n_pixels
        Along the longer side of the map. Fewer show the density of fewer cells.
    ax
        Draw here instead of in a new figure.
    show
        Show the plot; by default as `sc.settings.autoshow` says, and never if `ax` is given.

    Returns
    -------
    With `show=False` the Axes.

    Raises
    ------
    KeyError
        If the map or `color` is not there.
    ValueError
        If the map has a single axis, or `n_pixels` is not a whole number of at least 1.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> ax = scivis.pl.raster(adata, "umap", color="louvain", n_pixels=100, show=False)
    >>> ax.images[0].get_array().shape
    (94, 100, 4)
    """
    from scivis._adata.maps import drawable_maps
    from scivis._checks import check_positive_int

    from ._cells import draw_cells, explain, grid
    from ._colors import color_cells
    from ._show import show_or_return

    check_positive_int("n_pixels", n_pixels)
    [(name, xy)] = drawable_maps(adata, basis).items()
    colors = color_cells(adata, color)
    show = False if show is None and ax is not None else show
    if ax is None:
        [ax] = grid(1, 1, size=5, width=1.5 if color else 0)[1]
    draw_cells(ax, xy, colors.rgb, n_pixels=n_pixels)
    name = name.removeprefix("X_")
    ax.set(title=color or name, xlabel=f"{name}1", ylabel=f"{name}2")
    explain(ax, colors, "")
    return show_or_return(ax, show=show)
