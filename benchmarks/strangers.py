"""Cells of a type that the reference lacks: are they found, and how many others are taken for them?

python benchmarks/strangers.py --data DIR --out runs-strangers
python benchmarks/strangers.py --data DIR --out trial --datasets pbmc3k --seeds 0

Each type of a data set is left out of the reference once, with a quarter of the other cells. Principal components are those of the
reference. Measures, as means over types and seeds: `auroc` (strangers against held-out cells), `found` (strangers with p ≤ 0.01)
and `false alarms` (held-out cells with p ≤ 0.01). The methods are scivis; its score without the recalculation of the principal
components; the distance to 15 reference cells; and the score of version 0.1, the distance to 5 of 2,000 cells over its 99th
percentile among reference cells. Writes into --out: `strangers.csv` (a row per type, seed and method) and `strangers.md`.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import machine
import numpy as np
import results
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from scivis.neighbors._cross_fitting import cross_fitted_scores
from scivis.neighbors._novelty import calibrated, fit_reference, novelty, p_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]
    # Scores and p-values of cells, from a sample of the reference's cells.
    Scorer = Callable[[Matrix], tuple[NDArray[np.floating], NDArray[np.floating]]]

DATASETS = ("pbmc3k", "cbmc_citeseq", "kang_scgen_valid", "pendigits", "mnist", "huimm_cytof")
MEASURES = ("auroc", "found", "false alarms")
# Cells of a data set, of a reference, and of each kind that is scored.
_MAX_CELLS, _MAX_SCORED, _MIN_CELLS = 20_000, 1500, 20
_N_GENES, _N_PCS = 2000, 50


@dataclass(frozen=True)
class Fold:
    """Rows of the reference, of held-out cells of its types, and of cells of the type that it lacks."""

    reference: Matrix
    held_out: Matrix
    strangers: Matrix
    genes: Matrix | None  # expression of the reference, if the rows are its principal components


def read(name: str, folder: Path, rng: np.random.Generator) -> tuple[Matrix, NDArray[np.str_]]:
    """Log-normalized expression, or other features, and the type of each cell."""
    import scanpy as sc

    adata = anndata.read_h5ad(folder / f"{name}.h5ad")
    if name == "kang_scgen_valid":
        adata = adata[(adata.obs == "control").any(axis=1)]
    adata = adata[np.sort(rng.permutation(adata.n_obs)[:_MAX_CELLS])].copy()
    adata.X = adata.X.astype(np.float32)
    if name == "cbmc_citeseq":
        sc.pp.normalize_total(adata, target_sum=1e4)
        sc.pp.log1p(adata)
    label = "label" if "label" in adata.obs else "cell_type"
    return np.asarray(adata.X.toarray() if hasattr(adata.X, "toarray") else adata.X), adata.obs[label].to_numpy(str)


def folds(x: Matrix, types: NDArray[np.str_], rng: np.random.Generator) -> Iterator[tuple[str, Fold]]:
    """A fold for each type with enough cells."""
    for name, size in zip(*np.unique(types, return_counts=True), strict=True):
        if size >= _MIN_CELLS:
            others = rng.permutation(np.flatnonzero(types != name))
            held_out, reference = np.split(others, [len(others) // 4])
            yield name, fold(x, reference, held_out[:_MAX_SCORED], np.flatnonzero(types == name)[:_MAX_SCORED])


def fold(x: Matrix, reference: NDArray[np.int64], held_out: NDArray[np.int64], strangers: NDArray[np.int64]) -> Fold:
    """Up to 50 features as they are, or principal components of the most variable ones, computed from the reference."""
    parts = (reference, held_out, strangers)
    if x.shape[1] <= _N_PCS:
        return Fold(*(x[part] for part in parts), genes=None)
    genes = x[reference]
    used = variable_genes(genes)
    pca = PCA(_N_PCS, svd_solver="randomized", random_state=0).fit(genes[:, used])
    return Fold(*(pca.transform(x[part][:, used]).astype(np.float32) for part in parts), genes=genes[:, used])


def variable_genes(x: Matrix) -> NDArray[np.int64]:
    """Columns of the genes of the largest variance over mean, at most 2,000."""
    dispersion = x.var(axis=0) / np.maximum(x.mean(axis=0), 0.0125)
    return np.sort(np.argsort(-dispersion, kind="stable")[:_N_GENES])


def scivis(fold: Fold, rng: np.random.Generator, *, recalculated: bool = True) -> Scorer:
    """The score and the p-values that `tl.ingest` writes."""
    reference = fit_reference(fold.reference, rng)
    if recalculated and fold.genes is not None:
        held_out = cross_fitted_scores(fold.genes, _N_PCS, len(reference.landmarks), rng)
        reference = calibrated(reference, held_out)
    return lambda x: (scores := novelty(reference, x), p_values(reference, scores))


def distance(fold: Fold, rng: np.random.Generator, *, k: int, n_max: int | None = None) -> Scorer:
    """The mean distance to reference cells, and whether it is above the 99th percentile among these (as a p-value)."""
    cells = fold.reference[rng.permutation(len(fold.reference))[:n_max]]
    found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(cells)
    line = np.quantile(found.kneighbors()[0].mean(axis=1), 0.99)
    return lambda x: (scores := found.kneighbors(x)[0].mean(axis=1), np.where(scores > line, 0.01, 1.0))


METHODS: dict[str, Callable[[Fold, np.random.Generator], Scorer]] = {
    "scivis": scivis,
    "scivis, calibrated on the cells of the PCA": lambda fold, rng: scivis(fold, rng, recalculated=False),
    "distance to 15 cells": lambda fold, rng: distance(fold, rng, k=15),
    "scivis 0.1: distance to 5 of 2,000 cells": lambda fold, rng: distance(fold, rng, k=5, n_max=2000),
}


def measure(fold: Fold, scorer: Scorer) -> dict[str, float]:
    """The measures of a method on a fold."""
    (own, p_own), (other, p_other) = scorer(fold.held_out), scorer(fold.strangers)
    is_stranger = np.repeat([0, 1], [len(own), len(other)])
    values = roc_auc_score(is_stranger, np.concatenate([own, other])), (p_other <= 0.01).mean(), (p_own <= 0.01).mean()
    return dict(zip(MEASURES, map(float, values), strict=True))


def table(rows: list[dict[str, object]]) -> str:
    """Markdown: a row per method, with the measures of each data set."""
    names = list(dict.fromkeys(row["data"] for row in rows))
    lines = [("method", *names), ("---",) * (len(names) + 1)]
    for method in METHODS:
        cells = []
        for name in names:
            chosen = [row for row in rows if (row["data"], row["method"]) == (name, method)]
            auroc, found, alarms = (np.mean([row[measure] for row in chosen]) for measure in MEASURES)
            cells.append(f"{auroc:.3f} · {found:.0%} · {alarms:.1%}")
        lines.append((method, *cells))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Leave one type out of the reference, and look for its cells.")
    parser.add_argument("--data", type=Path, default=os.environ.get("SCIVIS_DATA"), help="folder of the h5ad files")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    args = parser.parse_args()
    if args.data is None:
        parser.error("give --data, or set SCIVIS_DATA")

    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for name in args.datasets:
        for seed in args.seeds:
            rng = np.random.default_rng(seed)
            for left_out, cells in folds(*read(name, args.data, rng), rng):
                for method, make in METHODS.items():
                    result = measure(cells, make(cells, np.random.default_rng(seed)))
                    rows.append({"data": name, "seed": seed, "left out": left_out, "method": method, **result})
        print(table(rows), flush=True)
    results.write(args.out / "strangers.csv", rows)
    (args.out / "strangers.md").write_text(f"{machine.describe()}\n\n{table(rows)}\n")


if __name__ == "__main__":
    main()
