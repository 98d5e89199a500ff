"""Maps that grow: a type is left out of the reference, and `scivis.tl.extend` adds it together with cells of the other types.

python benchmarks/extend.py --data DIR --out runs-extend
python benchmarks/extend.py --data DIR --out trial --datasets pbmc3k --types B --cells 1000

Each type with at least 50 cells is left out once. The new cells are all cells of this type and a random quarter of the others.
All methods read the same representation, that of `datasets.py`.

joint     `scivis.tl.ivis` of all cells at once: what an extension is compared with
ingest    the map of the old cells, on which `scivis.tl.ingest` places the new ones: no extension
extend    the same, after `scivis.tl.extend`
UMAP      the map of the old cells by umap-learn, to which `update` adds the new ones

moved     displacement of the old cells in standard deviations of the map: median, and the 99th percentile
type      share of the cells of the new type whose ten nearest cells on the map are mostly of that type
knn       share of a cell's 15 nearest neighbors that are also among its 15 nearest on the map, of all cells

Writes `extend.json` and `extend.md` into --out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import machine
import numpy as np
from anndata import AnnData
from sklearn.neighbors import NearestNeighbors

from scivis._quality.neighbors import nearest_neighbors, neighbor_recall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]
    Row = dict[str, Any]

_LEAST, _SAMPLE = 50, 2000


def measure(name: str, types: list[str] | None, methods: list[str], args: argparse.Namespace) -> Iterator[Row]:
    """A row for each type and method."""
    import scivis

    cells = datasets.read(datasets.prepared(name, args))
    labels = cells.names[cells.codes]
    joint = AnnData(obsm={"X_pca": cells.x})
    scivis.tl.ivis(joint, use_rep="X_pca")
    rng = np.random.default_rng(0)
    names, counts = np.unique(labels, return_counts=True)
    for left_out in types or [str(label) for label, n in zip(names, counts, strict=True) if n >= _LEAST]:
        is_new = (labels == left_out) | (rng.random(len(labels)) < 0.25)
        order = np.concatenate([np.flatnonzero(~is_new), np.flatnonzero(is_new)])
        x, of_type, n_old = cells.x[order], labels[order] == left_out, int((~is_new).sum())
        about = {"dataset": name, "n_old": n_old, "n_new": len(x) - n_old, "type": left_out}
        yield about | {"method": "joint"} | quality(x, joint.obsm["X_ivis"][order], of_type)
        for method, before, after, seconds in grown(x[:n_old], x[n_old:], methods):
            moved = np.linalg.norm(after[:n_old] - before, axis=1) / np.sqrt(before.var(axis=0).mean())
            numbers = {
                "moved": float(np.median(moved)),
                "moved_99": float(np.quantile(moved, 0.99)),
                "seconds": seconds,
            }
            yield about | {"method": method} | numbers | quality(x, after, of_type)


def grown(old: Matrix, new: Matrix, methods: list[str]) -> Iterator[tuple[str, Matrix, Matrix, float]]:
    """Method, coordinates of the old cells before, and of old and new cells after, and the seconds of the extension."""
    import scivis

    reference, query = AnnData(obsm={"X_pca": old}), AnnData(obsm={"X_pca": new})
    scivis.tl.ivis(reference, use_rep="X_pca")
    before = reference.obsm["X_ivis"].copy()
    for method in ("ingest", "extend"):
        start = time.perf_counter()
        if method == "ingest":
            scivis.tl.ingest(query, reference)
        else:
            scivis.tl.extend(reference, query)
        seconds = time.perf_counter() - start
        yield method, before, np.concatenate([reference.obsm["X_ivis"], query.obsm["X_ivis"]]), seconds
    if "UMAP" in methods:
        from umap import UMAP

        model = UMAP(random_state=0).fit(old)
        before, start = model.embedding_.copy(), time.perf_counter()
        model.update(new)
        yield "UMAP", before, model.embedding_, time.perf_counter() - start


def quality(x: Matrix, embedding: Matrix, of_type: NDArray[np.bool_]) -> Row:
    """`type` and `knn` of one map."""
    search = NearestNeighbors(n_neighbors=10).fit(embedding)
    # All ten are others: without an argument, a cell is not its own neighbor.
    around = search.kneighbors(return_distance=False)[of_type]
    sample = np.random.default_rng(0).permutation(len(x))[:_SAMPLE]
    found = (nearest_neighbors(rows, sample, 15)[0] for rows in (x, embedding))
    return {"new_type": float((of_type[around].mean(axis=1) > 0.5).mean()), "knn": neighbor_recall(*found)}


def table(rows: list[Row]) -> str:
    """Markdown: means over the types of each data set."""
    lines = ["| data set | types | method | moved, median | moved, 99 % | type | knn | s |", "| --- " * 8 + "|"]
    for name, method in dict.fromkeys((row["dataset"], row["method"]) for row in rows):
        some = [row for row in rows if (row["dataset"], row["method"]) == (name, method)]
        moved = [f"{_mean(some, key):.1%}" if key in some[0] else "" for key in ("moved", "moved_99")]
        seconds = f"{_mean(some, 'seconds'):.0f}" if "seconds" in some[0] else ""
        numbers = [f"{_mean(some, key):.3f}" for key in ("new_type", "knn")]
        lines.append(f"| {name} | {len(some)} | {method} | {' | '.join([*moved, *numbers, seconds])} |")
    return "\n".join(lines)


def _mean(rows: list[Row], key: str) -> float:
    return statistics.fmean(row[key] for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how maps grow.")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--datasets", nargs="+", choices=datasets.NAMES, default=["pbmc3k", "huimm_cytof"])
    parser.add_argument("--types", nargs="+", help="types to leave out (default: all with at least 50 cells)")
    parser.add_argument("--methods", nargs="*", choices=["UMAP"], default=["UMAP"], help="peers")
    datasets.add_options(parser)
    args = parser.parse_args()

    description = machine.describe()
    print(description, flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for name in args.datasets:
        for row in measure(name, args.types, args.methods, args):
            rows.append(row)
            print(*(f"{value:.4f}" if isinstance(value, float) else value for value in row.values()), flush=True)
            (args.out / "extend.json").write_text(json.dumps(rows, indent=1))
    (args.out / "extend.md").write_text(f"{description}\n\n{table(rows)}\n")
    print(f"\n{table(rows)}")


if __name__ == "__main__":
    main()
