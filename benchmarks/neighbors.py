"""Time, recall, memory and installed size of the searches for neighbors: those of scivis beside other libraries.

python benchmarks/neighbors.py --data DIR --out runs
python benchmarks/neighbors.py --data DIR --out runs --datasets mnist --sizes 5000 20000 50000 100000 --searches exact ivf
pip install faiss-cpu usearch hnswlib    # optional: what is not installed is left out, and named

Each run is a process of its own: some libraries bring their own OpenMP, which must not influence the others. All runs are
repeated after the last of them, so that a busy minute does not hit all runs of one search, and the least seconds count.
Sizes above that of the data set are filled up with simulated cells, each on the line between two cells of one label.

start-up, s   importing the libraries and searching 2,000 cells, which compiles what is compiled
s             then the table of the 15 nearest neighbors of all cells: index and queries, all cores
most, s       the same in the slowest run: far above the least if something else kept the cores busy
recall        share of the true 15 neighbors of 1,000 cells that the table holds
peak MiB      largest memory of the process until then: Python, libraries and data included
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import machine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scivis.neighbors import Neighbors

# The searches, and the package that each needs; the first four are those of scivis.
SEARCHES = {
    "exact": "scikit-learn", "ivf": "scikit-learn", "pynndescent": "pynndescent", "annoy": "annoy",
    "faiss-ivf": "faiss-cpu", "faiss-hnsw": "faiss-cpu", "usearch": "usearch", "hnswlib": "hnswlib",
}  # fmt: skip
K = 15
# Lists that faiss compares each row with: as many as `ivf` does.
PROBES = 8
# The graphs of HNSW, alike in all libraries: edges per node, and candidates while it is built and while it is searched.
EDGES, BUILD, SEARCH = 16, 100, 64
# Cells of the first, small search: more than faiss needs to teach its lists.
FIRST = 2000


def faiss_ivf(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """The inverted file of faiss, with as many lists as that of scivis."""
    import faiss

    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(x.shape[1]), x.shape[1], int(len(x) ** 0.5))
    index.nprobe = PROBES
    return faiss_search(index, x)


def faiss_hnsw(x: NDArray[np.float32]) -> NDArray[np.int64]:
    import faiss

    index = faiss.IndexHNSWFlat(x.shape[1], EDGES)
    index.hnsw.efConstruction, index.hnsw.efSearch = BUILD, SEARCH
    return faiss_search(index, x)


def faiss_search(index: Any, x: NDArray[np.float32]) -> NDArray[np.int64]:
    import faiss

    faiss.omp_set_num_threads(os.cpu_count())
    index.train(x)  # a graph has nothing to train
    index.add(x)
    return index.search(x, K + 1)[1]


def usearch(x: NDArray[np.float32]) -> NDArray[np.integer]:
    import numpy as np
    from usearch.index import Index

    sizes = {"connectivity": EDGES, "expansion_add": BUILD, "expansion_search": SEARCH}
    index = Index(ndim=x.shape[1], metric="l2sq", dtype="f32", **sizes)
    index.add(np.arange(len(x)), x, threads=os.cpu_count())
    return index.search(x, K + 1, threads=os.cpu_count()).keys


def hnswlib(x: NDArray[np.float32]) -> NDArray[np.integer]:
    from hnswlib import Index

    index = Index("l2", x.shape[1])
    index.init_index(len(x), M=EDGES, ef_construction=BUILD, random_seed=0)
    index.set_num_threads(os.cpu_count())
    index.add_items(x)
    index.set_ef(SEARCH)
    return index.knn_query(x, K + 1)[0]


LIBRARIES = {"faiss-ivf": faiss_ivf, "faiss-hnsw": faiss_hnsw, "usearch": usearch, "hnswlib": hnswlib}


def find(search: str, x: NDArray[np.float32]) -> Neighbors:
    """The table that training reads, whoever fills it."""
    from scivis.neighbors import Neighbors, find_neighbors

    if search in LIBRARIES:
        return Neighbors.from_indices(LIBRARIES[search](x))
    return find_neighbors(x, K, backend=search)


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
    """Share of the true neighbors of 1,000 cells that are among those found."""
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    cells = np.random.default_rng(0).choice(len(x), min(1000, len(x)), replace=False)
    nearest = NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(x).kneighbors(x[cells], return_distance=False)
    true = [set(row[row != cell][:K]) for cell, row in zip(cells, nearest, strict=True)]
    # A search that misses the cell itself has one more neighbor in its row.
    return float(np.mean([len(row & set(found[cell, :K])) / K for cell, row in zip(cells, true, strict=True)]))


def measure(path: Path, size: int, search: str) -> dict[str, float]:
    """Search a few cells, then all, in this process."""
    import numpy as np

    cells = datasets.read(path)
    x = np.ascontiguousarray(resized(cells, size) if size else cells.x)  # usearch takes no other order
    times = [time.perf_counter()]
    for part in (x[:FIRST], x):
        found = find(search, part).indices
        times.append(time.perf_counter())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    start, seconds = times[1] - times[0], times[2] - times[1]
    return {"cells": len(x), "start": start, "seconds": seconds, "peak": peak, "recall": recall(x, found)}


def row(dataset: str, search: str, runs: list[dict[str, Any]]) -> str:
    """A line of the table: the least seconds of all runs, and what else the fastest one measured."""
    best = min(runs, key=lambda run: run["seconds"])
    start, most = min(run["start"] for run in runs), max(run["seconds"] for run in runs)
    times = (f"{start:.1f}", f"{best['seconds']:.2f}", f"{most:.2f}")
    values = (*times, f"{best['recall']:.3f}", f"{best['peak']:,.0f}")
    return f"| {dataset}, {best['cells']:,} | {search} | {' | '.join(values)} |"


def compare(paths: dict[str, Path], sizes: list[int], searches: list[str], rounds: int) -> list[str]:
    """The table of all searches on all data."""
    cases = [(name, size, search) for name in paths for size in sizes for search in searches]
    runs: dict[tuple[str, int, str], list[dict[str, Any]]] = {case: [] for case in cases}
    for name, size, search in cases * rounds:
        run = machine.run_script("neighbors.py", "--process", paths[name], "--sizes", size, "--searches", search)
        runs[name, size, search].append(run)
        print(f"{name}, {run['cells']:,}, {search}: {run['seconds']:.2f} s", file=sys.stderr, flush=True)
    head = ["| data, cells | search | start-up, s | s | most, s | recall | peak MiB |", f"|{' --- |' * 7}"]
    return head + [row(name, search, runs[name, size, search]) for name, size, search in cases]


def megabytes(package: str) -> str:
    """What the files of a package take on disk."""
    paths = [Path(file.locate()) for file in metadata.files(package) or ()]
    return f"{sum(path.stat().st_size for path in paths if path.is_file()) / 1e6:.1f}"


def installed(package: str) -> bool:
    return any(metadata.distributions(name=package))


def needs(package: str) -> set[str]:
    """The installed packages that one cannot do without, directly or through others, and itself."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: set[str] = set()
    left = [package]
    while left:
        name = canonicalize_name(left.pop())
        if name not in found and installed(name):
            found.add(name)
            required = map(Requirement, metadata.requires(name) or ())
            left += [need.name for need in required if not need.marker or need.marker.evaluate({"extra": ""})]
    return found


