"""The anchor of an embedding: other coordinates of the cells in `.obsm`, and a column of `.obs` that says which cells follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def read_anchor(adata: AnnData, key: str, mask_key: str, n_components: int) -> tuple[NDArray[np.floating], Any]:
    """Coordinates, shape (n, n_components), and the strength with which each cell follows them, shape (n,).

    Without `mask_key`, it is 1. Only cells with a strength of 0 may have missing coordinates.

    Raises
    ------
    KeyError
        If a key is not in `adata`.
    ValueError
        If there are too few columns, or values that cannot be used.
    """
    if key not in adata.obsm:
        msg = f"anchor={key!r} is not in adata.obsm: {sorted(adata.obsm)}."
        raise KeyError(msg)
    coordinates, mask = np.asarray(adata.obsm[key]), _read_mask(adata, mask_key)
    if coordinates.ndim != 2 or coordinates.shape[1] < n_components or coordinates.dtype.kind not in "fiu":
        msg = (
            f"anchor={key!r}: adata.obsm[{key!r}] has shape {coordinates.shape} and type {coordinates.dtype}; numbers with "
            f"at least {n_components} columns are required, of which the first are used."
        )
        raise ValueError(msg)
    coordinates = coordinates[:, :n_components].astype(float)
    followed = coordinates[mask > 0]
    if not np.isfinite(followed).all() or not np.ptp(followed, axis=0).any():
        msg = (
            f"anchor={key!r}: adata.obsm[{key!r}] must hold finite coordinates that are not all equal. Cells without "
            "coordinates can be exempt: anchor_mask names a column of adata.obs that is false or 0 for them."
        )
        raise ValueError(msg)
    return coordinates, mask


def _read_mask(adata: AnnData, key: str) -> NDArray[np.floating]:
    if not key:
        return np.ones(adata.n_obs)
    if key not in adata.obs:
        msg = f"anchor_mask={key!r} is not in adata.obs: {sorted(adata.obs)}."
        raise KeyError(msg)
    column = adata.obs[key]
    is_numeric = column.dtype.kind in "biuf"
    mask = column.to_numpy(float) if is_numeric else np.empty(0)
    if not is_numeric or not np.isfinite(mask).all() or (mask < 0).any() or not mask.any():
        msg = f"anchor_mask={key!r}: the column must hold true and false, or numbers of at least 0 that are not all 0."
        raise ValueError(msg)
    return mask
