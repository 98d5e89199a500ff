"""t-SNE: as openTSNE itself draws it, what the wrapper costs, and where new cells fall.

python benchmarks/tsne.py same --dataset pbmc3k --data DIR --out runs-tsne      # scivis beside openTSNE
python benchmarks/tsne.py cost --dataset mnist --cells 50000 --out runs-tsne    # seconds, and how many are scivis's own
python benchmarks/tsne.py scanpy --dataset mnist --cells 50000 --out runs-tsne  # seconds of sc.tl.tsne
python benchmarks/tsne.py settings --dataset pbmc3k --out runs-tsne             # presets, and scanpy's graph of 14 neighbors
python benchmarks/tsne.py place --dataset cbmc_citeseq --seeds 3 --out runs-tsne    # held-out cells: do they fall on their type?

Each case prints its rows and writes `<case>-<dataset>.csv`. Measures are those of `measures.py`; `kl` is the
Kullback-Leibler divergence, which compares maps of the same affinities only.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import folds
import machine
import measures
import numpy as np
import results
import scanpy as sc
from sklearn.neighbors import KNeighborsClassifier

import scivis
from scivis._adata.expression import unpack_input
from scivis._methods import entry_of
from scivis._tsne import affinities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import anndata

    Row = dict[str, Any]

QUERIES = ("kang_scgen_valid", "cbmc_citeseq")


def timed(function: Callable[[], object]) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def judged(cells: datasets.Cells, embedding: np.ndarray) -> Row:
    quality = measures.evaluate(cells.x, embedding, cells.codes)
    return {name: round(quality[name], 4) for name in ("knn", "rta", "cent", "acc")}


def same(cells: datasets.Cells, seed: int) -> Iterator[Row]:
    """Both with their defaults, and openTSNE with the neighbors that scivis searches; openTSNE is given all cores."""
    from openTSNE import TSNE

    # Row by row, as scivis reads it: by column the PCA at the start would be rounded otherwise, and the map be another.
    x = np.ascontiguousarray(cells.x)
    adata = cells.adata()
    seconds = timed(lambda: scivis.tl.tsne(adata, use_rep="X_pca", random_state=seed))
    kl = adata.uns["tsne"]["kl_divergence"]
    yield {"what": "scivis", "s": round(seconds, 1), "kl": kl} | judged(cells, adata.obsm["X_tsne"])
    for neighbors in ("auto", "exact") if len(cells.x) <= affinities._EXACT_UP_TO else ("auto",):
        found: dict[str, Any] = {}
        direct = TSNE(random_state=seed, n_jobs=-1, neighbors=neighbors)
        seconds = timed(lambda direct=direct, found=found: found.update(map=direct.fit(x)))
        row = {"what": f"openTSNE, neighbors={neighbors}", "s": round(seconds, 1), "kl": found["map"].kl_divergence}
        yield row | judged(cells, np.asarray(found["map"]))


def cost(cells: datasets.Cells, seed: int) -> Iterator[Row]:
    """All seconds, and those in which openTSNE was not at work."""
    from scivis._tsne import fit as _tsne

    spent: dict[str, float] = {}
    stages = ("make_affinities", "initial_coordinates", "optimize")
    real = {name: getattr(_tsne, name) for name in stages}

    def watch(name: str) -> Callable[..., Any]:
        def stage(*args: Any) -> Any:
            start = time.perf_counter()
            result = real[name](*args)
            spent[name] = time.perf_counter() - start
            return result

        return stage

    for name in stages:
        setattr(_tsne, name, watch(name))
    adata = cells.adata()
    scivis.tl.tsne(adata[:1000].copy(), use_rep="X_pca", n_iter=1)  # imports
    seconds = timed(lambda: scivis.tl.tsne(adata, use_rep="X_pca", random_state=seed))
    own = seconds - sum(spent.values())
    yield {"what": "scivis.tl.tsne", "s": seconds, "own_s": own, "own_share": own / sum(spent.values())} | spent


def scanpy(cells: datasets.Cells, seed: int) -> Iterator[Row]:
    """scikit-learn's, as scanpy calls it."""
    adata = cells.adata()
    yield {"what": "sc.tl.tsne", "s": timed(lambda: sc.tl.tsne(adata, use_rep="X_pca", random_state=seed))}


