"""`scivis.tl.feature_importance`: which genes a map rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scivis._adata.expression import fitted_on, unpack_input
from scivis._adata.genes import align_genes
from scivis._adata.keys import Keys
from scivis._adata.representation import check_copy, choose_expression, choose_representation
from scivis._checks import check_positive_int, check_seed
from scivis._methods import entry_of, method_of
from scivis._progress import verbose
from scivis._quality.importance import permutation_importance
from scivis.data._blocks import take_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    import keras
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.expression import ExpressionInput

    Rows = NDArray[np.float32]


def feature_importance(
    adata: AnnData,
    *,
    key: str = "ivis",
    n_cells: int = 500,
    backbone: keras.Model | None = None,
    random_state: int | np.random.Generator = 0,
    copy: bool = False,
) -> AnnData | None:
    """Find out which genes the map of :func:`scivis.tl.ivis` rests on.

    A gene matters as much as cells move on the map when they are given its value in another cell, and everything else
    stays (permutation importance; Breiman, Machine Learning 45, 2001). Genes are followed through the PCA that the model
    reads. Of genes that say the same, each matters little alone.

    Parameters
    ----------
    adata
        Holds the model and the expression, in memory or backed.
    key
        The `key_added` that :func:`scivis.tl.ivis` was given.
    n_cells
        So many cells are drawn; 500 give the mean distance to about 5 %.
    backbone
        Your own Keras network, if the model was fitted with one.
    random_state
        Seed of the cells, and of whose values they get.
    copy
        Return a changed copy and leave `adata` as it is.

    Returns
    -------
    `None`, or with `copy=True` an `AnnData`. Sets, if the model reads genes or their PCA:

    `adata.var['ivis_importance' | key + '_importance']` : :class:`pandas.Series` (float32)
        Mean distance by which cells move, in units of the map. NaN for genes that the model does not read.

    and otherwise:

    `adata.uns['ivis_importance' | key + '_importance']` : :class:`numpy.ndarray` (float32, features)
        The same for each column of the `.obsm` key that the model reads.

    Raises
    ------
    KeyError
        If there is no model under `key`.
    ValueError
        If the model is not one of :func:`scivis.tl.ivis`, or an argument cannot be used.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> scivis.tl.ivis(adata, epochs=2)
    >>> scivis.tl.feature_importance(adata, n_cells=100)
    >>> top = adata.var["ivis_importance"].nlargest(10)
    """
    from scanpy import logging as logg

    start = logg.info("computing the importance of features")
    check_positive_int("n_cells", n_cells)
    check_seed(random_state)
    check_copy(adata, copy=copy)
    entry = entry_of(adata, key)
    method = method_of(entry)
    if method.name != "ivis":
        msg = f"key={key!r} is a map of {method.name}, which has no network to ask: name one of scivis.tl.ivis."
        raise ValueError(msg)
    model = method.load(adata, entry, backbone=backbone)
    adata = adata.copy() if copy else adata

    rng = np.random.default_rng(random_state)
    rows = np.sort(rng.choice(adata.n_obs, min(n_cells, adata.n_obs), replace=False))
    source = unpack_input(entry.get("expression"))
    values, inputs, loadings = _of_genes(adata, source, rows) if source else _of_columns(adata, entry, rows)
    moved = permutation_importance(model.transform, inputs, _of_others(values, rng) - values, loadings, _bar)

    written, place = Keys.of(method.name, key).importance, "adata.var" if source else "adata.uns"
    if source:
        adata.var[written] = pd.Series(moved, index=source.genes).reindex(adata.var_names).astype(np.float32)
    else:
        adata.uns[written] = moved
    logg.info("    finished", time=start, deep=f"added\n    {written!r}, mean distance by which cells move ({place})")
    return adata if copy else None


def _of_genes(adata: AnnData, source: ExpressionInput, rows: NDArray[np.int64]) -> tuple[Rows, Rows, Rows]:
    """Expression of the genes that the model reads, its input, and how the one enters the other."""
    align = align_genes(adata.var_names, source.genes, source.means, min_share=1)
    values = align(take_rows(choose_expression(adata, source.layer).matrix, rows))
    return values, source.project(values), source.loadings


def _of_columns(adata: AnnData, entry: dict[str, Any], rows: NDArray[np.int64]) -> tuple[Rows, Rows, Rows]:
    """The columns that the model reads, which are its input."""
    key, width = fitted_on(entry.get("params"), None)
    values = take_rows(choose_representation(adata, use_rep=key).matrix, rows)[:, :width]
    return values, values, np.empty((0, 0), np.float32)


def _of_others(values: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The values of another row for each row: the next in a random order."""
    order = rng.permutation(len(values))
    others = np.empty_like(values)
    others[order] = values[np.roll(order, 1)]
    return others


def _bar(blocks: range) -> Iterable[Any]:
    from tqdm.auto import tqdm

    return tqdm(blocks, desc="features", unit="block", disable=not verbose())
