"""`scivis.pl.ingest`: query cells on the embedding of their reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scivis._adata.keys import Keys

from ._figure import new_axes, show_or_return
from ._scatter import embedding_key, scatter

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

_REFERENCE_GRAY = "#d9d9d9"


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
    """Scatter plot of query cells in color over the reference in gray.

    Parameters
    ----------
    adata_new, adata_ref
        Query and reference of :func:`scivis.tl.ingest`.
    key
        The `key` of :func:`scivis.tl.ingest`.
    color
        Key of `.obs`, or gene, by which the query cells are colored. Default: their novelty.
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
    >>> scivis.pl.ingest(query, reference, show=False).get_title()
    'ivis_novelty'
    """
    reference, name = adata_ref.obsm[embedding_key(adata_ref, key)], embedding_key(adata_new, key)
    axes = ax or new_axes(7, 5)
    size = 120_000 / max(len(reference), 1000)  # of a dot, as in scanpy
    # The marker of scanpy, so that the sizes are comparable.
    axes.scatter(reference[:, 0], reference[:, 1], s=size, c=_REFERENCE_GRAY, marker=".", rasterized=True)
    kwargs.setdefault("size", 1.5 * size)
    scatter(adata_new, name, color=color or Keys.of("ivis", key).novelty, ax=axes, show=False, **kwargs)
    return show_or_return(axes, show=show, ax=ax)
