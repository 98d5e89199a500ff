"""Calibration of novelty on reference cells that were held out of the principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scivis.data._blocks import dense, iter_blocks
from scivis.data._reading import collect_blocks
from scivis.neighbors._cross_fitting import cross_fitted_scores
from scivis.neighbors._novelty import calibrated

from .representation import choose_expression

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

    from scivis.neighbors._novelty import Reference

    from .model_input import ModelInput

# Principal components of more cells hardly depend on any single one. More values would take too much memory.
_MAX_CELLS, _MAX_VALUES = 20_000, 2**26


def calibrate(reference: Reference, adata: AnnData, cells: ModelInput, rng: np.random.Generator) -> Reference:
    """The reference, calibrated on held-out cells if the model reads a PCA that can be computed again without them."""
    source = cells.expression
    if source is None or cells.is_integrated or not source.loadings.size or adata.n_obs > _MAX_CELLS:
        return reference
    matrix = choose_expression(adata, source.layer).matrix
    n_components = source.loadings.shape[1]
    # The components of few cells would be as many as the cells.
    if len(source.genes) * adata.n_obs > _MAX_VALUES or adata.n_obs < 2 * n_components:
        return reference
    genes = adata.var_names.get_indexer(source.genes)
    x = collect_blocks((dense(block[:, genes]) for block in iter_blocks(matrix)), (adata.n_obs, len(genes)))
    return calibrated(reference, cross_fitted_scores(x, n_components, len(reference.landmarks), rng))
