"""`scivis.pl.quality` and `scivis.pl.distances`: plots of the quality card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scivis._adata.card import read_distances, read_table, select_bases

from ._figure import finish, new_axes, new_panels, title_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from scivis._quality.distances import DistanceBins

_NAMES = {
    "recall": "neighbors kept", "trustworthiness": "trustworthiness", "continuity": "continuity", "density": "density",
    "triplets": "triplets kept", "spearman": "distances, Spearman ρ", "pearson": "distances, Pearson r",
    "accuracy": "label accuracy", "silhouette": "silhouette", "nearest_classes": "nearest classes kept",
    "centroids_pearson": "class distances, Pearson r", "centroids_spearman": "class distances, Spearman ρ",
    "ilisi": "batches mixed, iLISI", "kbet": "batches mixed, kBET",
}  # fmt: skip
_BLUE = "#30588c"
# Width of the scale below each number, in columns.
_STRIP = 0.8
# Letters that fit over a column.
_MAX_NAME = 8


def quality(
    adata: AnnData,
    basis: str | Sequence[str] | None = None,
    *,
    key: str = "quality",
    ax: Axes | None = None,
    show: bool | None = None,
    save: bool | str | None = None,
    return_fig: bool | None = None,
) -> Figure | Axes | list[Axes] | None:
    """Plot the quality card as a heatmap, with one row per measure and one column per embedding.

    In each row, the best embedding is darkest with its value in bold, and the worst is white, whatever their difference:
    read the values. Below each number, a dot shows the value, a bar its 95 % interval, and a thin line the value of a map that
    knows nothing of the cells, all on one scale for each row. All measures are 1 for a perfect embedding;
    :func:`scivis.tl.quality` describes them. Cards of earlier versions have numbers only.

    Parameters
    ----------
    adata
        Annotated data matrix with the results of :func:`scivis.tl.quality`.
    basis
        Names of embeddings in the card; `umap` stands for `X_umap`, and `PCA` for the reference. Default: all.
    key
        The `key_added` of :func:`scivis.tl.quality`.
    ax
        Axes to plot in. Default: those of a new figure.
    show
        Show the figure. Default: `sc.settings.autoshow`, or `False` if `ax` is given.
    save
        Save the figure in `sc.settings.figdir`, as `quality.pdf`, or with a text after the name: `"_a.png"`. Default:
        `sc.settings.autosave`.
    return_fig
        Return the figure instead of the Axes, and do not show it.

    Returns
    -------
    With `show=False` the Axes; with `return_fig=True` the figure.

    Raises
    ------
    KeyError
        If there is no quality card, or an embedding is not in it.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.quality(adata, ["umap"], n_cells=100)
    >>> [text.get_text() for text in scivis.pl.quality(adata, show=False).get_xticklabels()]
    ['PCA', 'umap']
    """
    table = read_table(adata, key)
    names = select_bases(list(table["basis"].unique()), basis)
    columns, aspects = _arrange(table, names)
    labels, values = columns["value"].index, columns["value"].to_numpy()
    has_intervals = columns["low"].notna().to_numpy().any()
    axes = new_axes(3.2 + 0.75 * len(names), 0.6 + (0.34 if has_intervals else 0.27) * len(values), ax)
    _plot_values(axes, values, raised=has_intervals)
    if has_intervals:
        _plot_intervals(axes, *(columns[name].to_numpy() for name in ("value", "low", "high", "chance")))
    bases = [name.removeprefix("X_") for name in names]
    axes.set_xticks(range(len(names)), bases)
    axes.set_yticks(range(len(values)), labels)
    if max(map(len, bases)) > _MAX_NAME:
        axes.set_xticks(range(len(names)), bases, rotation=30, ha="left")
    _plot_aspects(axes, aspects)
    _fit_texts(axes, values.shape, lines=1.8 if has_intervals else 1.25)
    return finish("quality", axes, show=show, save=save, return_fig=return_fig, ax=ax)


def _arrange(table: pd.DataFrame, names: list[str]) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Values, intervals and chance, measures × embeddings, and the aspect of each measure."""
    pairs = zip(table["measure"], table["k"], strict=True)
    table = table.assign(row=[_NAMES.get(name, name) + (f", k = {k}" if k else "") for name, k in pairs])
    rows = table["row"].unique()
    columns = {
        name: table.pivot_table(name, "row", "basis", sort=False).reindex(index=rows, columns=names)
        for name in ("value", "low", "high", "chance")
    }
    return columns, table.drop_duplicates("row")["aspect"].tolist()


def _plot_values(ax: Axes, values: NDArray[np.float64], *, raised: bool) -> None:
    """Plot the values on a color scale from the worst to the best of each row."""
    low, high = np.nanmin(values, axis=1, keepdims=True), np.nanmax(values, axis=1, keepdims=True)
    share = (values - low) / np.where(high > low, high - low, 1)
    # The darkest blue is light enough for black numbers.
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1.8, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        weight = "bold" if share[i, j] == 1 else "normal"
        ax.text(j, i - 0.14 * raised, f"{value:.3f}", ha="center", va="center", weight=weight)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)  # the settings of scanpy switch it on


