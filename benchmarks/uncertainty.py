"""Do the ellipses of `scivis.tl.uncertainty` cover the places of cells that are measured again?

python benchmarks/uncertainty.py --data DIR --out runs-uncertainty
python benchmarks/uncertainty.py --data DIR --out trial --datasets rnamix_celseq2 --designs fitted

Each count is split binomially into two halves, which are independent measurements of the same cells at half the depth. In
`fitted`, map and ellipses are those of the first half of all cells. In `new`, the map is fitted on the first half of a random
half of the cells, and the ellipses are those of the other cells. `tl.ingest` places the second half of the same cells.
Coverage is the share of cells whose second place lies in their ellipse (`target="repeated"`), overall, and per type with more
than 50 cells: the lowest and the highest. `point` is the coverage of the same ellipses around the places on the map instead of
the expected places, and `neighbors` that of ellipses by `noise="neighbors"`. `size` is the median of the uncertainty (with
`target="expected"` it is smaller by a factor of about 1.4) relative to the standard deviation of the map, and `offset` that of
the distance between place and expected place. Writes `uncertainty.json` and `uncertainty.md` into --out.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import anndata
import datasets
import machine
import numpy as np
import scanpy as sc
from scipy import sparse

import scivis

NAMES = ("mixology_3lines", "cbmc_citeseq", "rnamix_celseq2")
DESIGNS = ("fitted", "new")
_MIN_CELLS = 50


def halves(path: Path, cells: int | None, rng: np.random.Generator) -> tuple[anndata.AnnData, anndata.AnnData]:
    """Two measurements of the same cells, log-normalized, with their counts."""
    adata = anndata.read_h5ad(path)
    adata.var_names_make_unique()
    if cells is not None and cells < adata.n_obs:
        adata = adata[np.sort(rng.choice(adata.n_obs, cells, replace=False))].copy()
    counts = sparse.csr_matrix(adata.X).astype(np.int64)
    first = counts.copy()
    first.data = rng.binomial(counts.data, 0.5)
    return tuple(_normalized(half, adata) for half in (first, sparse.csr_matrix(counts - first)))


def _normalized(counts: Any, adata: anndata.AnnData) -> anndata.AnnData:
    made = anndata.AnnData(counts.astype(np.float32), obs=adata.obs[["label"]].astype(str), var=adata.var[[]])
    made.layers["counts"] = made.X.copy()
    sc.pp.normalize_total(made, target_sum=1e4)
    sc.pp.log1p(made)
    return made


def coverages(expected: Any, ellipse: Any, places: Any, labels: Any) -> dict[str, float]:
    """Coverage overall, and the lowest and highest of a type."""
    dx, dy = (places - expected).T
    angle = np.radians(ellipse[:, 2])
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    inside = (along / ellipse[:, 0]) ** 2 + (across / ellipse[:, 1]) ** 2 <= 1
    types = [inside[labels == name].mean() for name in np.unique(labels) if (labels == name).sum() > _MIN_CELLS]
    low, high = (float(min(types)), float(max(types))) if types else (float("nan"),) * 2
    return {"all": float(inside.mean()), "lowest": low, "highest": high}


def measure(name: str, design: str, args: argparse.Namespace, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    first, second = halves(Path(args.data) / f"{name}.h5ad", args.cells, rng)
    is_fitted = np.ones(first.n_obs, bool) if design == "fitted" else rng.random(first.n_obs) < 0.5
    reference = first[is_fitted].copy()
    sc.pp.highly_variable_genes(reference, n_top_genes=2000)
    sc.pp.pca(reference, n_comps=args.n_comps)
    scivis.tl.ivis(reference, random_state=seed)
    if design == "fitted":
        cells, given = reference, None
    else:
        cells, second, given = first[~is_fitted].copy(), second[~is_fitted].copy(), reference
        scivis.tl.ingest(cells, reference)
    scivis.tl.ingest(second, reference)
    start = time.perf_counter()
    scivis.tl.uncertainty(cells, reference=given, target="repeated", random_state=seed)
    seconds = time.perf_counter() - start
    at, again, labels = cells.obsm["X_ivis"], second.obsm["X_ivis"], cells.obs["label"].to_numpy()
    expected, ellipse = cells.obsm["ivis_expected"], cells.obsm["ivis_ellipse"]
    spread = float(reference.obsm["X_ivis"].std())
    row = {"dataset": name, "design": design, "seed": seed, "cells": cells.n_obs, "seconds": seconds}
    row |= coverages(expected, ellipse, again, labels)
    row["point"] = coverages(at, ellipse, again, labels)["all"]
    row["size"] = float(np.median(cells.obs["ivis_uncertainty"])) / spread
    row["offset"] = float(np.median(np.linalg.norm(at - expected, axis=1))) / spread
    if design == "fitted":
        scivis.tl.uncertainty(cells, noise="neighbors", target="repeated", random_state=seed)
        row["neighbors"] = coverages(cells.obsm["ivis_expected"], cells.obsm["ivis_ellipse"], again, labels)["all"]
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    shares, columns = ("all", "lowest", "highest", "point", "neighbors"), ("dataset", "design", "cells", "seed")
    lines = [f"| {' | '.join([*columns, *shares, 'size', 'offset', 'seconds'])} |", "|" + " --- |" * 12]
    for row in rows:
        numbers = [f"{row[c]:.3f}" if c in row else "–" for c in (*shares, "size", "offset")]
        texts = [*(str(row[c]) for c in columns), *numbers, f"{row['seconds']:.0f}"]
        lines.append(f"| {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the coverage of error bars.")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--datasets", nargs="+", default=list(NAMES))
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--n-comps", type=int, default=50, help="number of principal components")
    datasets.add_options(parser)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    args.out.mkdir(parents=True, exist_ok=True)
    description, rows = machine.describe(), []
    for seed in args.seeds:
        for name in args.datasets:
            for design in args.designs:
                rows.append(measure(name, design, args, seed))
                print(rows[-1], flush=True)
                (args.out / "uncertainty.json").write_text(json.dumps(rows, indent=1))
                (args.out / "uncertainty.md").write_text(f"{description}\n\n{table(rows)}")
    print(table(rows))


if __name__ == "__main__":
    main()
