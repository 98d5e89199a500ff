"""`scivis.tl.ingest`: new cells on a map that is already drawn."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.expression import fitted_on, unpack_input
from scivis._adata.genes import align_genes
from scivis._adata.keys import Keys
from scivis._adata.representation import choose_expression, choose_representation
from scivis._checks import is_real
from scivis._methods import entry_of, method_of
from scivis.data._streaming import Rows

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.expression import ExpressionInput
    from scivis._adata.genes import GeneAlignment


def ingest(
    adata_new: AnnData,
    adata_ref: AnnData,
    *,
    key: str = "ivis",
    use_rep: str | None = None,
    layer: str | None = None,
    min_genes: float = 0.5,
    inplace: bool = True,
    **options: Any,
) -> AnnData | None:
    """Place new cells on the map of a reference, with the reference's own model.

    The network of the reference is applied to the new cells, or, on a t-SNE, each new cell moves among the cells of the
    reference: nothing is fitted, the reference is not changed, and a cell's place does not depend on the cells that come
    with it.

    If the model was fitted on genes, or on a PCA of genes, the new cells' expression is used: genes are matched by
    name in any order, genes that the query lacks take their mean in the reference, further genes are ignored, and
    the PCA is the reference's, with its loadings and its mean. Otherwise the same key of `.obsm` is read. Either way
    the values must be prepared as the reference's were (normalisation, logarithm, scaling).

    Parameters
    ----------
    adata_new
        The new cells, in memory or backed; none at all is fine.
    adata_ref
        The reference, with a model from :func:`scivis.tl.ivis` or :func:`scivis.tl.tsne`.
    key
        The method, or the `key_added` it was given.
    use_rep
        Read this key of `adata_new.obsm` instead of expression: a representation in the reference's own space.
    layer
        Read the expression from this layer; by default from the layer, or `.X`, that the reference used.
    min_genes
        Least share of the model's genes that the new cells must have.
    inplace
        Write to `adata_new`; otherwise return a changed copy.
    options
        What the method of the reference wants to know besides. For ivis: `backbone`, your own Keras network, if the
        reference was fitted with one. For tsne the parameters of openTSNE's `TSNEEmbedding.transform`, with its
        defaults, in the kernel of perplexity 5 whatever the reference's was: `perplexity`, `initialization` (`median` of
        `k` nearest reference cells, at most three times the perplexity of them; `weighted`, their mean by affinity;
        `random`; or an array), `k` (25), `learning_rate` (0.1), `early_exaggeration` (4), `early_exaggeration_iter` (0),
        `exaggeration` (1.5), `n_iter` (250; 0 leaves the cells where they start), `initial_momentum` and
        `final_momentum` (0.8), `max_grad_norm` (0.25), `max_step_norm`; further `n_jobs`, `metric`, if it was a function,
        and `distances`: a matrix of new × reference cells, dense, or sparse with the nearest cells of each row, that
        replaces the search (then no novelty is written).

    Returns
    -------
    `None`, or with `inplace=False` an `AnnData`. Sets:

    `adata_new.obsm['X_ivis' | key]` : :class:`numpy.ndarray` (float32, cells × n_components)
        Coordinates on the reference's map.
    `adata_new.obs['ivis_novelty' | key + '_novelty']` : :class:`pandas.Series` (float32)
        How far the cell lies from the reference in the model's input: its mean distance to the five nearest of up to
        2,000 reference cells, in units of the distance that 99 % of the reference's cells do not exceed. Up to 1 is
        ordinary; well above 1, the cell has no like in the reference and its place means little.

    If the reference learned labels, what its model predicts for the new cells is written as :func:`scivis.tl.ivis` does,
    classes in the colours of the reference.

    Raises
    ------
    KeyError
        If the reference holds no model under `key`, or the query lacks what the model reads.
    ValueError
        If too few genes are found, values are not finite, or the stored model has been altered.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> reference, query = adata[:600].copy(), adata[600:].copy()
    >>> scivis.tl.ivis(reference, epochs=2)
    >>> scivis.tl.ingest(query, reference)
    >>> query.obsm["X_ivis"].shape
    (100, 2)
    """
    from scanpy import logging as logg

    start = logg.info("placing cells on the reference's map")
    _check_arguments(adata_new, use_rep, layer, min_genes, inplace=inplace)
    entry = entry_of(adata_ref, key)
    method = method_of(entry)
    keys = Keys.of(method.name, key)
    given = options.get("distances") is not None  # they stand for the rows
    rows = Rows(np.empty((0, 0)), "") if given else _rows(adata_new, entry, use_rep, layer, min_genes)
    placed = method.place(adata_ref, entry, rows, keys, **options)

    adata_new = adata_new if inplace else adata_new.copy()
    written = placed.write(adata_new)
    novelty = placed.obs.get(keys.novelty, [])
    far = (
        f"; {np.mean(novelty > 1):.1%} of the cells lie farther out than 99 % of the reference" if len(novelty) else ""
    )
    logg.info(f"    finished{far}", time=start, deep=f"added\n{written}")
    return None if inplace else adata_new


def _check_arguments(
    adata: AnnData, use_rep: str | None, layer: str | None, min_genes: float, *, inplace: bool
) -> None:
    if use_rep is not None and layer is not None:
        msg = f"use_rep={use_rep!r} and layer={layer!r} name two inputs: leave out one of them."
        raise ValueError(msg)
    if not is_real(min_genes) or not 0 <= min_genes <= 1:
        msg = f"min_genes={min_genes!r} must be a share between 0 and 1."
        raise ValueError(msg)
    if not inplace and adata.isbacked:
        msg = "inplace=False needs adata_new in memory: pass adata_new.to_memory(), or leave inplace out."
        raise ValueError(msg)


def _rows(adata: AnnData, entry: dict[str, Any], use_rep: str | None, layer: str | None, min_genes: float) -> Rows:
    """The model's input for the new cells, in blocks."""
    expression = unpack_input(entry.get("expression")) if use_rep is None else None
    if expression is None:
        return _obsm_rows(adata, *fitted_on(entry.get("params"), use_rep))
    return _expression_rows(adata, expression, layer, min_genes)


def _obsm_rows(adata: AnnData, key: str, width: int) -> Rows:
    """The model's input out of `.obsm`."""
    matrix = choose_representation(adata, use_rep=key).matrix
    if matrix.shape[1] < width:
        msg = f"adata_new.obsm[{key!r}] has {matrix.shape[1]} columns, but the model reads {width}."
        raise ValueError(msg)
    return Rows(matrix[:, :width], f"adata_new.obsm[{key!r}]")


def _expression_rows(adata: AnnData, source: ExpressionInput, layer: str | None, min_genes: float) -> Rows:
    """The model's input out of expression, its genes aligned and, for a PCA, projected."""
    from scanpy import logging as logg

    matrix = choose_expression(adata, layer or source.layer).matrix
    align = align_genes(adata.var_names, source.genes, source.means, min_share=min_genes)
    report = logg.info if align.n_found == len(source.genes) else logg.warning
    report(f"    found {align.n_found} of the {len(source.genes)} genes that the model reads in adata_new")
    return Rows(matrix, "adata_new's expression", partial(_aligned, align=align, source=source))


def _aligned(block: Any, *, align: GeneAlignment, source: ExpressionInput) -> NDArray[np.float32]:
    return source.project(align(block))
