"""`scivis.pl.quality`: the card at one glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

_NAMES = {
    "recall": "neighbours kept", "trustworthiness": "trustworthiness", "continuity": "continuity", "density": "density",
    "triplets": "triplets kept", "spearman": "distances, Spearman ρ", "pearson": "distances, Pearson r",
    "accuracy": "label accuracy", "silhouette": "silhouette", "nearest_classes": "nearest classes kept",
    "centroids_pearson": "class distances, Pearson r", "centroids_spearman": "class distances, Spearman ρ",
}  # fmt: skip


def quality(
    adata: AnnData,
    basis: str | Sequence[str] | None = None,
    *,
    key: str = "quality",
    ax: Axes | None = None,
    show: bool | None = None,
) -> Axes | None:
    """Which map is better at what: a row per measure, a column per map.

    In each row the best map is the darkest, with its number in bold, and the worst is white, so that a column shows what its
    map is good at. A row in which all maps are alike is coloured as strongly as any other: read the numbers. All are 1 for a
    perfect map; :func:`scivis.tl.quality` explains them.

    Parameters
    ----------
    adata
        Holds what :func:`scivis.tl.quality` wrote.
    basis
        Which maps, by their keys in the card; `umap` stands for `X_umap`, and `PCA` for the reference. By default all.
    key
        The `key_added` of :func:`scivis.tl.quality`.
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
        If there is no card, or it does not judge a map.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.quality(adata, ["umap"], n_cells=100)
    >>> [text.get_text() for text in scivis.pl.quality(adata, show=False).get_xticklabels()]
    ['PCA', 'umap']
    """
    import matplotlib.pyplot as plt

    from scivis._adata.card import pick, read_table

    from ._show import show_or_return

    table = read_table(adata, key)
    names = pick(list(dict.fromkeys(table["basis"])), basis)
    values, aspects = _arrange(table, names)
    show = False if show is None and ax is not None else show
    if ax is None:
        size = (3.2 + 0.75 * len(names), 0.6 + 0.27 * len(values))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    _draw(ax, values, aspects)
    return show_or_return(ax, show=show)


def _arrange(table: pd.DataFrame, names: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Values, measures × maps, and the aspect of each measure."""
    rows = [
        _NAMES.get(name, name) + (f", k = {k}" if k else "")
        for name, k in zip(table["measure"], table["k"], strict=True)
    ]
    table = table.assign(row=rows)
    values = table.pivot_table("value", "row", "basis", sort=False).reindex(
        index=list(dict.fromkeys(rows)), columns=names
    )
    return values, table.drop_duplicates("row")["aspect"].tolist()


def _draw(ax: Axes, values: pd.DataFrame, aspects: list[str]) -> None:
    numbers = values.to_numpy()
    low, high = np.nanmin(numbers, axis=1, keepdims=True), np.nanmax(numbers, axis=1, keepdims=True)
    share = (numbers - low) / np.where(high > low, high - low, 1)
    # Up to a blue that lets black numbers be read.
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1.8, aspect="auto")
    for (i, j), value in np.ndenumerate(numbers):
        weight = "bold" if share[i, j] == 1 else "normal"
        ax.text(j, i, f"{value:.3f}", ha="center", va="center", weight=weight, size="small")
    ax.set_xticks(range(values.shape[1]), [name.removeprefix("X_") for name in values.columns])
    ax.set_yticks(range(len(values)), values.index, size="small")
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)  # scanpy's settings switch it on
    for i, aspect in enumerate(aspects):
        if i == 0 or aspects[i - 1] != aspect:
            ax.axhline(i - 0.5, color="black", linewidth=0.8)
            middle = i + (aspects.count(aspect) - 1) / 2
            ax.text(1.01, middle, aspect, transform=ax.get_yaxis_transform(), rotation=-90, ha="left", va="center")
