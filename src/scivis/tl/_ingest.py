"""`scivis.tl.ingest`: new cells in the embedding of a reference."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from scivis._adata.correction import check_correct, corrected_query
from scivis._adata.expression import shared_input
from scivis._adata.query import Prepare
from scivis._adata.query_rows import query_rows
from scivis._adata.representation import check_copy
from scivis._adata.results import Results
from scivis._adata.strangers import Strangers, find_strangers, unknown_labels
from scivis._checks import check_choice, check_fraction, copy_or_inplace
from scivis._methods import (
    METHODS,
    anchor_model,
    check_options,
    keys_of,
    method_name,
    reference_entry,
    shared_entry,
)
from scivis.data._streaming import Rows
from scivis.neighbors._stored_reference import unpack_reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.keys import Keys


def ingest(  # noqa: PLR0913 (each is a setting of its own)
    adata_new: AnnData,
    adata_ref: AnnData,
    *,
    key: str = "ivis",
    use_rep: str | None = None,
    layer: str | None = None,
    min_genes: float = 0.5,
    prepare: Prepare = "auto",
    correct: bool | None = None,
    batch_key: str | None = None,
    unknown: float | None = None,
    novelty: bool = True,
    copy: bool = False,
    inplace: bool | None = None,
    **options: Any,
) -> AnnData | None:
    """Map new cells (the query) to the embedding of a reference, with the model of the reference.

    A network of :func:`scivis.tl.ivis` or :func:`scivis.tl.n2d` is applied to the query. In a t-SNE embedding, each
    query cell is optimized among the reference cells, which stay where they are. The reference is not changed and the
    model is not fitted again. Unless batches are corrected, the coordinates of a cell do not depend on the other cells of
    the query.

    If the model was fitted on genes, or on a PCA of genes, it reads the expression of the query. Genes are matched by
    name, in any order. Genes that are missing in the query take their mean in the reference, and other genes of the
    query are ignored. The PCA is that of the reference, with its loadings and means. If the model was fitted on another
    representation, it reads the same key of `adata_new.obsm`, which must be computed as that of the reference.

    Expression is converted to the units of the reference: counts are normalized, log-transformed and scaled with the
    numbers of the reference, and the scaling of the query is undone. The units are recognized for the query as a whole,
    which is not changed. If no steps lead from them to those of the reference, an error says what to do; see `prepare`.

    If the reference was integrated, so that its model reads a corrected copy of the PCA such as `X_pca_harmony`, the
    expression of the query is projected to the PCA, and its batches are corrected toward the reference as in Symphony
    (Kang et al., Nature Communications 2021): in each soft cluster of the reference, a ridge regression estimates the
    shift of each batch.

    Parameters
    ----------
    adata_new
        Query: annotated data matrix of the new cells, in memory or backed. It may have no cells.
    adata_ref
        Reference, with a model of :func:`scivis.tl.ivis`, :func:`scivis.tl.tsne` or :func:`scivis.tl.n2d`.
    key
        Name of the method, or the `key_added` of its call.
    use_rep
        Key of `adata_new.obsm` to read instead of the expression: the query in the representation of the reference.
    layer
        Layer with the expression of the query. Default: the layer that the reference used, or `.X`, also in place of a
        layer of scaled genes that the query lacks.
    min_genes
        Minimum fraction of the genes of the model that must be in the query.
    prepare
        How the expression of the query is brought to the units of the reference. `auto` recognizes counts, normalized
        counts, and their logarithms by their values, whatever the total and the base, and scaled expression by
        comparison with the reference. `counts` and `log1p` say what the query holds, where it cannot be recognized
        (counts that are no integers, logarithms of other values). `none` takes it as it is.
    correct
        Whether to correct the batches of the query toward the reference. Default: yes, if the reference was integrated and
        the query is read from expression; otherwise no. `True` also corrects toward a PCA that was not integrated, and a
        representation given by `use_rep`. This helps where a difference between batches is larger than that between
        types, and hurts where it is small, or where a type of the query is missing in the reference.
    batch_key
        Column of `adata_new.obs` with the batches to correct. Default: the query is one batch.
    unknown
        Cells with a p-value of at most this get the label `unknown` in place of the most likely class, for example 0.01. The
        label head knows only the classes of the reference, and can be certain of a wrong one. Default: no cell is unknown.
    novelty
        Whether to compare the cells with those of the reference. `False` writes the coordinates and predicted labels only, in a
        fraction of the time: for millions of cells that are known to be like those of the reference.
    copy
        Whether to return a modified copy instead of writing to `adata_new`.
    inplace
        Deprecated: the opposite of `copy`.
    options
        Further options of the method of the reference.

        - ivis: `backbone`, the Keras model, if the reference was fitted with one.
        - n2d: `autoencoder`, `manifold` and `clusterer`, if they cannot be stored; see :func:`scivis.tl.n2d`.
        - tsne: the parameters of `transform` of openTSNE's `TSNEEmbedding`, with its defaults: `perplexity` (5 for any
          reference), `initialization` (`median` of the `k` nearest reference cells, of which at most three times the
          perplexity are used; `weighted`, their mean weighted by affinity; `random`; or an array), `k` (25),
          `learning_rate` (0.1), `early_exaggeration` (4), `early_exaggeration_iter` (0), `exaggeration` (1.5),
          `n_iter` (250; 0 keeps the initial coordinates), `initial_momentum` and `final_momentum` (0.8),
          `max_grad_norm` (0.25), `max_step_norm`. Also `n_jobs`; `metric`, if it was a function; and `distances`, a
          matrix of query × reference cells, dense, or sparse with the nearest cells of each row. It replaces the
          neighbor search, and no novelty is written. If the t-SNE is anchored to an embedding whose model is in the reference,
          that model places the query first, and each cell is moved to those of its 15 nearest reference cells that lie nearest
          to this place: `initialization` is `anchor`, and `n_iter` 0.

    Returns
    -------
    Returns `None` if `copy=False`, else an `AnnData` object. Sets the following fields:

    `adata_new.obsm['X_ivis' | key]` : :class:`numpy.ndarray` (float32, cells × n_components)
        Coordinates in the embedding of the reference.
    `adata_new.obs['ivis_novelty' | key + '_novelty']` : :class:`pandas.Series` (float32)
        Distance from the reference in the input of the model, relative to the distances of reference cells there: the mean
        distance to the 15 nearest of up to 4,000 reference cells, divided by the mean distance of these to their own 15
        nearest. The unit is the score that 1 % of held-out reference cells exceed. Well above 1, no reference cell is
        similar, and the coordinates mean little. Models of earlier versions give the distance to the five nearest cells,
        divided by its 99th percentile.
    `adata_new.obs['ivis_pvalue' | key + '_pvalue']` : :class:`pandas.Series` (float64)
        Conformal p-value: the rank of the novelty among the novelties of reference cells that were held out of the
        landmarks and, if possible, of the PCA. Of cells like those of the reference, a share of at most α has a p-value
        of at most α. Models of earlier versions have no p-values.
    `adata_new.uns['ivis_verdict' | key + '_verdict']` : :class:`dict`
        Verdict on the query as a whole: `text`, the sentences of the message; `kind`, which is `none`, `population` (cells
        of a type that the reference lacks), `group` (all cells are of one kind and differ: a new type, or a type in another
        batch), `shift` (cells of all kinds differ, as in another batch) or `scattered` (as doublets);
        `share` of the cells with p ≤ 0.01 and `excess`, an estimate of the share that does not belong to the reference;
        `gathered`, the share of such cells among the nearest cells of such a cell; `shifted`, the share of cells with
        p ≤ 0.1 that is exceeded around three quarters of the cells; `spread` of the query relative to the reference; and
        `genes` with `differences`, in which these cells differ most from the nearest reference cells.

    Without `novelty`, novelty, p-values and verdict of an earlier call are removed.

    If the reference learned labels, the predictions for the query are written as by :func:`scivis.tl.ivis`, with the
    colors of the reference.

    Raises
    ------
    KeyError
        If the reference has no model under `key`, or the query lacks the input of the model or the column `batch_key`.
    ValueError
        If too few genes are found, the query is in units that cannot be converted, values are NaN or infinite, the stored
        model is incomplete or altered, a correction is asked for that the reference cannot give, or `unknown` is given
        without `novelty`, which it needs.

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

    start = logg.info("mapping new cells to the reference")
    copy = copy_or_inplace(copy=copy, inplace=inplace)
    check_copy(adata_new, copy=copy, name="adata_new")
    check_reading(use_rep, layer, prepare)
    check_fraction("min_genes", min_genes)
    if unknown is not None:
        check_fraction("unknown", unknown)
        if not novelty:
            msg = f"unknown={unknown} marks cells by their p-values, which need novelty=True."
            raise ValueError(msg)
    entry = reference_entry(adata_new, adata_ref, key)
    keys = keys_of(entry, key)
    check_options(METHODS[method_name(entry)].place, options)
    # Distances to the reference cells replace the input of the model.
    is_given = options.get("distances") is not None
    check_correct(correct=correct, batch_key=batch_key, is_given=is_given)
    read = partial(query_rows, adata_new, adata_ref, use_rep=use_rep, layer=layer, min_genes=min_genes, prepare=prepare)
    corrected = partial(corrected_query, correct=correct, batch_key=batch_key, is_expression=use_rep is None)

    def rows_for(entry: Any) -> Rows:
        return corrected(read(entry), adata_new, entry)

    rows = Rows(np.empty((0, 0)), "") if is_given else rows_for(entry)
    if not is_given and (anchor := anchor_model(adata_ref, entry)):
        options["anchored"] = _coordinates(adata_ref, anchor, rows_for)
    placed = placed_rows(adata_ref, entry, keys, rows, novelty=novelty, **options)
    results = placed.results
    if unknown is not None:
        results |= unknown_labels(keys, results, unknown)

    adata_new = adata_new.copy() if copy else adata_new
    written = results.write(adata_new)
    logg.info(f"    finished{placed.message}", time=start, deep=f"added\n{written}")
    return adata_new if copy else None


