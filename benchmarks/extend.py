"""Maps that grow: a type is left out of the reference, and `scivis.tl.extend` adds it together with cells of the other types.

python benchmarks/extend.py --data DIR --out runs-extend
python benchmarks/extend.py --data DIR --out trial --datasets pbmc3k --types B --cells 1000

Each type with at least 50 cells is left out once. The new cells are all cells of this type and a random quarter of the others.
All methods read the same representation, that of `datasets.py`.

joint     `scivis.tl.ivis` of all cells at once: what an extension is compared with
ingest    the map of the old cells, on which `scivis.tl.ingest` places the new ones: no extension
landmarks the same, after `scivis.tl.extend` of a file that holds only the model, without the old cells
extend    the same, after `scivis.tl.extend` with the old cells
peers     other methods that add cells to a map: `growers.py`; folds that one of them cannot do are left out of its means

moved     displacement of the old cells in standard deviations of the map: median, and the 99th percentile
type      share of the cells of the new type whose ten nearest cells on the map are mostly of that type
knn       share of a cell's 15 nearest neighbors that are also among its 15 nearest on the map, of all cells
lowest    the lowest ratio of `type` and of `knn` to those of `joint`, over left-out types and seeds

Writes `extend.json` and `extend.md` into --out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import machine
import numpy as np
from anndata import AnnData
from growers import PEERS
from sklearn.neighbors import NearestNeighbors

from scivis._quality.neighbors import nearest_neighbors, neighbor_recall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]
    Row = dict[str, Any]

_LEAST, _SAMPLE = 50, 2000
MEASURES = ("new_type", "knn")
OURS = ("ingest", "landmarks", "extend")


def measure(name: str, seed: int, args: argparse.Namespace) -> Iterator[Row]:
    """A row for each type and method."""
    import scivis

    cells = datasets.read(datasets.prepared(name, args))
    labels = cells.names[cells.codes]
    joint = AnnData(obsm={"X_pca": cells.x})
    scivis.tl.ivis(joint, use_rep="X_pca", random_state=seed)
    for left_out, is_new in folds(labels, args.types):
        order = np.concatenate([np.flatnonzero(~is_new), np.flatnonzero(is_new)])
        x, of_type, n_old = cells.x[order], labels[order] == left_out, int((~is_new).sum())
        about = {"dataset": name, "n_old": n_old, "n_new": len(x) - n_old, "type": left_out, "seed": seed}
        yield about | {"method": "joint"} | quality(x, joint.obsm["X_ivis"][order], of_type)
        for method, before, after, seconds in grown(x[:n_old], x[n_old:], args.methods, seed):
            moved = np.linalg.norm(after[:n_old] - before, axis=1) / np.sqrt(before.var(axis=0).mean())
            numbers = {
                "moved": float(np.median(moved)),
                "moved_99": float(np.quantile(moved, 0.99)),
                "seconds": seconds,
            }
            yield about | {"method": method} | numbers | quality(x, after, of_type)


def folds(labels: NDArray[np.str_], types: list[str] | None) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each type, and which cells are new if it is left out. A fold is the same, whichever types are measured."""
    rng = np.random.default_rng(0)
    names, counts = np.unique(labels, return_counts=True)
    for left_out in (str(label) for label, n in zip(names, counts, strict=True) if n >= _LEAST):
        is_new = (labels == left_out) | (rng.random(len(labels)) < 0.25)
        if types is None or left_out in types:
            yield left_out, is_new


