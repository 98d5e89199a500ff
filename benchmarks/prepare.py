"""New cells in other units than the reference: what `scivis.tl.ingest` recognizes, and where the cells fall.

python benchmarks/prepare.py --data DIR --out runs-prepare
python benchmarks/prepare.py --data DIR --out runs-prepare-tsne --methods tsne n2d --folds pbmc3k

Five folds: a quarter of `pbmc3k` and of `cbmc_citeseq` is held out; `pbmc3k:B` has the B cells among them as its query; in
`mixology_3lines`, the cells of one technology are the reference of the other's, and in `kang_scgen_valid` the control cells
that of the stimulated ones. Each fold has two references: 2,000 variable genes of log-normalized counts, with and without
`sc.pp.scale(max_value=10)`, and 50 principal components. The query comes in each state. The columns are the accuracy of its
labels by the ten nearest reference cells on the map: of cells prepared as the reference was (`right`), of cells as they are
(`prepare="none"`), and of cells that are recognized (`prepare="auto"`), unless these are refused. `distance` is the largest
distance between `auto` and `right` on the map, relative to the map's standard deviation. Writes `prepare.csv` and `prepare.md` into --out.
"""

from __future__ import annotations

import argparse
import csv
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import machine
import numpy as np
import scanpy as sc
from sklearn.neighbors import KNeighborsClassifier

import scivis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDS = ("pbmc3k", "pbmc3k:B", "cbmc_citeseq", "mixology_3lines", "kang_scgen_valid")
KEYS = {"ivis": "X_ivis", "tsne": "X_tsne", "n2d": "X_n2d"}
COLUMNS = ("method", "fold", "reference", "query", "right", "none", "auto", "distance", "message")


def read_fold(folder: Path, fold: str) -> tuple[anndata.AnnData, anndata.AnnData]:
    """Reference and query: log-normalized counts in `.X`, and counts in a layer if they are known."""
    name, _, label = fold.partition(":")
    path = folder / f"{name}.h5ad"
    cells = anndata.read_h5ad(path)
    cells.X = cells.X.astype(np.float32)
    cells.var_names_make_unique()
    if path.stem == "pbmc3k":  # the counts follow from the logarithms and the number of counts of each cell
        counts = cells.X.expm1().multiply(cells.obs["n_counts"].to_numpy()[:, None] / 1e4)
        cells.layers["counts"] = counts.tocsr().rint().astype(np.float32)
    elif path.stem != "kang_scgen_valid":
        cells.layers["counts"] = cells.X.copy()
        log_normalize(cells)
    known = {"mixology_3lines": ("batch", "celseq2"), "kang_scgen_valid": ("condition", "control")}
    if path.stem in known:
        column, value = known[path.stem]
        is_reference = (cells.obs[column].astype(str) == value).to_numpy()
    else:
        is_reference = np.random.default_rng(0).random(cells.n_obs) < 0.75
    is_query = ~is_reference if not label else ~is_reference & (cells.obs["label"].astype(str) == label).to_numpy()
    return cells[is_reference].copy(), cells[is_query].copy()


def log_normalize(cells: anndata.AnnData, *, total: float | None = 1e4, base: float | None = None) -> None:
    """Counts as logarithms, as in scanpy's tutorials."""
    sc.pp.normalize_total(cells, target_sum=total)
    sc.pp.log1p(cells, base=base)


def make_reference(cells: anndata.AnnData, *, is_scaled: bool) -> anndata.AnnData:
    """Principal components of variable genes, which are left out otherwise if the genes are scaled."""
    reference = cells.copy()
    sc.pp.highly_variable_genes(reference, n_top_genes=2000)
    if is_scaled:
        reference.raw = reference
        reference = reference[:, reference.var["highly_variable"]].copy()
        sc.pp.scale(reference, max_value=10)
    sc.pp.pca(reference, n_comps=50)
    return reference


def of_counts(query: anndata.AnnData, *steps: Callable[[anndata.AnnData], Any]) -> anndata.AnnData:
    """The counts of the query after some steps."""
    made = anndata.AnnData(query.layers["counts"].copy(), obs=query.obs, var=query.var[[]])
    for step in steps:
        step(made)
    return made


