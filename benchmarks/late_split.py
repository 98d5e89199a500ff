"""P-values of new cells whose object was split after its PCA, beside those of cells that the PCA has not seen.

python benchmarks/late_split.py --data DIR --out runs-late-split
python benchmarks/late_split.py --data DIR --out trial --datasets pbmc3k --seeds 0

A random share of the cells is new. Principal components are those of the reference (early) or of all cells (late). Measures, as
means over seeds: `missing` (the share of the cells of the PCA that the reference seems to lack, as scivis estimates it), and the
shares of new cells with p ≤ 0.01 if reference cells are left out of the PCA for calibration, and if they are not. scivis leaves them
out if at most 2 % are missing. Writes into --out: `late_split.csv` (a row per data set, share, split and seed) and `late_split.md`.
"""

from __future__ import annotations

import argparse
import os
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import machine
import numpy as np
import pandas as pd
import results
from sklearn.decomposition import PCA
from strangers import read, variable_genes

from scivis.neighbors._cross_fitting import cross_fitted_scores, missing_share
from scivis.neighbors._novelty import Reference, calibrated, fit_reference, novelty, p_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

DATASETS = ("pbmc3k", "cbmc_citeseq", "kang_scgen_valid")
SHARES = (0.25, 0.05)
_N_PCS = 50


def measure(x: Matrix, *, share: float, late: bool, seed: int) -> dict[str, float]:
    """The measures of one split."""
    rng = np.random.default_rng(seed)
    is_new = rng.random(len(x)) < share
    pca = PCA(_N_PCS, svd_solver="randomized", random_state=0).fit(x if late else x[~is_new])
    cells, new = (pca.transform(x[part]).astype(np.float32) for part in (~is_new, is_new))
    plain = fit_reference(cells, rng)
    left_out = calibrated(plain, cross_fitted_scores(x[~is_new], _N_PCS, len(plain.landmarks), rng))
    return {
        "missing": missing_share(cells),
        "cells left out": false_alarms(left_out, new),
        "no cells left out": false_alarms(plain, new),
    }


def false_alarms(reference: Reference, new: Matrix) -> float:
    """Share of new cells with p ≤ 0.01."""
    return float((p_values(reference, novelty(reference, new)) <= 0.01).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description="P-values after a split before and after the PCA.")
    parser.add_argument("--data", type=Path, default=os.environ.get("SCIVIS_DATA"), help="folder of the h5ad files")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    args = parser.parse_args()
    if args.data is None:
        parser.error("give --data, or set SCIVIS_DATA")

    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in args.datasets:
        x, _ = read(name, args.data, np.random.default_rng(0))
        x = x[:, variable_genes(x)]
        for share, late, seed in product(SHARES, (False, True), args.seeds):
            split = {"data": name, "share": share, "PCA": "all cells" if late else "reference", "seed": seed}
            rows.append(split | measure(x, share=share, late=late, seed=seed))
            print(rows[-1], flush=True)
    results.write(args.out / "late_split.csv", rows)
    means = pd.DataFrame(rows).drop(columns="seed").groupby(["data", "share", "PCA"], sort=False).mean()
    table = means.map("{:.1%}".format).reset_index().to_markdown(index=False)
    (args.out / "late_split.md").write_text(f"{machine.describe()}\n\n{table}\n")
    print(table)


if __name__ == "__main__":
    main()
