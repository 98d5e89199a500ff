"""`scivis.pl.n2d`: clusters, and true labels beside them in the same colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from pandas import Series

_NONE_GREY = "#bfbfbf"


def n2d(
    adata: AnnData,
    *,
    key: str = "n2d",
    truth: str | None = None,
    show: bool | None = None,
    **kwargs: Any,
) -> Axes | list[Axes] | None:
    """The map of the cells, coloured by their clusters, and by true labels beside them.

    Clusters and labels are matched one to one so that as many cells as possible agree, and a cluster has the colour of its
    label. Clusters and labels beyond the matched ones have colours of their own. Every cell is drawn.

    Parameters
    ----------
    adata
        Holds map and clusters, from :func:`scivis.tl.n2d` or :func:`scivis.tl.ingest`.
    key
        The `key_added` they were computed with.
    truth
        A column of `.obs` with labels to compare with. Cells without a label do not count, and are grey.
    show
        Show the plot; by default as `sc.settings.autoshow` says.
    kwargs
        For :func:`scanpy.pl.embedding`, of each panel: `size`, `components`, `legend_loc`, …

    Returns
    -------
    With `show=False` the Axes: one without `truth`, a list of two with it.

    Raises
    ------
    KeyError
        If map, clusters or labels are not in `adata`.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.n2d(adata, 5, architecture=[64], epochs=2)
    >>> clusters, labels = scivis.pl.n2d(adata, truth="bulk_labels", show=False)
    >>> labels.get_title()
    'bulk_labels'
    """
    import matplotlib.pyplot as plt

    from ._show import show_or_return

    _check(adata, key, truth)
    clusters = adata.obs[key].astype("category")
    labels = None if truth is None else adata.obs[truth].astype("category")
    columns, label_of = ({key: clusters}, {}) if labels is None else _matched(clusters, labels)
    palette = _palette(columns, label_of)
    size = (6.5 * len(columns), 4.5)
    _, axes = plt.subplots(1, len(columns), figsize=size, layout="constrained", squeeze=False)
    for ax, (title, column) in zip(axes[0], columns.items(), strict=True):
        _panel(adata, key, column, palette, title=title, ax=ax, **kwargs)
    shown = show_or_return(axes[0][0], show=show) is None
    return None if shown else axes[0][0] if truth is None else list(axes[0])


def _check(adata: AnnData, key: str, truth: str | None) -> None:
    from ._ivis import map_key

    map_key(adata, key)
    for name, tool in ((key, "Run `scivis.tl.n2d` first"), (truth, "Name a column with labels")):
        if name is not None and name not in adata.obs:
            msg = f"Did not find {name!r} in adata.obs; it holds {list(adata.obs)}. {tool}."
            raise KeyError(msg)


def _matched(clusters: Series, labels: Series) -> tuple[dict[str, Series], dict[str, str]]:
    """Both columns by their titles, and the label that each cluster stands for."""
    from scivis.n2d import match_clusters

    clusters, labels = (column.cat.rename_categories(lambda name: str(name)) for column in (clusters, labels))
    known = (clusters.notna() & labels.notna()).to_numpy()
    if not known.any():
        msg = f"truth={labels.name!r}: no cell has both a cluster and a label."
        raise ValueError(msg)
    label_of = match_clusters(labels[known].astype(str), clusters[known].astype(str))
    named = {number: f"{number}: {label_of[number]}" for number in clusters.cat.categories if number in label_of}
    agree = float(np.mean([label_of.get(c) == y for c, y in zip(clusters[known], labels[known], strict=True)]))
    title = f"{clusters.name}: {agree:.1%} as in {labels.name}"
    return {title: clusters.cat.rename_categories(named), str(labels.name): labels}, {
        named[number]: label for number, label in label_of.items()
    }


def _palette(columns: dict[str, Series], label_of: dict[str, str]) -> dict[str, str]:
    """A colour for every name; a cluster has that of its label."""
    import scanpy as sc

    names = [str(name) for column in columns.values() for name in column.cat.categories if name not in label_of]
    sets = (sc.pl.palettes.vega_10_scanpy, sc.pl.palettes.default_20, sc.pl.palettes.default_28)
    colors = next((s for s in sets if len(s) >= len(names)), sc.pl.palettes.default_102)
    palette = {name: colors[i % len(colors)] for i, name in enumerate(reversed(names))}
    return palette | {cluster: palette[label] for cluster, label in label_of.items()}


def _panel(adata: AnnData, key: str, column: Series, palette: dict[str, str], **kwargs: Any) -> None:
    """One scatter plot by scanpy, of a table that holds nothing else, so that no colours are written into `adata`."""
    import scanpy as sc
    from anndata import AnnData

    from ._ivis import map_key

    name = map_key(adata, key)
    column = column.cat.rename_categories(lambda number: str(number))
    shown = AnnData(obs=column.to_frame("group"), obsm={name: adata.obsm[name]})
    kwargs = {"na_color": _NONE_GREY} | kwargs
    sc.pl.embedding(shown, basis=name.removeprefix("X_"), color="group", palette=palette, show=False, **kwargs)
