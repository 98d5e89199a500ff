"""Computation of the model's input from expression: genes, and their projection if the model was fitted on a PCA."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scivis._store.kept import shared
from scivis._store.schema import fail, float32_array, is_width, plain_array
from scivis.data._blocks import dense, iter_blocks

from .given import expression_of
from .pca import keys_of_pca, pcas_with_loadings
from .preparation import Preparation, pack_preparation, preparation_of, unpack_preparation
from .representation import choose_expression, choose_representation

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from .pca import PcaKeys
    from .representation import Representation

# Blocks of cells, evenly spaced, from which means and offset are estimated. They cover all of a small matrix.
_BLOCKS, _BLOCK = 20, 1000
# Largest deviation of X_pca from the projected expression, as root mean square relative to X_pca. Iterative solvers leave a
# few percent in the last components; data that were changed after the PCA deviate by about as much as they vary.
_TOLERANCE = 0.1
# Least agreement of a typical column of an integrated copy with its component. It is above 0.95 for copies of Harmony, about
# 0 for columns in another order or of another space, and below 0.7 for standardized components.
_LEAST_AGREEMENT = 0.75


@dataclass(frozen=True, eq=False)
class ExpressionInput:
    """How expression becomes the input of a model.

    Parameters
    ----------
    genes
        Names of the genes that the model reads, in the order of the model.
    means
        Mean of each gene in the reference, which replaces genes that are missing in a query.
    layer
        Layer of the expression; the empty string for `.X`.
    loadings, offset
        PCA of shapes (genes, components) and (components,): the input is ``expression @ loadings + offset``. Empty if
        the model reads the genes themselves.
    preparation
        How the expression was prepared; `None` in models of earlier versions.
    """

    genes: NDArray[Any]
    means: NDArray[np.float32]
    layer: str
    loadings: NDArray[np.float32]
    offset: NDArray[np.float32]
    preparation: Preparation | None = None

    def project(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The model's input for rows of expression, shape (n, genes)."""
        with np.errstate(invalid="ignore", over="ignore"):  # validation reports what is not finite
            return rows @ self.loadings + self.offset if self.loadings.size else rows


def expression_input(adata: AnnData, representation: Representation) -> ExpressionInput | str:
    """How expression becomes a representation in `.obsm`, which is known for a PCA; otherwise why not, for a message.

    The offset (minus the projected mean) is the difference between the PCA and the projected expression. It is estimated
    from some cells. If the difference varies between cells, the data were changed after the PCA.
    """
    keys = keys_of_pca(adata, representation.key)
    if keys is None:
        return "it is not a PCA with loadings in adata.varm, nor an integrated copy of one"
    if not adata.var_names.is_unique:
        return "adata.var_names holds duplicates; run adata.var_names_make_unique() before the fit"
    return _pca_input(adata, representation, keys)


def integrated_pca(adata: AnnData, representation: Representation) -> Representation | None:
    """The PCA of which a representation in `.obsm` is an integrated copy, as Harmony makes it; `None` if it is not one.

    Integration moves cells within the space of the PCA, so that a typical column of the copy is much like its component.
    Other columns are like a component by chance only, or have another scale.
    """
    n_columns = representation.matrix.shape[1]
    if keys_of_pca(adata, representation.key):
        return None
    for key in pcas_with_loadings(adata):
        if adata.obsm[key].shape[1] < n_columns:
            continue
        pca = choose_representation(adata, use_rep=key, n_pcs=n_columns)
        every = np.ones(n_columns, bool)
        components, columns = (_sample(each.matrix, every)[0] for each in (pca, representation))
        if np.median(_agreement(components, columns)) >= _LEAST_AGREEMENT:
            return pca
    return None


