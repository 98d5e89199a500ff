"""Where the time of a call goes: stages of `scivis.tl.ivis`, and of placing new cells with its model.

python benchmarks/budget.py --data DIR                       # pbmc3k from genes, 100,000 and 1 million × 50: 3 minutes
python benchmarks/budget.py --data DIR --n 3000 --runs 5
PYTHONPATH=OTHER/src python benchmarks/budget.py --data DIR  # another version of scivis, to compare in turn

A number of cells is simulated as in `huge.py`: rows × 50 in a memory-mapped `obsm`; `pbmc3k` is log-normalized genes with their
PCA. Each run is a process of its own. Every stage is seconds, and in parentheses seconds of processor time, which other
programs on the machine disturb less. The first training step, less the second, is tracing and compiling. New cells are the first
1,000 of the reference with the model kept, single ones of them (milliseconds, median of 100 calls), and 300,000, with their
novelty and without.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

# Functions by stage. Time in a function that another one of them calls is that of the inner one.
STAGES = {
    "reading": (("scivis.tl._ivis", "read_representation"), ("scivis.tl._ivis", "model_input")),
    "sampling": (("scivis._ivis.arguments", "training_rows"),),
    "search": (("scivis._ivis.arguments", "get_neighbors"),),
    "training": (("scivis.nn._training", "train"),),
    "embedding": (("scivis.tl._ivis", "map_cells"), ("scivis._ivis.fit", "_scaled_embedding")),
    "calibration": (
        ("scivis._ivis.fit", "fit_reference"),
        ("scivis.tl._ivis", "calibrate"),
        ("scivis._adata.model_input", "fit_correction"),
    ),
    "writing": (("scivis.tl._ivis", "pack_model"), ("scivis._adata.results.Results", "write")),
}
ORDER = (
    "import",
    *STAGES,
    "tracing, compiling",
    "other",
    "whole call",
    "placing 1,000",
    "placing one, ms",
    "placed, thousands per s",
    "without novelty",
    "whole process",
)

N_PLACED = 300_000

Clock = tuple[float, float]


def clock() -> Clock:
    """Seconds, and processor seconds of this process."""
    return time.perf_counter(), time.process_time()


class Budget:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.spent: dict[str, Clock] = {}
        self.inner: list[Clock] = [(0.0, 0.0)]  # what stages within the current one took

    def add(self, stage: str, taken: Clock) -> None:
        self.spent[stage] = _plus(self.spent.get(stage, (0.0, 0.0)), taken)

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose time is added to a stage."""

        def run(*args: Any, **kwargs: Any) -> Any:
            self.inner.append((0.0, 0.0))
            start = clock()
            try:
                return function(*args, **kwargs)
            finally:
                taken = _minus(clock(), start)
                self.add(stage, _minus(taken, self.inner.pop()))
                self.inner[-1] = _plus(self.inner[-1], taken)

        return run

    def watch(self) -> None:
        """Time all functions of the stages."""
        for stage, functions in STAGES.items():
            for place, name in functions:
                owner = _object(place)
                setattr(owner, name, self.timed(stage, getattr(owner, name)))


def _object(place: str) -> Any:
    """A module, or a class in one."""
    module, _, name = place.rpartition(".")
    return getattr(import_module(module), name) if name[0].isupper() else import_module(place)


def _plus(a: Clock, b: Clock) -> Clock:
    return a[0] + b[0], a[1] + b[1]


def _minus(a: Clock, b: Clock) -> Clock:
    return a[0] - b[0], a[1] - b[1]


def first_steps(budget: Budget) -> Any:
    """A callback that moves what the first call of the training step takes longer than the second to a stage of its own."""
    import keras

    class FirstSteps(keras.callbacks.Callback):
        ends: list[Clock]

        def on_train_begin(self, logs: Any = None) -> None:
            self.ends = [clock()]

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.ends.append(clock())
            if len(self.ends) == 3:
                start, first, second = self.ends
                longer = _minus(_minus(first, start), _minus(second, first))
                budget.add("tracing, compiling", longer)
                budget.add("training", _minus((0.0, 0.0), longer))

    return FirstSteps()


