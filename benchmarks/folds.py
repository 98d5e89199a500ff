"""Folds: a reference, and new cells that are placed on its map.

python benchmarks/folds.py pbmc3k --data DIR    # prepares a fold and prints where

Within an experiment, a random quarter of the cells is new. Across batches, all cells of one batch are new. Variable
genes, means, deviations and principal components are those of the reference; the new cells are projected from genes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]

COUNTS = ("cbmc_citeseq", "mixology_3lines")
GENES = (*COUNTS, "pbmc3k", "kang_scgen_valid")
# The values of the other data sets are divided by their largest possible value.
LARGEST = {"mnist": 255, "pendigits": 100}


@dataclass(frozen=True)
class Fold:
    """A data set of which some cells are new: those of `batch` in `.obs[column]`, or a random quarter."""

    dataset: str
    column: str | None = None
    batch: str | None = None
    n_seeds: int = 5
    max_reference: int | None = None

    def held_out(self, obs: pd.DataFrame) -> NDArray[np.bool_]:
        """Mask of the new cells."""
        if self.column is None:
            return np.random.default_rng(0).random(len(obs)) < 0.25
        return (obs[self.column] == self.batch).to_numpy()


# With many cells, a fit takes long and depends little on the seed. Not all methods can fit 870,000 cells.
FOLDS = {
    "pbmc3k": Fold("pbmc3k"),
    "cbmc_citeseq": Fold("cbmc_citeseq"),
    "pendigits": Fold("pendigits"),
    "mnist": Fold("mnist", n_seeds=1),
    "huimm_cytof": Fold("huimm_cytof", n_seeds=1),
    "kang_scgen_valid": Fold("kang_scgen_valid", "condition", "stimulated"),
    "mixology_dropseq": Fold("mixology_3lines", "batch", "dropseq"),
    "mixology_celseq2": Fold("mixology_3lines", "batch", "celseq2"),
    "multicenter_cytof": Fold("multicenter_cytof", "batch", "sample01", n_seeds=1, max_reference=50_000),
}


def prepared(name: str, args: argparse.Namespace) -> tuple[Path, Path]:
    """Files of the reference and of the new cells, which are made if they are not there."""
    stem = name if args.cells is None else f"{name}-{args.cells}"
    paths = (args.cache / "folds" / f"{stem}-reference.h5ad", args.cache / "folds" / f"{stem}-query.h5ad")
    if not all(path.exists() for path in paths):
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        fold = FOLDS[name]
        parts = split(fold, read(fold.dataset, args.data), args.cells)
        for part, path in zip(represent(fold.dataset, *parts), paths, strict=True):
            partial = path.with_suffix(".partial.h5ad")  # an interrupted run leaves no half file under this name
            part.write_h5ad(partial)
            partial.replace(path)
    return paths


def read(name: str, folder: Path | str | None) -> AnnData:
    """A data set, in which each cell is normalized by its own counts."""
    import anndata

    if folder is None or not (source := Path(folder) / f"{name}.h5ad").is_file():
        msg = f"There is no {name}.h5ad in --data {folder}. Give its folder, or set SCIVIS_DATA."
        raise SystemExit(msg)
    stored = anndata.read_h5ad(source)
    adata = anndata.AnnData(stored.X.astype(np.float32), obs=stored.obs, var=stored.var[[]])
    if name in COUNTS:
        datasets._log_normalized(adata)
    elif name in LARGEST:
        adata.X /= np.float32(LARGEST[name])
    return adata


def split(fold: Fold, adata: AnnData, cells: int | None = None) -> tuple[AnnData, AnnData]:
    """Reference and new cells, of at most `cells` random cells."""
    rng = np.random.default_rng(0)
    if cells is not None and cells < adata.n_obs:
        adata = adata[np.sort(rng.choice(adata.n_obs, cells, replace=False))]
    new = fold.held_out(adata.obs)
    reference, query = np.flatnonzero(~new), np.flatnonzero(new)
    if fold.max_reference is not None and fold.max_reference < len(reference):
        reference = np.sort(rng.choice(reference, fold.max_reference, replace=False))
    return adata[reference].copy(), adata[query].copy()


def represent(name: str, reference: AnnData, query: AnnData) -> tuple[AnnData, AnnData]:
    """Both with 50 principal components of the reference; up to 50 features stay as they are, as in scanpy."""
    if name in GENES:
        reference, query = scale(reference, query)
    if reference.n_vars > 50:
        project(reference, query)
    return reference, query


def scale(reference: AnnData, query: AnnData) -> tuple[AnnData, AnnData]:
    """Variable genes of the reference, 2,000 at most, in units of its standard deviations and up to 10."""
    import scanpy as sc

    sc.pp.highly_variable_genes(reference, n_top_genes=2000, subset=True)
    sc.pp.scale(reference, max_value=10)
    query = query[:, reference.var_names].copy()
    units = (datasets._dense(query.X) - reference.var["mean"].to_numpy()) / reference.var["std"].to_numpy()
    query.X = np.clip(units, -10, 10).astype(np.float32)
    return reference, query


def project(reference: AnnData, query: AnnData) -> None:
    """The principal components of the reference, for both."""
    import scanpy as sc

    sc.pp.pca(reference, n_comps=50)
    centered = datasets._dense(query.X) - datasets._dense(reference.X).mean(axis=0)
    query.obsm["X_pca"] = (centered @ reference.varm["PCs"]).astype(np.float32)


def representation(adata: AnnData) -> Matrix:
    """What the methods read: principal components, or the features."""
    return np.ascontiguousarray(adata.obsm["X_pca"] if "X_pca" in adata.obsm else datasets._dense(adata.X), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description="Prepare a fold.")
    parser.add_argument("name", choices=FOLDS)
    datasets.add_options(parser)
    args = parser.parse_args()
    print(*prepared(args.name, args), sep="\n")


if __name__ == "__main__":
    main()
