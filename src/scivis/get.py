"""Fitted models, out of the AnnData objects that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._methods import entry_of, method_of

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["model"]


def model(adata: AnnData, key: str = "ivis", **options: Any) -> Any:
    """The model that `scivis.tl` stored.

    Parameters
    ----------
    adata
        Holds the model in `.uns[key]`.
    key
        The method's name, or the `key_added` it was given.
    options
        What the file cannot carry, because files never carry code. For ivis: `backbone`, the Keras network that was
        handed to `scivis.tl.ivis(network=…)`, if it was one of yours. For tsne: `metric`, if it was a function.

    Returns
    -------
    For :func:`scivis.tl.ivis` a fitted :class:`scivis.Ivis`: `transform` embeds rows of the representation that it was
    fitted on. For :func:`scivis.tl.tsne` an `openTSNE.TSNEEmbedding`, its affinities computed again in the same way: it can
    be optimised further, and its `transform` and `prepare_partial` place rows of the representation.

    Raises
    ------
    KeyError
        If there is no model under `key`.
    ValueError
        If the stored model is incomplete, altered or of a newer format.

    Examples
    --------
    >>> import numpy as np, scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.ivis(adata, epochs=1)
    >>> fitted = scivis.get.model(adata)
    >>> bool(np.allclose(fitted.transform(adata.obsm["X_pca"]), adata.obsm["X_ivis"], atol=1e-5))
    True
    """
    entry = entry_of(adata, key)
    return method_of(entry).load(adata, entry, **options)