def placed_rows(
    adata_ref: AnnData, entry: Any, keys: Keys, rows: Rows, *, novelty: bool = True, **options: Any
) -> Strangers:
    """What :func:`ingest` writes for the rows of new cells, which are the input of the model in an entry of the reference."""
    results = METHODS[method_name(entry)].place(adata_ref, entry, rows, keys, with_novelty=novelty, **options)
    if keys.novelty not in results.obs:
        # Those of an earlier call would be those of another reference.
        outdated = Results(obs={keys.novelty: None, keys.pvalue: None}, uns={keys.verdict: None})
        return Strangers(results | outdated)
    stored = unpack_reference(entry["model"])
    strangers = find_strangers(keys, stored, rows, results.obs[keys.novelty], shared_input(entry))
    return Strangers(results | strangers.results, strangers.message)


def check_reading(use_rep: str | None, layer: str | None, prepare: str) -> None:
    """Raise for arguments that do not say in one way where the expression of new cells is."""
    if use_rep is not None and layer is not None:
        msg = f"use_rep={use_rep!r} and layer={layer!r} are two inputs. Pass only one of them."
        raise ValueError(msg)
    check_choice("prepare", prepare, get_args(Prepare))
    if use_rep is not None and prepare not in ("auto", "none"):
        msg = f"prepare={prepare!r} is about expression, but use_rep={use_rep!r} is read. Pass only one of them."
        raise ValueError(msg)


def _coordinates(adata_ref: AnnData, key: str, rows_for: Callable[[Any], Rows]) -> NDArray[np.floating]:
    """Coordinates of the query on another embedding of the reference."""
    entry = shared_entry(adata_ref, key)
    keys = keys_of(entry, key)
    placed = METHODS[method_name(entry)].place(adata_ref, entry, rows_for(entry), keys, with_novelty=False)
    return placed.obsm[keys.obsm]
