"""Huge data: time and peak memory of `scivis.tl.ivis` on cells that stay on disk.

python benchmarks/huge.py --data DIR --out runs-huge                     # all cases: about 30 minutes, 8 GB of disk
python benchmarks/huge.py --data DIR --out trial --cases rows --cells 20000
python benchmarks/huge.py --data DIR --out trial --cases genes --cells 10000000    # 10 million × 2,000: 25 GB of disk
python benchmarks/huge.py --one rows FILE                                # one case, as it is run in a process of its own

genes    1.3 million × 2,000, sparse, read from `X` of a backed h5ad (plain, gzip), and from zarr by `sparse_dataset`;
         simulated from `pbmc3k`: each cell takes every gene from one of two cells of a label
lazy     the same from zarr by `read_lazy`
rows     1, 2, 5 and 10 million × 50 from a memory-mapped `obsm`; simulated from `mnist`: cells on lines between two of a label
detail   1 million of them with a t-SNE of the subsample, among which the other cells are placed (`detail=True`)
stream   100 million × 50 (20 GB), without an AnnData object of all cells: `tl.ivis` of 100,000 random cells, then the stored
         model embeds the file in blocks, and the coordinates are written to a file
limit    the rows, 1 and 10 million, where the process may have no more than 8 GiB of address space (RLIMIT_AS)
sample   which cells are trained on: share and recall of the rarest labels of `huimm_cytof`, 5,000 of 111,690 cells drawn
         uniformly and by `scivis`, three seeds
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from anndata import AnnData
    from numpy.typing import NDArray

MILLIONS = (1, 2, 5, 10)
N_GENES, N_SPARSE = 2000, 1_300_000
CASES = ("rows", "detail", "stream", "limit", "genes", "lazy", "sample")
FORMS = ("plain", "gzip", "zarr")
STREAMED, N_SAMPLE, BLOCK = 100, 100_000, 2**18
ADDRESS_SPACE = 8 * 2**30
COLUMNS = ("case", "cells", "features", "seconds", "cpu_seconds", "peak_mib", "above_imports_mib")

Row = dict[str, Any]


def parents(codes: NDArray[np.integer], n: int, rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
    """Two cells of a label for each new cell, in blocks of 50,000."""
    import numpy as np

    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(codes.max() + 2))
    for a in range(0, n, 50_000):
        first = rng.integers(len(codes), size=min(50_000, n - a))
        low, high = starts[codes[first]], starts[codes[first] + 1]
        yield first, order[rng.integers(low, high)]


def simulated_rows(source: Path, path: Path, n: int) -> Path:
    """Rows on lines between two cells of a label, in a file that can be mapped into memory."""
    import numpy as np

    if not path.exists():
        cells, rng = datasets.read(source), np.random.default_rng(0)
        file = np.lib.format.open_memmap(path.with_suffix(".partial"), "w+", np.float32, (n, cells.x.shape[1]))
        done = 0
        for first, second in parents(cells.codes, n, rng):
            share = rng.random((len(first), 1), np.float32)
            file[done : done + len(first)] = share * cells.x[first] + (1 - share) * cells.x[second]
            done += len(first)
        file.flush()
        path.with_suffix(".partial").replace(path)
    return path


def simulated_genes(source: Path, folder: Path, n: int) -> dict[str, Path]:
    """Sparse expression in three forms, written in blocks."""
    import anndata as ad
    import numpy as np
    import scanpy as sc
    import zarr
    from scipy import sparse

    paths = {form: folder / f"genes-{n}-{form}.{'zarr' if form == 'zarr' else 'h5ad'}" for form in FORMS}
    if all(path.exists() for path in paths.values()):
        return paths
    adata = ad.read_h5ad(source)
    sc.pp.highly_variable_genes(adata, n_top_genes=N_GENES)
    adata = adata[:, adata.var["highly_variable"]]
    x, rng = sparse.csr_matrix(adata.X, dtype=np.float32), np.random.default_rng(0)
    partial = {form: path.with_suffix(f".partial{path.suffix}") for form, path in paths.items()}
    files = {form: without_expression(path, adata, n) for form, path in partial.items()}
    for first, second in parents(adata.obs["label"].cat.codes.to_numpy(), n, rng):
        block = _mixed(x[first], x[second], rng)
        for form, file in files.items():
            append_expression(file, block, {"compression": "gzip"} if form == "gzip" else {})
    for form, file in files.items():
        if form == "zarr":
            zarr.consolidate_metadata(file.store)
        else:
            file.close()
        partial[form].replace(paths[form])
    return paths


def without_expression(path: Path, adata: AnnData, n: int) -> Any:
    """An open file of `n` cells with the genes of `adata`."""
    import anndata as ad
    import h5py
    import pandas as pd
    import zarr

    cells = ad.AnnData(obs=pd.DataFrame(index=pd.RangeIndex(n).astype(str)), var=adata.var[[]])
    if path.suffix == ".zarr":
        cells.write_zarr(path)
        file = zarr.open_group(path, mode="r+", use_consolidated=False)
    else:
        cells.write_h5ad(path)
        file = h5py.File(path, "r+")
    if "X" in file:  # anndata 0.13 writes that there is none
        del file["X"]
    return file


def append_expression(file: Any, block: Any, settings: dict[str, str]) -> None:
    """Append rows to `X`."""
    import anndata as ad
    import numpy as np

    if "X" in file:
        ad.io.sparse_dataset(file["X"]).append(block)
        return
    block = block.copy()
    block.indptr = block.indptr.astype(np.int64)  # in the end, there may be more than 2³¹ values
    ad.io.write_elem(file, "X", block, dataset_kwargs=settings)


def _mixed(first: Any, second: Any, rng: np.random.Generator) -> Any:
    """Each gene's value from one of two cells."""
    first, second = first.copy(), second.copy()
    for part in (first, second):
        part.data *= rng.random(part.nnz) < 0.5
        part.eliminate_zeros()
    return first.maximum(second)


