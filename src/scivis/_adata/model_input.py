"""The input of the model: a representation as it is, or very many genes through a few principal components."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis.data._blocks import dense, in_memory, iter_blocks
from scivis.data._projection import fit_projection, project
from scivis.data._spill import RowFile
from scivis.data._streaming import Rows

from .correction import Correction, fit_correction, pack_correction
from .expression import (
    ExpressionInput,
    expression_input,
    gene_input,
    integrated_pca,
    pack_input,
    with_preparation,
)
from .pca import keys_of_pca

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from .representation import Representation

# The network reads the genes themselves if the genes of the training cells fit into 32 MiB.
_MAX_VALUES = 2**23


@dataclass(frozen=True, eq=False)
class ModelInput:
    """The rows that a model reads, and their origin.

    Parameters
    ----------
    rows
        One row per cell, with a name for messages.
    expression
        How the rows follow from expression, for new cells; `None` if that is not known.
    representation
        The matrix that was chosen.
    is_integrated
        Whether the rows are an integrated copy of what follows from expression.
    correction
        How the batches of new cells are corrected; `None` unless the rows are a PCA or an integrated copy of it.
    reason
        Why it is not known how the rows follow from expression, for a message.
    """

    rows: Rows
    expression: ExpressionInput | None
    representation: Representation
    is_integrated: bool = False
    correction: Correction | None = None
    reason: str = ""

    def params(self) -> dict[str, Any]:
        """The origin of the rows, as entries of `params`."""
        return self.representation.params() | {"n_features": self.rows.matrix.shape[1]}

    def with_correction(self, x: NDArray[np.float32]) -> ModelInput:
        """The same with the correction of new batches, from rows that were read: all or a sample, shape (n, features)."""
        if self.expression is None or not self.expression.loadings.size:
            return self
        return replace(self, correction=fit_correction(x, len(self.rows), is_integrated=self.is_integrated))

    def pack(self) -> dict[str, Any]:
        """How new cells become the input of the model, as entries of a stored model."""
        return {"expression": pack_input(self.expression), "correction": pack_correction(self.correction)}


def report_source(adata: AnnData, cells: ModelInput) -> None:
    """Say what new cells must bring, with a warning if they cannot bring genes although the model reads a PCA of genes.

    And warn of a PCA of counts, in which the number of counts of a cell outweighs its type.
    """
    from scanpy import logging as logg

    if _is_pca_of_counts(cells.expression):
        logg.warning(
            "    the PCA is one of raw counts (adata.X holds integers, which were not log-transformed). If they are counts of "
            "genes, run `sc.pp.normalize_total`, `sc.pp.log1p`, `sc.pp.pca` and `sc.pp.neighbors` first"
        )
    place = "    scivis.tl.ingest will place new cells by their"
    if cells.expression:
        logg.hint(f"{place} expression{', corrected toward the reference' if cells.is_integrated else ''}")
        return
    key = cells.representation.key
    report = logg.warning if keys_of_pca(adata, key) else logg.hint
    report(f"{place} obsm[{key!r}] and not by genes, because {cells.reason}")


def _is_pca_of_counts(source: ExpressionInput | None) -> bool:
    """Whether principal components of `.X` were computed from counts. A layer of counts is named on purpose."""
    if source is None or source.layer or not source.loadings.size or source.preparation is None:
        return False
    units = source.preparation.units
    return units.kind == "counts" and not units.log_base and source.preparation.scaling is None


def model_input(
    adata: AnnData,
    representation: Representation,
    *,
    mask_var: NDArray[np.bool_] | str | None = None,
    n_train: int,
    random_state: int,
) -> ModelInput:
    """The input of the model for a representation.

    Parameters
    ----------
    adata, representation
        Where the expression is, and which matrix was chosen.
    mask_var
        Genes to read, where genes are read: a mask, or its name in `.var`. By default all genes or, if they are read
        through principal components, the highly variable ones if they are marked, as in `sc.pp.pca`.
    n_train
        Number of training cells. If they hold more than 2²³ values, the genes are read through principal components.
    random_state
        Seed of the PCA.
    """
    if representation.kind != "obsm":
        _check_unique(adata)
    chosen = _choose_input(adata, representation, mask_var, n_train, random_state)
    return replace(chosen, expression=with_preparation(adata, chosen.expression))


def _check_unique(adata: AnnData) -> None:
    """Raise for genes that the model could not find in a query by their names."""
    if not adata.var_names.is_unique:
        msg = "adata.var_names holds duplicates, but new cells are read by the names of genes; run `adata.var_names_make_unique()` first."
        raise ValueError(msg)


def _choose_input(
    adata: AnnData,
    representation: Representation,
    mask_var: NDArray[np.bool_] | str | None,
    n_train: int,
    random_state: int,
) -> ModelInput:
    name = representation.description
    if representation.kind == "obsm":
        if mask_var is not None:
            _report_unused(adata, mask_var, name)
        pca = integrated_pca(adata, representation)
        expression = expression_input(adata, pca or representation)
        if isinstance(expression, str):
            return ModelInput(Rows(representation.matrix, name), None, representation, reason=expression)
        return ModelInput(Rows(representation.matrix, name), expression, representation, is_integrated=pca is not None)
    genes = gene_mask(adata, mask_var)
    if n_train * int(genes.sum()) > _MAX_VALUES or representation.is_reduced:
        return _projected(adata, representation, mask_var, random_state)
    matrix = _columns(representation.matrix, genes)
    expression = gene_input(matrix, _names(adata, genes), representation.layer)
    return ModelInput(Rows(matrix, _described(name, genes)), expression, representation)


def _report_unused(adata: AnnData, mask_var: NDArray[np.bool_] | str, name: str) -> None:
    """Say that a selection of genes has no effect."""
    from scanpy import logging as logg

    gene_mask(adata, mask_var)
    logg.warning(
        f"    mask_var selects genes, but {name}, are not genes: it has no effect. Pass it to sc.pp.pca, or set use_rep='X'"
    )


def _projected(
    adata: AnnData, representation: Representation, mask_var: NDArray[np.bool_] | str | None, random_state: int
) -> ModelInput:
    """The genes through principal components."""
    is_marked = mask_var is None and "highly_variable" in adata.var
    genes = gene_mask(adata, "highly_variable" if is_marked else mask_var)
    projection = fit_projection(representation.matrix, genes, random_state)
    loadings = projection.loadings[genes]
    expression = ExpressionInput(
        _names(adata, genes), projection.means[genes], representation.layer, loadings, projection.offset
    )  # fmt: skip
    matrix = project(representation.matrix, projection, representation.description)
    name = f"{_described(representation.description, genes)}, through {loadings.shape[1]} principal components"
    # What was written to a file was validated on the way.
    return ModelInput(Rows(matrix, name, is_validated=isinstance(matrix, RowFile)), expression, representation)


def _names(adata: AnnData, genes: NDArray[np.bool_]) -> NDArray[Any]:
    return adata.var_names.to_numpy(dtype=object)[genes]


def _described(name: str, genes: NDArray[np.bool_]) -> str:
    return name + ("" if genes.all() else f", {genes.sum()} of them")


def gene_mask(adata: AnnData, mask_var: NDArray[np.bool_] | str | None) -> NDArray[np.bool_]:
    """Mask of the genes to read, shape (genes,).

    Raises
    ------
    KeyError
        If `mask_var` is not a column of `.var`.
    ValueError
        If it is not a boolean mask of the genes, or selects none.
    """
    if mask_var is None:
        return np.ones(adata.n_vars, bool)
    if isinstance(mask_var, str) and mask_var not in adata.var:
        msg = f"mask_var={mask_var!r} is not a column of adata.var; it has {list(adata.var)}."
        raise KeyError(msg)
    mask = np.asarray(adata.var[mask_var] if isinstance(mask_var, str) else mask_var)
    if mask.shape != (adata.n_vars,) or mask.dtype != bool or not mask.any():
        shown = f"mask_var={mask_var!r}" if isinstance(mask_var, str) else "mask_var"
        msg = f"{shown} must be a boolean for each of the {adata.n_vars} genes, and true for at least one of them."
        raise ValueError(msg)
    return mask


def _columns(matrix: Any, genes: NDArray[np.bool_]) -> Any:
    if genes.all():
        return matrix
    if in_memory(matrix) or hasattr(matrix, "map_blocks"):
        return matrix[:, np.flatnonzero(genes)]
    # Selecting columns of a matrix that is stored by rows would read them one by one.
    blocks = (dense(block)[:, genes] for block in iter_blocks(matrix))
    return RowFile.of(blocks, (matrix.shape[0], int(genes.sum())))
