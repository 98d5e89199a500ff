"""`scivis.pl.trust`: where a map can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes


def trust(
    adata: AnnData,
    basis: str | Sequence[str] | None = None,
    *,
    key: str = "quality",
    n_columns: int = 4,
    show: bool | None = None,
) -> Sequence[Axes] | None:
    """Maps, coloured by how far each cell's neighbours on the map are its real ones.

    Dark places mix cells that are far from each other in the representation, at 0.5 as much as chance would. All panels
    have the same scale. Up to 50,000 cells are drawn as dots, the least trusted above the others; more as an image (see
    :func:`scivis.pl.raster`).

    Parameters
    ----------
    adata
        Holds the maps, and what :func:`scivis.tl.quality` wrote.
    basis
        Keys of the maps; `umap` stands for `X_umap`. By default all that the card judges.
    key
        The `key_added` of :func:`scivis.tl.quality`.
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
        If there is no card, or it does not judge a map.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.quality(adata, ["umap"], n_cells=100)
    >>> [ax.get_title() for ax in scivis.pl.trust(adata, show=False)]
    ['umap: mean 0.929']
    """
    import numpy as np

    from scivis._adata.card import judged, read_trust
    from scivis._adata.maps import drawable_maps

    from ._cells import draw_cells, explain, grid
    from ._colors import color_numbers
    from ._show import show_or_return

    maps = drawable_maps(adata, judged(adata, key) if basis is None else basis)
    trusts = {name: read_trust(adata, key, name) for name in maps}
    low = min(0.9, *(float(np.quantile(values, 0.01)) for values in trusts.values()))
    _, axes = grid(len(maps), n_columns, width=1)
    for ax, (name, xy) in zip(axes, maps.items(), strict=True):
        colors = color_numbers(trusts[name], low, 1.0)
        draw_cells(ax, xy, colors.rgb, order=np.argsort(-trusts[name], kind="stable"))
        ax.set_title(f"{name.removeprefix('X_')}: mean {trusts[name].mean():.3f}")
    explain(axes[min(n_columns, len(axes)) - 1], colors, "trust")
    return show_or_return(axes, show=show)
