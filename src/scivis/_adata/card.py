"""The quality card in an AnnData object: its names, and the only module that knows how it lies in `.uns`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd

from scivis._quality import Boxes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._quality import Measure

# What the reference of every card is called.
PCA = "PCA"
_COLUMNS = ("basis", "aspect", "measure", "k", "value", "p")


def trust_key(key: str, basis: str) -> str:
    """The column of `.obs` for the trust in each cell's place."""
    name = f"{basis.removeprefix('X_')}_trust"
    return name if key == "quality" else f"{key}_{name}"


def pack_card(rows: Sequence[Measure], boxes: Mapping[str, Boxes]) -> dict[str, Any]:
    """The card as a dictionary that h5ad and zarr can hold."""
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    table["k"] = table["k"].fillna(0).astype(np.int64)
    return {
        "table": table,
        "distances": {
            "bases": np.array(list(boxes)),
            "edges": next(iter(boxes.values())).edges,
            "quantiles": np.stack([some.quantiles for some in boxes.values()]),
            "counts": next(iter(boxes.values())).counts,
        },
    }


def read_table(adata: AnnData, key: str) -> pd.DataFrame:
    """The table of a card."""
    table = _entry(adata, key, "table")
    if not isinstance(table, pd.DataFrame) or not set(_COLUMNS) <= set(table.columns) or not len(table):
        _refuse(key, f"its table is not one with the columns {list(_COLUMNS)}")
    if not all(pd.api.types.is_numeric_dtype(table[name]) for name in ("k", "value", "p")):
        _refuse(key, "its table holds text in place of numbers")
    return table.assign(**{name: table[name].astype(str) for name in ("basis", "aspect", "measure")})


def read_boxes(adata: AnnData, key: str) -> dict[str, Boxes]:
    """The distances of a card, by map."""
    entry = _entry(adata, key, "distances")
    if not hasattr(entry, "keys") or not {"bases", "edges", "quantiles", "counts"} <= set(entry):
        _refuse(key, "its distances are incomplete")
    bases, edges, quantiles, counts = (np.asarray(entry[name]) for name in ("bases", "edges", "quantiles", "counts"))
    n_bins = counts.size
    if (edges.shape, quantiles.shape, counts.shape) != ((n_bins + 1,), (bases.size, n_bins, 5), (n_bins,)):
        _refuse(key, "its distances do not fit together")
    if edges.dtype.kind != "f" or quantiles.dtype.kind != "f" or counts.dtype.kind not in "iu":
        _refuse(key, "its distances are not numbers")
    return {str(name): Boxes(edges, some, counts) for name, some in zip(bases.flat, quantiles, strict=True)}


def read_trust(adata: AnnData, key: str, basis: str) -> NDArray[np.floating]:
    """Every cell's trust on one map."""
    name = trust_key(key, basis)
    if name not in adata.obs:
        msg = f"Did not find {name!r} in adata.obs. Run `scivis.tl.quality(adata, {basis!r})` first."
        raise KeyError(msg)
    return adata.obs[name].to_numpy(np.float32)


def judged(adata: AnnData, key: str) -> list[str]:
    """The maps of a card, without the reference."""
    return [name for name in dict.fromkeys(read_table(adata, key)["basis"]) if name != PCA]


def pick(names: list[str], basis: str | Sequence[str] | None) -> list[str]:
    """Those maps of a card that are asked for, with or without their `X_`; by default all."""
    if basis is None:
        return names
    asked = [basis] if isinstance(basis, str) else list(basis)
    found = [next((name for name in (one, f"X_{one}") if name in names), None) for one in asked]
    if None in found or not found:
        msg = f"basis={basis!r}, but the card judges {names}. Run `scivis.tl.quality` with the map first."
        raise KeyError(msg)
    return [name for name in found if name]


def _entry(adata: AnnData, key: str, name: str) -> Any:
    entry = adata.uns.get(key)
    if not hasattr(entry, "keys") or name not in entry:
        msg = f"adata.uns[{key!r}] holds no quality card. Run `scivis.tl.quality(adata)` first."
        raise KeyError(msg)
    return entry[name]


def _refuse(key: str, what: str) -> NoReturn:
    msg = f"The card in adata.uns[{key!r}] cannot be used: {what}. Run `scivis.tl.quality(adata)` again."
    raise ValueError(msg)
