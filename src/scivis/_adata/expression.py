"""From expression to the model's input: which genes, and their projection if the model was fitted on their PCA."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scivis._store.schema import fail, float32_array
from scivis.data._blocks import dense, iter_blocks

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from .representation import Representation

# Blocks looked at, evenly spread over the cells, to learn means and offset: all of a small matrix.
_BLOCKS, _BLOCK = 20, 1000
# How far X_pca may be from the projected expression, root mean square over that of X_pca. Iterative solvers leave some
# per cent in the last components; data that were changed after the PCA differ by about as much as they vary.
_TOLERANCE = 0.1


@dataclass(frozen=True, eq=False)
class ExpressionInput:
    """What turns expression into the input of a model.

    Parameters
    ----------
    genes
        Names of the genes that the model reads, in its order.
    means
        Mean of each gene in the reference: stands in for a gene that a query lacks.
    layer
        Layer of the expression; the empty string for `.X`.
    loadings, offset
        PCA, genes × components and components: the input is `expression @ loadings + offset`. Empty if the model
        reads the genes themselves.
    """

    genes: NDArray[Any]
    means: NDArray[np.float32]
    layer: str
    loadings: NDArray[np.float32]
    offset: NDArray[np.float32]

    def project(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The model's input for rows of expression that hold `genes`."""
        with np.errstate(invalid="ignore"):  # infinite values become NaN, and are then refused by name
            return rows @ self.loadings + self.offset if self.loadings.size else rows


def expression_input(adata: AnnData, representation: Representation) -> ExpressionInput | None:
    """How to get from the expression in `adata` to a representation in `.obsm`; `None` if there is no known way.

    There is one for a PCA. Its offset (minus the projected mean) is read off `X_pca` itself, so that no pass over all cells is
    needed and data that were changed after the PCA are noticed: there the offset differs from cell to cell.
    """
    if representation.key not in ("X_pca", "pca") or "PCs" not in adata.varm:
        return None
    return _pca_input(adata, representation)


def gene_input(matrix: Any, genes: NDArray[Any], layer: str) -> ExpressionInput:
    """For a model that reads the genes themselves."""
    no_loadings, no_offset = np.empty((0, 0), np.float32), np.empty(0, np.float32)
    return ExpressionInput(genes, _sample_means(matrix), layer, no_loadings, no_offset)


def _pca_input(adata: AnnData, representation: Representation) -> ExpressionInput | None:
    # Genes that the PCA did not use have loading zero, in files of old scanpy versions NaN.
    loadings = np.nan_to_num(np.asarray(adata.varm["PCs"], np.float32)[:, : representation.matrix.shape[1]])
    layer = adata.uns.get("pca", {}).get("params", {}).get("layer") or ""
    expression = adata.layers.get(layer, adata.X)
    if getattr(expression, "format", None) == "csc" and not sparse.issparse(expression):
        return None  # stored by columns on disk: each block of cells would read all of it
    if expression is None or loadings.shape[1] != representation.matrix.shape[1]:
        return None
    used = np.abs(loadings).sum(axis=1) > 0
    rows, where = _sample(expression, used)
    pcs = np.asarray(representation.matrix[where], np.float32)
    with np.errstate(invalid="ignore"):  # infinite values are refused by name, by those who read all rows
        offsets = pcs - rows @ loadings[used]
        offset = offsets.mean(axis=0)
        if not (offsets - offset).std() <= _TOLERANCE * pcs.std():
            return None
    genes = adata.var_names.to_numpy(dtype=object)[used]
    return ExpressionInput(genes, rows.mean(axis=0), layer, loadings[used], offset)


def _sample(matrix: Any, columns: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows from blocks spread evenly over the matrix, the given columns of them, and their row numbers."""
    n = matrix.shape[0]
    starts = range(0, n, max(_BLOCK, -(-n // _BLOCKS)))
    parts = [next(iter_blocks(matrix[a : a + _BLOCK], _BLOCK)) for a in starts]
    where = np.concatenate([np.arange(a, min(a + _BLOCK, n)) for a in starts])
    return np.concatenate([dense(part[:, np.flatnonzero(columns)]) for part in parts]), where


def _sample_means(matrix: Any) -> NDArray[np.float32]:
    with np.errstate(invalid="ignore"):
        return _sample(matrix, np.ones(matrix.shape[1], bool))[0].mean(axis=0)


def pack_input(source: ExpressionInput | None) -> dict[str, Any]:
    """How expression becomes the model's input, as a dictionary; empty if that is not known."""
    return {} if source is None else asdict(source)


def unpack_input(stored: Any) -> ExpressionInput | None:
    """How expression becomes the model's input, from a dictionary."""
    if not hasattr(stored, "keys"):
        fail(f"its expression entry is a {type(stored).__name__}, not a dictionary")
    if not stored:
        return None
    missing = set(ExpressionInput.__dataclass_fields__) - set(stored)
    if missing:
        fail(f"its expression entry lacks {sorted(missing)}")
    genes = np.asarray(stored["genes"], dtype=object)
    means, loadings, offset = (float32_array(stored[name], name) for name in ("means", "loadings", "offset"))
    fits = not loadings.size or (loadings.shape == (genes.size, offset.size) and offset.ndim == 1)
    if genes.ndim != 1 or genes.shape != means.shape or not fits:
        fail("its genes, means, loadings and offset differ in length")
    return ExpressionInput(genes, means, str(stored["layer"]), loadings, offset)


def fitted_on(params: Any, use_rep: str | None = None) -> tuple[str, int]:
    """The key of `.obsm` that the model reads, or the one asked for, and the number of its columns."""
    if not hasattr(params, "keys") or not {"representation", "use_rep", "n_features"} <= set(params):
        fail("its params do not say what it was fitted on")
    if use_rep is None and params["representation"] != "obsm":
        fail("it does not say which genes it reads")
    return use_rep or str(params["use_rep"]), int(params["n_features"])
