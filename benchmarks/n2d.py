"""N2D: clusters against labels, over seeds, beside the numbers that its paper gives.

python benchmarks/n2d.py --data DIR --out runs-n2d --dataset pendigits --seeds 5 --epochs 100
python benchmarks/n2d.py --data DIR --out runs-n2d --dataset mnist --seeds 1 --epochs 15
python benchmarks/n2d.py --data DIR --out runs-n2d --dataset cbmc_citeseq --seeds 5

`again` is the share of fitted cells that get their cluster again when UMAP places them like new ones. Leiden needs igraph.
One autoencoder per seed serves all settings of the map, as the paper does it. `input` is the same without an autoencoder:
what it adds is the difference. Writes a row per run into --out/n2d.csv as soon as it ends; --table prints the means.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import numpy as np

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

# Accuracy and NMI as published, with 1,000 epochs and 20 neighbors in as many dimensions as there are clusters.
PUBLISHED = {"pendigits": (0.885, 0.863), "mnist": (0.979, 0.942)}
DATASETS = ("pendigits", "mnist", "cbmc_citeseq")
FIELDS = ("dataset", "rows", "seed", "epochs", "input", "map", "acc", "nmi", "ari", "again", "s")
# Cells that are placed again, drawn at random: UMAP recognizes all of them in their order.
_AGAIN = 2000


def maps(n_clusters: int) -> dict[str, dict[str, int]]:
    """Settings of UMAP: those of the library, of `scivis.tl.n2d`, and of the paper's experiments."""
    return {
        "2-D, 10 neighbors (library)": {"umap_dim": 2, "umap_neighbors": 10},
        "2-D, 20 neighbors (scivis)": {"umap_dim": 2, "umap_neighbors": 20},
        f"{n_clusters}-D, 20 neighbors (paper)": {"umap_dim": n_clusters, "umap_neighbors": 20},
    }


def read(name: str, folder: Path) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """The rows as the paper scales them, or the usual PCA of cells, and labels."""
    import anndata

    adata = anndata.read_h5ad(folder / f"{name}.h5ad")
    x = adata.X.toarray() if hasattr(adata.X, "toarray") else np.asarray(adata.X)
    labels = adata.obs["label"].to_numpy().astype(str)
    if name == "cbmc_citeseq":
        return _pca(adata), labels
    return x.astype(np.float32) / (100 if name == "pendigits" else 255), labels


def _pca(adata: AnnData) -> NDArray[np.float32]:
    import scanpy as sc

    adata.X = adata.X.astype("float32")
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.scale(adata, max_value=10)
    sc.pp.pca(adata, n_comps=50, random_state=0)
    return adata.obsm["X_pca"].astype(np.float32)


def autoencoded(
    name: str, x: NDArray[np.float32], n_clusters: int, seed: int, epochs: int, cache: Path
) -> tuple[NDArray[np.float32], float]:
    """What an autoencoder encodes, and its seconds; kept, because it takes far longer than the rest."""
    from scivis.n2d import AutoEncoder

    path = cache / f"n2d-{name}-{len(x)}-{seed}-{epochs}.npz"
    if not path.exists():
        start = time.perf_counter()
        # Cells standardised, as scivis.tl.n2d does; the others on the scale of the paper.
        model = AutoEncoder(x.shape[1], n_clusters, standardize=name == "cbmc_citeseq")
        latent = model.fit(x, epochs=epochs, random_state=seed).transform(x)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, latent=latent, seconds=time.perf_counter() - start, losses=model.loss_history_)
    with np.load(path) as stored:
        return stored["latent"], float(stored["seconds"])


