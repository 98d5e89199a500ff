"""Cells of a type that the reference lacks, in a reference of many samples: scivis beside mapQC.

python benchmarks/samples.py --data DIR    # needs `pip install mapqc`

200 labeled cells of each of the 16 samples of `multicenter_cytof`. The last sample is the query. Each of the four types is left out
of the reference of the other 15 once. AUROC of its cells against the other cells of the query, and shares of both that are found:
scivis by p ≤ 0.01, mapQC by a score above 2, as its documentation says. mapQC leaves cells out of whose neighborhoods it cannot judge.
Prints a table with means over seeds.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from scivis.neighbors._novelty import fit_reference, novelty, p_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.floating]

_CELLS = 200


def read(folder: Path, rng: np.random.Generator) -> tuple[Values, NDArray[np.str_], NDArray[np.str_]]:
    """Markers, type and sample of the cells."""
    adata = anndata.read_h5ad(folder / "multicenter_cytof.h5ad", backed="r")
    types, samples = (adata.obs[key].to_numpy(str) for key in ("label", "batch"))
    known = [np.flatnonzero((samples == sample) & (types != "unlabeled")) for sample in np.unique(samples)]
    rows = np.sort(np.concatenate([rng.choice(cells, _CELLS, replace=False) for cells in known]))
    return np.asarray(adata[rows].to_memory().X, np.float32), types[rows], samples[rows]


def by_scivis(
    x: Values, samples: NDArray[np.str_], new: NDArray[np.bool_], seed: int
) -> tuple[Values, NDArray[np.bool_]]:
    """Score of the cells of the query, and which are found."""
    reference = fit_reference(x[~new], np.random.default_rng(seed))
    scores = novelty(reference, x[new])
    return scores, p_values(reference, scores) <= 0.01


def by_mapqc(
    x: Values, samples: NDArray[np.str_], new: NDArray[np.bool_], seed: int
) -> tuple[Values, NDArray[np.bool_]]:
    """The same; NaN for cells that are not judged."""
    import mapqc

    obs = pd.DataFrame(
        {"part": np.where(new, "query", "reference"), "sample": samples}, index=np.arange(len(x)).astype(str)
    )
    adata = anndata.AnnData(x, obs=obs, obsm={"markers": x})
    mapqc.run_mapqc(
        adata, "markers", "part", "query", "reference", "sample", n_nhoods=40, k_min=100, k_max=1000,
        exclude_same_study=False, seed=seed, verbose=False,
    )  # fmt: skip
    scores = adata.obs["mapqc_score"].to_numpy(float)[new]
    return scores, scores > 2


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Leave one type out of a reference of 15 samples, and look for its cells."
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("SCIVIS_DATA"), help="folder of the h5ad files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    if args.data is None:
        parser.error("give --data, or set SCIVIS_DATA")

    rows = []
    for seed in args.seeds:
        x, types, samples = read(args.data, np.random.default_rng(seed))
        new = samples == np.unique(samples)[-1]
        for left_out in np.unique(types[new]):
            kept = new | (types != left_out)
            strange = types[new] == left_out
            for name, score in (("scivis", by_scivis), ("mapQC", by_mapqc)):
                scores, found = score(x[kept], samples[kept], new[kept], seed)
                judged = np.isfinite(scores)
                auroc = roc_auc_score(strange[judged], scores[judged])
                shares = {"found": found[judged & strange].mean(), "false alarms": found[judged & ~strange].mean()}
                rows.append({"method": name, "auroc": auroc} | shares | {"judged": judged.mean()})
    print(pd.DataFrame(rows).groupby("method").mean().round(3).to_string())


if __name__ == "__main__":
    main()
