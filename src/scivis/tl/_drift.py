"""`scivis.tl.drift`: whether new cells are distributed over the map as those of the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scivis._adata.keys import Keys
from scivis._methods import entry_of, method_of

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def drift(adata_new: AnnData, adata_ref: AnnData, *, key: str = "ivis", inplace: bool = True) -> AnnData | None:
    """Test whether new cells lie on the map as the reference's do.

    Each axis is compared by the two-sample test of Kolmogorov and Smirnov, as the documents of ivis do for a concept that
    drifts. It notices other shares of cell types as well as cells that are unlike the reference's;
    the novelty that :func:`scivis.tl.ingest` writes tells the two apart. Of many cells the smallest difference is
    significant: look at its size, too.

    Parameters
    ----------
    adata_new
        The new cells, placed by :func:`scivis.tl.ingest`.
    adata_ref
        The reference.
    key
        The method, or the `key_added` it was given.
    inplace
        Write to `adata_new`; otherwise return a changed copy.

    Returns
    -------
    `None`, or with `inplace=False` an `AnnData`. Sets:

    `adata_new.uns['ivis_drift' | key + '_drift']` : :class:`dict`
        `statistic`, the largest difference between the shares of cells below a coordinate, between 0 and 1, and `pvalue`,
        both for each axis; and `pvalue_any`, of the most different axis, corrected for their number (Bonferroni).

    Raises
    ------
    KeyError
        If the reference holds no model under `key`, or the new cells are not placed.
    ValueError
        If the coordinates do not go together, or there are no cells.

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

    keys = Keys.of(method_of(entry_of(adata_ref, key)).name, key)
    new, reference = _coordinates(adata_new, adata_ref, keys.obsm)
    tests = [ks_2samp(new[:, axis], reference[:, axis]) for axis in range(new.shape[1])]
    statistic, pvalue = (np.array([getattr(test, part) for test in tests]) for part in ("statistic", "pvalue"))
    pvalue_any = float(min(1.0, len(tests) * pvalue.min()))
    adata_new = adata_new if inplace else adata_new.copy()
    adata_new.uns[keys.drift] = {"statistic": statistic, "pvalue": pvalue, "pvalue_any": pvalue_any}
    logg.info(
        f"new cells and reference differ by {statistic.max():.2f} on one axis or the other, p = {pvalue_any:.2g}",
        deep=f"added\n    {keys.drift!r}, differences between new cells and reference (adata_new.uns)",
    )
    return None if inplace else adata_new


def _coordinates(
    adata_new: AnnData, adata_ref: AnnData, where: str
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Both maps, which must have the same axes."""
    if where not in adata_new.obsm:
        msg = f"adata_new.obsm holds no {where!r}: place the cells first, by scivis.tl.ingest(adata_new, adata_ref)."
        raise KeyError(msg)
    new, reference = (np.asarray(adata.obsm[where]) for adata in (adata_new, adata_ref))
    if not len(new) or new.shape[1] != reference.shape[1] or not np.isfinite(new).all():
        msg = f"adata_new.obsm[{where!r}] has shape {new.shape}; cells with {reference.shape[1]} finite coordinates are needed."
        raise ValueError(msg)
    return new, reference
