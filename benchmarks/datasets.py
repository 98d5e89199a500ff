"""The data sets: their representation, as every method gets it, and their labels.

python benchmarks/datasets.py pbmc3k --data DIR    # prepares one and prints where
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData
    from numpy.typing import NDArray

# The first four are those of the README.
NAMES = (
    "pbmc3k", "mnist", "huimm_cytof", "multicenter_cytof", "cbmc_citeseq", "kang_scgen_valid", "mixology_3lines",
    "rnamix_celseq2", "cell_lines", "pendigits",
)  # fmt: skip


@dataclass(frozen=True)
class Cells:
    """A representation, cells × features, with a label per cell: `names[codes]`."""

    x: NDArray[np.float32]
    codes: NDArray[np.integer]
    names: NDArray[np.str_]

    def adata(self) -> AnnData:
        """As the methods get it: only the representation, no neighbors."""
        from anndata import AnnData

        return AnnData(obsm={"X_pca": self.x})


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options by which every script finds its data."""
    default = Path(os.environ.get("SCIVIS_CACHE", Path(tempfile.gettempdir()) / "scivis-benchmarks"))
    parser.add_argument("--data", type=Path, default=os.environ.get("SCIVIS_DATA"), help="folder of the h5ad files")
    parser.add_argument("--cache", type=Path, default=default, help="folder for prepared data")
    parser.add_argument("--cells", type=int, help="only so many cells, drawn at random: to try a script out")


def prepared(name: str, args: argparse.Namespace) -> Path:
    """The file that holds the prepared data set; it is made if it is not there."""
    path = args.cache / (f"{name}.npz" if args.cells is None else f"{name}-{args.cells}.npz")
    if not path.exists():
        if args.data is None or not (source := Path(args.data) / f"{name}.h5ad").is_file():
            msg = f"There is no {name}.h5ad in --data {args.data}. Give its folder, or set SCIVIS_DATA."
            raise SystemExit(msg)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(_subset(_prepare(name, source), args.cells), path)
    return path


def read(path: Path) -> Cells:
    """A prepared data set."""
    import numpy as np

    with np.load(path) as stored:
        return Cells(stored["x"], stored["codes"], stored["names"])


def _prepare(name: str, source: Path) -> Cells:
    import anndata
    import numpy as np

    adata = anndata.read_h5ad(source)
    label = adata.obs["label"].astype("category").cat
    match name:
        case "pbmc3k" | "kang_scgen_valid":
            x = _pca_of_variable_genes(adata)
        case "cbmc_citeseq" | "mixology_3lines" | "rnamix_celseq2":  # counts
            x = _pca_of_variable_genes(_log_normalized(adata))
        case "mnist":
            x = _pca(_dense(adata.X) / 255)
        case "pendigits":
            x = _dense(adata.X) / 100
        case "cell_lines":
            x = _dense(adata.obsm["X_pca"])
        case _:  # markers of mass cytometry, as they are
            x = _dense(adata.X)
    return Cells(np.asarray(x, np.float32), label.codes.to_numpy(), label.categories.to_numpy().astype(str))


def _pca_of_variable_genes(adata: AnnData) -> NDArray[np.float32]:
    """Scanpy's usual steps from log-normalized expression on."""
    import scanpy as sc

    adata.X = adata.X.astype("float32")
    sc.pp.highly_variable_genes(adata, n_top_genes=2000)
    adata = adata[:, adata.var["highly_variable"]].copy()
    sc.pp.scale(adata, max_value=10)
    sc.pp.pca(adata, n_comps=50)
    return adata.obsm["X_pca"]


def _log_normalized(adata: AnnData) -> AnnData:
    """The logarithm of counts per 10,000."""
    import scanpy as sc

    adata.X = adata.X.astype("float32")
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


def _pca(x: NDArray[np.float32]) -> NDArray[np.float32]:
    from sklearn.decomposition import PCA

    return PCA(50, random_state=0).fit_transform(x)


def _dense(x: object) -> NDArray[np.float32]:
    import numpy as np

    return np.asarray(x.toarray() if hasattr(x, "toarray") else x, np.float32)


def _subset(cells: Cells, n: int | None) -> Cells:
    import numpy as np

    if n is None or n >= len(cells.x):
        return cells
    rows = np.random.default_rng(0).choice(len(cells.x), n, replace=False)
    return Cells(cells.x[rows], cells.codes[rows], cells.names)


def _write(cells: Cells, path: Path) -> None:
    import numpy as np

    partial = path.with_suffix(".partial.npz")  # an interrupted run leaves no half file under the name that counts
    np.savez(partial, x=cells.x, codes=cells.codes, names=cells.names)
    partial.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Prepare a data set.")
    parser.add_argument("name", choices=NAMES)
    add_options(parser)
    args = parser.parse_args()
    path = prepared(args.name, args)
    n_cells, n_features = read(path).x.shape
    print(json.dumps({"path": str(path), "cells": n_cells, "features": n_features}))


if __name__ == "__main__":
    main()
