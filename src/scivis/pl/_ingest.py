"""`scivis.pl.ingest`: a query over the map of its reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

_REFERENCE_GREY = "#d9d9d9"


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
    """New cells in colour over the reference in grey.

    Parameters
    ----------
    adata_new, adata_ref
        As given to :func:`scivis.tl.ingest`.
    key
        The `key` of :func:`scivis.tl.ingest`.
    color
        What colours the new cells; by default how far they lie from the reference.
    ax
        Draw here instead of in a new figure.
    show
        Show the plot; by default as `sc.settings.autoshow` says, and never if `ax` is given.
    kwargs
        For :func:`scanpy.pl.embedding` of the new cells.

    Returns
    -------
    With `show=False` the Axes.

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
    import matplotlib.pyplot as plt
    import scanpy as sc

    from scivis._adata.keys import Keys

    from ._ivis import map_key
    from ._show import show_or_return

    reference = adata_ref.obsm[map_key(adata_ref, key)]
    basis = map_key(adata_new, key).removeprefix("X_")
    show = False if show is None and ax is not None else show
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 5), layout="constrained")
    size = _dot_size(len(reference))
    # scanpy's marker, so that sizes compare.
    ax.scatter(reference[:, 0], reference[:, 1], s=size, c=_REFERENCE_GREY, marker=".", rasterized=True)
    kwargs.setdefault("size", 1.5 * size)
    sc.pl.embedding(adata_new, basis=basis, color=color or Keys.of("ivis", key).novelty, ax=ax, show=False, **kwargs)
    return show_or_return(ax, show=show)


def _dot_size(n_cells: int) -> float:
    """scanpy's rule for the area of a dot."""
    return 120_000 / max(n_cells, 1000)
