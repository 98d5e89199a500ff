"""How the expression of a reference was prepared: the record that its model stores, so that a query is prepared likewise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._checks import is_integer
from scivis._store.schema import fail, float32_array, is_number
from scivis.data._blocks import dense, sample_runs
from scivis.data._scaling import Scaling, applied_scaling
from scivis.data._units import KINDS, Units, find_units

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

# Cells that are read to recognize units: so many values (32 MiB), in runs from all over the data.
_VALUES, _RUNS, _MIN_RUN = 2**23, 32, 4
# Fewer are enough for the units themselves.
_VALUES_OF_UNITS, _MIN_CELLS = 2**21, 50


@dataclass(frozen=True, eq=False)
class Preparation:
    """How the expression of a reference was prepared, for the genes of its model.

    Parameters
    ----------
    units
        Units of the expression, before scaling.
    n_genes
        Number of genes of which `units.total` is the sum; 0 if it is not known.
    scaling
        Scaling of the genes, `None` if they were not scaled or it is not known.
    deviations
        Standard deviation of each gene, as the model reads it.
    lowest, lowest_share
        Lowest value of each gene, as the model reads it, and the share of values that are the lowest. In sparse data,
        this is the value of genes that a cell does not express, which shows how they were scaled.
    """

    units: Units
    n_genes: int
    scaling: Scaling | None
    deviations: NDArray[np.float32]
    lowest: NDArray[np.float32]
    lowest_share: float


def sample_cells(matrix: Any) -> NDArray[np.float32]:
    """Evenly spaced cells with all their genes, dense; all cells of a small matrix."""
    length = max(_VALUES // max(matrix.shape[1], 1) // _RUNS, _MIN_RUN)
    runs = [dense(run) for _, run in sample_runs(matrix, _RUNS, length)]
    return np.concatenate(runs) if runs else np.empty((0, matrix.shape[1]), np.float32)


def read_units(adata: AnnData, rows: NDArray[np.float32], scaling: Scaling | None) -> Units:
    """Units of some cells of `adata` before scaling. If the values do not show logarithms, `uns["log1p"]` may."""
    n_cells = max(_VALUES_OF_UNITS // max(rows.shape[1], 1), _MIN_CELLS)
    rows = rows[:: max(len(rows) // n_cells, 1)]
    units = find_units(rows) if scaling is None else scaling.units_before(rows)
    if units.kind != "unknown" or not hasattr(entry := adata.uns.get("log1p"), "get"):
        return units
    return Units("normalized", float(entry.get("base") or np.e))


def read_scaling(adata: AnnData, rows: NDArray[np.float32]) -> Scaling | None:
    """The scaling of some cells of `adata`, if it left its means and deviations in `.var`, as `sc.pp.scale` does."""
    if not {"mean", "std"} <= set(adata.var) or any(adata.var[name].dtype.kind != "f" for name in ("mean", "std")):
        return None
    return applied_scaling(rows, adata.var["mean"].to_numpy(), adata.var["std"].to_numpy())


def preparation_of(adata: AnnData, matrix: Any, genes: NDArray[Any]) -> Preparation:
    """How the expression in `matrix`, cells × all genes of `adata`, was prepared; `genes` are those of the model."""
    with np.errstate(all="ignore"):  # values that are not finite are reported when all rows are read
        rows = sample_cells(matrix)
        scaling = read_scaling(adata, rows)
        units = read_units(adata, rows, scaling)
        units, n_genes = _with_total(adata, units)
        positions = adata.var_names.get_indexer(genes)
        columns = rows[:, positions]
        lowest = columns.min(axis=0, initial=np.inf) if len(rows) else np.zeros(len(genes), np.float32)
        share = float(np.mean(is_lowest(columns, lowest))) if columns.size else 0.0
        of_genes = None if scaling is None else scaling.of_genes(positions)
        return Preparation(units, n_genes, of_genes, columns.std(axis=0), lowest, share)


def is_lowest(rows: NDArray[np.float32], lowest: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where values are the lowest of their gene, up to rounding."""
    return np.abs(rows - lowest) <= 1e-3 * np.abs(lowest) + 1e-4


def _with_total(adata: AnnData, units: Units) -> tuple[Units, int]:
    """Units with the total of their cells, and the number of genes that it sums over.

    If genes were left out after the normalization, totals differ. Then `.raw` may hold all genes.
    """
    if units.total:
        return units, adata.n_vars
    if units.kind == "normalized" and adata.raw is not None:
        raw = find_units(next(iter(sample_runs(adata.raw.X, 1, 200)))[1])
        if raw.total and (raw.kind, raw.log_base) == (units.kind, units.log_base):
            return raw, adata.raw.n_vars
    return units, 0


def pack_preparation(made: Preparation | None) -> dict[str, Any]:
    """The record as a dictionary of arrays, strings and numbers; empty if there is none."""
    if made is None:
        return {}
    mean, std, max_value = (_NONE, _NONE, 0.0) if (s := made.scaling) is None else (s.mean, s.std, s.max_value)
    units = {"kind": made.units.kind, "log_base": made.units.log_base, "total": made.units.total}
    statistics = {"deviations": made.deviations, "lowest": made.lowest, "lowest_share": made.lowest_share}
    scaling = {"scale_mean": mean, "scale_std": std, "max_value": max_value}
    return units | {"n_genes": made.n_genes} | statistics | scaling


def unpack_preparation(stored: Any, n_genes: int) -> Preparation | None:
    """The record from a dictionary, for a model of so many genes; `None` if there is none."""
    if not hasattr(stored, "keys"):
        fail(f"its preparation is a {type(stored).__name__}, not a dictionary")
    if not stored:
        return None
    if missing := set(pack_preparation(_EMPTY)) - set(stored):
        fail(f"its preparation lacks {sorted(missing)}")
    arrays = {name: float32_array(stored[name], name) for name in ("deviations", "lowest", "scale_mean", "scale_std")}
    expected = {name: (0,) if name.startswith("scale") and not a.size else (n_genes,) for name, a in arrays.items()}
    if any(a.shape != expected[name] for name, a in arrays.items()) or len(arrays["scale_mean"]) != len(
        arrays["scale_std"]
    ):
        fail("its preparation holds arrays of other lengths than its genes")
    _check_numbers(stored, arrays)
    scaling = None
    if arrays["scale_std"].size:
        scaling = Scaling(arrays["scale_mean"], arrays["scale_std"], float(stored["max_value"]))
    units = Units(str(stored["kind"]), float(stored["log_base"]), float(stored["total"]))  # type: ignore[arg-type]  # checked
    total_genes, share = int(stored["n_genes"]), float(stored["lowest_share"])
    return Preparation(units, total_genes, scaling, arrays["deviations"], arrays["lowest"], share)


def _check_numbers(stored: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float32]]) -> None:
    if str(stored["kind"]) not in KINDS:
        fail(f"the kind of its preparation is {str(stored['kind'])[:80]!r}")
    for name in ("log_base", "total", "lowest_share", "max_value"):
        if not is_number(stored[name]) or stored[name] < 0:
            fail(f"the {name} of its preparation is {str(stored[name])[:80]!r}")
    if not is_integer(stored["n_genes"]) or stored["n_genes"] < 0:
        fail(f"the n_genes of its preparation is {str(stored['n_genes'])[:80]!r}")
    if 0 < stored["log_base"] <= 1 or (arrays["scale_std"] <= 0).any():
        fail("its preparation holds a base or standard deviations that are too small")


_NONE = np.empty(0, np.float32)
_EMPTY = Preparation(Units(), 0, None, _NONE, _NONE, 0.0)
