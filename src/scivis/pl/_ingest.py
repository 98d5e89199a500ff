"""`scivis.pl.ingest`: query cells on the embedding of their reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scivis._adata.keys import Keys
from scivis.neighbors._verdict import LEVEL

from ._figure import new_axes, show_or_return
from ._scatter import embedding_key, scatter

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

_REFERENCE_GRAY = "#d9d9d9"
# Blue and vermilion of Okabe and Ito, which color-blind readers can distinguish.
_QUERY, _STRANGERS = "#0072b2", "#d55e00"
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
    color: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    **kwargs: Any,
) -> Axes | None:
    """Scatter plot of query cells over the reference in gray; cells that do not belong to it (p ≤ 0.01) stand out.

    Parameters
    ----------
    adata_new, adata_ref
        Query and reference of :func:`scivis.tl.ingest`.
    key
        The `key` of :func:`scivis.tl.ingest`.
    color
        Key of `.obs`, or gene, by which the query cells are colored. Default: whether they belong to the reference, with
        the verdict of :func:`scivis.tl.ingest` as title; or their novelty, if they have no p-values.
    ax
        Axes to plot in. Default: those of a new figure.
    show
        Show the figure. Default: `sc.settings.autoshow`, or `False` if `ax` is given.
    kwargs
        Arguments of :func:`scanpy.pl.embedding`, for the query cells.

    Returns
    -------
    With `show=False` the Axes.

    Raises
    ------
    KeyError
        If an embedding or `color` is not in the data.
    ValueError
        If an embedding has a single axis.

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
    reference, name = adata_ref.obsm[embedding_key(adata_ref, key)], embedding_key(adata_new, key)
    axes = ax or new_axes(7, 5)
    size = 120_000 / max(len(reference), 1000)  # of a dot, as in scanpy
    # The marker of scanpy, so that the sizes are comparable.
    axes.scatter(reference[:, 0], reference[:, 1], s=size, c=_REFERENCE_GRAY, marker=".", rasterized=True)
    kwargs.setdefault("size", 1.5 * size)
    keys = Keys.of("ivis", key)
    if color is None and keys.pvalue in adata_new.obs:
        adata_new, color = _strangers_last(adata_new, keys, name)
        kwargs.setdefault("palette", [_QUERY, _STRANGERS])
    scatter(adata_new, name, color=color or keys.novelty, ax=axes, show=False, **kwargs)
    return show_or_return(axes, show=show, ax=ax)


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