def query_states(query: anndata.AnnData, genes: Any) -> Iterator[tuple[str, anndata.AnnData]]:
    """The query in each state, by name. `genes` are the variable genes of the reference."""
    log = anndata.AnnData(query.X.copy(), obs=query.obs, var=query.var[[]])
    yield "log-normalized", log
    yield "log-normalized, variable genes only", log[:, genes].copy()
    if "counts" in query.layers:
        yield "counts", of_counts(query)
        yield "counts, variable genes only", of_counts(query)[:, genes].copy()
        yield "normalized, no logarithm", of_counts(query, lambda x: sc.pp.normalize_total(x, target_sum=1e4))
        yield "log-normalized to the median", of_counts(query, lambda x: log_normalize(x, total=None))
        yield "log-normalized, base 2", of_counts(query, lambda x: log_normalize(x, base=2))
        yield "log-normalized to 1,000,000", of_counts(query, lambda x: log_normalize(x, total=1e6))
        yield "logarithms of counts", of_counts(query, sc.pp.log1p)
    scaled = log[:, genes].copy()
    sc.pp.scale(scaled, max_value=10)
    yield "scaled by itself", scaled
    yield "scaled by itself, without its means", anndata.AnnData(scaled.X, obs=scaled.obs, var=scaled.var[[]])


def scaled_by(query: anndata.AnnData, reference: anndata.AnnData) -> anndata.AnnData:
    """The log-normalized query with the means and deviations of the reference."""
    log = query[:, reference.var_names]
    x = (log.X.toarray() - reference.var["mean"].to_numpy()) / reference.var["std"].to_numpy()
    return anndata.AnnData(np.clip(x, -10, 10).astype(np.float32), obs=query.obs, var=log.var[[]])


def place(query: anndata.AnnData, reference: anndata.AnnData, method: str, prepare: str) -> tuple[Any, float, str]:
    """Coordinates, accuracy and the message on the units; no coordinates if the query is refused."""
    messages: list[str] = []
    logged = sc.logging.info
    sc.logging.info = lambda text, **more: messages.append(text) or logged(text, **more)
    try:
        placed = query.copy()
        scivis.tl.ingest(placed, reference, key=method, min_genes=0.1, prepare=prepare)
    except ValueError as error:
        return None, float("nan"), str(error)
    finally:
        sc.logging.info = logged
    classifier = KNeighborsClassifier(10).fit(reference.obsm[KEYS[method]], reference.obs["label"].astype(str))
    accuracy = classifier.score(placed.obsm[KEYS[method]], placed.obs["label"].astype(str))
    said = next((text.strip() for text in messages if text.startswith("    adata_new ")), "")
    return placed.obsm[KEYS[method]], accuracy, said.removeprefix("adata_new ")


def measure(folder: Path, fold: str, method: str) -> Iterator[dict[str, Any]]:
    """One row per reference and state of the query."""
    cells, query = read_fold(folder, fold)
    for is_scaled in (True, False):
        reference = make_reference(cells, is_scaled=is_scaled)
        fit = getattr(scivis.tl, method)
        fit(reference, **({"n_clusters": reference.obs["label"].nunique()} if method == "n2d" else {}))
        genes = reference.var_names[reference.var["highly_variable"]]
        right = scaled_by(query, reference) if is_scaled else query
        at, accuracy, _ = place(right, reference, method, "none")
        states = [*query_states(query, genes), *([("scaled by the reference", right)] if is_scaled else [])]
        for name, state in states:
            _, unprepared, _ = place(state, reference, method, "none")
            auto, recognized, said = place(state, reference, method, "auto")
            distance = float("nan") if auto is None else np.abs(auto - at).max() / reference.obsm[KEYS[method]].std()
            yield {
                "method": method, "fold": fold, "reference": "scaled" if is_scaled else "log-normalized",
                "query": name, "right": accuracy, "none": unprepared, "auto": recognized, "distance": distance,
                "message": said,
            }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown, without the messages."""
    lines = [f"| {' | '.join(COLUMNS[:-1])} |", "|" + " --- |" * (len(COLUMNS) - 1)]
    for row in rows:
        auto = "refused" if np.isnan(row["auto"]) else f"{row['auto']:.3f}"
        distance = "" if np.isnan(row["distance"]) else f"{row['distance']:.1g}"
        scores = [f"{row['right']:.3f}", f"{row['none']:.3f}", auto, distance]
        lines.append(f"| {' | '.join([*(row[name] for name in COLUMNS[:4]), *scores])} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Place queries in other units than the reference.")
    parser.add_argument("--data", type=Path, default=os.environ.get("SCIVIS_DATA"), help="folder of the h5ad files")
    parser.add_argument("--out", type=Path, default=Path("runs-prepare"))
    parser.add_argument("--folds", nargs="+", choices=FOLDS, default=FOLDS)
    parser.add_argument("--methods", nargs="+", choices=tuple(KEYS), default=["ivis"])
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    sc.settings.verbosity = 1
    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with (args.out / "prepare.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for method in args.methods:
            for fold in args.folds:
                for row in measure(Path(args.data), fold, method):
                    writer.writerow(row)
                    file.flush()
                    rows.append(row)
                    print(*(f"{v:.3f}" if isinstance(v, float) else v for v in row.values()), sep=" | ", flush=True)
    (args.out / "prepare.md").write_text(f"{machine.describe()}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
