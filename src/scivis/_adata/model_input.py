"""What the model reads: a representation as it is, or very many genes through a few components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis.data._projection import fit_projection, project
from scivis.data._rows import dense, in_memory, iter_blocks, read_dense, take_rows
from scivis.data._spill import RowFile

from .expression import ExpressionInput, expression_input, gene_input

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from .representation import Representation

# The network reads the genes themselves while those of the training cells fit into 32 MiB.
_MAX_VALUES = 2**23
# Rows up to here are trained on from memory: the training holds a copy.
_MAX_BYTES = 2**30


@dataclass(frozen=True, eq=False)
class ModelInput:
    """The rows that the model reads.

    Parameters
    ----------
    matrix
        Cells × features: in memory, on disk, or a dask array.
    expression
        How they follow from expression, for new cells; `None` if there is no known way.
    description
        What messages call them.
    """

    matrix: Any
    expression: ExpressionInput | None
    description: str


def model_input(
    adata: AnnData,
    representation: Representation,
    mask_var: NDArray[np.bool_] | str | None,
    n_train: int,
    random_state: int,
) -> ModelInput:
    """The rows for this representation.

    Parameters
    ----------
    adata, representation
        Where expression is, and which matrix was chosen.
    mask_var
        Of genes, which to read: a mask, or the name of one in `.var`. Without it all or, where they are read through
        principal components, the highly variable ones if they are marked, as `sc.pp.pca` does.
    n_train
        Cells to train on. If they hold more than 2²³ values, the network reads them through principal components.
    random_state
        Seed of the PCA.
    """
    if representation.kind == "obsm":
        return ModelInput(
            representation.matrix, expression_input(adata, representation), representation.description
        )  # fmt: skip
    layer = "" if representation.kind == "X" else representation.key
    genes = gene_mask(adata, mask_var)
    if n_train * int(genes.sum()) <= _MAX_VALUES and not representation.is_reduced:
        matrix = _columns(representation.matrix, genes)
        return ModelInput(matrix, gene_input(matrix, _names(adata, genes), layer), _described(representation, genes))
    if mask_var is None and "highly_variable" in adata.var:
        genes = gene_mask(adata, "highly_variable")
    projection = fit_projection(representation.matrix, genes, random_state)
    loadings = projection.loadings[genes]
    expression = ExpressionInput(
        _names(adata, genes), projection.means[genes], layer, loadings, projection.offset
    )  # fmt: skip
    described = f"{_described(representation, genes)}, through {loadings.shape[1]} principal components"
    return ModelInput(project(representation.matrix, projection, representation.description), expression, described)


def _names(adata: AnnData, genes: NDArray[np.bool_]) -> NDArray[Any]:
    return adata.var_names.to_numpy(dtype=object)[genes]


def _described(representation: Representation, genes: NDArray[np.bool_]) -> str:
    return representation.description + ("" if genes.all() else f", {genes.sum()} of them")


def gene_mask(adata: AnnData, mask_var: NDArray[np.bool_] | str | None) -> NDArray[np.bool_]:
    """Which genes to read.

    Raises
    ------
    KeyError
        If `mask_var` is the name of a column that `.var` lacks.
    ValueError
        If it is no mask of these genes, or marks none.
    """
    if mask_var is None:
        return np.ones(adata.n_vars, bool)
    if isinstance(mask_var, str) and mask_var not in adata.var:
        msg = f"mask_var={mask_var!r} is not a column of adata.var; it has {list(adata.var)}."
        raise KeyError(msg)
    mask = np.asarray(adata.var[mask_var] if isinstance(mask_var, str) else mask_var)
    if mask.shape != (adata.n_vars,) or mask.dtype != bool or not mask.any():
        msg = f"mask_var must be true or false for each of the {adata.n_vars} genes, and true for at least one."
        raise ValueError(msg)
    return mask


def _columns(matrix: Any, genes: NDArray[np.bool_]) -> Any:
    if genes.all():
        return matrix
    if in_memory(matrix) or hasattr(matrix, "map_blocks"):
        return matrix[:, np.flatnonzero(genes)]
    # Columns of what is stored by rows would be read one by one.
    blocks = (dense(block)[:, genes] for block in iter_blocks(matrix))
    return RowFile.of(blocks, (matrix.shape[0], int(genes.sum())))


def training_rows(matrix: Any, name: str, rows: NDArray[np.int64] | None) -> NDArray[np.float32]:
    """The rows to train on: those asked for or, without numbers, all. Above 1 GiB they lie in a file, mapped into memory."""
    if rows is not None:
        return take_rows(matrix, rows)
    if 4 * matrix.shape[0] * matrix.shape[1] <= _MAX_BYTES:
        return read_dense(matrix, name)
    if isinstance(matrix, np.memmap) and matrix.dtype == np.float32 and matrix.flags.c_contiguous:
        return matrix
    stored = matrix if isinstance(matrix, RowFile) else RowFile.of(map(dense, iter_blocks(matrix)), matrix.shape)
    return stored.mapped()
