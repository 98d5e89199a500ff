"""t-SNE with an anchor: what the weight does, how fast, and for how many cells.

python benchmarks/anchor.py dial --dataset pbmc3k --data DIR --out runs-anchor     # from t-SNE to the anchor
python benchmarks/anchor.py course --dataset pbmc3k --out runs-anchor              # quality by iterations and seconds
python benchmarks/anchor.py neighbors --dataset pbmc3k --out runs-anchor           # affinities of fewer and more neighbors
python benchmarks/anchor.py pull --dataset pbmc3k --out runs-anchor                # in the gradient, or after each step
python benchmarks/anchor.py sizes --dataset huimm_cytof --out runs-anchor          # where it starts: smaller and larger
python benchmarks/anchor.py part --dataset pbmc3k --out runs-anchor                # a subsample, among which the others are placed
python benchmarks/anchor.py cells --dataset huimm_cytof --out runs-anchor          # one weight, more and more cells
python benchmarks/anchor.py place --fold pbmc3k --out runs-anchor                  # new cells, by every way to place them

Each case prints its rows and writes `<case>-<dataset>.csv`. Measures are those of `measures.py`; `r` is the correlation of the
coordinates with those of the anchor, `s` are seconds. The anchor is the embedding of ivis, in `cells` the PCA.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import datasets
import folds
import machine
import measures
import numpy as np
import results

import scivis
from scivis._adata.expression import unpack_input
from scivis._methods import entry_of
from scivis._tsne.anchor import Anchor, start_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anndata import AnnData

    Row = dict[str, Any]

FACTORS = (0.5, 0.75, 1.0)
WEIGHTS = (0.5, 2.0, 8.0, 32.0, 128.0)
ITERATIONS = (25, 50, 100, 200, 400)
NEIGHBORS = (8, 10, 12, 15, 20)
SIZES = (1_000, 4_000, 16_000, 64_000)
AFFINITIES: dict[str, dict[str, Any]] = {
    "perplexity 30": {},
    "uniform 15": {"affinity": "uniform", "n_neighbors": 15},
}


def timed(function: Callable[[], object]) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def judged(cells: datasets.Cells, adata: AnnData, key: str, anchor: str = "X_ivis") -> Row:
    quality = measures.evaluate(cells.x, np.asarray(adata.obsm[key], float), cells.codes)
    pull = Anchor.of(adata.obsm[anchor][:, :2], np.ones(adata.n_obs), 1.0)
    row = {name: round(quality[name], 3) for name in ("knn", "rta", "cent", "acc", "frame")}
    return row | {"r": round(pull.correlation(np.asarray(adata.obsm[key], float)), 3)}


def with_ivis(cells: datasets.Cells, seed: int) -> tuple[AnnData, float]:
    """The cells with the embedding of ivis, and its seconds."""
    adata = cells.adata()
    return adata, timed(lambda: scivis.tl.ivis(adata, use_rep="X_pca", random_state=seed))


def tsne(adata: AnnData, **arguments: Any) -> float:
    """Seconds of a t-SNE."""
    return round(timed(lambda: scivis.tl.tsne(adata, **{"use_rep": "X_pca"} | arguments)), 1)


def dial(cells: datasets.Cells, seed: int) -> Iterator[Row]:
    """ivis, t-SNE, and what lies between them."""
    adata, seconds = with_ivis(cells, seed)
    yield {"what": "ivis", "s": round(seconds, 1)} | judged(cells, adata, "X_ivis")
    for weight in WEIGHTS[::-1]:
        seconds = tsne(adata, anchor="X_ivis", anchor_weight=weight, random_state=seed)
        yield {"what": f"weight {weight:g}", "s": seconds} | judged(cells, adata, "X_tsne")
    yield {"what": "t-SNE", "s": tsne(adata, random_state=seed)} | judged(cells, adata, "X_tsne")


def course(cells: datasets.Cells, seed: int) -> Iterator[Row]:
    """Quality after more and more iterations; seconds without those of the affinities."""
    adata, _ = with_ivis(cells, seed)
    for name, affinity in AFFINITIES.items():
        scivis.tl.tsne(adata, use_rep="X_pca", anchor="X_ivis", n_iter=0, random_state=seed, **affinity)
        model, spent, done = scivis.get.model(adata, "tsne"), 0.0, 0
        for n_iter in ITERATIONS:
            spent += timed(lambda model=model, n=n_iter - done: model.optimize(n, inplace=True))
            done, adata.obsm["X_now"] = n_iter, np.asarray(model)
            yield {"what": name, "iterations": n_iter, "s": round(spent, 1)} | judged(cells, adata, "X_now")


def neighbors(cells: datasets.Cells, seed: int) -> Iterator[Row]:
    """Uniform weights of fewer and more neighbors, and perplexity 30, beside ivis and t-SNE."""
    adata, _ = with_ivis(cells, seed)
    yield {"affinities": "ivis", "s": 0} | judged(cells, adata, "X_ivis")
    ways: dict[str, dict[str, Any]] = {str(k): {"affinity": "uniform", "n_neighbors": k} for k in NEIGHBORS}
    for name, way in (ways | {"perplexity 30": {}}).items():
        seconds = tsne(adata, anchor="X_ivis", random_state=seed, **way)
        yield {"affinities": name, "s": seconds} | judged(cells, adata, "X_tsne")
    yield {"affinities": "t-SNE", "s": tsne(adata, random_state=seed)} | judged(cells, adata, "X_tsne")


def sizes(cells: datasets.Cells, seed: int) -> Iterator[Row]:
    """Quality by iterations from starts that are smaller and larger than the default; CPU seconds of all cores."""
    adata, _ = with_ivis(cells, seed)
    affinities = {"affinity": "uniform", "n_neighbors": 15}
    yield {"start": "ivis", "iterations": 0, "s": 0} | judged(cells, adata, "X_ivis")
    for factor in FACTORS:
        with patch("scivis._tsne.anchor.start_size", lambda n, factor=factor: factor * start_size(n)):
            scivis.tl.tsne(adata, use_rep="X_pca", anchor="X_ivis", n_iter=0, random_state=seed, **affinities)
        model, spent, done = scivis.get.model(adata, "tsne"), 0.0, 0
        for n_iter in (100, 150, 250):
            start = time.process_time()
            model.optimize(n_iter - done, inplace=True)
            spent, done = spent + time.process_time() - start, n_iter
            adata.obsm["X_now"] = np.asarray(model)
            row = {"start": round(factor * start_size(adata.n_obs)), "iterations": n_iter, "s": round(spent, 1)}
            yield row | judged(cells, adata, "X_now")


def part(cells: datasets.Cells, seed: int) -> Iterator[Row]:
    """All cells arranged, and a third of them, among which the others are placed."""
    for what, n_train in (("all", None), ("a third", len(cells.x) // 3)):
        adata = cells.adata()
        arguments = {"use_rep": "X_pca", "max_train_cells": n_train, "random_state": seed, "detail": True}
        seconds = timed(lambda adata=adata, arguments=arguments: scivis.tl.ivis(adata, **arguments))
        for key in ("X_ivis", "ivis_detail"):
            yield {"trained on": what, "map": key, "s": round(seconds, 1)} | judged(cells, adata, key)


def pull(cells: datasets.Cells, seed: int) -> Iterator[Row]:
    """A pull after each step by a callback, E ← E + τ (α Y − E), beside the pull in the gradient."""
    adata, _ = with_ivis(cells, seed)
    anchor = Anchor.of(adata.obsm["X_ivis"], np.ones(adata.n_obs), 1.0)

    def step(iteration: int, error: float, embedding: Any) -> None:
        scale, _ = anchor.line(np.asarray(embedding))
        embedding += 0.1 * (scale * anchor.coordinates - embedding)

    ways: dict[str, dict[str, Any]] = {
        "gradient": {"anchor_weight": 8.0},
        "after each step": {"anchor_weight": 1e-12, "callbacks": step, "callbacks_every_iters": 1},
    }
    for name, way in ways.items():
        for n_iter in (100, 250, 1000):
            seconds = tsne(adata, anchor="X_ivis", n_iter=n_iter, random_state=seed, **way)
            yield {"what": name, "iterations": n_iter, "s": seconds} | judged(cells, adata, "X_tsne")


def counts(cells: datasets.Cells, seed: int) -> Iterator[Row]:
    """The same weights for more and more cells: the PCA as anchor, 15 neighbors, 100 iterations from the same start."""
    for n in (*(n for n in SIZES if n < len(cells.x)), len(cells.x)):
        some = datasets._subset(cells, n)
        adata = some.adata()
        from sklearn.decomposition import PCA

        adata.obsm["plane"] = PCA(2, random_state=0).fit_transform(some.x)
        for weight in (1e-9, 2.0, 8.0, 32.0):
            arguments = {"n_iter": 100, "anchor_weight": weight, "random_state": seed} | AFFINITIES["uniform 15"]
            seconds = tsne(adata, anchor="plane", **arguments)
            yield {"cells": n, "weight": weight, "s": seconds} | judged(some, adata, "X_tsne", "plane")


def place(name: str, data: Path, seed: int) -> Iterator[Row]:
    """New cells: by ivis, on the t-SNE, on the anchored t-SNE by its anchor or by openTSNE, and by UMAP's transform."""
    fold = folds.FOLDS[name]
    reference, query = folds.split(fold, folds.read(fold.dataset, data))
    reference, query = folds.scale(reference, query)
    import scanpy as sc

    sc.pp.pca(reference, n_comps=50)
    scivis.tl.ivis(reference, use_rep="X_pca", detail=True, random_state=seed)
    scivis.tl.tsne(reference, use_rep="X_pca", random_state=seed)
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "ivis": ("ivis", {}),
        "t-SNE": ("tsne", {}),
        "anchored, by the anchor": ("ivis_detail", {}),
        "anchored, by openTSNE": ("ivis_detail", {"initialization": "median", "n_iter": 250}),
        "anchored, by openTSNE from the anchor": ("ivis_detail", {"n_iter": 250}),
    }
    x = unpack_input(entry_of(reference, "ivis")["expression"])
    rows = x.project(datasets._dense(query[:, list(x.genes)].X))
    labels = [part.obs["label"].to_numpy().astype(str) for part in (reference, query)]

    def measured(what: str, seconds: float, *maps: Any) -> Row:
        parts = [measures.Part(*part) for part in zip((reference.obsm["X_pca"], rows), maps, labels, strict=True)]
        found = measures.evaluate_placed(*parts, seed)
        return {"what": what, "s": round(seconds, 1)} | {name: round(value, 3) for name, value in found.items()}

    for what, (key, options) in ways.items():
        seconds = timed(lambda key=key, options=options: scivis.tl.ingest(query, reference, key=key, **options))
        obsm = key if key == "ivis_detail" else f"X_{key}"
        yield measured(what, seconds, reference.obsm[obsm], query.obsm[obsm])
    from umap import UMAP

    fitted, start = UMAP(random_state=seed).fit(reference.obsm["X_pca"]), time.perf_counter()
    placed = fitted.transform(rows)
    yield measured("UMAP, transform", time.perf_counter() - start, fitted.embedding_, placed)


CASES = {
    "dial": dial,
    "course": course,
    "neighbors": neighbors,
    "sizes": sizes,
    "part": part,
    "pull": pull,
    "cells": counts,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure t-SNE with an anchor.")
    parser.add_argument("case", choices=(*CASES, "place"))
    parser.add_argument("--dataset", choices=datasets.NAMES)
    parser.add_argument("--fold", choices=tuple(folds.FOLDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    datasets.add_options(parser)
    args = parser.parse_args()
    print(machine.describe(), flush=True)
    if args.case == "place":
        measured = place(args.fold, Path(args.data), args.seed)
    else:
        measured = CASES[args.case](datasets.read(datasets.prepared(args.dataset, args)), args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    results.write(args.out / f"{args.case}-{args.dataset or args.fold}.csv", results.printed(measured))


if __name__ == "__main__":
    main()