def grown(old: Matrix, new: Matrix, peers: list[str], seed: int) -> Iterator[tuple[str, Matrix, Matrix, float]]:
    """Method, coordinates of the old cells before, and of old and new cells after, and the seconds of the extension."""
    import scivis

    reference, query = AnnData(obsm={"X_pca": old}), AnnData(obsm={"X_pca": new})
    scivis.tl.ivis(reference, use_rep="X_pca", random_state=seed)
    before = reference.obsm["X_ivis"].copy()
    for method in OURS:
        target = AnnData(uns=deepcopy(dict(reference.uns))) if method == "landmarks" else reference
        start = time.perf_counter()
        if method == "ingest":
            scivis.tl.ingest(query, target)
        else:
            scivis.tl.extend(target, query, random_state=seed)
        seconds = time.perf_counter() - start
        held = reference.obsm["X_ivis"] if target is reference else scivis.get.model(target).transform(old)
        yield method, before, np.concatenate([held, query.obsm["X_ivis"]]), seconds
    for peer in peers:
        try:
            yield peer, *PEERS[peer](old, new, seed)
        except ZeroDivisionError as error:  # `UMAP.update`, if none of the neighbors of a new cell is old
            print(f"{peer} failed: {error!r}", flush=True)


def quality(x: Matrix, embedding: Matrix, of_type: NDArray[np.bool_]) -> Row:
    """`type` and `knn` of one map."""
    search = NearestNeighbors(n_neighbors=10).fit(embedding)
    # All ten are others: without an argument, a cell is not its own neighbor.
    around = search.kneighbors(return_distance=False)[of_type]
    sample = np.random.default_rng(0).permutation(len(x))[:_SAMPLE]
    found = (nearest_neighbors(rows, sample, 15)[0] for rows in (x, embedding))
    return {"new_type": float((of_type[around].mean(axis=1) > 0.5).mean()), "knn": neighbor_recall(*found)}


def table(rows: list[Row]) -> str:
    """Markdown: means over the folds of each data set, and the lowest ratios to the joint fit."""
    columns = (
        "data set",
        "folds",
        "method",
        "moved, median",
        "moved, 99 %",
        "type",
        "knn",
        "lowest type",
        "lowest knn",
        "s",
    )
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    for name, method in dict.fromkeys((row["dataset"], row["method"]) for row in rows):
        some = [row for row in rows if (row["dataset"], row["method"]) == (name, method)]
        moved = [f"{_mean(some, key):.1%}" if key in some[0] else "" for key in ("moved", "moved_99")]
        seconds = f"{_mean(some, 'seconds'):.0f}" if "seconds" in some[0] else ""
        means = [f"{_mean(some, key):.3f}" for key in MEASURES]
        lowest = [f"{_lowest(some, rows, key):.3f}" if method in OURS else "" for key in MEASURES]
        lines.append(f"| {' | '.join([name, str(len(some)), method, *moved, *means, *lowest, seconds])} |")
    return "\n".join(lines)


def _mean(rows: list[Row], key: str) -> float:
    return statistics.fmean(row[key] for row in rows)


def _lowest(rows: list[Row], all_rows: list[Row], key: str) -> float:
    """The lowest ratio to the joint fit of the same fold."""
    fold = lambda row: (row["dataset"], row["type"], row["seed"])
    joint = {fold(row): row[key] for row in all_rows if row["method"] == "joint"}
    return min(row[key] / joint[fold(row)] for row in rows if joint[fold(row)])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how maps grow.")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--datasets", nargs="+", choices=datasets.NAMES, default=["pbmc3k"])
    parser.add_argument("--types", nargs="+", help="types to leave out (default: all with at least 50 cells)")
    parser.add_argument("--methods", nargs="*", choices=list(PEERS), default=list(PEERS), help="peers")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    datasets.add_options(parser)
    args = parser.parse_args()

    description = machine.describe()
    print(description, flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for name, seed in ((name, seed) for name in args.datasets for seed in args.seeds):
        for row in measure(name, seed, args):
            rows.append(row)
            print(*(f"{value:.4f}" if isinstance(value, float) else value for value in row.values()), flush=True)
            (args.out / "extend.json").write_text(json.dumps(rows, indent=1))
    (args.out / "extend.md").write_text(f"{description}\n\n{table(rows)}\n")
    print(f"\n{table(rows)}")


if __name__ == "__main__":
    main()