def clustered(
    z: NDArray[np.float32], labels: NDArray[np.str_], settings: dict[str, int], seed: int
) -> tuple[float, ...]:  # fmt: skip
    """Accuracy, NMI, ARI; the share of cells that get their cluster again; seconds of map and mixture."""
    from scivis.n2d import UmapGMM
    from scivis.n2d._assess import assess

    start = time.perf_counter()
    parts = UmapGMM(len(np.unique(labels)), **settings, random_state=seed).fit(z)
    seconds = time.perf_counter() - start
    rows = np.random.default_rng(0).choice(len(z), min(_AGAIN, len(z) // 2), replace=False)
    # By UMAP itself: scivis would recognize them as fitted, and leave them where they are.
    placed = parts.clusters_of(parts.manifold_.transform(z[rows]))
    again = float((placed == parts.labels_[rows]).mean())
    return *assess(labels, parts.labels_), again, seconds


def leiden(x: NDArray[np.float32], labels: NDArray[np.str_], seed: int) -> dict[str, tuple[float, ...]]:
    """Leiden at scanpy's default resolution, and at that which gives as many clusters as there are labels."""
    import scanpy as sc
    from anndata import AnnData

    from scivis.n2d._assess import assess

    adata = AnnData(obsm={"X_pca": x})
    sc.pp.neighbors(adata, use_rep="X_pca", random_state=seed)
    wanted, low, high = len(np.unique(labels)), 0.01, 5.0
    found = {}
    for resolution in (1.0, None):
        start = time.perf_counter()
        for _ in range(1 if resolution else 12):
            middle = resolution or (low * high) ** 0.5
            sc.tl.leiden(adata, middle, random_state=seed, flavor="igraph", n_iterations=2, directed=False)
            n = adata.obs["leiden"].nunique()
            if n == wanted:
                break
            low, high = (middle, high) if n < wanted else (low, middle)
        name = f"Leiden, resolution {'1' if resolution else 'chosen'}, {n} clusters"
        found[name] = (*assess(labels, adata.obs["leiden"].astype(str)), float("nan"), time.perf_counter() - start)
    return found


def record(out: Path, row: dict[str, Any]) -> None:
    path = out / "n2d.csv"
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(*(f"{value:.3f}" if isinstance(value, float) else value for value in row.values()), flush=True)


def recorded(out: Path) -> set[tuple[str, ...]]:
    """What is there already: a run that was interrupted goes on."""
    path = out / "n2d.csv"
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        return {tuple(row[field] for field in FIELDS[:6]) for row in csv.DictReader(file)}


def run(args: argparse.Namespace, name: str) -> None:
    """All settings of one data set."""
    x, labels = read(name, Path(args.data))
    if args.cells and args.cells < len(x):
        rows = np.random.default_rng(0).choice(len(x), args.cells, replace=False)
        x, labels = x[rows], labels[rows]
    n_clusters = len(np.unique(labels))
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        base = {"dataset": name, "rows": len(x), "seed": seed}
        latent, seconds = autoencoded(name, x, n_clusters, seed, args.epochs, args.cache)
        for kind, z, epochs, before in (("autoencoder", latent, args.epochs, seconds), ("input", x, 0, 0.0)):
            if kind == "input" and args.no_control:
                continue
            for title, settings in maps(n_clusters).items():
                if (name, str(len(x)), str(seed), str(epochs), kind, title) in recorded(args.out):
                    continue
                *scores, took = clustered(z, labels, settings, seed)
                values = dict(zip(FIELDS[6:], [*scores, before + took], strict=True))
                record(args.out, base | {"epochs": epochs, "input": kind, "map": title} | values)
        if name == "cbmc_citeseq":
            for title, scores in leiden(x, labels, seed).items():
                record(
                    args.out,
                    base | {"epochs": 0, "input": "input", "map": title} | dict(zip(FIELDS[6:], scores, strict=True)),
                )


def table(out: Path) -> str:
    """Markdown: the mean and the standard deviation over seeds of each setting."""
    import pandas as pd

    rows = pd.read_csv(out / "n2d.csv")
    rows["map"] = rows["map"].str.replace(r", \d+ clusters$", "", regex=True)
    lines = ["| data | epochs | input | map | seeds | acc | nmi | ari | again | s |", "| --- " * 10 + "|"]
    for keys, group in rows.groupby(["dataset", "rows", "epochs", "input", "map"], sort=False):
        name, n_rows, epochs, kind, title = keys
        spread = [
            f"{group[field].mean():.3f}" + (f" ± {group[field].std(ddof=1):.3f}" if len(group) > 1 else "")
            for field in ("acc", "nmi", "ari", "again")
        ]
        cells = (f"{name}, {n_rows:,}", epochs or "", kind, title, len(group), *spread, f"{group['s'].mean():.0f}")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    for name in dict.fromkeys(rows["dataset"]):
        if name in PUBLISHED:
            accuracy, nmi = PUBLISHED[name]
            lines.append(f"| {name} | 1000 | autoencoder | as published | | {accuracy} | {nmi} | | | |")
    return "\n".join(lines).replace("nan ± nan", "").replace("nan", "")


def main() -> None:
    default = Path(os.environ.get("SCIVIS_CACHE", Path(tempfile.gettempdir()) / "scivis-benchmarks"))
    parser = argparse.ArgumentParser(description="Compare clusters of N2D with labels.")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--dataset", choices=DATASETS, default="pendigits")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--cells", type=int, help="only so many rows, drawn at random")
    parser.add_argument("--no-control", action="store_true", help="leave out the maps of the input itself")
    parser.add_argument("--table", action="store_true", help="only print the table of what was recorded")
    parser.add_argument("--data", type=Path, default=os.environ.get("SCIVIS_DATA"), help="folder of the h5ad files")
    parser.add_argument("--cache", type=Path, default=default, help="folder for encoded data")
    args = parser.parse_args()
    if not args.table:
        if args.data is None:
            parser.error("give --data, or set SCIVIS_DATA")
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "machine.md").write_text(machine.describe() + "\n")
        run(args, args.dataset)
    print(table(args.out))


if __name__ == "__main__":
    main()
