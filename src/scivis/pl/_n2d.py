"""`scivis.pl.n2d`: clusters, and known labels in the same colors."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis.n2d import match_clusters

from ._colors import category_colors, default_colors
from ._figure import check_one_panel, finish, new_panels
from ._scatter import embedding_key, scatter, scatter_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import Series

    from ._colors import Palette

_MISSING_GRAY = "#bfbfbf"


def n2d(
    adata: AnnData,
    *,
    key: str = "n2d",
    color: str | Sequence[str] | None = None,
    truth: str | None = None,
    palette: Palette | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: bool | str | None = None,
    return_fig: bool | None = None,
    **kwargs: Any,
) -> Figure | Axes | list[Axes] | None:
    """Scatter plot of an N2D embedding, colored by clusters and, in a second panel, by known labels.

    Clusters and labels are matched one to one such that as many cells as possible agree. Matched clusters and labels have
    the same color, and all others have colors of their own.

    Parameters
    ----------
    adata
        Annotated data matrix with embedding and clusters, from :func:`scivis.tl.n2d` or :func:`scivis.tl.ingest`.
    key
        The `key_added` of the tool.
    color
        Key of `.obs`, or gene, or a list of these, one panel for each. Default: the clusters.
    truth
        Key of `.obs` with known labels, shown beside the clusters. Unlabeled cells are gray and do not count.
    palette
        Colors of clusters, or with `truth` of labels, which are stored in `.uns`: a colormap, a list, or a dictionary, as in
        scanpy.
    ax
        Axes to plot in, for a single panel. Default: those of a new figure.
    show
        Show the figure. Default: `sc.settings.autoshow`, or `False` if `ax` is given.
    save
        Save the figure in `sc.settings.figdir`, as `n2d.pdf`, or with a text after the name: `"_a.png"`. Default:
        `sc.settings.autosave`.
    return_fig
        Return the figure instead of the Axes, and do not show it.
    kwargs
        Arguments of :func:`scanpy.pl.embedding`, for each panel: `legend_loc`, `size`, `components`, …

    Returns
    -------
    With `show=False` the Axes, or a list with those of each panel; with `return_fig=True` the figure.

    Raises
    ------
    KeyError
        If embedding, clusters or labels are not in `adata`.
    ValueError
        If the embedding has a single axis, no cell has both a cluster and a label, both `color` and `truth` are given, or
        `ax` is given for several panels.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.n2d(adata, 5, architecture=[64], epochs=2, manifold="ivis")
    >>> clusters, labels = scivis.pl.n2d(adata, truth="bulk_labels", show=False)
    >>> labels.get_title()
    'bulk_labels'
    """
    if color is not None and truth is not None:
        msg = f"color={color!r} and truth={truth!r} are two plots. Pass only one of them."
        raise ValueError(msg)
    name = embedding_key(adata, key)
    axes: Axes | list[Axes]
    kwargs = {"na_color": _MISSING_GRAY} | kwargs
    if truth is not None:
        check_one_panel(1 if ax is None else 2)
        axes = _plot_matched(adata, name, key, truth, palette, kwargs)
    else:
        _categories(adata, key, "Run `scivis.tl.n2d` first")
        axes = scatter(adata, name, color=key if color is None else color, palette=palette, ax=ax, **kwargs)
    return finish("n2d", axes, show=show, save=save, return_fig=return_fig, ax=ax)


def _plot_matched(
    adata: AnnData, name: str, key: str, truth: str, palette: Palette | None, kwargs: dict[str, Any]
) -> list[Axes]:
    """Plot clusters beside labels, in matching colors."""
    clusters = _categories(adata, key, "Run `scivis.tl.n2d` first")
    columns, label_of = _match(clusters, _categories(adata, truth, "Name a column with labels"))
    colors = _cluster_colors(columns, category_colors(adata, truth, palette), label_of)
    axes = new_panels(len(columns), len(columns), width=6.5, height=4.5)
    for ax, (title, column) in zip(axes, columns.items(), strict=True):
        scatter_columns(adata, name, column.to_frame(title), palette=colors, ax=ax, **kwargs)
    return axes


def _categories(adata: AnnData, key: str, remedy: str) -> Series:
    """A column of `.obs` as a categorical of strings."""
    if key not in adata.obs:
        msg = f"Did not find {key!r} in adata.obs; it holds {list(adata.obs)}. {remedy}."
        raise KeyError(msg)
    return adata.obs[key].astype("category").cat.rename_categories(lambda name: str(name))


def _match(clusters: Series, labels: Series) -> tuple[dict[str, Series], dict[str, str]]:
    """Both columns by title, with clusters renamed after their labels, and the label of each renamed cluster."""
    known = (clusters.notna() & labels.notna()).to_numpy()
    if not known.any():
        msg = f"truth={labels.name!r}: no cell has both a cluster and a label."
        raise ValueError(msg)
    label_of = match_clusters(labels[known].astype(str), clusters[known].astype(str))
    renamed = {cluster: f"{cluster}: {label}" for cluster, label in label_of.items()}
    agree = float(np.mean([label_of.get(c) == y for c, y in zip(clusters[known], labels[known], strict=True)]))
    title = f"{clusters.name}: {agree:.1%} as in {labels.name}"
    columns = {title: clusters.cat.rename_categories(renamed), str(labels.name): labels}
    return columns, {renamed[cluster]: label for cluster, label in label_of.items()}


def _cluster_colors(columns: dict[str, Series], labels: dict[str, str], label_of: dict[str, str]) -> dict[str, str]:
    """Color of each category: that of its label for a matched cluster, and one that no label has for any other."""
    others = [name for name in next(iter(columns.values())).cat.categories if name not in label_of]
    free = [color for color in default_colors(len(others) + len(labels)) if color not in labels.values()]
    own = dict(zip(others, cycle(free or [_MISSING_GRAY]), strict=False))
    return own | labels | {cluster: labels[label] for cluster, label in label_of.items()}
