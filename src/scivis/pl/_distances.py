"""`scivis.pl.distances`: distances on a map against those in the representation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes

    from scivis._quality import Boxes


def distances(
    adata: AnnData,
    basis: str | Sequence[str] | None = None,
    *,
    key: str = "quality",
    n_columns: int = 3,
    show: bool | None = None,
) -> Sequence[Axes] | None:
    """Distances between cells on each map, in 50 bins of their distances in the representation.

    A box holds the middle half of the pairs of a bin, the line in it is their median, and the whiskers reach from the 5th to
    the 95th percentile. On a map that keeps distances the boxes are small and rise in a straight line; where they lie flat,
    the map says nothing about distances. Grey bars show how many pairs each bin has. In the titles stand Pearson's r and
    Spearman's ρ.

    Parameters
    ----------
    adata
        Holds what :func:`scivis.tl.quality` wrote.
    basis
        Which maps, by their keys in the card; `umap` stands for `X_umap`, and `PCA` for the reference. By default all.
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
    >>> [ax.get_title() for ax in scivis.pl.distances(adata, show=False)]
    ['PCA: r = 0.54, ρ = 0.58', 'umap: r = 0.24, ρ = 0.29']
    """
    from scivis._adata.card import pick, read_boxes, read_table

    from ._cells import grid
    from ._show import show_or_return

    boxes, table = read_boxes(adata, key), read_table(adata, key)
    names = pick(list(boxes), basis)
    _, axes = grid(len(names), n_columns)
    for ax, name in zip(axes, names, strict=True):
        values = table[table["basis"] == name].set_index("measure")["value"]
        _draw(ax, boxes[name])
        title = f"{name.removeprefix('X_')}: r = {values['pearson']:.2f}, ρ = {values['spearman']:.2f}"
        ax.set(title=title, xlabel="distance in the representation", ylabel="on the map")
    return show_or_return(axes, show=show)


def _draw(ax: Axes, boxes: Boxes) -> None:
    import numpy as np

    centres, width = (boxes.edges[:-1] + boxes.edges[1:]) / 2, boxes.edges[1] - boxes.edges[0]
    filled = np.flatnonzero(boxes.counts)
    names = ("whislo", "q1", "med", "q3", "whishi")
    drawn: list[dict[str, Any]] = [dict(zip(names, boxes.quantiles[i], strict=True)) for i in filled]
    ax.bxp(
        drawn, positions=centres[filled], widths=0.8 * width, showfliers=False, showcaps=False, patch_artist=True,
        manage_ticks=False, boxprops={"facecolor": "#92c5de", "edgecolor": "#30588c", "linewidth": 0.6},
        whiskerprops={"color": "#30588c", "linewidth": 0.6}, medianprops={"color": "black", "linewidth": 1.2},
    )  # fmt: skip
    ax.set_ylim(bottom=0)
    pairs = ax.twinx()
    pairs.bar(centres, boxes.counts, width=width, color="#dddddd", zorder=0)
    pairs.set(ylim=(0, 6 * boxes.counts.max()), yticks=[])
    # The Axes of the bars would otherwise lie above that of the boxes.
    ax.set_zorder(pairs.get_zorder() + 1)
    ax.patch.set_visible(False)
