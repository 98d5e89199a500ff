"""A map that another method computed: its coordinates, and the entry of `.uns` beside whose content a model is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .given import check_adata
from .keys import Keys
from .maps import find_keys

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

_MAX_AXES = 3


@dataclass(frozen=True, eq=False)
class Map:
    """Coordinates of all cells, shape (cells, 1 to 3), and their key in `.obsm`."""

    key: str
    coordinates: NDArray[np.floating]

    def keys(self, key_added: str | None) -> Keys:
        """Keys of the results: the name of the map without `X_`, or the key of the user. The map keeps its own."""
        name = self.key.removeprefix("X_") if key_added is None else key_added
        return Keys.of("ivis", name).on_map(self.key)


def read_map(adata: AnnData, basis: str) -> Map:
    """The coordinates under a key of `.obsm`, with or without `X_`.

    Raises
    ------
    KeyError
        If there is no such key.
    ValueError
        If the matrix is no map, or holds NaN or infinite values, or one place for all cells.
    """
    check_adata(adata)
    if not isinstance(basis, str):
        msg = f"basis of type {type(basis).__name__} must be the name of one map: a key of adata.obsm."
        raise ValueError(msg)
    (key,) = find_keys(basis, sorted(adata.obsm), "adata.obsm")
    stored = adata.obsm[key]
    matrix = np.asarray(stored.to_numpy() if hasattr(stored, "to_numpy") else stored)
    if matrix.ndim != 2 or not 1 <= matrix.shape[1] <= _MAX_AXES or matrix.dtype.kind not in "fiu":
        msg = f"adata.obsm[{key!r}] has shape {matrix.shape} and type {matrix.dtype}, but a map has one to three columns of numbers."
        raise ValueError(msg)
    bad = ~np.isfinite(matrix).all(axis=1)
    if bad.any():
        msg = f"{bad.sum()} cells have no finite coordinates in adata.obsm[{key!r}]. Leave them out, and place them with scivis.tl.ingest."
        raise ValueError(msg)
    if not np.ptp(matrix, axis=0).any():
        msg = f"All cells have the same coordinates in adata.obsm[{key!r}]: there is nothing to learn."
        raise ValueError(msg)
    return Map(key, matrix)


def beside(adata: AnnData, key: str, basis: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The entry of a model with the `params` that the method of the map has written under the same key.

    Raises
    ------
    ValueError
        If something else is stored under the key: another model, or images of a tissue.
    """
    before = adata.uns.get(key, {})
    names = set(before) if isinstance(before, Mapping) else {"a value"}
    is_own = "model" in names and before.get("basis") == basis
    if not is_own and names - {"params"}:
        what = "another model" if "model" in names else f"something else ({sorted(map(str, names))[:5]})"
        msg = f"adata.uns[{key!r}] holds {what}, which would be replaced. Choose another key with key_added."
        raise ValueError(msg)
    return entry | {"params": {**before.get("params", {}), **entry["params"]}}