def _plot_intervals(
    ax: Axes,
    values: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    chance: NDArray[np.float64],
) -> None:
    """Plot a dot with whiskers below each number, and a line at chance, on one scale for each row."""
    start = np.nanmin(np.hstack([low, values, chance]), axis=1, keepdims=True)
    length = np.nanmax(np.hstack([high, values, chance]), axis=1, keepdims=True) - start
    rows, columns = (grid.ravel() for grid in np.indices(values.shape))

    def place(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        return columns + (_STRIP * ((numbers - start) / np.where(length > 0, length, 1) - 0.5)).ravel()

    middle = rows + 0.27
    ax.hlines(middle, columns - _STRIP / 2, columns + _STRIP / 2, color="#bbbbbb", linewidth=0.4)
    ax.vlines(place(chance), middle - 0.14, middle + 0.14, color="#666666", linewidth=0.8)
    ax.hlines(middle, place(low), place(high), color="black", linewidth=1.6)
    ax.plot(place(values), middle, ".", color="black", markersize=4, markeredgewidth=0)
    ax.set_xlabel("dot and bar: value, 95 % interval; thin line: chance", loc="right")


def _plot_aspects(ax: Axes, aspects: list[str]) -> None:
    """Separate the aspects by lines, and write their names to the right."""
    for i, aspect in enumerate(aspects):
        if i == 0 or aspects[i - 1] != aspect:
            ax.axhline(i - 0.5, color="black", linewidth=0.8)
            middle = i + (aspects.count(aspect) - 1) / 2
            ax.text(1.01, middle, aspect, transform=ax.get_yaxis_transform(), rotation=-90, ha="left", va="center")


def _fit_texts(ax: Axes, shape: tuple[int, int], lines: float) -> None:
    """Set the size of all texts, such that values do not touch each other in small Axes of the user either.

    `lines` is the height of a row, in letters.
    """
    n_rows, ncols = shape
    box = ax.get_window_extent()
    # Texts take room from the Axes, by their letters: 28 of a name, and 6 of each value.
    width, height = (1.3 * 72 * length / ax.figure.dpi - 36 for length in (box.width, box.height))
    size = min(8.3, width / (0.55 * 28 + 0.6 * 6 * ncols), height / (lines * n_rows))
    for text in (*ax.texts, *ax.get_yticklabels(), ax.xaxis.label):
        text.set_fontsize(size)
    for text in ax.get_xticklabels():
        text.set_fontsize(1.2 * size)


def distances(
    adata: AnnData,
    basis: str | Sequence[str] | None = None,
    *,
    key: str = "quality",
    ncols: int = 3,
    ax: Axes | None = None,
    show: bool | None = None,
    save: bool | str | None = None,
    return_fig: bool | None = None,
) -> Figure | Axes | list[Axes] | None:
    """Plot the distances between cells in each embedding, in 50 bins of their distances in the representation.

    A box holds the middle half of the pairs of cells in a bin, with a line at their median and whiskers from the 5th to the
    95th percentile. In an embedding that preserves distances, the boxes are short and rise along a straight line. Where
    they are level, distances in the embedding carry no information. Gray bars show the number of pairs in each bin, and the
    titles Pearson's r and Spearman's ρ.

    Parameters
    ----------
    adata
        Annotated data matrix with the results of :func:`scivis.tl.quality`.
    basis
        Names of embeddings in the card; `umap` stands for `X_umap`, and `PCA` for the reference. Default: all.
    key
        The `key_added` of :func:`scivis.tl.quality`.
    ncols
        Number of panels per row.
    ax
        Axes to plot in, for a single panel. Default: those of a new figure.
    show
        Show the figure. Default: `sc.settings.autoshow`, or `False` if `ax` is given.
    save
        Save the figure in `sc.settings.figdir`, as `distances.pdf`, or with a text after the name: `"_a.png"`. Default:
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
        If `ax` is given for several panels.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.quality(adata, ["umap"], n_cells=100)
    >>> [ax.get_title() for ax in scivis.pl.distances(adata, show=False)]
    ['PCA: r = 0.54, ρ = 0.58', 'umap: r = 0.24, ρ = 0.29']
    """
    bins, table = read_distances(adata, key), read_table(adata, key)
    names = select_bases(list(bins), basis)
    axes = new_panels(len(names), ncols, ax=ax)
    for panel, name in zip(axes, names, strict=True):
        _plot_boxes(panel, bins[name])
        values = table[table["basis"] == name].set_index("measure")["value"]
        title = title_of(name, f"r = {values['pearson']:.2f}, ρ = {values['spearman']:.2f}")
        panel.set(title=title, xlabel="distance in the representation", ylabel="distance in the embedding")
    return finish("distances", axes, show=show, save=save, return_fig=return_fig, ax=ax)


def _plot_boxes(ax: Axes, bins: DistanceBins) -> None:
    centers, width = (bins.edges[:-1] + bins.edges[1:]) / 2, bins.edges[1] - bins.edges[0]
    filled = np.flatnonzero(bins.counts)
    names = ("whislo", "q1", "med", "q3", "whishi")
    ax.bxp(
        [dict(zip(names, bins.quantiles[i], strict=True)) for i in filled], positions=centers[filled],
        widths=0.8 * width, showfliers=False, showcaps=False, patch_artist=True, manage_ticks=False,
        boxprops={"facecolor": "#92c5de", "edgecolor": _BLUE, "linewidth": 0.6},
        whiskerprops={"color": _BLUE, "linewidth": 0.6}, medianprops={"color": "black", "linewidth": 1.2},
    )  # fmt: skip
    ax.set_ylim(bottom=0)
    bars = ax.twinx()
    bars.bar(centers, bins.counts, width=width, color="#dddddd", zorder=0)
    bars.set(ylim=(0, 6 * bins.counts.max()), yticks=[])
    # By default, the bars would cover the boxes.
    ax.set_zorder(bars.get_zorder() + 1)
    ax.patch.set_visible(False)
