"""A fitted network and the input that it reads, whose noise `scivis.tl.uncertainty` maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from scivis.data._blocks import dense, iter_blocks
from scivis.data._reading import collect_blocks

from .expression import fitted_representation
from .representation import choose_expression, choose_representation

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from anndata import AnnData
    from numpy.typing import NDArray

    from .expression import ExpressionInput

    Array = NDArray[np.float32]


class Network(NamedTuple):
    """A fitted network: its coordinates of rows, and their derivatives, shape (n, n_components, features)."""

    embed: Callable[[Array], Array]
    derivatives: Callable[[Array], Array]


def model_rows(adata: AnnData, entry: Any, source: ExpressionInput | None) -> Array | None:
    """The input of the model: a representation in `.obsm`, or genes, projected as the model says; `None` if it is not there."""
    kind, key, width = fitted_representation(entry.get("params"))
    if kind == "obsm":
        return dense(choose_representation(adata, use_rep=key).matrix[:, :width]) if key in adata.obsm else None
    if (
        source is None
        or (source.layer and source.layer not in adata.layers)
        or not set(source.genes) <= set(adata.var_names)
    ):
        return None
    genes = adata.var_names.get_indexer(source.genes)
    matrix = choose_expression(adata, source.layer).matrix
    return collect_blocks((source.project(dense(x[:, genes])) for x in iter_blocks(matrix)), (adata.n_obs, width))
