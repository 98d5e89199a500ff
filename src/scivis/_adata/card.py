"""The quality card in an AnnData object: its keys, and its form in `.uns`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd

from scivis._quality.distances import DistanceBins
from scivis._quality.estimates import Measure
from scivis._store.schema import UnusableModelError, plain_array

from .given import check_adata
from .maps import find_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._quality.advice import Advice
    from scivis._quality.estimates import Estimate

# Name of the reference in every card.
PCA = "PCA"
# Columns that cards of earlier versions do not have.
_LATER = ("low", "high", "chance")


def trust_key(key: str, basis: str) -> str:
    """Column of `.obs` for the trust of each cell."""
    return _column(key, basis, "trust")


def untrusted_key(key: str, basis: str) -> str:
    """Column of `.obs` for the cells whose trust is no better than chance."""
    return _column(key, basis, "untrusted")


def _column(key: str, basis: str, what: str) -> str:
    name = f"{basis.removeprefix('X_')}_{what}"
    return name if key == "quality" else f"{key}_{name}"


def pack_card(estimates: Sequence[Estimate], bins: Mapping[str, DistanceBins]) -> dict[str, Any]:
    """The card as a dictionary that can be written to h5ad and zarr."""
    first = next(iter(bins.values()))
    distances = {
        "bases": np.array(list(bins)),
        "edges": first.edges,
        "quantiles": np.stack([one.quantiles for one in bins.values()]),
        "counts": first.counts,
    }
    rows = [one.row() for one in estimates]
    return {"table": pd.DataFrame(rows, columns=list(Measure._fields)), "distances": distances}


def pack_advice(advice: Mapping[str, Advice]) -> dict[str, Any]:
    """Advice for each purpose as dictionaries of strings and numbers that can be written to h5ad and zarr."""
    return {
        purpose: asdict(one) | {"sure": np.bool_(one.sure), "cautions": "\n".join(one.cautions)}
        for purpose, one in advice.items()
    }


def read_table(adata: AnnData, key: str) -> pd.DataFrame:
    """Table of the measures of a card; intervals and chance are NaN in cards of earlier versions."""
    table, columns = _get(adata, key, "table"), [name for name in Measure._fields if name not in _LATER]
    if not isinstance(table, pd.DataFrame) or not set(columns) <= set(table.columns) or not len(table):
        _fail(key, f"its table does not have the columns {columns}")
    table = table.assign(**{name: np.nan for name in _LATER if name not in table})
    if not all(pd.api.types.is_numeric_dtype(table[name]) for name in ("k", "value", *_LATER, "p")):
        _fail(key, "its table holds text in place of numbers")
    return table.assign(**{name: table[name].astype(str) for name in ("basis", "aspect", "measure")})


def read_distances(adata: AnnData, key: str) -> dict[str, DistanceBins]:
    """Distances of a card, by the name of the embedding."""
    entry, names = _get(adata, key, "distances"), ("bases", "edges", "quantiles", "counts")
    if not hasattr(entry, "keys") or not set(names) <= set(entry):
        _fail(key, f"its distances do not have the entries {names}")
    try:
        bases, edges, quantiles, counts = (plain_array(entry[name], name) for name in names)
    except UnusableModelError as error:
        _fail(key, f"its distances are no arrays ({error})")
    n_bins = counts.size
    if (edges.shape, quantiles.shape, counts.shape) != ((n_bins + 1,), (bases.size, n_bins, 5), (n_bins,)):
        _fail(key, "the shapes of its distances do not match")
    if edges.dtype.kind != "f" or quantiles.dtype.kind != "f" or counts.dtype.kind not in "iu":
        _fail(key, "its distances are not numbers")
    return {str(name): DistanceBins(edges, some, counts) for name, some in zip(bases.flat, quantiles, strict=True)}


def read_trust(adata: AnnData, key: str, basis: str) -> NDArray[np.float32]:
    """Trust of every cell in one embedding, shape (cells,)."""
    name = trust_key(key, basis)
    if name not in adata.obs:
        msg = f"Did not find {name!r} in adata.obs. Run `scivis.tl.quality(adata, {basis!r})` first."
        raise KeyError(msg)
    return adata.obs[name].to_numpy(np.float32)


def measured_bases(adata: AnnData, key: str) -> list[str]:
    """Names of the embeddings of a card, without the reference."""
    return [name for name in read_table(adata, key)["basis"].unique() if name != PCA]


def select_bases(names: list[str], basis: str | Sequence[str] | None) -> list[str]:
    """Embeddings of a card named with or without `X_`; by default all."""
    return names if basis is None else find_keys(basis, names, "the quality card")


def _get(adata: AnnData, key: str, name: str) -> Any:
    check_adata(adata)
    entry = adata.uns.get(key)
    if not hasattr(entry, "keys") or name not in entry:
        msg = f"adata.uns[{key!r}] holds no quality card. Run `scivis.tl.quality(adata)` first."
        raise KeyError(msg)
    return entry[name]


def _fail(key: str, what: str) -> NoReturn:
    msg = f"The quality card in adata.uns[{key!r}] cannot be used: {what}. Run `scivis.tl.quality(adata)` again."
    raise ValueError(msg)
