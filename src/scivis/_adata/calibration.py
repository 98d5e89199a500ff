"""Calibration of novelty and of labels on reference cells that were held out of the principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scivis.data._blocks import dense, iter_blocks
from scivis.data._reading import collect_blocks
from scivis.neighbors._cross_fitting import cross_fitted_scores, missing_share, unseen_expression
from scivis.neighbors._novelty import calibrated

from .representation import choose_expression

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis.neighbors._novelty import Reference

    from .expression import ExpressionInput
    from .model_input import ModelInput

# Principal components of more cells hardly depend on any single one. More values would take too much memory.
_MAX_CELLS, _MAX_VALUES = 20_000, 2**26
# Largest share of the cells of a PCA that may be missing. If more are, the object was probably split after its PCA, and the
# PCA has seen the new cells as much as those of the reference.
_MAX_MISSING = 0.02


def calibrate(reference: Reference, adata: AnnData, cells: ModelInput, rng: np.random.Generator) -> Reference:
    """The reference, calibrated on held-out cells if the model reads a PCA that can be computed again without them."""
    if (source := _pca_of(adata, cells)) is None:
        return reference
    x, n_components = _expression(adata, source), source.loadings.shape[1]
    return calibrated(reference, cross_fitted_scores(x, n_components, len(reference.landmarks), rng))


def as_new_cells(
    adata: AnnData, cells: ModelInput, x: NDArray[np.float32], indices: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The rows `x` of the model's input, of the cells with these indices, as they would be if the PCA had not seen the cells.

    They stay as they are if the model does not read a PCA that can be computed again.
    """
    source = _pca_of(adata, cells) if len(indices) else None
    if source is None:
        return x
    return source.project(unseen_expression(_expression(adata, source), indices, source.loadings.shape[1]))


def _pca_of(adata: AnnData, cells: ModelInput) -> ExpressionInput | None:
    """The PCA that the model reads, if it can be computed again without some cells."""
    source = cells.expression
    if source is None or cells.is_integrated or not source.loadings.size or adata.n_obs > _MAX_CELLS:
        return None
    # The components of few cells would be as many as the cells.
    is_possible = len(source.genes) * adata.n_obs <= _MAX_VALUES and adata.n_obs >= 2 * source.loadings.shape[1]
    return source if is_possible and not _was_split(cells) else None


def _was_split(cells: ModelInput) -> bool:
    """Whether the PCA that the model reads was computed from many more cells than these."""
    matrix = cells.rows.matrix
    return missing_share(collect_blocks((dense(block) for block in iter_blocks(matrix)), matrix.shape)) > _MAX_MISSING


def _expression(adata: AnnData, source: ExpressionInput) -> NDArray[np.float32]:
    """Expression of the genes of the model, shape (n, genes)."""
    matrix = choose_expression(adata, source.layer).matrix
    genes = adata.var_names.get_indexer(source.genes)
    return collect_blocks((dense(block[:, genes]) for block in iter_blocks(matrix)), (adata.n_obs, len(genes)))
