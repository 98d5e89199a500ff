"""The matrix of an AnnData object that represents its cells, chosen by the rules of scanpy."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scivis._checks import is_integer
from scivis.data._blocks import in_memory
from scivis.data._streaming import Rows

if TYPE_CHECKING:
    from anndata import AnnData

Kind = Literal["obsm", "X", "layer"]


@dataclass(frozen=True, eq=False)
class Representation:
    """A matrix with one row per cell, and its place in the AnnData object.

    Parameters
    ----------
    matrix
        Dense, sparse or backed, shape (cells, features).
    kind
        `obsm`, `X` or `layer`.
    key
        Key in `.obsm` or `.layers`; `X` for `.X`.
    is_reduced
        Whether it is read through principal components whatever its number of columns.
    """

    matrix: Any
    kind: Kind
    key: str
    is_reduced: bool = False

    @property
    def layer(self) -> str:
        """Name of the layer; empty for `.X`."""
        return self.key if self.kind == "layer" else ""

    def params(self) -> dict[str, str]:
        """Kind and key, as entries of `params`."""
        return {"use_rep": self.key, "representation": self.kind}

    @property
    def description(self) -> str:
        """Name of the matrix in messages."""
        return (
            f"adata.X ({self.matrix.shape[1]} genes)"
            if self.kind == "X"
            else (f"adata.{'layers' if self.kind == 'layer' else 'obsm'}[{self.key!r}], {self.matrix.shape[1]} columns")
        )


def choose_representation(
    adata: AnnData,
    *,
    use_rep: str | None = None,
    n_pcs: int | None = None,
    layer: str | None = None,
    random_state: int = 0,
) -> Representation:
    """The matrix that `use_rep`, `n_pcs` and `layer` name.

    As in scanpy, the default is `.X` for at most 50 genes or `n_pcs=0`, and the PCA otherwise. A missing PCA is computed
    and written to `adata`, with a warning. For backed data, principal components of `.X` are computed block by block
    instead, and not written.
    """
    if n_pcs is not None and (not is_integer(n_pcs) or n_pcs < 0):
        msg = f"n_pcs={n_pcs!r} must be an integer: the number of columns to use, or 0 for adata.X."
        raise ValueError(msg)
    if layer is not None:
        if use_rep is not None or n_pcs is not None:
            msg = f"layer={layer!r} is a representation by itself: leave out use_rep and n_pcs, or leave out layer."
            raise ValueError(msg)
        return Representation(_lookup(adata.layers, layer, "layers"), "layer", layer)
    if use_rep == "X" or (use_rep is None and (n_pcs == 0 or (n_pcs is None and adata.n_vars <= _default_n_pcs()))):
        if use_rep == "X" and n_pcs:
            msg = f"use_rep='X' reads all genes: leave out n_pcs={n_pcs}."
            raise ValueError(msg)
        return Representation(_x(adata), "X", "X")
    if use_rep is None and n_pcs is None and pca_key(adata) is None and adata.X is not None and not in_memory(adata.X):
        return Representation(_x(adata), "X", "X", is_reduced=True)
    key = use_rep if use_rep is not None else pca_key(adata) or _compute_pca(adata, n_pcs, random_state)
    return Representation(_columns(_lookup(adata.obsm, key, "obsm"), n_pcs, key), "obsm", key)


def check_copy(adata: AnnData, *, copy: bool) -> None:
    """Raise if a copy is wanted of data that are in a file."""
    if copy and adata.isbacked:
        msg = "copy=True needs adata in memory: run it on adata.to_memory(), or leave copy out."
        raise ValueError(msg)


def choose_expression(adata: AnnData, layer: str) -> Representation:
    """The expression in a layer, or in `.X` if the name is empty."""
    return choose_representation(adata, layer=layer) if layer else choose_representation(adata, use_rep="X")


def _x(adata: AnnData) -> Any:
    if adata.X is None:
        msg = "adata.X is None. Choose another representation with use_rep or layer."
        raise ValueError(msg)
    return adata.X


def _lookup(mapping: Any, key: str, place: str) -> Any:
    if key not in mapping:
        msg = f"Did not find {key!r} in adata.{place}; it holds {sorted(filter(None, mapping))}. Compute it first."
        raise KeyError(msg)
    matrix = mapping[key]
    matrix = matrix.to_numpy() if hasattr(matrix, "to_numpy") else matrix
    if getattr(matrix.dtype, "kind", "f") == "c":
        msg = f"adata.{place}[{key!r}] holds values of type {matrix.dtype}, which are not real numbers. Convert them first."
        raise TypeError(msg)
    if matrix.ndim != 2 or not matrix.shape[1]:
        msg = f"adata.{place}[{key!r}] has shape {matrix.shape}; a matrix with one row per cell, and with columns, is required."
        raise ValueError(msg)
    return matrix


def _columns(matrix: Any, n_pcs: int | None, key: str) -> Any:
    if n_pcs is None:
        return matrix
    if not 1 <= n_pcs <= matrix.shape[1]:
        msg = f"n_pcs={n_pcs}, but adata.obsm[{key!r}] has {matrix.shape[1]} columns. Use fewer, or compute more."
        raise ValueError(msg)
    return matrix[:, :n_pcs]


def _default_n_pcs() -> int:
    from scanpy import settings

    return int(settings.N_PCS)


def pca_key(adata: AnnData) -> str | None:
    """Key of the PCA, by scanpy's present or its coming convention."""
    return next((key for key in ("X_pca", "pca") if key in adata.obsm), None)


def _compute_pca(adata: AnnData, n_pcs: int | None, random_state: int) -> str:
    import scanpy as sc

    _check_expression(adata)
    most = min(adata.shape) - 1
    if n_pcs is not None and n_pcs > most:
        msg = f"n_pcs={n_pcs}, but a PCA of {adata.n_obs} cells and {adata.n_vars} genes has at most {most} components."
        raise ValueError(msg)
    n_comps = n_pcs or min(_default_n_pcs(), most)
    message = (
        f"There is no PCA of these cells yet: computing {n_comps} components, stored in adata.obsm['X_pca']. "
        "Run `sc.pp.pca` first to choose genes and settings."
    )
    warnings.warn(message, UserWarning, stacklevel=4)
    sc.pp.pca(adata, n_comps=n_comps, random_state=random_state)
    return pca_key(adata) or "X_pca"


def _check_expression(adata: AnnData) -> None:
    """Raise for NaN and for constant data, for which the messages of the PCA name neither cause nor remedy."""
    first, varies = None, False
    for rows in Rows(_x(adata), "adata.X").blocks():
        first = rows[:1] if first is None else first
        varies = varies or bool((rows != first).any())
    if not varies:
        msg = f"All {adata.n_obs} rows are equal in adata.X: there is nothing to embed. Is this the matrix you meant?"
        raise ValueError(msg)
