"""scivis beside its peers: time, memory and quality.

python benchmarks/compare.py --data DIR --out runs
python benchmarks/compare.py --data DIR --out trial --datasets pbmc3k --cells 1000    # a quick try

Writes into --out: `runs.csv` (a row per run), `table.md` (means over the seeds) and `embeddings/*.npy`.
Every run is a process of its own, one after the other. Only the standard library is imported here: see `run_script`.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from pathlib import Path
from typing import Any

import datasets
import machine
from methods import METHODS, PLANE, USUAL

MEASURES = ("knn", "rta", "spear", "pear", "cent", "centp", "frame", "acc")
COSTS = ("seconds", "import_seconds", "process_seconds", "peak_mib")
COLUMNS = ("dataset", "cells", "features", "method", "seed", *COSTS, *MEASURES)

Row = dict[str, Any]


def embedding_path(out: Path, dataset: str, method: str, seed: int) -> Path:
    """Where the scripts keep an embedding."""
    return out / "embeddings" / f"{dataset}-{method}-{seed}.npy"


def measure(dataset: str, method: str, seed: int, args: argparse.Namespace) -> Row:
    """Run a method, then judge its embedding in another process, whose memory does not count."""
    cells = datasets.prepared(dataset, args)
    embedding = embedding_path(args.out, dataset, method, seed)
    cost = machine.run_script("methods.py", method, cells, embedding, "--seed", seed, limit=args.limit)
    quality = machine.run_script("measures.py", cells, embedding)
    return {"dataset": dataset, "method": method, "seed": seed} | {
        **{name: round(cost[name], 2) for name in COSTS},
        **{name: round(quality[name], 4) for name in MEASURES},
    }


def prepare(names: list[str], args: argparse.Namespace) -> dict[str, Row]:
    """Size of each data set, prepared in a process of its own so that this one stays small."""
    options = ["--cache", args.cache]
    options += ["--data", args.data] if args.data else []
    options += ["--cells", args.cells] if args.cells else []
    return {name: machine.run_script("datasets.py", name, *options) for name in names}


def read_rows(path: Path) -> list[Row]:
    """The rows of a runs.csv: text under `dataset` and `method`, and numbers."""
    with path.open(newline="") as file:
        names = {"dataset", "method"}
        return [
            {key: text if key in names else float(text) for key, text in row.items()} for row in csv.DictReader(file)
        ]


def warm_up(methods: list[str], args: argparse.Namespace) -> None:
    """Each method once, on 1,000 cells, unrecorded: no run then pays for a cold disk or numba's first compilation."""
    small = argparse.Namespace(**(vars(args) | {"cells": 1000}))
    prepare(args.datasets[:1], small)
    for method in methods:
        print(f"warming up {method}", flush=True)
        cells = datasets.prepared(args.datasets[0], small)
        machine.run_script("methods.py", method, cells, args.out / "embeddings" / "warm-up.npy")


def table(rows: list[Row]) -> str:
    """Markdown: means over the seeds, and seconds as a share of UMAP's, with and without the import of packages."""
    shown = ("knn", "rta", "cent", "frame", "acc")
    head = ("data", "cells × features", "method", "s", "of UMAP", "of it imports", "of UMAP without imports",
            "process s", "peak MiB", *shown)  # fmt: skip
    lines = [head, ("---",) * len(head)]
    for dataset, method in dict.fromkeys((row["dataset"], row["method"]) for row in rows):
        mean, umap = _mean(rows, dataset, method), _mean(rows, dataset, "UMAP")
        lines.append(
            (dataset, f"{mean['cells']:,.0f} × {mean['features']:.0f}", method, f"{mean['seconds']:.1f}",
             _ratio(mean["seconds"], umap.get("seconds")), f"{mean['import_seconds']:.1f}",
             _ratio(_work(mean), _work(umap)), f"{mean['process_seconds']:.1f}", f"{mean['peak_mib']:,.0f}",
             *(f"{mean[name]:.3f}" for name in shown))
        )  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _mean(rows: list[Row], dataset: str, method: str) -> dict[str, float]:
    chosen = [row for row in rows if (row["dataset"], row["method"]) == (dataset, method)]
    names = ("cells", "features", *COSTS, *MEASURES)
    return {name: statistics.fmean(row[name] for row in chosen) for name in names} if chosen else {}


def _work(mean: dict[str, float]) -> float | None:
    return mean["seconds"] - mean["import_seconds"] if mean else None


def _ratio(seconds: float | None, reference: float | None) -> str:
    return f"{seconds / reference:.2f}" if seconds is not None and reference else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare scivis with other methods.")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--datasets", nargs="+", choices=datasets.NAMES, default=list(datasets.NAMES[:3]))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(USUAL))
    parser.add_argument(
        "--plane", action="store_const", dest="methods", const=list(PLANE), help="the methods of plane.py"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--limit", type=float, help="seconds that a method may take; default: any number")
    parser.add_argument("--resume", action="store_true", help="keep the rows of an interrupted run in --out")
    parser.add_argument("--no-warm-up", dest="warm_up", action="store_false")
    datasets.add_options(parser)
    args = parser.parse_args()

    description = machine.describe()
    print(description, flush=True)
    methods = [name for name in args.methods if METHODS[name].installed]
    if missing := sorted(set(args.methods) - set(methods)):
        print(f"not installed: {', '.join(missing)}")
    sizes = prepare(args.datasets, args)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.warm_up:
        warm_up(methods, args)

    path = args.out / "runs.csv"
    rows = read_rows(path) if args.resume and path.exists() else []
    done = {(row["dataset"], row["method"], row["seed"]) for row in rows}
    with path.open("a" if rows else "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        if not rows:
            writer.writeheader()
        for dataset in args.datasets:
            # Seeds outermost: what the methods of one seed are compared by was measured close together in time.
            for seed, method in ((seed, method) for seed in args.seeds for method in methods):
                if (dataset, method, seed) in done:
                    continue
                try:
                    rows.append(sizes[dataset] | measure(dataset, method, seed, args))
                except (RuntimeError, TimeoutError) as error:  # out of memory, say: the others still count
                    print(error, flush=True)
                    continue
                writer.writerow(rows[-1])
                file.flush()
                print(*(f"{rows[-1][name]}" for name in COLUMNS), flush=True)
    (args.out / "table.md").write_text(f"{description}\n\n{table(rows)}\n")
    print(f"\n{table(rows)}")


if __name__ == "__main__":
    main()
