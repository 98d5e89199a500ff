"""The PCA of an AnnData object: where scanpy stores it, and its computation if it is missing."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis.data._streaming import Rows

from .given import expression_of

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PcaKeys:
    """Keys of coordinates, loadings and parameters of one call of `sc.pp.pca`."""

    obsm: str
    varm: str
    uns: str

    def loadings(self, adata: AnnData) -> NDArray[np.float32]:
        """Loadings, shape (genes, components). They are 0 for unused genes, for which old versions of scanpy stored NaN."""
        return np.nan_to_num(np.asarray(adata.varm[self.varm], np.float32))

    def layer(self, adata: AnnData) -> str:
        """The layer that the PCA was computed from; empty for `.X`."""
        params = _entry(_entry(adata.uns, self.uns), "params")
        layer = params.get("layer")
        return layer if isinstance(layer, str) else ""


# Without `key_added`, and as the second version of scanpy names it.
_DEFAULTS = ("X_pca", "pca")


def pca_key(adata: AnnData) -> str | None:
    """Key of the PCA that scanpy uses by default; `None` if there is none."""
    return next((key for key in _DEFAULTS if key in adata.obsm), None)


def keys_of_pca(adata: AnnData, key: str) -> PcaKeys | None:
    """Keys of the PCA with coordinates in ``obsm[key]``; `None` if there are no loadings of it."""
    candidates = [PcaKeys(key, key, key), *([PcaKeys(key, "PCs", "pca")] if key in _DEFAULTS else [])]
    return next((keys for keys in candidates if keys.varm in adata.varm), None)


def pcas_with_loadings(adata: AnnData) -> list[str]:
    """Keys of all PCAs in `.obsm` that have loadings, those of scanpy's default first."""
    found = [key for key in adata.obsm if keys_of_pca(adata, key)]
    return sorted(found, key=lambda key: key not in _DEFAULTS)


def compute_pca(adata: AnnData, n_pcs: int | None, random_state: int) -> str:
    """Compute and write the PCA that is missing, with a warning, as scanpy does; returns its key."""
    import scanpy as sc

    _check_expression(adata)
    most = min(adata.shape) - 1
    if n_pcs is not None and n_pcs > most:
        msg = f"n_pcs={n_pcs}, but a PCA of {adata.n_obs} cells and {adata.n_vars} genes has at most {most} components."
        raise ValueError(msg)
    n_comps = n_pcs or min(default_n_pcs(), most)
    message = (
        f"There is no PCA of these cells yet: computing {n_comps} components, stored in adata.obsm[{_default_key()!r}]. "
        "Run `sc.pp.pca` first to choose genes and settings."
    )
    warnings.warn(message, UserWarning, stacklevel=4)
    sc.pp.pca(adata, n_comps=n_comps, random_state=random_state)
    return _default_key()


def _default_key() -> str:
    """The key under which scanpy stores a PCA; the preset that scanpy 1.13 introduces names another one."""
    from scanpy import settings

    pca = getattr(getattr(settings, "preset", None), "pca", None)
    return getattr(pca, "key_added", None) or "X_pca"


def default_n_pcs() -> int:
    """Number of principal components of scanpy, and of genes up to which it uses `.X` instead."""
    from scanpy import settings

    return int(settings.N_PCS)


def _check_expression(adata: AnnData) -> None:
    """Raise for NaN and for constant data, for which the messages of the PCA name neither cause nor remedy."""
    if expression_of(adata) is None:
        msg = "adata.X is None. Choose another representation with use_rep or layer."
        raise ValueError(msg)
    first, varies = None, False
    for rows in Rows(adata.X, "adata.X").blocks():
        first = rows[:1] if first is None else first
        varies = varies or bool((rows != first).any())
    if not varies:
        msg = f"All {adata.n_obs} rows are equal in adata.X: there is nothing to embed. Is this the matrix you meant?"
        raise ValueError(msg)


def _entry(mapping: Any, key: str) -> Any:
    """An entry of a mapping that is a mapping itself; an empty one if it is not."""
    entry = mapping.get(key)
    return entry if hasattr(entry, "get") else {}
