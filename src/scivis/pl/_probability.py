"""`scivis.pl.probability`: probabilities of predicted labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd
from anndata import AnnData

from scivis._adata.keys import Keys

from ._colors import as_category, category_colors, cell_values, is_numeric
from ._figure import finish
from ._scatter import embedding_key, scatter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ._colors import Palette


def probability(
    adata: AnnData,
    *,
    key: str = "ivis",
    classes: str | Sequence[str] | None = None,
    color: str | Sequence[str] = (),
    ax: Axes | None = None,
    show: bool | None = None,
    save: bool | str | None = None,
    return_fig: bool | None = None,
    **kwargs: Any,
) -> Figure | Axes | list[Axes] | None:
    """Scatter plot of an embedding, colored by the probability of the predicted label or of given classes.

    The probability is low where classes meet in the embedding. A cell far from all of them can still have a high
    probability, but also has a high novelty (:func:`scivis.tl.ingest`). The color scale is from 0 to 1.

    Parameters
    ----------
    adata
        Annotated data matrix with embedding and predictions, from a tool with `labels` or from :func:`scivis.tl.ingest`.
    key
        Name of the method, or the `key_added` of the tool.
    classes
        Names of predicted classes, one panel for each. Default: one panel with the largest probability of each cell.
    color
        Key of `.obs`, or gene, or a list of these, for further panels.
    ax
        Axes to plot in, for a single panel. Default: those of a new figure.
    show
        Show the figure. Default: `sc.settings.autoshow`, or `False` if `ax` is given.
    save
        Save the figure in `sc.settings.figdir`, as `probability.pdf`, or with a text after the name: `"_a.png"`. Default:
        `sc.settings.autosave`.
    return_fig
        Return the figure instead of the Axes, and do not show it.
    kwargs
        Arguments of :func:`scanpy.pl.embedding`: `palette`, `legend_loc`, `size`, `ncols`, …

    Returns
    -------
    With `show=False` the Axes, or a list with those of each panel; with `return_fig=True` the figure.

    Raises
    ------
    KeyError
        If the embedding, the probabilities, a class or a `color` is not in `adata`.
    ValueError
        If the embedding has a single axis, or `ax` is given for several panels.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.ivis(adata, labels="bulk_labels", epochs=2)
    >>> scivis.pl.probability(adata, show=False).get_title()
    'ivis_certainty'
    """
    name, columns = embedding_key(adata, key), _probabilities(adata, key, classes)
    further = [color] if isinstance(color, str) else list(color)
    limits = {bound: [value] * columns.shape[1] + [None] * len(further) for bound, value in (("vmin", 0), ("vmax", 1))}
    cells = AnnData(obs=columns, obsm={name: adata.obsm[name]})
    for one in further:
        _add_column(cells, adata, one, kwargs.get("palette"))
    axes = scatter(cells, name, color=[*columns, *further], ax=ax, **limits | kwargs)
    return finish("probability", axes, show=show, save=save, return_fig=return_fig, ax=ax)


def _add_column(cells: AnnData, adata: AnnData, color: str, palette: Palette | None) -> None:
    """Add a column of `.obs`, with the colors of its categories, or a gene to cells that have only an embedding."""
    values = cell_values(adata, color)
    cells.obs[color] = values if is_numeric(values) else as_category(values)
    if not is_numeric(values):
        cells.uns[f"{color}_colors"] = list(category_colors(adata, color, palette).values())


def _probabilities(adata: AnnData, key: str, classes: str | Sequence[str] | None) -> pd.DataFrame:
    """Probabilities of the cells, with one column per panel."""
    keys = Keys.of(key, None)
    if keys.certainty not in adata.obs:
        msg = (
            f"Did not find {keys.certainty!r} in adata.obs. It is written by tools that are given `labels` of classes."
        )
        raise KeyError(msg)
    if classes is None:
        return adata.obs[[keys.certainty]]
    names = list(map(str, adata.obs[keys.label].cat.categories))
    selected = list(classes) if isinstance(classes, Iterable) and not isinstance(classes, str) else [classes]
    if not selected or not set(selected) <= set(names):
        msg = f"classes={classes!r}, but the predicted classes are {names}."
        raise KeyError(msg)
    return pd.DataFrame(adata.obsm[keys.scores], index=adata.obs_names, columns=names)[selected]
