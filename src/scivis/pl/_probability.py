"""`scivis.pl.probability`: probabilities of predicted labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from scivis._adata.keys import Keys

from ._scatter import embedding_key, scatter_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def probability(
    adata: AnnData, *, key: str = "ivis", classes: str | Sequence[str] | None = None, **kwargs: Any
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
    kwargs
        Arguments of :func:`scanpy.pl.embedding`: `size`, `ncols`, `ax`, `show`, `return_fig`, …

    Returns
    -------
    As :func:`scanpy.pl.embedding`: with `show=False` the Axes, one per panel; with `return_fig=True` the Figure.

    Raises
    ------
    KeyError
        If the embedding, the probabilities or a class is not in `adata`.
    ValueError
        If the embedding has a single axis.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.ivis(adata, labels="bulk_labels", epochs=2)
    >>> scivis.pl.probability(adata, show=False).get_title()
    'ivis_certainty'
    """
    name = embedding_key(adata, key)
    return scatter_columns(adata, name, _probabilities(adata, key, classes), **{"vmin": 0, "vmax": 1} | kwargs)


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
    selected = [classes] if isinstance(classes, str) else list(classes)
    if not selected or not set(selected) <= set(names):
        msg = f"classes={classes!r}, but the predicted classes are {names}."
        raise KeyError(msg)
    return pd.DataFrame(adata.obsm[keys.scores], index=adata.obs_names, columns=names)[selected]
