"""Time and recall of the searches for neighbours that scivis offers, at several sizes.

python benchmarks/neighbors.py --data DIR --out runs
python benchmarks/neighbors.py --data DIR --out runs --sizes 300000 --searches pynndescent annoy

Each search is a process of its own and runs twice in it: the first call holds imports and PyNNDescent's compilation, the
second does not. Recall is the share of the true 15 neighbours of 1,000 cells that it finds. Sizes above that of the
data set are filled up with simulated cells, each on the line between two cells of one label.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import machine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEARCHES = ("exact", "ivf", "annoy", "pynndescent")
K = 15


def resized(cells: datasets.Cells, n: int) -> NDArray[np.float32]:
    """`n` cells: a random part of the data set, or all of it and simulated ones."""
    import numpy as np

    rng = np.random.default_rng(0)
    if n <= len(cells.x):
        return cells.x[rng.choice(len(cells.x), n, replace=False)]
    by_label = np.argsort(cells.codes, kind="stable")
    ends = np.cumsum(np.bincount(cells.codes))
    first = rng.integers(len(cells.x), size=n - len(cells.x))
    codes = cells.codes[first]
    second = by_label[rng.integers(np.r_[0, ends][codes], ends[codes])]
    share = rng.random((len(first), 1), np.float32)
    return np.concatenate([cells.x, cells.x[first] + share * (cells.x[second] - cells.x[first])])


def recall(x: NDArray[np.float32], found: NDArray[np.integer]) -> float:
    """Share of the true neighbours of 1,000 cells that are among those found."""
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    cells = np.random.default_rng(0).choice(len(x), min(1000, len(x)), replace=False)
    nearest = NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(x).kneighbors(x[cells], return_distance=False)
    true = [set(row[row != cell][:K]) for cell, row in zip(cells, nearest, strict=True)]
    return float(np.mean([len(row & set(found[cell])) / K for cell, row in zip(cells, true, strict=True)]))


def search(path: Path, size: int, backend: str) -> dict[str, float]:
    """Search twice, in this process."""
    from scivis.neighbors import find_neighbors

    x = resized(datasets.read(path), size)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        found = find_neighbors(x, K, backend=backend)
        seconds.append(time.perf_counter() - start)
    return {"first": seconds[0], "second": seconds[1], "recall": recall(x, found.indices)}


def compare(path: Path, size: int, searches: list[str]) -> list[str]:
    """Markdown rows, one per search."""
    rows = []
    for backend in searches:
        run = machine.run_script("neighbors.py", "--process", path, "--sizes", size, "--searches", backend)
        values = (f"{run['first']:.1f}", f"{run['second']:.1f}", f"{run['recall']:.3f}", f"{run['peak_mib']:,.0f}")
        rows.append(f"| {size:,} | {backend} | {' | '.join(values)} |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the searches for neighbours.")
    parser.add_argument("--out", type=Path, help="folder for neighbors.md")
    parser.add_argument("--dataset", choices=datasets.NAMES, default="mnist")
    parser.add_argument("--sizes", nargs="+", type=int, default=[5_000, 20_000, 50_000, 100_000])
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    parser.add_argument("--process", type=Path, help=argparse.SUPPRESS)  # run one search here, on this file
    datasets.add_options(parser)
    args = parser.parse_args()
    if args.process:
        print(json.dumps(search(args.process, args.sizes[0], args.searches[0])))
        return

    path = datasets.prepared(args.dataset, args)
    description = machine.describe()
    head = ["| cells | search | first call, s | second call, s | recall | peak MiB |", f"|{' --- |' * 6}"]
    print(description, *head, sep="\n", flush=True)
    rows = [row for size in args.sizes for row in compare(path, size, args.searches)]
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        text = "\n".join([description, "", f"{args.dataset}, {K} neighbours", "", *head, *rows, ""])
        (args.out / "neighbors.md").write_text(text)


if __name__ == "__main__":
    main()
