"""`scivis.pl.n2d`: clusters, and known labels in the same colors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scivis.n2d import match_clusters

from ._figure import new_panels, show_or_return
from ._scatter import category_colors, embedding_key, scatter_columns

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from pandas import Series

_MISSING_GRAY = "#bfbfbf"


def n2d(
    adata: AnnData, *, key: str = "n2d", truth: str | None = None, show: bool | None = None, **kwargs: Any
) -> Axes | list[Axes] | None:
    """Scatter plot of an N2D embedding, colored by clusters and, in a second panel, by known labels.

    Clusters and labels are matched one to one such that as many cells as possible agree. Matched clusters and labels have
    the same color, and all others have colors of their own.

    Parameters
    ----------
    adata
        Annotated data matrix with embedding and clusters, from :func:`scivis.tl.n2d` or :func:`scivis.tl.ingest`.
    key
        The `key_added` of the tool.
    truth
        Key of `.obs` with known labels. Unlabeled cells are gray and do not count. Default: clusters only.
    show
        Show the figure. Default: `sc.settings.autoshow`.
    kwargs
        Arguments of :func:`scanpy.pl.embedding`, for each panel: `size`, `components`, `legend_loc`, …

    Returns
    -------
    With `show=False` the Axes: one without `truth`, a list of two with it.

    Raises
    ------
    KeyError
        If embedding, clusters or labels are not in `adata`.
    ValueError
        If the embedding has a single axis, or no cell has both a cluster and a label.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.n2d(adata, 5, architecture=[64], epochs=2, manifold="ivis")
    >>> clusters, labels = scivis.pl.n2d(adata, truth="bulk_labels", show=False)
    >>> labels.get_title()
    'bulk_labels'
    """
    name = embedding_key(adata, key)
    clusters = _categories(adata, key, "Run `scivis.tl.n2d` first")
    if truth is None:
        columns, label_of = {key: clusters}, dict[str, str]()
    else:
        columns, label_of = _match(clusters, _categories(adata, truth, "Name a column with labels"))
    palette = _palette(columns, label_of)
    axes = new_panels(len(columns), len(columns), width=6.5, height=4.5)
    for ax, (title, column) in zip(axes, columns.items(), strict=True):
        settings = {"na_color": _MISSING_GRAY} | kwargs
        scatter_columns(adata, name, column.to_frame(title), palette=palette, ax=ax, show=False, **settings)
    return show_or_return(axes[0], show=show) if truth is None else show_or_return(axes, show=show)


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


def _palette(columns: dict[str, Series], label_of: dict[str, str]) -> dict[str, str]:
    """Color of each category. A matched cluster has the color of its label."""
    names = [name for column in columns.values() for name in column.cat.categories if name not in label_of]
    palette = dict(zip(reversed(names), category_colors(len(names)), strict=True))
    return palette | {cluster: palette[label] for cluster, label in label_of.items()}