def _agreement(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Covariance of each column of two matrices, divided by the larger of its two variances."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # constant and infinite columns give NaN
        a, b = a - a.mean(axis=0), b - b.mean(axis=0)
        return (a * b).mean(axis=0) / np.maximum((a * a).mean(axis=0), (b * b).mean(axis=0))


def gene_input(matrix: Any, genes: NDArray[Any], layer: str) -> ExpressionInput:
    """The input of a model that reads the genes themselves."""
    no_loadings, no_offset = np.empty((0, 0), np.float32), np.empty(0, np.float32)
    return ExpressionInput(genes, _sample_means(matrix), layer, no_loadings, no_offset)


def with_preparation(adata: AnnData, source: ExpressionInput | None) -> ExpressionInput | None:
    """The same with the record of how the expression in `adata` was prepared."""
    if source is None:
        return None
    matrix = choose_expression(adata, source.layer).matrix
    return replace(source, preparation=preparation_of(adata, matrix, source.genes))


def _pca_input(adata: AnnData, representation: Representation, keys: PcaKeys) -> ExpressionInput | str:
    n_columns, layer = representation.matrix.shape[1], keys.layer(adata)
    loadings = keys.loadings(adata)[:, :n_columns]
    expression = adata.layers.get(layer, expression_of(adata))
    place = f"adata.layers[{layer!r}]" if layer in adata.layers else "adata.X"
    if expression is None:
        return "adata.X is None"
    if getattr(expression, "format", None) == "csc" and not sparse.issparse(expression):
        # Each block of cells would read the whole matrix.
        return f"{place} is stored by columns (csc) on disk; store it by rows (csr)"
    if loadings.shape[1] != n_columns:
        return f"adata.varm[{keys.varm!r}] has loadings of only {loadings.shape[1]} of its {n_columns} columns"
    used = np.abs(loadings).sum(axis=1) > 0
    rows, where = _sample(expression, used)
    pcs = np.asarray(representation.matrix[where], np.float32)
    with np.errstate(invalid="ignore"):  # infinite values are reported when all rows are read
        offsets = pcs - rows @ loadings[used]
        offset = offsets.mean(axis=0)
        if not (offsets - offset).std() <= _TOLERANCE * pcs.std():
            return (
                f"adata.obsm[{keys.obsm!r}] is not the PCA of {place}, which was changed since; run `sc.pp.pca` again"
            )
    genes = adata.var_names.to_numpy(dtype=object)[used]
    return ExpressionInput(genes, rows.mean(axis=0), layer, loadings[used], offset)


def _sample(matrix: Any, columns: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Some columns of evenly spaced blocks of rows, shape (n, columns), and the indices of these rows."""
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
    if source is None:
        return {}
    arrays = {f.name: getattr(source, f.name) for f in fields(source)}
    return arrays | {"preparation": pack_preparation(source.preparation)}


def shared_input(entry: Any) -> ExpressionInput | None:
    """The same from the entry of a model. It is read once, and must not be changed."""
    digest = entry.get("digest")
    return shared(digest and ("expression", digest), lambda: unpack_input(entry.get("expression", {})))


def unpack_input(stored: Any) -> ExpressionInput | None:
    """How expression becomes the model's input, from a dictionary."""
    if not hasattr(stored, "keys"):
        fail(f"its expression entry is a {type(stored).__name__}, not a dictionary")
    if not stored:
        return None
    missing = {field.name for field in fields(ExpressionInput)} - {"preparation"} - set(stored)
    if missing:
        fail(f"its expression entry lacks {sorted(missing)}")
    genes = plain_array(stored["genes"], "genes").astype(object)
    means, loadings, offset = (float32_array(stored[name], name) for name in ("means", "loadings", "offset"))
    fits = not loadings.size or (loadings.shape == (genes.size, offset.size) and offset.ndim == 1)
    if genes.ndim != 1 or genes.shape != means.shape or not fits:
        fail("its genes, means, loadings and offset differ in length")
    if not isinstance(stored["layer"], str):
        fail(f"its layer is {str(stored['layer'])[:80]!r}")
    preparation = unpack_preparation(stored.get("preparation", {}), genes.size)
    return ExpressionInput(genes, means, str(stored["layer"]), loadings, offset, preparation)


def fitted_representation(params: Any) -> tuple[str, str, int]:
    """Kind and key of the representation that a model was fitted on, and its number of columns."""
    if not hasattr(params, "keys") or not {"representation", "use_rep", "n_features"} <= set(params):
        fail("its params do not say what it was fitted on")
    if not is_width(params["n_features"]):
        fail(f"its n_features is {str(params['n_features'])[:80]!r}")
    return str(params["representation"]), str(params["use_rep"]), int(params["n_features"])


def fitted_on(params: Any, use_rep: str | None = None) -> tuple[str, int]:
    """The key of `.obsm` that a model reads, or the one asked for, and the number of its columns."""
    kind, key, width = fitted_representation(params)
    if use_rep is None and kind != "obsm":
        fail("it does not say which genes it reads")
    return key if use_rep is None else use_rep, width