def opened(case: str, path: Path) -> AnnData:
    """The cells as a user has them."""
    import anndata as ad
    import numpy as np

    if path.suffix == ".npy":
        return ad.AnnData(obsm={"X_pca": np.load(path, mmap_mode="r")})
    if case == "lazy":
        return ad.experimental.read_lazy(path)
    if path.suffix == ".zarr":
        import zarr

        return ad.AnnData(ad.io.sparse_dataset(zarr.open_group(path, mode="r")["X"]))
    return ad.read_h5ad(path, backed="r")


def streamed(path: Path) -> int:
    """Fit on some rows of a file, and embed all of them into another file. The number of rows."""
    import anndata as ad
    import numpy as np

    import scivis

    rows = np.load(path, mmap_mode="r")
    (n, width), start, target = rows.shape, rows.offset, path.with_name("embedding.npy")
    del rows  # pages of a mapped file would count as memory of the process

    def read(first: int, count: int) -> NDArray[np.float32]:
        return np.fromfile(path, np.float32, count * width, offset=start + 4 * width * first).reshape(count, width)

    drawn = np.sort(np.random.default_rng(0).choice(n, min(N_SAMPLE, n), replace=False))
    sample = ad.AnnData(obsm={"X_pca": np.concatenate([read(row, 1) for row in drawn.tolist()])})
    scivis.tl.ivis(sample, use_rep="X_pca")
    model = scivis.get.model(sample)
    del sample
    np.lib.format.open_memmap(target, "w+", np.float32, (n, 2)).flush()
    for first in range(0, n, BLOCK):
        embedding = np.load(target, mmap_mode="r+")
        embedding[first : first + BLOCK] = model.transform(read(first, min(BLOCK, n - first)))
    return n


def one(case: str, path: Path) -> Row:
    """A whole run: reading, training, mapping. `imports` does nothing but import."""
    if case == "limit":
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    import scanpy as sc

    import scivis
    import scivis.nn  # loads Keras

    if case == "imports":
        return {"seconds": 0.0}
    sc.settings.verbosity = 0
    start = time.perf_counter()
    if case == "stream":
        return {"cells": streamed(path), "seconds": time.perf_counter() - start, "finite": True}
    adata = opened(case, path)
    scivis.tl.ivis(adata, use_rep="X" if case in ("genes", "lazy") else "X_pca", detail=case == "detail")
    return {"seconds": time.perf_counter() - start, "cells": adata.n_obs, "finite": True}


def cases(names: list[str], args: argparse.Namespace) -> Iterator[tuple[str, str, Path, int]]:
    """Case, name in the table, file, features."""
    if {"genes", "lazy"} & set(names):
        forms = elsewhere(simulated_genes, Path(args.data) / "pbmc3k.h5ad", args.cache, args.cells or N_SPARSE)
        for form, path in forms.items() if "genes" in names else ():
            yield "genes", f"genes, {form}", path, N_GENES
        if "lazy" in names:
            yield "lazy", "genes, zarr by read_lazy", forms["zarr"], N_GENES
    wanted = {"rows": MILLIONS, "detail": MILLIONS[:1], "stream": (STREAMED,), "limit": (MILLIONS[0], MILLIONS[-1])}
    full = argparse.Namespace(**(vars(args) | {"cells": None}))
    for case in ("rows", "detail", "stream", "limit"):
        for million in wanted[case] if case in names else ():
            n = (args.cells or 1_000_000) * million
            source, path = datasets.prepared("mnist", full), args.cache / f"rows-{n}.npy"
            yield case, case, elsewhere(simulated_rows, source, path, n), 50


