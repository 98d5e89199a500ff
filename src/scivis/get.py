"""Fitted models, out of the AnnData objects that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    from anndata import AnnData

    from ._estimator import Ivis

__all__ = ["model"]


def model(adata: AnnData, key: str = "ivis", *, backbone: keras.Model | None = None) -> Ivis:
    """The model that `scivis.tl` stored.

    Parameters
    ----------
    adata
        Holds the model in `.uns[key]`.
    key
        The method's name, or the `key_added` it was given.
    backbone
        The Keras network that was handed to `scivis.tl.ivis(network=…)`, if it was one of yours: files never carry
        code, so it has to come from you again.

    Returns
    -------
    A fitted :class:`scivis.Ivis`: `transform` embeds rows of the representation that it was fitted on.

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
    from ._storage import unpack_model

    return unpack_model(_entry(adata, key), backbone=backbone)


def _entry(adata: AnnData, key: str) -> dict[str, object]:
    entry = adata.uns.get(key)
    if not hasattr(entry, "keys") or "model" not in entry:
        held = sorted(k for k, v in adata.uns.items() if hasattr(v, "keys") and "model" in v)
        msg = f"adata.uns[{key!r}] holds no model; models are under {held}. Run `scivis.tl.ivis(adata)` first."
        raise KeyError(msg)
    return entry["model"]
