"""Maps of other methods, learned by `scivis.tl.adopt`: do new cells fall where the method itself would place them?

python benchmarks/adopt.py --data DIR --out runs-adopt
python benchmarks/adopt.py --data DIR --out trial --datasets pbmc3k --maps UMAP --cells 1000
python benchmarks/adopt.py --data DIR --out runs-adopt --seconds 100000    # only the time for so many cells of huimm_cytof

A quarter of the cells is kept out of each map (`folds.py`). The maps are those of UMAP, openTSNE and PaCMAP with default settings
(`placers.py`). New cells are placed by the `transform` of the method, by the mean and the median of the coordinates of their
ten nearest reference cells in the representation, and by `scivis.tl.adopt` and `scivis.tl.ingest`, all from the representation.

accuracy, recall    `new_acc` and `recall` of `measures.py`
misfit              median distance of the fitted cells from their place, in standard deviations of the map
fit s               seconds of `scivis.tl.adopt` without imports

Writes into --out: `maps/` (maps that are there already are not computed again), `adopt.json` and `adopt.md`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import datasets
import machine
import measures
import numpy as np
from folds import FOLDS, prepared, read, representation
from placers import PLACERS
from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]
    Row = dict[str, Any]

MAPS = ("UMAP", "openTSNE", "PaCMAP")
WITHIN = tuple(name for name, fold in FOLDS.items() if fold.column is None)
WAYS = ("transform", "mean of 10 neighbors", "median of 10 neighbors", "scivis.tl.adopt")
MEASURES = ("accuracy", "recall")


def map_of(method: str, path: Path, reference: AnnData, query: AnnData, seed: int) -> tuple[Matrix, Matrix]:
    """The map of the reference, and the new cells as the method places them; computed once."""
    if not path.exists():
        embedding, place = PLACERS[method].fit(reference.copy(), seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        placed = np.asarray(place(query))  # before the map is copied: openTSNE centers it in place
        np.savez(path, reference=np.array(embedding), query=placed)
    with np.load(path) as stored:
        return stored["reference"], stored["query"]


def by_neighbors(reference: AnnData, query: AnnData, embedding: Matrix) -> dict[str, Matrix]:
    """New cells among their ten nearest reference cells."""
    search = NearestNeighbors(n_neighbors=10).fit(representation(reference))
    places = embedding[search.kneighbors(representation(query), return_distance=False)]
    return {"mean of 10 neighbors": places.mean(axis=1), "median of 10 neighbors": np.median(places, axis=1)}


def adopted(reference: AnnData, query: AnnData, embedding: Matrix, seed: int) -> tuple[Matrix, Row]:
    """New cells as the learned network places them; the misfit of the reference, and the seconds of learning."""
    import scivis
    import scivis.nn

    cells, new = (anndata.AnnData(obsm={"X_pca": representation(adata)}) for adata in (reference, query))
    cells.obsm["X_map"] = embedding
    start = time.perf_counter()
    scivis.tl.adopt(cells, "map", use_rep="X_pca", random_state=seed)
    seconds = time.perf_counter() - start
    scivis.tl.ingest(new, cells, key="map")
    return new.obsm["X_map"], {"misfit": float(cells.obs["map_misfit"].median()), "seconds": seconds}


def measure(fold: str, method: str, seed: int, args: argparse.Namespace) -> list[Row]:
    """A row for each way of placing new cells on one map."""
    reference, query = (anndata.read_h5ad(path) for path in prepared(fold, args))
    embedding, own = map_of(method, args.out / "maps" / f"{fold}-{method}-{seed}.npz", reference, query, seed)
    learned, cost = adopted(reference, query, embedding, seed)
    placed = {"transform": own} | by_neighbors(reference, query, embedding) | {"scivis.tl.adopt": learned}
    labels = [adata.obs["label"].astype(str).to_numpy() for adata in (reference, query)]
    taught = measures.Part(representation(reference), embedding, labels[0])
    rows = []
    for way, coordinates in placed.items():
        new = measures.Part(representation(query), coordinates, labels[1])
        numbers = {"accuracy": measures.placed_accuracy(taught, new), "recall": measures.placed_recall(taught, new)}
        about = {"fold": fold, "n": reference.n_obs, "map": method, "seed": seed, "way": way}
        rows.append(about | numbers | (cost if way == "scivis.tl.adopt" else {}))
    return rows


def seconds_of(n_cells: int, args: argparse.Namespace) -> dict[str, float]:
    """Seconds, and those of the processor, that `scivis.tl.adopt` takes for so many cells, without imports.

    The map is that of the first two principal components: the time does not depend on the map.
    """
    from sklearn.decomposition import PCA

    import scivis
    import scivis.nn

    x = read("huimm_cytof", args.data).X
    x = x[np.sort(np.random.default_rng(0).choice(len(x), n_cells, replace=False))]
    cells = anndata.AnnData(obsm={"X_pca": x, "X_map": PCA(2, random_state=0).fit_transform(x)})
    start, processor = time.perf_counter(), time.process_time()
    scivis.tl.adopt(cells, "map", use_rep="X_pca")
    return {"seconds": time.perf_counter() - start, "processor seconds": time.process_time() - processor}


def table(rows: list[Row]) -> str:
    """Markdown: accuracy · recall of each way on each map, means over the seeds; then means over data sets for each kind of map."""
    lines = [("fold", "map", *WAYS, "misfit", "fit s"), ("---",) * (len(WAYS) + 4)]
    pairs = list(dict.fromkeys((row["fold"], row["map"]) for row in rows))
    for pair in pairs:
        of_map = [row for row in rows if (row["fold"], row["map"]) == pair]
        cells = (" · ".join(_mean(of_map, way, name) for name in MEASURES) for way in WAYS)
        learned = [row for row in of_map if row["way"] == "scivis.tl.adopt"]
        misfit, seconds = (statistics.fmean(row[name] for row in learned) for name in ("misfit", "seconds"))
        lines.append((*pair, *cells, f"{misfit:.1%}", f"{seconds:.0f}"))
    for method in dict.fromkeys(method for _, method in pairs):
        of_map = [row for row in rows if row["map"] == method]
        cells = (" · ".join(_mean(of_map, way, name) for name in MEASURES) for way in WAYS)
        lines.append(("mean", method, *cells, "", ""))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _mean(rows: list[Row], way: str, name: str) -> str:
    return f"{statistics.fmean(row[name] for row in rows if row['way'] == way):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how well maps of other methods are learned.")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--datasets", nargs="+", choices=WITHIN, default=list(WITHIN), help="folds")
    parser.add_argument("--maps", nargs="+", choices=MAPS, default=list(MAPS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--seconds", type=int, metavar="CELLS", help="only measure the time for so many cells")
    datasets.add_options(parser)
    args = parser.parse_args()

    description = machine.describe()
    print(description, flush=True)
    if args.seconds is not None:
        print(seconds_of(args.seconds, args))
        return
    maps = [name for name in args.maps if PLACERS[name].installed]
    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for fold, method, seed in product(args.datasets, maps, args.seeds):
        rows += measure(fold, method, seed, args)
        print(*(f"{value:.3f}" if isinstance(value, float) else value for value in rows[-1].values()), flush=True)
        (args.out / "adopt.json").write_text(json.dumps(rows, indent=1))
    (args.out / "adopt.md").write_text(f"{description}\n\n{table(rows)}\n")
    print(f"\n{table(rows)}")


if __name__ == "__main__":
    main()
