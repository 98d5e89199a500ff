"""`scivis.pl.compare`, `scivis.pl.raster` and `scivis.pl.trust`: embeddings with equal scales on both axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scivis._adata.card import measured_bases, read_trust
from scivis._adata.maps import plot_coordinates
from scivis._checks import check_positive_int

from ._cells import add_legend, plot_cells
from ._colors import cell_colors, number_colors
from ._figure import new_axes, new_panels, show_or_return

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
        Key of `.obs`, or gene. Classes have the colors that scanpy stored; without these, up to ten classes have colors
        that remain distinguishable with color-blindness. Default: a single color.
    n_columns
        Number of panels per row.
    show
        Show the figure. Default: `sc.settings.autoshow`.

    Returns
    -------
    With `show=False` the Axes, one per embedding.

    Raises
    ------
    KeyError
        If an embedding or `color` is not in `adata`.
    ValueError
        If an embedding has a single axis.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> [ax.get_title() for ax in scivis.pl.compare(adata, ["pca", "umap"], color="louvain", show=False)]
    ['pca', 'umap']
    """
    embeddings = plot_coordinates(adata, basis)
    colors = cell_colors(adata, color)
    axes = new_panels(len(embeddings), n_columns, margin=1.5 if color else 0)
    for ax, (name, xy) in zip(axes, embeddings.items(), strict=True):
        plot_cells(ax, xy, colors.rgb)
        ax.set_title(name.removeprefix("X_"))
    add_legend(axes[min(n_columns, len(axes)) - 1], colors, color or "")
    return show_or_return(axes, show=show)


def raster(
    adata: AnnData,
    basis: str,
    *,
    color: str | None = None,
    n_pixels: int = 400,
    ax: Axes | None = None,
    show: bool | None = None,
) -> Axes | None:
    """Plot an embedding as an image in which every cell counts.

    Dots of many cells cover each other, so that only the cells plotted last are visible. In the image, each pixel has the
    mean color of its cells and is more opaque the more cells it has, compared with the other pixels. A million cells take
    about a second.

    Parameters
    ----------
    adata
        Annotated data matrix with the embedding in `.obsm`.
    basis
        Key of the embedding; `umap` stands for `X_umap`.
    color
        Key of `.obs`, or gene. Classes have the colors that scanpy stored; without these, up to ten classes have colors
        that remain distinguishable with color-blindness. Default: a single color.
    n_pixels
        Number of pixels along the longer side of the embedding. Fewer pixels show the density of fewer cells.
    ax
        Axes to plot in. Default: those of a new figure.
    show
        Show the figure. Default: `sc.settings.autoshow`, or `False` if `ax` is given.

    Returns
    -------
    With `show=False` the Axes.

    Raises
    ------
    KeyError
        If the embedding or `color` is not in `adata`.
    ValueError
        If the embedding has a single axis, or `n_pixels` is not an integer of at least 1.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> ax = scivis.pl.raster(adata, "umap", color="louvain", n_pixels=100, show=False)
    >>> ax.images[0].get_array().shape
    (94, 100, 4)
    """
    check_positive_int("n_pixels", n_pixels)
    [(name, xy)] = plot_coordinates(adata, basis).items()
    colors, name = cell_colors(adata, color), name.removeprefix("X_")
    axes = ax or new_axes(6.5 if color else 5, 5)
    plot_cells(axes, xy, colors.rgb, n_pixels=n_pixels)
    axes.set(title=color or name, xlabel=f"{name}1", ylabel=f"{name}2")
    add_legend(axes, colors, "")
    return show_or_return(axes, show=show, ax=ax)


def trust(
    adata: AnnData,
    basis: str | Sequence[str] | None = None,
    *,
    key: str = "quality",
    n_columns: int = 4,
    show: bool | None = None,
) -> Sequence[Axes] | None:
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
    n_columns
        Number of panels per row.
    show
        Show the figure. Default: `sc.settings.autoshow`.

    Returns
    -------
    With `show=False` the Axes, one per embedding.

    Raises
    ------
    KeyError
        If there is no quality card, or an embedding is not in it.
    ValueError
        If an embedding has a single axis.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.quality(adata, ["umap"], n_cells=100)
    >>> [ax.get_title() for ax in scivis.pl.trust(adata, show=False)]
    ['umap: mean 0.929']
    """
    embeddings = plot_coordinates(adata, measured_bases(adata, key) if basis is None else basis)
    trusts = {name: read_trust(adata, key, name) for name in embeddings}
    low = min(0.9, *(float(np.quantile(values, 0.01)) for values in trusts.values()))
    axes = new_panels(len(embeddings), n_columns, margin=1)
    for ax, (name, xy) in zip(axes, embeddings.items(), strict=True):
        colors = number_colors(trusts[name], low, 1.0)
        plot_cells(ax, xy, colors.rgb, order=np.argsort(-trusts[name], kind="stable"))
        ax.set_title(f"{name.removeprefix('X_')}: mean {trusts[name].mean():.3f}")
    add_legend(axes[min(n_columns, len(axes)) - 1], colors, "trust")
    return show_or_return(axes, show=show)
