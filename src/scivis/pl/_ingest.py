"""`scivis.pl.ingest`: query cells on the embedding of their reference."""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scivis._adata.keys import Keys, ingest_call
from scivis.neighbors._verdict import LEVEL

from ._colors import MISSING, as_category, category_colors, color_list, default_colors, is_numeric
from ._figure import finish, list_axes, new_axes
from ._scatter import embedding_key, scatter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_REFERENCE_GRAY = "#d9d9d9"
# Sky blue and vermilion of Okabe and Ito, which color-blind readers and gray prints distinguish.
_QUERY, _STRANGERS = "#56b4e9", "#d55e00"
_TITLES = {
    "none": "nothing unusual",
    "population": "a population that the reference lacks",
    "group": "one group, unlike the reference",
    "shift": "the whole query is shifted",
    "scattered": "scattered strangers",
}


def ingest(
    adata_new: AnnData,
    adata_ref: AnnData,
    *,
    key: str = "ivis",
    color: str | Sequence[str] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    save: bool | str | None = None,
    return_fig: bool | None = None,
    **kwargs: Any,
) -> Figure | Axes | list[Axes] | None:
    """Scatter plot of query cells over the reference in gray; cells that do not belong to it (p ≤ 0.01) stand out.

    Parameters
    ----------
    adata_new, adata_ref
        Query and reference of :func:`scivis.tl.ingest`.
    key
        The `key` of :func:`scivis.tl.ingest`.
    color
        Key of `.obs`, or gene, by which the query cells are colored, or a list of these, one panel for each. Categories
        have their colors in the query, or else those in the reference. Default: whether they belong to the reference, with
        the verdict of :func:`scivis.tl.ingest` as title; or their novelty, if they have no p-values.
    ax
        Axes to plot in, for a single panel. Default: those of a new figure.
    show
        Show the figure. Default: `sc.settings.autoshow`, or `False` if `ax` is given.
    save
        Save the figure in `sc.settings.figdir`, as `ingest.pdf`, or with a text after the name: `"_a.png"`. Default:
        `sc.settings.autosave`.
    return_fig
        Return the figure instead of the Axes, and do not show it.
    kwargs
        Arguments of :func:`scanpy.pl.embedding`, for the query cells: `palette`, `legend_loc`, `size`, `components`, …

    Returns
    -------
    With `show=False` the Axes, or a list with those of each panel; with `return_fig=True` the figure.

    Raises
    ------
    KeyError
        If an embedding or `color` is not in the data.
    ValueError
        If an embedding has a single axis, or `ax` is given for several panels.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> reference, query = adata[:600].copy(), adata[600:].copy()
    >>> scivis.tl.ivis(reference, epochs=2)
    >>> scivis.tl.ingest(query, reference)
    >>> scivis.pl.ingest(query, reference, show=False).get_title().partition(":")[0]
    'query'
    """
    placed_on = embedding_key(adata_ref, key, argument="adata_ref")
    below = adata_ref.obsm[placed_on]
    call = ingest_call(key)
    name = embedding_key(adata_new, key, call, "adata_new")
    size = 120_000 / max(len(below), 1000)  # of a dot, as in scanpy
    above = max(1.5 * size, min(8, 240_000 / max(adata_new.n_obs, 1)))
    keys = Keys.of("ivis", key)
    if color is None and keys.novelty not in adata_new.obs:
        msg = (
            f"adata_new.obs has no {keys.novelty!r}: `{call}` writes it. The new cells come first, then the reference. To plot "
            "the cells without it, name a color."
        )
        raise KeyError(msg)
    if color is None and keys.pvalue in adata_new.obs:
        adata_new, color = _strangers_last(adata_new, keys, name)
        strange = adata_new.obs[color].cat.codes.to_numpy()
        kwargs = {"palette": [_QUERY, _STRANGERS], "size": above * (1 + strange)} | kwargs
    kwargs = {"size": above, "legend_fontsize": "small"} | kwargs
    colors = (
        [color or keys.novelty]
        if color is None or isinstance(color, str)
        else [one for one in color_list(color) if one is not None]
    )
    for one in colors:
        _take_colors(adata_new, adata_ref, one)
    shown = _columns_shown(below.shape[1], kwargs.get("components"), kwargs.get("dimensions"))
    axes = scatter(
        adata_new, name, color=colors, ax=new_axes(7, 5, ax) if len(colors) * len(shown) == 1 else ax, **kwargs
    )
    for panel, (one, columns) in zip(list_axes(axes), product(colors, shown), strict=True):
        x, y = below[:, columns].T
        # The marker of scanpy, so that the sizes are comparable.
        panel.scatter(x, y, s=size, c=_REFERENCE_GRAY, marker=".", rasterized=True, zorder=0)
        panel.title.set_wrap(True)
        _label_bar(panel, is_novelty=one == keys.novelty)
    return finish("ingest", axes, show=show, save=save, return_fig=return_fig, ax=ax)


