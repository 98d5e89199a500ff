"""`scivis.pl.compare`, `scivis.pl.raster` and `scivis.pl.trust`: embeddings with equal scales on both axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scivis._adata.card import measured_bases, read_trust
from scivis._adata.maps import plot_coordinates
from scivis._checks import check_integer, check_positive_int

from ._cells import add_legend, legend_width, plot_cells
from ._colors import cell_colors, color_list, number_colors
from ._figure import finish, new_panels, title_of
from ._scatter import axis_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ._colors import CellColors, Palette

# Panels per row, as in scanpy.
_N_COLUMNS = 4
# A larger image would need more than 4 GB.
_MAX_PIXELS = 10_000


def compare(
    adata: AnnData,
    basis: str | Sequence[str] | None = None,
    *,
    color: str | Sequence[str] | None = None,
    palette: Palette | None = None,
    legend_loc: str | None = "right margin",
    ncols: int = _N_COLUMNS,
    ax: Axes | None = None,
    show: bool | None = None,
    save: bool | str | None = None,
    return_fig: bool | None = None,
) -> Figure | Axes | list[Axes] | None:
    """Plot embeddings of the same cells side by side.

    Both axes of an embedding have the same scale, so that distances can be compared. Up to 50,000 cells are plotted as dots
    in random order, more as an image (see :func:`scivis.pl.raster`).

    Parameters
    ----------
    adata
        Annotated data matrix with the embeddings in `.obsm`.
    basis
        Keys of the embeddings; `umap` stands for `X_umap`. Default: all matrices of two columns whose key begins with
        `X_`.
    color
        Key of `.obs`, or gene, or a list of these, one panel for each. Categories have their colors in `.uns`, where scanpy
        stores them. Default: a single color.
    palette
        Colors of categories, which are stored in `.uns`: a colormap, a list, or a dictionary, as in scanpy.
    legend_loc
        `right margin`, `on data`, a place in the Axes, such as `best`, or `None`.
    ncols
        Number of panels per row.
    ax
        Axes to plot in, for a single panel. Default: those of a new figure.
    show
        Show the figure. Default: `sc.settings.autoshow`, or `False` if `ax` is given.
    save
        Save the figure in `sc.settings.figdir`, as `compare.pdf`, or with a text after the name: `"_a.png"`. Default:
        `sc.settings.autosave`.
    return_fig
        Return the figure instead of the Axes, and do not show it.

    Returns
    -------
    With `show=False` the Axes, or a list with those of each panel; with `return_fig=True` the figure.

    Raises
    ------
    KeyError
        If an embedding or `color` is not in `adata`.
    ValueError
        If an embedding has a single axis, or `ax` is given for several panels.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> [ax.get_title() for ax in scivis.pl.compare(adata, ["pca", "umap"], color="louvain", show=False)]
    ['pca', 'umap']
    """
    embeddings = plot_coordinates(adata, basis)
    colors = {one: cell_colors(adata, one, palette) for one in color_list(color)}
    grid = _color_grid(len(embeddings), colors, ncols, legend_loc, ax)
    for (one, cells), row in zip(colors.items(), grid, strict=True):
        for panel, (name, xy) in zip(row, embeddings.items(), strict=True):
            plot_cells(panel, xy, cells.rgb)
            panel.set_title(title_of(name, one or "") if len(colors) > 1 else name.removeprefix("X_"))
        last = min(ncols, len(row)) - 1
        add_legend(row[last], list(embeddings.values())[last], cells, one or "", legend_loc)
    axes = [panel for row in grid for panel in row]
    return finish("compare", axes, show=show, save=save, return_fig=return_fig, ax=ax)


def _color_grid(
    n_embeddings: int, colors: dict[str | None, CellColors], ncols: int, legend_loc: str | None, ax: Axes | None
) -> list[list[Axes]]:
    """For each color, the Axes of all embeddings: a new row for each color, or side by side if there is one embedding."""
    check_positive_int("ncols", ncols)
    widths = [legend_width(cells, legend_loc) for cells in colors.values()]
    if n_embeddings == 1:
        axes = new_panels(len(colors), ncols, width=3.2 + max(widths), ax=ax)
        return [[panel] for panel in axes]
    ncols = min(ncols, n_embeddings)
    n_places = -(-n_embeddings // ncols) * ncols
    axes = new_panels(n_places * len(colors) if len(colors) > 1 else n_embeddings, ncols, margin=max(widths), ax=ax)
    rows = [axes[start : start + n_embeddings] for start in range(0, len(axes), n_places)]
    for panel in {*axes} - {panel for row in rows for panel in row}:
        panel.set_axis_off()
    return rows


def raster(
    adata: AnnData,
    basis: str,
    *,
    color: str | Sequence[str] | None = None,
    palette: Palette | None = None,
    legend_loc: str | None = "right margin",
    n_pixels: int = 400,
    ax: Axes | None = None,
    show: bool | None = None,
    save: bool | str | None = None,
    return_fig: bool | None = None,
) -> Figure | Axes | list[Axes] | None:
    """Plot an embedding as an image in which every cell counts.

    Dots of many cells cover each other, so that only the cells plotted last are visible. In the image, each pixel has the
    mean color of its cells and is more opaque the more cells it has, compared with the other pixels. Of few cells, each is
    a disc of several pixels. A million cells take about a second.

    Parameters
    ----------
    adata
        Annotated data matrix with the embedding in `.obsm`.
    basis
        Key of the embedding; `umap` stands for `X_umap`.
    color
        Key of `.obs`, or gene, or a list of these, one panel for each. Categories have their colors in `.uns`, where scanpy
        stores them. Default: a single color.
    palette
        Colors of categories, which are stored in `.uns`: a colormap, a list, or a dictionary, as in scanpy.
    legend_loc
        `right margin`, `on data`, a place in the Axes, such as `best`, or `None`.
    n_pixels
        Number of pixels along the longer side of the embedding. Fewer pixels show the density of fewer cells.
    ax
        Axes to plot in, for a single panel. Default: those of a new figure.
    show
        Show the figure. Default: `sc.settings.autoshow`, or `False` if `ax` is given.
    save
        Save the figure in `sc.settings.figdir`, as `raster.pdf`, or with a text after the name: `"_a.png"`. Default:
        `sc.settings.autosave`.
    return_fig
        Return the figure instead of the Axes, and do not show it.

    Returns
    -------
    With `show=False` the Axes, or a list with those of each panel; with `return_fig=True` the figure.

    Raises
    ------
    KeyError
        If the embedding or `color` is not in `adata`.
    ValueError
        If the embedding has a single axis, `n_pixels` is not an integer between 1 and 10,000, or `ax` is given for several panels.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> ax = scivis.pl.raster(adata, "umap", color="louvain", n_pixels=100, show=False)
    >>> ax.images[0].get_array().shape
    (94, 100, 4)
    """
    check_integer("n_pixels", n_pixels, at_least=1, at_most=_MAX_PIXELS)
    [(name, xy)] = plot_coordinates(adata, basis).items()
    colors = {one: cell_colors(adata, one, palette) for one in color_list(color)}
    width = 5 + max(legend_width(cells, legend_loc) for cells in colors.values())
    axes = new_panels(len(colors), _N_COLUMNS, width=width, height=5, ax=ax)
    xlabel, ylabel = axis_labels(name)
    for panel, (one, cells) in zip(axes, colors.items(), strict=True):
        plot_cells(panel, xy, cells.rgb, n_pixels=n_pixels)
        panel.set(title=one or name.removeprefix("X_"), xlabel=xlabel, ylabel=ylabel)
        add_legend(panel, xy, cells, "", legend_loc)
    return finish("raster", axes, show=show, save=save, return_fig=return_fig, ax=ax)


def trust(
    adata: AnnData,
    basis: str | Sequence[str] | None = None,
    *,
    key: str = "quality",
    ncols: int = _N_COLUMNS,
    ax: Axes | None = None,
    show: bool | None = None,
    save: bool | str | None = None,
    return_fig: bool | None = None,
) -> Figure | Axes | list[Axes] | None:
    """Plot embeddings, colored by how near the neighbors of each cell in the embedding really are.

    In dark regions, cells that are far apart in the representation are mixed; a trust of 0.5 is that of random neighbors.
    All panels have the same color scale. Up to 50,000 cells are plotted as dots, those of least trust on top, and more as an
    image (see :func:`scivis.pl.raster`).

    Parameters
    ----------
    adata
        Annotated data matrix with the embeddings and the results of :func:`scivis.tl.quality`.
    basis
        Keys of the embeddings; `umap` stands for `X_umap`. Default: all in the quality card.
    key
        The `key_added` of :func:`scivis.tl.quality`.
    ncols
        Number of panels per row.
    ax
        Axes to plot in, for a single panel. Default: those of a new figure.
    show
        Show the figure. Default: `sc.settings.autoshow`, or `False` if `ax` is given.
    save
        Save the figure in `sc.settings.figdir`, as `trust.pdf`, or with a text after the name: `"_a.png"`. Default:
        `sc.settings.autosave`.
    return_fig
        Return the figure instead of the Axes, and do not show it.

    Returns
    -------
    With `show=False` the Axes, or a list with those of each panel; with `return_fig=True` the figure.

    Raises
    ------
    KeyError
        If there is no quality card, or an embedding is not in it.
    ValueError
        If an embedding has a single axis, or `ax` is given for several panels.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.quality(adata, ["umap"], n_cells=100)
    >>> scivis.pl.trust(adata, show=False).get_title()
    'umap: mean 0.929'
    """
    embeddings = plot_coordinates(adata, measured_bases(adata, key) if basis is None else basis)
    trusts = {name: read_trust(adata, key, name) for name in embeddings}
    low = min(0.9, *(float(np.quantile(values, 0.01)) for values in trusts.values()))
    axes = new_panels(len(embeddings), ncols, margin=1, ax=ax)
    for panel, (name, xy) in zip(axes, embeddings.items(), strict=True):
        colors = number_colors(trusts[name], low, 1.0)
        plot_cells(panel, xy, colors.rgb, order=np.argsort(-trusts[name], kind="stable"))
        panel.set_title(title_of(name, f"mean {trusts[name].mean():.3f}"))
    add_legend(axes[min(ncols, len(axes)) - 1], xy, colors, "trust")
    return finish("trust", axes, show=show, save=save, return_fig=return_fig, ax=ax)
