"""Which matrices of `.obsm` are meant as maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray


def basis_keys(adata: AnnData, basis: str | Sequence[str] | None) -> list[str]:
    """The keys of maps that are named with or without their `X_`.

    By default all matrices of two columns whose key begins with `X_`: maps, not scores or places in a tissue.

    Raises
    ------
    KeyError
        If one is not in `.obsm`.
    ValueError
        If there is none.
    """
    if basis is None:
        keys = [key for key in adata.obsm if key.startswith("X_") and adata.obsm[key].shape[1:] == (2,)]
    else:
        keys = [_key(adata, name) for name in ([basis] if isinstance(basis, str) else basis)]
    if not keys:
        msg = f"basis={basis!r} names no map. adata.obsm holds {sorted(adata.obsm)}; name those you mean."
        raise ValueError(msg)
    return list(dict.fromkeys(keys))


def _key(adata: AnnData, basis: str) -> str:
    found = next((key for key in (basis, f"X_{basis}") if key in adata.obsm), None)
    if found is None:
        msg = f"basis={basis!r} is not in adata.obsm, which holds {sorted(adata.obsm)}."
        raise KeyError(msg)
    return found


def drawable_maps(adata: AnnData, basis: str | Sequence[str] | None) -> dict[str, NDArray[np.floating]]:
    """Maps by their keys, each with the first two of its axes.

    Raises
    ------
    ValueError
        If one has a single axis.
    """
    maps = {key: np.asarray(adata.obsm[key]) for key in basis_keys(adata, basis)}
    for key, xy in maps.items():
        if xy.ndim != 2 or xy.shape[1] < 2:
            msg = f"adata.obsm[{key!r}] has shape {xy.shape}; two axes are needed for a picture."
            raise ValueError(msg)
    return {key: xy[:, :2] for key, xy in maps.items()}