def elsewhere(simulate: Callable[..., Any], *args: Any) -> Any:
    """Write files in a process that ends: the peak memory of a process is at least that of its parent when it started."""
    with ProcessPoolExecutor(1) as process:
        return process.submit(simulate, *args).result()


def sampled(args: argparse.Namespace) -> str:
    """Share and recall of the rarest labels, by how the training cells are drawn."""
    import numpy as np
    from sklearn.neighbors import KNeighborsClassifier

    from scivis import Ivis
    from scivis._ivis.presets import preset_params
    from scivis.data._sampling import sample_rows
    from scivis.data._streaming import Rows
    from scivis.neighbors import find_neighbors

    cells = datasets.read(datasets.prepared("huimm_cytof", args))
    counts = np.bincount(cells.codes)
    rare = np.argsort(counts)[:5]
    lines = ["| drawn | " + " | ".join(f"{cells.names[i]} ({counts[i]})" for i in rare) + " |", "|---" * 6 + "|"]
    for drawn in ("uniformly", "by scivis"):
        shares, recalls = [], []
        for seed in range(3):
            rng = np.random.default_rng(seed)
            size = min(5000, len(cells.x) // 4)
            rows = (
                sample_rows(Rows(cells.x, "cells"), size, rng)
                if drawn == "by scivis"
                else np.sort(rng.choice(len(cells.x), size, replace=False))
            )
            params = preset_params("default", size, is_subsample=True) | {"epochs": 40}
            model = Ivis(
                neighbour_matrix=find_neighbors(cells.x[rows], 15), random_state=seed, verbose=0, **params
            )  # fmt: skip
            embedding = model.fit(cells.x[rows]).transform(cells.x)
            order = rng.permutation(len(cells.x))
            teach, test = order[::2], order[1::2]
            predicted = KNeighborsClassifier(10).fit(embedding[teach], cells.codes[teach]).predict(embedding[test])
            shares.append(np.bincount(cells.codes[rows], minlength=len(counts))[rare])
            recalls.append([(predicted[cells.codes[test] == i] == i).mean() for i in rare])
        cell = zip(np.mean(shares, axis=0), np.mean(recalls, axis=0), strict=True)
        lines.append(
            f"| {drawn} | " + " | ".join(f"{share:.1f} cells, recall {recall:.2f}" for share, recall in cell) + " |"
        )
    return "\n".join(lines)


def draw(rows: list[Row], path: Path) -> None:
    """Seconds and memory against cells, both axes logarithmic, with a line of slope 1."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
    cells = [row["cells"] for row in rows]
    for ax, key, label in zip(axes, ("seconds", "peak_mib"), ("seconds", "peak memory, MiB"), strict=True):
        values = [row[key] for row in rows]
        ax.loglog(cells, values, "o-", color="#0072B2", label="scivis.tl.ivis")
        ax.loglog(cells, [values[0] * n / cells[0] for n in cells], ":", color="grey", label="in proportion to cells")
        ax.set(xlabel="millions of cells × 50", ylabel=label, ylim=(min(values) / 2, None))
        ax.set_xticks(cells, [f"{n / 1e6:g}" for n in cells])
        ax.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter=StrMethodFormatter("{x:,.0f}"))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_minor_formatter(NullFormatter())
        ax.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory on huge data.")
    parser.add_argument("--one", nargs=2, metavar=("CASE", "FILE"))
    parser.add_argument("--out", type=Path, default=Path("runs-huge"))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    datasets.add_options(parser)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.one[0], Path(args.one[1]))))
        return
    print(machine.describe(), flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    if "sample" in args.cases:
        print(sampled(args), flush=True)
    if set(args.cases) == {"sample"}:
        return
    imports = machine.run_script("huge.py", "--one", "imports", "-")
    print(f"imports: {imports['process_seconds']:.1f} s, {imports['peak_mib']:,.0f} MiB", flush=True)
    rows: list[Row] = []
    with (args.out / "huge.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for case, name, path, features in cases(args.cases, args):
            ran = machine.run_script("huge.py", "--one", case, path)
            above = ran["peak_mib"] - imports["peak_mib"]
            row = {
                "case": name,
                "cells": ran["cells"],
                "features": features,
                "seconds": round(ran["process_seconds"], 1),
                "cpu_seconds": round(ran["cpu_seconds"], 1),
            }
            row |= {"peak_mib": round(ran["peak_mib"]), "above_imports_mib": round(above)}
            rows.append(row)
            writer.writerow(row)
            file.flush()
            print(f"| {' | '.join(str(row[key]) for key in COLUMNS)} |", flush=True)
    if scaling := [row for row in rows if row["case"] == "rows"]:
        draw(scaling, args.out / "huge.png")


if __name__ == "__main__":
    main()
