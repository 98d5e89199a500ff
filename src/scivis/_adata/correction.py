"""Correction of the batches of new cells toward the reference, which is stored with models of a PCA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scivis._store.schema import fail, float32_array, is_number
from scivis.data._correction import SoftClusters, correct_rows, fit_clusters
from scivis.data._reading import collect_blocks
from scivis.data._streaming import Rows

from .expression import fitted_representation

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

# More clusters than any model has. The memory that a forged model takes stays small.
_MAX_CLUSTERS = 1000
# Below this, memberships would overflow.
_SMALLEST_SIGMA = 1e-6


@dataclass(frozen=True, eq=False)
class Correction:
    """What is known of a reference to correct the batches of new cells.

    Parameters
    ----------
    clusters
        Soft clusters of the reference cells, in the input of the model.
    is_integrated
        Whether the reference was integrated: the model reads a corrected copy of the PCA, and new cells that bring
        expression are corrected unless the caller declines.
    """

    clusters: SoftClusters
    is_integrated: bool


def fit_correction(x: NDArray[np.float32], n_cells: int, *, is_integrated: bool) -> Correction:
    """The correction of a reference of `n_cells` cells, of which the model read the rows `x`, shape (n, components)."""
    return Correction(fit_clusters(x, n_cells), is_integrated)


def pack_correction(correction: Correction | None) -> dict[str, Any]:
    """The correction as a dictionary; empty if there is none."""
    if correction is None:
        return {}
    clusters = correction.clusters
    return {
        "masses": clusters.masses,
        "sums": clusters.sums,
        "sigma": clusters.sigma,
        "is_integrated": correction.is_integrated,
    }


def unpack_correction(stored: Any, width: int) -> Correction | None:
    """The correction of a model whose input has `width` columns, from a dictionary; `None` if it is empty."""
    if not hasattr(stored, "keys"):
        fail(f"its correction is a {type(stored).__name__}, not a dictionary")
    if not stored:
        return None
    if missing := {"masses", "sums", "sigma", "is_integrated"} - set(stored):
        fail(f"its correction lacks {sorted(missing)}")
    masses, sums = (float32_array(stored[name], name) for name in ("masses", "sums"))
    if masses.ndim != 1 or not 1 <= masses.size <= _MAX_CLUSTERS or not (masses >= 0).all() or not masses.any():
        fail(f"the masses of its clusters have shape {masses.shape} or are negative")
    if sums.shape != (masses.size, width):
        fail(f"the sums of its clusters have shape {sums.shape}, but {masses.size} × {width} are needed")
    if not is_number(stored["sigma"]) or stored["sigma"] < _SMALLEST_SIGMA:
        fail("the sigma of its clusters is not a positive number")
    if not isinstance(stored["is_integrated"], bool | np.bool_):
        fail("its is_integrated is not a boolean")
    return Correction(SoftClusters(masses, sums, float(stored["sigma"])), bool(stored["is_integrated"]))


def stored_correction(entry: Any) -> Correction | None:
    """The correction in the entry of a model; models of earlier versions have none."""
    if "correction" not in entry:
        return None
    return unpack_correction(entry["correction"], fitted_representation(entry.get("params"))[2])


def is_integrated(entry: Any) -> bool:
    """Whether the reference of a model was integrated, by the entry of the model."""
    correction = stored_correction(entry)
    return correction is not None and correction.is_integrated


def check_correct(*, correct: bool | None, batch_key: str | None, is_given: bool) -> None:
    """Raise for a wrong type, or if distances to the reference are given, which replace what would be corrected."""
    if correct is not None and not isinstance(correct, bool | np.bool_):
        msg = f"correct={correct!r} must be True, False or None."
        raise ValueError(msg)
    if is_given and (correct or batch_key is not None):
        msg = "distances replace the input of the model, so that nothing is corrected: leave out correct and batch_key."
        raise ValueError(msg)


def corrected_query(
    rows: Rows,
    adata: AnnData,
    entry: Any,
    *,
    correct: bool | None,
    batch_key: str | None,
    is_expression: bool,
) -> Rows:
    """Rows of a query, with its batches corrected toward the reference if that is asked for.

    Parameters
    ----------
    rows
        The input of the model for the query, before any correction.
    adata
        Query.
    entry
        Entry of the model.
    correct
        Whether to correct. Default: only expression, and only if the reference was integrated.
    batch_key
        Column of `.obs` with the batches. Default: all cells are one batch.
    is_expression
        Whether the rows were computed from expression.
    """
    from scanpy import logging as logg

    correction = stored_correction(entry)
    if correct is None:
        correct = is_expression and correction is not None and correction.is_integrated
    if not correct:
        if batch_key is not None:
            msg = f"batch_key={batch_key!r} names the batches to correct, but nothing is corrected: set correct=True."
            raise ValueError(msg)
        return rows
    if correction is None:
        msg = (
            "correct=True needs a reference that was fitted on a PCA, or on an integrated copy of it, by this version of "
            "scivis or a later one. Fit the reference again, or leave correct out."
        )
        raise ValueError(msg)
    batches = query_batches(adata, batch_key)
    n_batches = len(np.unique(batches))
    logg.info(f"    correcting {n_batches} {'batch' if n_batches == 1 else 'batches'} toward the reference")
    x = collect_blocks(rows, (len(rows), correction.clusters.sums.shape[1]))
    corrected = collect_blocks(correct_rows(x, batches, correction.clusters), x.shape)
    return Rows(corrected, f"{rows.name}, corrected", is_validated=True)


def query_batches(adata: AnnData, batch_key: str | None) -> NDArray[np.int64]:
    """Number of the batch of each cell, shape (cells,); zeros without `batch_key`.

    Raises
    ------
    KeyError
        If `batch_key` is not a column of `.obs`.
    ValueError
        If the batch of a cell is missing.
    """
    if batch_key is None:
        return np.zeros(adata.n_obs, np.int64)
    if batch_key not in adata.obs:
        msg = f"batch_key={batch_key!r} is not a column of adata_new.obs; it has {list(adata.obs)}."
        raise KeyError(msg)
    codes, _ = pd.factorize(adata.obs[batch_key])
    if n_missing := int((codes < 0).sum()):
        msg = f"adata_new.obs[{batch_key!r}] has no value for {n_missing} cells. Name their batch, or leave these cells out."
        raise ValueError(msg)
    return codes.astype(np.int64)
