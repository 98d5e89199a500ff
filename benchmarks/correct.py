"""New batches with and without correction: do their cells fall among cells of their type?

pip install harmonypy symphonypy
python benchmarks/correct.py --data DIR --out runs-correct
python benchmarks/correct.py --data DIR --out trial --cases kang_scgen_valid --seeds 1 --cells 500

Each case has a reference, either a plain PCA or integrated with harmonypy, and a query of which the genes are given.
Columns are the accuracy of 10 nearest reference cells: in the PCA, in the PCA corrected by symphonypy, on the map of
scivis, and on this map after the correction of `tl.ingest`. Means and standard deviations are over the seeds of scivis.
Writes `correct.md` and `correct.json` into --out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import datasets
import folds
import machine
import numpy as np
import scanpy as sc
from sklearn.neighbors import KNeighborsClassifier

import scivis

if TYPE_CHECKING:
    from anndata import AnnData

    Matrix = np.ndarray

# Names of the same types in two data sets. Platelets are in one of them only.
TYPES = {
    "Naive CD4 T": "CD4T", "Memory CD4 T": "CD4T", "CD8 T": "CD8T", "CD14+ Mono": "CD14+Mono", "DC": "Dendritic",
    "FCGR3A+ Mono": "FCGR3A+Mono",
}  # fmt: skip
PBMC, CYTOF = ("pbmc3k", "control", "stimulated"), "multicenter_cytof"
CONSTANT = "one batch"
# Cells of a part, drawn at random from more. A fit of each seed then takes less than a minute.
_MOST = 3000


@dataclass(frozen=True)
class Case:
    """A reference and a query: cells whose `.obs["batch"]` is `query`, or a random quarter, of some types."""

    what: str
    dataset: str
    query: str | None = None
    types: tuple[str, ...] = ()
    is_integrated: bool = False


CASES = {
    "kang_scgen_valid": Case("blood cells, without → with interferon", "kang_scgen_valid", "stimulated"),
    "mixology_dropseq": Case("cell lines, CEL-seq2 → Drop-seq", "mixology_3lines", "dropseq"),
    "mixology_celseq2": Case("cell lines, Drop-seq → CEL-seq2", "mixology_3lines", "celseq2"),
    "multicenter_cytof": Case("blood cells, cytometry, 15 samples → sample 1", CYTOF, "sample01"),
    "same_experiment": Case("blood cells, the same experiment", "pbmc3k"),
    "same_experiment_few_types": Case(
        "the same, only memory and CD8 T cells", "pbmc3k", None, ("Memory CD4 T", "CD8 T")
    ),
    **{f"pbmc_{name}": Case(f"blood cells, integrated, → {name}", "pbmc", name, is_integrated=True) for name in PBMC},
    "multicenter_integrated": Case(
        "cytometry, 15 samples integrated → sample 1", CYTOF, "sample01", is_integrated=True
    ),
}


def read(name: str, folder: Path) -> AnnData:
    """Normalized cells with `label` and `batch`."""
    if name == "pbmc":
        parts = [folds.read("pbmc3k", folder), folds.read("kang_scgen_valid", folder)]
        parts[0].obs["batch"] = "pbmc3k"
        adata = anndata.concat(parts)
        adata.obs["label"] = adata.obs["label"].astype(str).replace(TYPES)
        return adata[adata.obs["label"] != "Platelet"].copy()
    adata = folds.read(name, folder)
    return adata[adata.obs["label"] != "unlabeled"].copy()


def split(case: Case, folder: Path, cells: int | None) -> tuple[AnnData, AnnData]:
    """Reference and query, at most `cells` (3,000) random cells of each."""
    adata, rng = read(case.dataset, folder), np.random.default_rng(0)
    new = rng.random(adata.n_obs) < 0.25 if case.query is None else (adata.obs["batch"] == case.query).to_numpy()
    own = adata.obs["label"].isin(case.types or adata.obs["label"].unique()).to_numpy()
    parts = [np.flatnonzero(~new), np.flatnonzero(new & own)]
    reference, query = (
        adata[np.sort(rng.choice(rows, min(cells or _MOST, len(rows)), replace=False))] for rows in parts
    )
    return reference.copy(), query.copy()


def represent(case: Case, reference: AnnData, query: AnnData) -> tuple[AnnData, AnnData, AnnData]:
    """The reference with its PCA, corrected by Harmony if it is integrated, and the query as it is and scaled."""
    import symphonypy

    plain = query
    if case.dataset == CYTOF:
        reference.var["mean"], reference.var["std"] = datasets._dense(reference.X).mean(axis=0), 1.0
        sc.pp.pca(reference, n_comps=reference.n_vars - 1)
    else:
        reference, query = folds.scale(reference, query)
        sc.pp.pca(reference, n_comps=50)
    # Without batches, symphonypy takes cluster centers for sums. A constant batch lets harmonypy compute the sums.
    reference.obs[CONSTANT] = "1"
    symphonypy.pp.harmony_integrate(reference, "batch" if case.is_integrated else CONSTANT, verbose=False)
    return reference, query, plain[:, reference.var_names].copy()


def accuracies(case: Case, parts: tuple[AnnData, AnnData, AnnData], n_seeds: int) -> dict[str, list[float]]:
    """Accuracy of each column; of the maps one per seed."""
    import symphonypy

    reference, query, plain = parts
    key = "X_pca_harmony" if case.is_integrated else "X_pca"

    def accuracy(known: Matrix, new: Matrix) -> float:
        neighbors = KNeighborsClassifier(10).fit(known, reference.obs["label"].astype(str))
        return float((neighbors.predict(new) == query.obs["label"].astype(str).to_numpy()).mean())

    symphonypy.tl.map_embedding(plain, reference, use_genes_column=None)
    found = {"10-NN": [accuracy(reference.obsm[key], plain.obsm["X_pca_reference"])],
             "10-NN, symphonypy": [accuracy(reference.obsm[key], plain.obsm["X_pca_harmony"])],
             "scivis": [], "scivis, corrected": []}  # fmt: skip
    for seed in range(n_seeds):
        scivis.tl.ivis(reference, use_rep=key, random_state=seed)
        for column, correct in (("scivis", False), ("scivis, corrected", True)):
            scivis.tl.ingest(query, reference, correct=correct)
            found[column].append(accuracy(reference.obsm["X_ivis"], query.obsm["X_ivis"]))
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, a line per case."""
    columns = list(rows[0]["accuracies"])
    lines = [("reference → query", "cells", *columns), ("---",) * (2 + len(columns))]
    for row in rows:
        cells = f"{row['n_reference']:,} → {row['n_query']:,}"
        lines.append((row["what"], cells, *(_text(row["accuracies"][name]) for name in columns)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the correction of batches.")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    datasets.add_options(parser)
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # symphonypy names functions of anndata that are outdated

    description, rows = machine.describe(), []
    print(description, flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.cases:
        case = CASES[name]
        parts = represent(case, *split(case, args.data, args.cells))
        numbers = {"n_reference": parts[0].n_obs, "n_query": parts[1].n_obs}
        rows.append({"case": name, "what": case.what} | numbers | {"accuracies": accuracies(case, parts, args.seeds)})
        print(rows[-1], flush=True)
        (args.out / "correct.json").write_text(json.dumps(rows, indent=1))
        (args.out / "correct.md").write_text(f"{description}\n\n{table(rows)}\n")
    print(f"\n{table(rows)}")


if __name__ == "__main__":
    main()
