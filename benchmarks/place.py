"""New cells on the map of a reference: do they fall among their neighbors?

python benchmarks/place.py --data DIR --out runs-place
python benchmarks/place.py --data DIR --out trial --datasets pbmc3k --cells 1000 --seeds 0 --methods UMAP scivis

The folds are those of `folds.py`, the methods those of `placers.py`, the measures `knn`, `recall` and `new_acc` those of
`measures.py`. A method fits all seeds of a fold in one process with a time limit; processes follow one after the other.
Writes into --out: `place.json` (a row per seed) and `place.md` (tables of the mean and the standard deviation over seeds;
seconds are those of the fastest seed). Rows that are in `place.json` already are not measured again, so that an
interrupted call goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import datasets
import machine
import measures
import numpy as np
from folds import FOLDS, prepared, representation
from placers import PLACERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]

Row = dict[str, Any]
MEASURES = ("knn", "recall", "new_acc")


def measure(fold: str, method: str, seeds: list[int], args: argparse.Namespace) -> Iterator[Row]:
    """Seconds and measures of each seed, or why there are none."""
    paths = prepared(fold, args)
    rows = {seed: {"fold": fold, "method": method, "seed": seed} for seed in seeds}
    with tempfile.TemporaryDirectory() as folder:
        try:
            cost = machine.run_script("placers.py", method, *paths, folder, "--seeds", *seeds, limit=args.limit)
        except TimeoutError:
            yield from (row | {"failed": f"more than {args.limit:,} s"} for row in rows.values())
        except RuntimeError as error:
            print(error, flush=True)
            yield from (row | {"failed": "error"} for row in rows.values())
        else:
            parts = [anndata.read_h5ad(path) for path in paths]
            for seed, row in rows.items():
                with np.load(Path(folder) / f"{seed}.npz") as maps:
                    numbers = cost[str(seed)] | quality(*parts, maps["reference"], maps["query"])
                yield row | {name: round(number, 4) for name, number in numbers.items()}


def quality(reference: AnnData, query: AnnData, reference_map: Matrix, query_map: Matrix) -> Row:
    """Numbers of cells, and the measures of one map."""
    pairs = ((reference, reference_map), (query, query_map))
    parts = [measures.Part(representation(a), z, a.obs["label"].astype(str).to_numpy()) for a, z in pairs]
    return {"n_reference": reference.n_obs, "n_query": query.n_obs} | measures.evaluate_placed(*parts)


def tables(rows: list[Row]) -> str:
    """Markdown: a table per kind of fold, each with the means of the methods over its folds."""
    within = [row for row in rows if FOLDS[row["fold"]].column is None]
    across = [row for row in rows if FOLDS[row["fold"]].column is not None]
    kinds = {"Within an experiment": within, "Across batches": across}
    return "\n\n".join(f"{kind}\n\n{_table(some)}" for kind, some in kinds.items() if some)


def _table(rows: list[Row]) -> str:
    head = ("fold", "method", "seeds", "fit s", "place s", "knn", "recall of placed cells", "accuracy of placed cells")
    lines = [head, ("---",) * len(head)]
    folds = [fold for fold in FOLDS if any(row["fold"] == fold for row in rows)]
    methods = [method for method in PLACERS if any(row["method"] == method for row in rows)]
    runs = {(fold, method): [row for row in rows if (row["fold"], row["method"]) == (fold, method)]
            for fold in folds for method in methods}  # fmt: skip
    lines += [(*pair, *_cells(some)) for pair, some in runs.items() if some]
    # Means compare methods on the same folds: those that each method has finished.
    common = [fold for fold in folds if all(_done(runs[fold, method]) for method in methods)]
    for method in methods if len(common) > 1 else ():
        over = (statistics.fmean(_mean(runs[fold, method], name) for fold in common) for name in MEASURES)
        lines.append((f"mean of {len(common)}", method, "", "", "", *(f"{value:.3f}" for value in over)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(rows: list[Row]) -> tuple[str, ...]:
    """Text of the runs of a method on a fold: mean ± standard deviation over the seeds, or why there is no number."""
    if not (done := _done(rows)):
        return "0", rows[0]["failed"], *("–",) * 4
    seconds = (f"{min(row[name] for row in done):.1f}" for name in ("fit_seconds", "place_seconds"))
    return str(len(done)), *seconds, *(f"{_mean(rows, name):.3f}{_spread(done, name)}" for name in MEASURES)


def _done(rows: list[Row]) -> list[Row]:
    return [row for row in rows if "failed" not in row]


def _mean(rows: list[Row], name: str) -> float:
    return statistics.fmean(row[name] for row in _done(rows))


def _spread(rows: list[Row], name: str) -> str:
    return f" ± {statistics.stdev(row[name] for row in rows):.3f}" if len(rows) > 1 else ""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how well new cells are placed.")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--datasets", nargs="+", choices=FOLDS, default=list(FOLDS), help="folds")
    parser.add_argument("--methods", nargs="+", choices=PLACERS, default=list(PLACERS))
    parser.add_argument("--seeds", nargs="+", type=int, help="default: 0 to 4, and 0 with many cells")
    parser.add_argument("--limit", type=int, default=3600, help="seconds after which a process is ended")
    datasets.add_options(parser)
    args = parser.parse_args()

    description = machine.describe()
    print(description, flush=True)
    methods = [name for name in args.methods if PLACERS[name].installed]
    if missing := sorted(set(args.methods) - set(methods)):
        print(f"not installed: {', '.join(missing)}")
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "place.json"
    rows: list[Row] = json.loads(path.read_text()) if path.exists() else []
    done = {(row["fold"], row["method"], row["seed"]) for row in rows}
    for fold, method in ((fold, method) for fold in args.datasets for method in methods):
        seeds = args.seeds or range(FOLDS[fold].n_seeds)
        if left := [seed for seed in seeds if (fold, method, seed) not in done]:
            for row in measure(fold, method, left, args):
                rows.append(row)
                print(*row.values(), flush=True)
            path.write_text(json.dumps(rows, indent=1))
    (args.out / "place.md").write_text(f"{description}\n\n{tables(rows)}\n")
    print(f"\n{tables(rows)}")


if __name__ == "__main__":
    main()