def _take_colors(adata_new: AnnData, adata_ref: AnnData, key: str) -> None:
    """Give categories of the query the colors that they have in the reference, and others to those that it lacks.

    Colors that the query has already are kept.
    """
    stored = f"{key}_colors"
    if stored in adata_new.uns or stored not in adata_ref.uns or adata_new.is_view:
        return
    if not all(key in adata.obs and not is_numeric(adata.obs[key]) for adata in (adata_new, adata_ref)):
        return
    known, names = category_colors(adata_ref, key), as_category(adata_new.obs[key]).cat.categories
    new = [name for name in names if name not in known]
    unused = (color for color in default_colors(len(known) + len(new)) if color not in known.values())
    adata_new.uns[stored] = [known[name] if name in known else next(unused, MISSING) for name in names]


def _columns_shown(
    width: int, components: str | Sequence[str] | None = None, dimensions: Any = None
) -> list[list[int]]:
    """Columns of an embedding of `width` columns in each panel of a color, by the arguments of scanpy.

    Examples
    --------
    >>> _columns_shown(3), _columns_shown(3, "2,3"), _columns_shown(3, dimensions=(1, 2)), len(_columns_shown(3, "all"))
    ([[0, 1]], [[1, 2]], [[1, 2]], 3)
    """
    if components == "all":
        return [list(pair) for pair in combinations(range(width), 2)]
    if components is not None:
        pairs = [components] if isinstance(components, str) else components
        return [[int(number) - 1 for number in pair.split(",")] for pair in pairs]
    return np.atleast_2d((0, 1) if dimensions is None else dimensions).tolist()


def _label_bar(ax: Axes, *, is_novelty: bool) -> None:
    """Say at a color bar of novelty what its unit is."""
    bars = [dots.colorbar for dots in ax.collections if dots.colorbar is not None]
    if is_novelty and bars:
        bars[0].set_label("novelty (99 % of the reference lie below 1)")


def _strangers_last(adata: AnnData, keys: Keys, name: str) -> tuple[AnnData, str]:
    """The embedding with a column that marks strangers, which are plotted last, and the name of the column: the title."""
    from anndata import AnnData

    strange = adata.obs[keys.pvalue].to_numpy() <= LEVEL
    order = np.argsort(strange, kind="stable")
    n, verdict = int(strange.sum()), adata.uns.get(keys.verdict, {})
    labels = [f"p > {LEVEL} ({len(strange) - n:,} cells)", f"p ≤ {LEVEL} ({n:,} cells)"]
    title = ": ".join(filter(None, ["query", _TITLES.get(verdict.get("kind", ""))]))
    column = pd.Categorical.from_codes(strange[order].astype(int), labels)
    obs = pd.DataFrame({title: column}, index=adata.obs_names[order])
    return AnnData(obs=obs, obsm={name: adata.obsm[name][order]}), title