def one(path: Path) -> dict[str, Clock]:
    """A whole run."""
    start, budget = clock(), Budget()
    import anndata as ad
    import numpy as np
    import scanpy as sc

    import scivis
    import scivis.nn  # loads Keras
    from scivis import tl  # noqa: F401

    budget.add("import", _minus(clock(), start))
    sc.settings.verbosity = 0
    adata = ad.read_h5ad(path) if path.suffix == ".h5ad" else ad.AnnData(obsm={"X_pca": np.load(path, mmap_mode="r")})
    callback = first_steps(budget)
    budget.watch()
    before, start = sum_of(budget), clock()
    scivis.tl.ivis(adata, use_rep="X_pca", callbacks=[callback])
    whole = _minus(clock(), start)
    budget.add("other", _minus(whole, _minus(sum_of(budget), before)))
    return budget.spent | {"whole call": whole} | placing(adata)


def sum_of(budget: Budget) -> Clock:
    total = (0.0, 0.0)
    for taken in budget.spent.values():
        total = _plus(total, taken)
    return total


def placing(reference: AnnData) -> dict[str, Clock]:
    """Seconds to place 1,000 cells, and milliseconds to place one."""
    import scivis

    query = reference[:1000].to_memory() if reference.isbacked else reference[:1000].copy()
    single = [query[i].copy() for i in range(100)]
    scivis.tl.ingest(query, reference)
    start = clock()
    scivis.tl.ingest(query, reference)
    many, calls = _minus(clock(), start), []
    for cell in single:
        start = clock()
        scivis.tl.ingest(cell, reference)
        calls.append(_minus(clock(), start))
    median = tuple(1e3 * statistics.median(call[i] for call in calls) for i in (0, 1))
    rates = {"placed, thousands per s": rate(reference), "without novelty": rate(reference, novelty=False)}
    return {"placing 1,000": many, "placing one, ms": median} | rates


def rate(reference: AnnData, **options: Any) -> Clock:
    """Thousands of cells that `scivis.tl.ingest` places per second, and per second of the processor: from genes if there are some."""
    import anndata as ad
    import numpy as np

    import scivis

    rows = np.arange(N_PLACED) % reference.n_obs
    if reference.n_vars:
        query = ad.AnnData(reference.X[rows], var=reference.var[[]])
    else:
        query = ad.AnnData(obsm={"X_pca": np.asarray(reference.obsm["X_pca"][rows])})
    start = clock()
    scivis.tl.ingest(query, reference, **options)
    wall, processor = _minus(clock(), start)
    return N_PLACED / wall / 1e3, N_PLACED / processor / 1e3


def source(name: str, args: argparse.Namespace) -> Path:
    """The file of a data set."""
    if name == "pbmc3k":
        return with_pca(args)
    from huge import simulated_rows

    args.cache.mkdir(parents=True, exist_ok=True)
    return simulated_rows(datasets.prepared("mnist", args), args.cache / f"rows-{name}.npy", int(name))


def with_pca(args: argparse.Namespace) -> Path:
    """`pbmc3k` with the PCA of its variable genes."""
    path = args.cache / "pbmc3k-pca.h5ad"
    if not path.exists():
        import anndata as ad
        import scanpy as sc

        path.parent.mkdir(parents=True, exist_ok=True)
        adata = ad.read_h5ad(args.data / "pbmc3k.h5ad")
        adata.X = adata.X.astype("float32")
        sc.pp.highly_variable_genes(adata, n_top_genes=2000)
        sc.pp.pca(adata, n_comps=50)
        adata.write_h5ad(path)
    return path


def measured(path: Path) -> dict[str, list[float]]:
    """A run in a process of its own."""
    ran = machine.run_script("budget.py", "--one", path)
    return ran | {"whole process": [ran["process_seconds"], 0.0]}


def median_of(runs: list[dict[str, list[float]]], stage: str) -> str:
    """Median of the runs, with the processor time in parentheses."""
    wall, cpu = (statistics.median(run.get(stage, [0.0, 0.0])[i] for run in runs) for i in (0, 1))
    return f"{wall:.2f} ({cpu:.2f})" if cpu else f"{wall:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time by stage.")
    parser.add_argument("--one", type=Path, help="one run on a file, as it is in a process of its own")
    parser.add_argument("--n", nargs="+", default=["pbmc3k", "100000", "1000000"], help="numbers of cells, or pbmc3k")
    parser.add_argument("--runs", type=int, default=3)
    datasets.add_options(parser)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.one)))
        return
    print(machine.describe(), flush=True)
    columns = [[measured(path) for _ in range(args.runs)] for path in [source(name, args) for name in args.n]]
    print(f"| s (processor s) | {' | '.join(args.n)} |\n|{' --- |' * (1 + len(args.n))}")
    for stage in ORDER:
        print(f"| {stage} | {' | '.join(median_of(runs, stage) for runs in columns)} |")


if __name__ == "__main__":
    main()
