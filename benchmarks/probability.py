"""Are the probabilities of predicted labels right? Of the cells told with probability p, a share of about p should be.

python benchmarks/probability.py --data DIR --out runs-probability
python benchmarks/probability.py --data DIR --out trial --datasets pbmc3k --seeds 0 --cells 1000

A random quarter of the cells is new; the others are the reference, whose labels are learned (default settings). Of larger data,
`--cells` random cells are used. Measures, as means over seeds: `accuracy` of the predicted labels, mean `certainty`, and the
expected calibration error over ten bins of equal width, before (`uncalibrated`) and after calibration (`ece`). `pooled` is the
latter over the cells of all seeds together, and `chance` what perfect probabilities would have in the same cells, because the
accuracy in a bin of few cells is itself uncertain. Writes `probability.csv` and `probability.md` into --out.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import folds
import machine
import numpy as np
import results

import scivis

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    Values = NDArray[np.floating]

DATASETS = ("pbmc3k", "cbmc_citeseq", "kang_scgen_valid", "mixology_3lines", "huimm_cytof", "mnist")
COLUMNS = ("cells", "accuracy", "certainty", "uncalibrated", "ece", "pooled", "chance")
_N_BINS = 10


def expected_calibration_error(p: Values, is_right: NDArray[np.bool_]) -> float:
    """Mean difference of probability and accuracy over bins of the probability, weighted by their numbers of cells.

    Examples
    --------
    Two cells told with 0.95, one of them right, and two with 0.5, one of them right: (2 · 0.45 + 2 · 0) / 4.

    >>> p, is_right = np.array([0.95, 0.95, 0.5, 0.5]), np.array([True, False, True, False])
    >>> round(expected_calibration_error(p, is_right), 3)
    0.225
    """
    bins = np.minimum((p * _N_BINS).astype(int), _N_BINS - 1)
    return float(np.abs(np.bincount(bins, p - is_right, _N_BINS)).sum() / len(p))


def chance(p: Values, n_repeats: int = 100) -> float:
    """Mean error if each label is right with exactly its probability."""
    rng = np.random.default_rng(0)
    return float(np.mean([expected_calibration_error(p, rng.random(len(p)) < p) for _ in range(n_repeats)]))


def parts(name: str, folder: Path, cells: int, seed: int) -> tuple[AnnData, AnnData]:
    """Reference and new cells, in the representation of the reference."""
    adata = folds.read(name, folder)
    if name == "kang_scgen_valid":
        adata = adata[adata.obs["condition"] == "control"]
    adata.obs["type"] = adata.obs["label" if "label" in adata.obs else "cell_type"].astype(str)
    order = np.random.default_rng(seed).permutation(adata.n_obs)[:cells]
    new, old = np.split(order, [len(order) // 4])
    return folds.represent(name, adata[np.sort(old)].copy(), adata[np.sort(new)].copy())


def uncalibrated(scores: Values, params: dict[str, float]) -> Values:
    """The probabilities of the network itself, from calibrated ones."""
    doubt, temperature = params["label_doubt"], params["label_temperature"]
    softened = np.maximum((scores - doubt / scores.shape[1]) / (1 - doubt), 1e-30) ** temperature
    return softened / softened.sum(axis=1, keepdims=True)


def predict(
    reference: AnnData, query: AnnData, seed: int
) -> tuple[Values, Values, NDArray[np.bool_], dict[str, float]]:
    """Certainty of the new cells, the same before calibration, whether their label is right, and how it was calibrated."""
    scivis.tl.ivis(reference, labels="type", random_state=seed)
    scivis.tl.ingest(query, reference, use_rep="X_pca" if "X_pca" in query.obsm else None)
    is_right = (query.obs["ivis_label"].astype(str) == query.obs["type"]).to_numpy()
    params, scores = reference.uns["ivis"]["params"], query.obsm["ivis_scores"].astype(np.float64)
    return query.obs["ivis_certainty"].to_numpy(np.float64), uncalibrated(scores, params).max(axis=1), is_right, params


def table(rows: list[dict[str, object]]) -> str:
    """Markdown: a row per data set, with the means over seeds."""
    lines = [("data", *COLUMNS), ("---",) * (len(COLUMNS) + 1)]
    for name in dict.fromkeys(row["data"] for row in rows):
        chosen = [row for row in rows if row["data"] == name]
        means = [np.mean([row[column] for row in chosen]) for column in COLUMNS]
        lines.append((name, f"{means[0]:.0f}", *(f"{value:.3f}" for value in means[1:])))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compare probabilities of predicted labels with how often they are right."
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("SCIVIS_DATA"), help="folder of the h5ad files")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cells", type=int, default=4000)
    args = parser.parse_args()
    if args.data is None:
        parser.error("give --data, or set SCIVIS_DATA")

    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for name in args.datasets:
        rows += measure(name, args)
        print(table(rows), flush=True)
        results.write(args.out / "probability.csv", rows)
        (args.out / "probability.md").write_text(f"{machine.describe()}\n\n{table(rows)}\n")


def measure(name: str, args: argparse.Namespace) -> list[dict[str, object]]:
    """A row per seed."""
    rows, told, right = [], [], []
    for seed in args.seeds:
        p, before, is_right, params = predict(*parts(name, args.data, args.cells, seed), seed)
        told.append(p)
        right.append(is_right)
        errors = {
            "uncalibrated": expected_calibration_error(before, is_right),
            "ece": expected_calibration_error(p, is_right),
        }
        found = {"cells": len(p), "accuracy": is_right.mean(), "certainty": p.mean()} | errors | {"chance": chance(p)}
        rows.append({"data": name, "seed": seed} | found | {k: params[k] for k in ("label_temperature", "label_doubt")})
    pooled = expected_calibration_error(np.concatenate(told), np.concatenate(right))
    return [row | {"pooled": pooled} for row in rows]


if __name__ == "__main__":
    main()