def sizes_of(packages: list[str]) -> list[str]:
    """The table of packages: what they take on disk, and what they bring that scivis does not need anyway."""
    own = needs("scivis")
    rows = ["| package | MB | needed by scivis | brings also (MB) |", f"|{' --- |' * 4}"]
    for name in packages:
        others = [f"{other} ({megabytes(other)})" for other in sorted(needs(name) - own - {name})]
        needed = "yes" if name in own else "no"
        rows.append(f"| {name} {metadata.version(name)} | {megabytes(name)} | {needed} | {', '.join(others) or '–'} |")
    return rows


def report(args: argparse.Namespace) -> str:
    """Both tables, with the machine above and what is not installed."""
    lines = [machine.describe(), ""]
    if missing := sorted({SEARCHES[name] for name in args.searches if not installed(SEARCHES[name])}):
        lines += [f"not installed, and left out: {', '.join(missing)}", ""]
    searches = [name for name in args.searches if SEARCHES[name] not in missing]
    paths = {name: datasets.prepared(name, args) for name in args.datasets}
    lines += compare(paths, args.sizes, searches, args.rounds)
    return "\n".join([*lines, "", *sizes_of(list(dict.fromkeys(SEARCHES[name] for name in searches))), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the searches for neighbors.")
    parser.add_argument("--out", type=Path, help="folder for neighbors.md")
    parser.add_argument("--datasets", nargs="+", choices=datasets.NAMES, default=["mnist", "huimm_cytof"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[0], help="numbers of cells; 0, the default, takes all")
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    parser.add_argument("--rounds", type=int, default=2, help="how often everything is repeated (default: %(default)s)")
    parser.add_argument("--process", type=Path, help=argparse.SUPPRESS)  # run one search here, on this file
    datasets.add_options(parser)
    args = parser.parse_args()
    if args.process:
        print(json.dumps(measure(args.process, args.sizes[0], args.searches[0])))
        return
    text = report(args)
    print(text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "neighbors.md").write_text(text)


if __name__ == "__main__":
    main()
