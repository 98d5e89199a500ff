"""A cluster of two workers on this machine, beside one process, and what happens if workers are killed.

python benchmarks/cluster.py --data DIR --out runs-cluster                # 10 million × 50 in zarr: 2 GB of disk
python benchmarks/cluster.py --data DIR --out trial --cells 100000
python benchmarks/cluster.py --one workers ZARR EMBEDDING.npy             # one case, as it is run in a process of its own

process  `scivis.tl.ivis` of the zarr array, in one process
workers  the same of a dask array over two workers of a `dask.distributed.LocalCluster`, each a process with one thread
killed   the same, while a worker is killed at a quarter, a half and three quarters of the seconds that `workers` took

The cells are those of `huge.py`. Prints seconds, and whether the embedding is bit for bit that of `workers`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import huge
import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

N_CELLS = 10_000_000
# Rows of a block: 6.5 MB of 50 features. The overhead of a task is small beside the time for a block.
CHUNK = 2**15
COLUMNS = ("case", "cells", "seconds", "cpu_seconds", "peak_mib", "killed", "same")


def stored(args: argparse.Namespace) -> Path:
    """A zarr array of the cells, which is made if it is not there."""
    import numpy as np
    import zarr

    n = args.cells or N_CELLS
    path = args.cache / f"rows-{n}.zarr"
    if not path.exists():
        full = argparse.Namespace(**(vars(args) | {"cells": None}))
        rows = huge.simulated_rows(datasets.prepared("mnist", full), args.cache / f"rows-{n}.npy", n)
        x = np.load(rows, mmap_mode="r")
        partial = path.with_suffix(".partial")
        array = zarr.open_array(partial, mode="w", shape=x.shape, chunks=(CHUNK, x.shape[1]), dtype=np.float32)
        for start in range(0, n, CHUNK):
            array[start : start + CHUNK] = x[start : start + CHUNK]
        partial.replace(path)
    return path


def cells(path: Path, *, lazy: bool) -> AnnData:
    """The cells as a user has them: a zarr array, or a dask array of it."""
    import anndata as ad
    import dask.array as da
    import zarr

    return ad.AnnData(da.from_zarr(path) if lazy else zarr.open_array(path, mode="r"))


@contextmanager
def cluster(moments: list[float]) -> Iterator[list[int]]:
    """Two workers, of which one is killed at each of the moments, in seconds. The processes that were killed."""
    from distributed import Client, LocalCluster

    killed: list[int] = []
    with LocalCluster(2, threads_per_worker=1, dashboard_address=None) as local, Client(local) as client:

        def kill() -> None:
            pids = client.run(os.getpid)
            killed.append(pids[min(pids)])
            os.kill(killed[-1], signal.SIGKILL)

        timers = [threading.Timer(moment, kill) for moment in moments]
        for timer in timers:
            timer.start()
        yield killed
        for timer in timers:
            timer.cancel()


def one(case: str, path: Path, embedding: Path, moments: list[float]) -> dict[str, Any]:
    """A whole run in this process."""
    import numpy as np

    import scivis

    def fit() -> int:
        adata = cells(path, lazy=case != "process")
        scivis.tl.ivis(adata, use_rep="X")
        np.save(embedding, adata.obsm["X_ivis"])
        return adata.n_obs

    start = time.perf_counter()
    if case == "process":
        return {"cells": fit(), "killed": 0, "seconds": time.perf_counter() - start}
    with cluster(moments) as killed:
        return {"cells": fit(), "killed": len(killed), "seconds": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description="A cluster of two workers on this machine.")
    parser.add_argument("--one", nargs=3, metavar=("CASE", "ZARR", "EMBEDDING"))
    parser.add_argument("--moments", nargs="*", type=float, default=[], help="seconds at which a worker is killed")
    parser.add_argument("--out", type=Path, default=Path("runs-cluster"), help="folder for the results")
    datasets.add_options(parser)
    args = parser.parse_args()
    if args.one:
        case, path, embedding = args.one
        print(json.dumps(one(case, Path(path), Path(embedding), args.moments)))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    lines = [machine.describe(), "", f"| {' | '.join(COLUMNS)} |", f"| {' | '.join('---' for _ in COLUMNS)} |"]
    print(*lines, sep="\n", flush=True)
    path, moments = stored(args), []
    for case in ("process", "workers", "killed"):
        target = args.out / f"{case}.npy"
        row = machine.run_script("cluster.py", "--one", case, path, target, "--moments", *moments)
        row |= {"case": case, "same": _same(target, args.out / "workers.npy")}
        moments = [share * row["seconds"] for share in (0.25, 0.5, 0.75)] if case == "workers" else []
        lines.append(f"| {' | '.join(_text(row[name]) for name in COLUMNS)} |")
        print(lines[-1], flush=True)
    (args.out / "cluster.md").write_text("\n".join(lines) + "\n")


def _same(first: Path, second: Path) -> bool | str:
    """Whether two files hold the same embedding, bit for bit, if both are there."""
    import numpy as np

    return bool(np.array_equal(np.load(first), np.load(second))) if second.exists() else ""


def _text(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


if __name__ == "__main__":
    main()
