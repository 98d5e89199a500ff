"""Memory of a process that calls the same function again and again, as a service that places cells does.

python benchmarks/memory.py                   # a quarter of an hour
python benchmarks/memory.py --share 0.05      # fewer calls

Each row is a process of its own, on 700 blood cells that ship with scanpy. After a tenth of the calls, which fill caches, it
notes its resident memory, and again after the last one. Prints a table: calls in between, growth in MiB, and KiB per call.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine

if TYPE_CHECKING:
    from collections.abc import Callable

# Number of calls by name.
CASES = {
    "tl.ingest of one cell": 4000,
    "tl.ingest of 100 cells": 1000,
    "tl.ingest of one cell, labels": 1000,
    "tl.ingest of one cell, n2d": 1000,
    "tl.ingest of one cell, tsne": 100,
    "get.model": 1000,
    "tl.ivis, two epochs": 50,
    "tl.tsne, 50 iterations": 50,
}


def call_of(name: str) -> Callable[[], Any]:
    """The function that is called, on a reference with all that it needs."""
    import scanpy as sc

    import scivis

    sc.settings.verbosity = 0
    cells = sc.datasets.pbmc68k_reduced()
    reference, n_new = cells[:600].copy(), 100 if "100" in name else 1
    query = cells[600 : 600 + n_new].copy()
    few_iterations = {"n_iter": 50, "early_exaggeration_iter": 0}
    if name == "tl.ivis, two epochs":
        return partial(scivis.tl.ivis, reference, epochs=2)
    if name == "tl.tsne, 50 iterations":
        return partial(scivis.tl.tsne, reference, **few_iterations)
    key = name.rpartition(", ")[2] if name.endswith(("n2d", "tsne")) else "ivis"
    if key == "tsne":
        scivis.tl.tsne(reference, **few_iterations)
    elif key == "n2d":
        scivis.tl.n2d(reference, 5, architecture=[64], epochs=2, manifold="ivis")
    else:
        scivis.tl.ivis(reference, epochs=2, labels="bulk_labels" if "labels" in name else None)
    return (
        partial(scivis.get.model, reference)
        if name == "get.model"
        else partial(scivis.tl.ingest, query, reference, key=key)
    )


def resident() -> float:
    """Resident memory of this process, in MiB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(name: str, n_calls: int) -> dict[str, float]:
    """Growth of memory over the last nine tenths of the calls."""
    call, n_first = call_of(name), max(n_calls // 10, 3)
    for _ in range(n_first):
        call()
    before = resident()
    for _ in range(n_calls - n_first):
        call()
    growth = resident() - before
    return {
        "calls": n_calls - n_first,
        "before": before,
        "growth": growth,
        "per_call": growth * 1024 / (n_calls - n_first),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="share of the calls (default: 1)")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="NAME")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure, max(int(CASES[args.measure] * args.share), 10))))
        return
    print(machine.describe())
    print("\n| call | calls | MiB before | growth, MiB | KiB per call |\n|---|---|---|---|---|")
    for name in args.cases:
        row = machine.run_script("memory.py", "--measure", name, "--share", args.share)
        numbers = f"{row['calls']:.0f} | {row['before']:.0f} | {row['growth']:.1f} | {row['per_call']:.1f}"
        print(f"| {name} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
