"""`scivis.tl.drift`: comparison of the distributions of query and reference on an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scivis._adata.keys import ingest_call
from scivis._adata.representation import check_copy
from scivis._checks import copy_or_inplace
from scivis._methods import keys_of, reference_entry

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def drift(
    adata_new: AnnData, adata_ref: AnnData, *, key: str = "ivis", copy: bool = False, inplace: bool | None = None
) -> AnnData | None:
    """Test whether new cells (the query) are distributed in the embedding as the cells of the reference.

    The coordinates of query and reference are compared for each dimension with the two-sample Kolmogorov-Smirnov test,
    which the documentation of ivis recommends for concept drift. Both other proportions of cell types and cells that
    are unlike those of the reference cause drift. The novelty that :func:`scivis.tl.ingest` writes distinguishes the
    two. With many cells even small differences are significant, so that the statistic should be considered as well.

    Parameters
    ----------
    adata_new
        Query, after :func:`scivis.tl.ingest`.
    adata_ref
        Reference, with the model.
    key
        Name of the method, or the `key_added` of its call.
    copy
        Whether to return a modified copy instead of writing to `adata_new`.
    inplace
        Deprecated: the opposite of `copy`.

    Returns
    -------
    Returns `None` if `copy=False`, else an `AnnData` object. Sets the following field:

    `adata_new.uns['ivis_drift' | key + '_drift']` : :class:`dict`
        `statistic`, the maximum difference of the cumulative distributions, between 0 and 1, and `pvalue`, both for
        each dimension; `pvalue_any`, the smallest p-value, Bonferroni-corrected for the number of dimensions.

    Raises
    ------
    KeyError
        If the reference has no model under `key`, or the query has no coordinates.
    ValueError
        If the coordinates do not match those of the reference, or the query has no cells.

    Examples
    --------
    >>> import scanpy as sc, scivis
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> reference, query = adata[::2].copy(), adata[1::2].copy()
    >>> scivis.tl.ivis(reference, epochs=2)
    >>> scivis.tl.ingest(query, reference)
    >>> scivis.tl.drift(query, reference)
    >>> bool(query.uns["ivis_drift"]["pvalue_any"] > 0.01)
    True
    """
    from scanpy import logging as logg
    from scipy.stats import ks_2samp

    copy = copy_or_inplace(copy=copy, inplace=inplace)
    check_copy(adata_new, copy=copy, name="adata_new")
    keys = keys_of(reference_entry(adata_new, adata_ref, key), key)
    new, reference = _coordinates(adata_new, adata_ref, keys.obsm, key)
    tests = ks_2samp(new, reference)
    statistic, pvalue = tests.statistic, tests.pvalue
    pvalue_any = float(min(1.0, len(pvalue) * pvalue.min()))

    adata_new = adata_new.copy() if copy else adata_new
    adata_new.uns[keys.drift] = {"statistic": statistic, "pvalue": pvalue, "pvalue_any": pvalue_any}
    logg.info(
        f"drift of the query: statistic up to {statistic.max():.2f}, p = {pvalue_any:.2g}",
        deep=f"added\n    {keys.drift!r}, Kolmogorov-Smirnov tests of query and reference (adata_new.uns)",
    )
    return adata_new if copy else None


def _coordinates(
    adata_new: AnnData, adata_ref: AnnData, key: str, model: str
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Coordinates of query and reference under a key, placed by a model, whose dimensions must be the same."""
    if key not in adata_new.obsm:
        msg = f"Did not find {key!r} in adata_new.obsm. Run `{ingest_call(model)}` first."
        raise KeyError(msg)
    new, reference = (np.asarray(adata.obsm[key]) for adata in (adata_new, adata_ref))
    if not len(new) or new.shape[1] != reference.shape[1] or not np.isfinite(new).all():
        dims = reference.shape[1]
        msg = f"adata_new.obsm[{key!r}] has shape {new.shape}; at least one cell with {dims} finite coordinates is needed."
        raise ValueError(msg)
    return new, reference
