"""How much the seed decides: the agreement of the maps of several seeds, and the spread of each measure.

python benchmarks/seeds.py --data DIR --out runs-seeds
python benchmarks/pictures.py --data DIR --out runs-seeds --to pictures --seeds 0 1 2 3 4 5 6 7 8 9

Two maps agree by their Procrustes correlation: r = √(1 − disparity) after the best shift, rotation, reflection and
scaling of one onto the other. Writes into --out: `seeds.csv`, `seeds.md` and `embeddings/*.npy`.
"""

from __future__ import annotations

import argparse
import csv
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import machine
import measures
import numpy as np
from compare import embedding_path
from methods import METHODS
from scipy.spatial import procrustes

if TYPE_CHECKING:
    from numpy.typing import NDArray


def procrustes_r(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Procrustes correlation of two sets of points."""
    return float(np.sqrt(1 - procrustes(a.astype(float), b.astype(float))[2]))


def agreement(maps: list[NDArray[np.floating]]) -> list[float]:
    """Procrustes correlation of every pair of maps."""
    return [procrustes_r(a, b) for a, b in combinations(maps, 2)]


def table(agreements: dict[str, list[float]], rows: list[dict[str, object]]) -> str:
    """Markdown: a row per method."""
    head = ("method", "Procrustes r, mean", "lowest", "pairs ≥ .95", *measures.NAMES)
    lines = [head, ("---",) * len(head)]
    for method, pairs in agreements.items():
        values = np.array([[row[name] for name in measures.NAMES] for row in rows if row["method"] == method], float)
        spread = [f"{m:.3f} ± {s:.3f}" for m, s in zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True)]
        share = np.mean(np.array(pairs) >= 0.95)
        lines.append((method, f"{np.mean(pairs):.3f}", f"{min(pairs):.3f}", f"{share:.0%} of {len(pairs)}", *spread))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the maps of several seeds.")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--dataset", choices=datasets.NAMES, default="pbmc3k")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["scivis"])
    parser.add_argument("--seeds", type=int, default=10, help="how many, at least 2")
    datasets.add_options(parser)
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error("--seeds must be at least 2: one map agrees with none")

    description = machine.describe()
    cells = datasets.read(datasets.prepared(args.dataset, args))
    rows: list[dict[str, object]] = []
    agreements = {}
    for method in args.methods:
        maps = []
        for seed in range(args.seeds):
            maps.append(np.asarray(METHODS[method].embed(cells.adata(), seed), np.float32))
            path = embedding_path(args.out, args.dataset, method, seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, maps[-1])
            rows.append({"method": method, "seed": seed, **measures.evaluate(cells.x, maps[-1], cells.codes)})
            print(*(f"{value:.3f}" if isinstance(value, float) else value for value in rows[-1].values()), flush=True)
        agreements[method] = agreement(maps)

    with (args.out / "seeds.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ("method", "seed", *measures.NAMES))
        writer.writeheader()
        writer.writerows(rows)
    text = (
        f"{args.dataset}, {len(cells.x):,} cells, {args.seeds} seeds; ± standard deviation\n\n{table(agreements, rows)}"
    )
    (args.out / "seeds.md").write_text(f"{description}\n\n{text}\n")
    print(f"\n{text}")


if __name__ == "__main__":
    main()
