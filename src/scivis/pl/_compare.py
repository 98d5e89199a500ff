"""`scivis.pl.compare`: maps side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes


def compare(
    adata: AnnData,
    basis: str | Sequence[str] | None = None,
    *,
    color: str | None = None,
    n_columns: int = 4,
    show: bool | None = None,
) -> Sequence[Axes] | None:
    """Maps of the same cells side by side.

    One unit is equally long on both axes of a map, so that its distances can be read. Up to 50,000 cells are drawn as dots
    in random order, more as an image (see :func:`scivis.pl.raster`).

    Parameters
    ----------
    adata
        Holds the maps in `.obsm`.
    basis
        Their keys; `umap` stands for `X_umap`. By default all matrices of two columns whose key begins with `X_`.
    color
        A column of `.obs`, or a gene. Classes have the colours that scanpy stored; if there are none, up to ten get colours
        that colour-blind people can tell apart.
    n_columns
        Panels per row.
    show
        Show the plot; by default as `sc.settings.autoshow` says.

    Returns
    -------
    With `show=False` the Axes, one per map.

    Raises
    ------
    KeyError
        If a map or `color` is not there.
    ValueError
        If a map has a single axis.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> [ax.get_title() for ax in scivis.pl.compare(adata, ["pca", "umap"], color="louvain", show=False)]
    ['pca', 'umap']
    """
    from scivis._adata.maps import drawable_maps

    from ._cells import draw_cells, explain, grid
    from ._colors import color_cells
    from ._show import show_or_return

    maps = drawable_maps(adata, basis)
    colors = color_cells(adata, color)
    _, axes = grid(len(maps), n_columns, width=1.5 if color else 0)
    for ax, (name, xy) in zip(axes, maps.items(), strict=True):
        draw_cells(ax, xy, colors.rgb)
        ax.set_title(name.removeprefix("X_"))
    explain(axes[min(n_columns, len(axes)) - 1], colors, color or "")
    return show_or_return(axes, show=show)
