"""The matrix of an AnnData object that represents its cells, read from the place that was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._checks import check_flag
from scivis.data._blocks import dense

from .choice import choose
from .given import check_adata, expression_of
from .pca import compute_pca

if TYPE_CHECKING:
    from anndata import AnnData

    from .choice import Choice, Kind


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
    """The matrix that `use_rep`, `n_pcs` and `layer` name; see :func:`scivis._adata.choice.choose`."""
    return read_representation(adata, choose(adata, use_rep=use_rep, n_pcs=n_pcs, layer=layer), random_state)


def read_representation(adata: AnnData, choice: Choice, random_state: int = 0) -> Representation:
    """The matrix that was chosen. A missing PCA is computed and written to `adata`, with a warning, as scanpy does.

    For backed data, principal components of `.X` are computed block by block instead, and not written.
    """
    if choice.kind == "X":
        return Representation(_x(adata), "X", "X", is_reduced=choice.is_reduced)
    key = compute_pca(adata, choice.n_pcs, random_state) if choice.key is None else choice.key
    if choice.kind == "layer":
        return Representation(_lookup(adata.layers, key, "layers"), "layer", key)
    return Representation(_columns(_lookup(adata.obsm, key, "obsm"), choice.n_pcs, key), "obsm", key)


def check_copy(adata: AnnData, *, copy: bool, name: str = "adata") -> None:
    """Raise if the argument `name` is no AnnData object, or a copy is wanted of data that are in a file."""
    check_adata(adata, name)
    check_flag("copy", copy)
    if copy and adata.isbacked:
        msg = "copy=True needs the cells in memory: run it on adata.to_memory(), or leave copy out."
        raise ValueError(msg)


def choose_expression(adata: AnnData, layer: str) -> Representation:
    """The expression in a layer, or in `.X` if the name is empty."""
    return choose_representation(adata, layer=layer) if layer else choose_representation(adata, use_rep="X")


def _x(adata: AnnData) -> Any:
    if (x := expression_of(adata)) is None:
        msg = "adata.X is None. Choose another representation with use_rep or layer."
        raise ValueError(msg)
    _check_real(x, "adata.X")
    return x


def _lookup(mapping: Any, key: str, place: str) -> Any:
    if key not in mapping:
        msg = f"Did not find {key!r} in adata.{place}; it holds {sorted(filter(None, mapping))}. Compute it first."
        raise KeyError(msg)
    matrix = mapping[key]
    matrix = matrix.to_numpy() if hasattr(matrix, "to_numpy") else matrix
    _check_real(matrix, f"adata.{place}[{key!r}]")
    if len(matrix.shape) != 2 or not matrix.shape[1]:
        msg = f"adata.{place}[{key!r}] has shape {matrix.shape}; a matrix with one row per cell, and with columns, is required."
        raise ValueError(msg)
    return matrix


def _check_real(matrix: Any, name: str) -> None:
    """Raise if a matrix holds text or complex numbers."""
    kind = getattr(matrix.dtype, "kind", "f")
    if kind not in "biufO" or (kind == "O" and not _are_numbers(matrix[:1])):
        msg = f"{name} holds values of type {matrix.dtype}, which are not real numbers. Convert them first."
        raise TypeError(msg)


def _are_numbers(row: Any) -> bool:
    """Whether objects, as those of nullable columns, are numbers."""
    try:
        dense(row).astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _columns(matrix: Any, n_pcs: int | None, key: str) -> Any:
    if n_pcs is None:
        return matrix
    if not 1 <= n_pcs <= matrix.shape[1]:
        msg = f"n_pcs={n_pcs}, but adata.obsm[{key!r}] has {matrix.shape[1]} columns. Use fewer, or compute more."
        raise ValueError(msg)
    return matrix[:, :n_pcs]
