"""Fitted models of AnnData objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._methods import METHODS, check_options, entry_of, method_name

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["model"]


def model(adata: AnnData, key: str = "ivis", **options: Any) -> Any:
    """Get the fitted model that a tool stored in an AnnData object.

    Parameters
    ----------
    adata
        Annotated data matrix with a model in `.uns[key]`.
    key
        Name of the method, or the `key_added` of its call.
    options
        What is not stored, so that no file can contain code.

        - ivis: `backbone`, the Keras model, if the model was fitted with one.
        - n2d: `autoencoder`, `manifold` and `clusterer`, if they cannot be stored; see :func:`scivis.tl.n2d`.
        - tsne: `metric`, if it was a function.

    Returns
    -------
    For :func:`scivis.tl.ivis` and :func:`scivis.tl.n2d`, a fitted :class:`scivis.Ivis` or :class:`scivis.N2D`, whose
    `transform` embeds rows of the representation that it was fitted on. For :func:`scivis.tl.tsne`, an
    `openTSNE.TSNEEmbedding` with recomputed affinities, which can be optimized further, and whose `transform` and
    `prepare_partial` embed rows of the representation.

    Raises
    ------
    KeyError
        If there is no model under `key`.
    TypeError
        If `adata` is no AnnData object, or an option is not one of the method.
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
    load = METHODS[method_name(entry)].load
    check_options(load, options)
    return load(adata, entry, **options)