def settings(cells: datasets.Cells, seed: int) -> Iterator[Row]:
    """The presets, and the 14 neighbors of scanpy's graph with uniform weights."""
    cases = {"default": {}, "art": {"preset": "art"}, "million": {"preset": "million"}}
    for what, chosen in (cases | {"graph of 14": {"neighbors_key": "neighbors"}}).items():
        adata = cells.adata()
        if "neighbors_key" in chosen:
            sc.pp.neighbors(adata, use_rep="X_pca")
        seconds = timed(
            lambda adata=adata, chosen=chosen: scivis.tl.tsne(adata, use_rep="X_pca", random_state=seed, **chosen)
        )
        yield {"what": what, "s": round(seconds, 1)} | judged(cells, adata.obsm["X_tsne"])


def parts(name: str, data: Path, *, scaled: bool) -> tuple[anndata.AnnData, anndata.AnnData]:
    """Reference and new cells of a fold, with a PCA of the reference.

    Of all genes as they are, or of 2,000 variable genes in units of their standard deviation: scanpy's usual steps, of
    which new cells get the reference's numbers.
    """
    fold = folds.FOLDS[name]
    reference, query = folds.split(fold, folds.read(fold.dataset, data))
    if scaled:
        reference, query = folds.scale(reference, query)
    sc.pp.pca(reference, n_comps=50)
    return reference, query


def placed(name: str, data: Path, seeds: range) -> Iterator[Row]:
    """The same of both representations."""
    for scaled in (True, False):
        genes = "2,000 variable, scaled" if scaled else "all"
        for row in place(*parts(name, data, scaled=scaled), seeds):
            yield {"genes": genes} | row


def place(reference: anndata.AnnData, query: anndata.AnnData, seeds: range) -> Iterator[Row]:
    """Accuracy of 10 nearest neighbors in the representation and on the maps: all of it taught by the reference."""

    def accuracy(taught: np.ndarray, asked: np.ndarray) -> float:
        found = KNeighborsClassifier(10).fit(taught, reference.obs["label"]).predict(asked)
        return float((found == query.obs["label"].to_numpy()).mean())

    found: dict[str, list[float]] = {"tsne": [], "ivis": []}
    for key, seed in itertools.product(found, seeds):
        tool = getattr(scivis.tl, key)
        fit = timed(lambda tool=tool, seed=seed: tool(reference, use_rep="X_pca", random_state=seed))
        seconds = timed(lambda key=key: scivis.tl.ingest(query, reference, key=key))
        found[key].append(accuracy(reference.obsm[f"X_{key}"], query.obsm[f"X_{key}"]))
        yield {"what": key, "seed": seed, "s": round(fit, 1), "ingest_s": round(seconds, 1), "acc": found[key][-1]}
    for key, values in found.items():
        yield {"what": f"{key}, mean", "acc": np.mean(values), "sd": np.std(values)}
    expression = unpack_input(entry_of(reference, "tsne")["expression"])
    rows = datasets._dense(query[:, list(expression.genes)].X)
    yield {"what": "representation", "acc": accuracy(reference.obsm["X_pca"], expression.project(rows))}


CASES = {"same": same, "cost": cost, "scanpy": scanpy, "settings": settings}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure t-SNE.")
    parser.add_argument("case", choices=(*CASES, "place"))
    parser.add_argument("--dataset", required=True, choices=(*datasets.NAMES, *QUERIES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1, help="how many, for `place`")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    datasets.add_options(parser)
    args = parser.parse_args()
    print(machine.describe(), flush=True)
    if args.case == "place":
        measured = placed(args.dataset, Path(args.data), range(args.seed, args.seed + args.seeds))
    else:
        measured = CASES[args.case](datasets.read(datasets.prepared(args.dataset, args)), args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    results.write(args.out / f"{args.case}-{args.dataset}.csv", results.printed(measured))


if __name__ == "__main__":
    main()
