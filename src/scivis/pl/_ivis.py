"""`scivis.pl.ivis`: the map, by scanpy's embedding plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def ivis(adata: AnnData, *, key: str = "ivis", **kwargs: Any) -> Figure | Axes | list[Axes] | None:
    """Scatter plot of the ivis map.

    Parameters
    ----------
    adata
        Holds the map, from :func:`scivis.tl.ivis` or :func:`scivis.tl.ingest`.
    key
        The `key_added` it was computed with.
    kwargs
        Everything that :func:`scanpy.pl.embedding` takes: `color`, `size`, `palette`, `components`, `ax`, `show`,
        `return_fig`, …

    Returns
    -------
    As :func:`scanpy.pl.embedding`: with `show=False` the Axes, one per panel; with `return_fig=True` the Figure.

    Raises
    ------
    KeyError
        If the map is not in `adata.obsm`.
    ValueError
        If the map has a single axis, which no scatter plot shows.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.ivis(adata, epochs=2)
    >>> scivis.pl.ivis(adata, color="bulk_labels", show=False).get_xlabel()
    'ivis1'
    """
    import scanpy as sc

    basis = map_key(adata, key)
    return sc.pl.embedding(adata, basis=basis.removeprefix("X_"), **kwargs)


def map_key(adata: AnnData, key: str) -> str:
    """The name in `.obsm` of the map called `key`, or of the method of that name."""
    from scivis._adata.keys import Keys
    from scivis._methods import METHODS

    tool = key if key in METHODS else "ivis"
    name = Keys.of(tool, key).obsm
    if name not in adata.obsm:
        msg = f"Did not find {name!r} in adata.obsm; it holds {sorted(adata.obsm)}. Run `scivis.tl.{tool}` first."
        raise KeyError(msg)
    if adata.obsm[name].shape[1] == 1:
        msg = f"adata.obsm[{name!r}] has one axis; draw it with sc.pl.violin or as a histogram."
        raise ValueError(msg)
    return name
