"""`scivis.pl.ivis`, and the only use of the scatter plots and palettes of scanpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scivis._adata.keys import Keys
from scivis._methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def ivis(adata: AnnData, *, key: str = "ivis", **kwargs: Any) -> Figure | Axes | list[Axes] | None:
    """Scatter plot of an ivis embedding.

    Parameters
    ----------
    adata
        Annotated data matrix with the embedding, from :func:`scivis.tl.ivis` or :func:`scivis.tl.ingest`.
    key
        The `key_added` of the tool.
    kwargs
        Arguments of :func:`scanpy.pl.embedding`: `color`, `size`, `palette`, `components`, `ax`, `show`, `return_fig`, …

    Returns
    -------
    As :func:`scanpy.pl.embedding`: with `show=False` the Axes, one per panel; with `return_fig=True` the Figure.

    Raises
    ------
    KeyError
        If the embedding is not in `adata.obsm`.
    ValueError
        If the embedding has a single axis.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.ivis(adata, epochs=2)
    >>> scivis.pl.ivis(adata, color="bulk_labels", show=False).get_xlabel()
    'ivis1'
    """
    return scatter(adata, embedding_key(adata, key), **kwargs)


def embedding_key(adata: AnnData, key: str) -> str:
    """Key in `.obsm` of the embedding of a method, or of one computed with `key_added=key`.

    Raises
    ------
    KeyError
        If it is not in `.obsm`.
    ValueError
        If it has a single axis.
    """
    tool = key if key in METHODS else "ivis"
    name = Keys.of(tool, key).obsm
    if name not in adata.obsm:
        msg = f"Did not find {name!r} in adata.obsm; it holds {sorted(adata.obsm)}. Run `scivis.tl.{tool}` first."
        raise KeyError(msg)
    if adata.obsm[name].shape[1] == 1:
        msg = f"adata.obsm[{name!r}] has one axis; plot it with sc.pl.violin or as a histogram."
        raise ValueError(msg)
    return name


def scatter(adata: AnnData, name: str, **kwargs: Any) -> Any:
    """Plot an embedding by its key in `.obsm`, with the arguments of :func:`scanpy.pl.embedding`."""
    import scanpy as sc

    return sc.pl.embedding(adata, basis=name.removeprefix("X_"), **kwargs)


def scatter_columns(adata: AnnData, name: str, columns: pd.DataFrame, **kwargs: Any) -> Any:
    """Plot an embedding colored by each column of a data frame, without storing colors in `adata`."""
    from anndata import AnnData

    return scatter(AnnData(obs=columns, obsm={name: adata.obsm[name]}), name, color=list(columns), **kwargs)


def category_colors(n: int, first: Sequence[str] = ()) -> list[str]:
    """Colors of `n` categories: from `first` if it has enough, or from the smallest palette of scanpy that has."""
    from scanpy.plotting import palettes

    sets = (first or palettes.vega_10_scanpy, palettes.default_20, palettes.default_28, palettes.default_102)
    colors = next((palette for palette in sets if len(palette) >= n), sets[-1])
    return [colors[i % len(colors)] for i in range(n)]
