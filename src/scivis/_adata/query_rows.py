"""The input of a stored model for new cells, in blocks: from expression in the units of the reference, or from `.obsm`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from scivis.data._streaming import Rows

from .expression import fitted_on, shared_input
from .genes import align_genes
from .query import read_query
from .representation import choose_representation

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from anndata import AnnData
    from numpy.typing import NDArray

    from .expression import ExpressionInput
    from .query import Prepare, QueryReader


def query_rows(
    adata_new: AnnData,
    adata_ref: AnnData,
    entry: Any,
    *,
    use_rep: str | None = None,
    layer: str | None = None,
    min_genes: float = 0.5,
    prepare: Prepare = "auto",
) -> Rows:
    """The input of the model in an entry of the reference; the arguments are those of :func:`scivis.tl.ingest`."""
    expression = shared_input(entry) if use_rep is None else None
    if expression is not None:
        read = partial(read_query, reference=adata_ref, layer=layer, prepare=prepare)
        return _expression_rows(adata_new, expression, min_genes, read)
    key, width = fitted_on(entry.get("params"), use_rep)
    if use_rep is None and key not in adata_new.obsm:
        msg = (
            f"The model reads obsm[{key!r}], which adata_new lacks; it holds {sorted(adata_new.obsm)}. Compute it as that of the "
            "reference. Genes do not replace it: the model was not fitted on genes, nor on a PCA with loadings."
        )
        raise KeyError(msg)
    matrix = choose_representation(adata_new, use_rep=key).matrix
    if matrix.shape[1] < width:
        msg = f"adata_new.obsm[{key!r}] has {matrix.shape[1]} columns, but the model reads {width}."
        raise ValueError(msg)
    return Rows(matrix[:, :width], f"adata_new.obsm[{key!r}]")


def _expression_rows(
    adata: AnnData, source: ExpressionInput, min_genes: float, read: Callable[..., QueryReader]
) -> Rows:
    """Rows of expression with the genes of the model in its units, projected if it was fitted on a PCA."""
    from scanpy import logging as logg

    align = align_genes(adata.var_names, source.genes, source.means, min_share=min_genes)
    report = logg.info if align.n_found == len(source.genes) else logg.warning
    report(f"    found {align.n_found} of the {len(source.genes)} genes of the model in adata_new")
    reader = read(adata, align, source)
    logg.info(f"    adata_new {reader.description}")
    return Rows(reader.matrix, "adata_new's expression", partial(_project, reader=reader, source=source))


def _project(block: Any, *, reader: QueryReader, source: ExpressionInput) -> NDArray[np.float32]:
    return source.project(reader(block))
