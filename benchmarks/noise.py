"""The honesty test: does a method draw clusters where there are none, and does it keep a shape that is there?

python benchmarks/noise.py --out runs --to docs/_static

5,000 points in the plane, uniform in the unit square or two half-moons (noise .05), are lifted to 65 features: all
polynomials up to degree 10 without the constant, each feature then scaled to mean 0 and variance 1 (otherwise the
tenth powers alone decide). Each method gets the 65 features. Its embedding is judged by

hopkins  Hopkins statistic, Σu² / (Σu² + Σw²): w from 500 points to their nearest others, u from 500 places, uniform in
         the convex hull, to their nearest points. About .5 without clusters, towards 1 with
clump    (5 / 50) over the mean of r₅² / r₅₀², the squared distances to the 5th and the 50th neighbor. About 1 where
         points lie as if by chance, more if they gather in clumps
tail     99th percentile of nearest-neighbor distances over their median. √(ln 100 / ln 2) = 2.58 without clusters
empty    share of a 40 × 40 grid's cells inside the hull that hold no point, and in brackets what uniform points leave
plane    Procrustes correlation with the original plane: 1 is the plane itself

A density that only rises smoothly, as in the PCA of these features, lifts all but `clump`, which compares places a few
points apart. The original plane stands as the first row. For the half-moons only `plane` says something: two bent
bands are the truth there.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import machine
import numpy as np
from anndata import AnnData
from methods import METHODS, Method, scivis_classic
from pictures import OKABE_ITO, save, scatter
from scipy.spatial import Delaunay
from seeds import procrustes_r
from sklearn.datasets import make_moons
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.floating]

CLASSIC = Method(METHODS["scivis-classic"].packages, lambda adata, seed: scivis_classic(adata, seed, n_neighbors=15))
COMPARED = {name: METHODS[name] for name in ("PCA", "scivis", "scivis, detail")} | {
    "scivis-classic, k=15": CLASSIC, "UMAP": METHODS["UMAP"], "openTSNE": METHODS["openTSNE"],
}  # fmt: skip


def lift(plane: Points) -> NDArray[np.float32]:
    """All polynomials up to degree 10 of both coordinates, standardised."""
    return StandardScaler().fit_transform(PolynomialFeatures(10, include_bias=False).fit_transform(plane)).astype("f4")


def hopkins(points: Points, hull: Delaunay, rng: np.random.Generator, n: int = 500) -> float:
    """Whether random places of the hull are farther from the points than these are from each other."""
    search = NearestNeighbors(n_neighbors=2).fit(points)
    n = min(n, len(points) // 2)
    own = search.kneighbors(points[rng.choice(len(points), n, replace=False)])[0][:, 1]
    places = np.empty((0, 2))
    while len(places) < n:
        drawn = rng.uniform(points.min(axis=0), points.max(axis=0), (n, 2))
        places = np.concatenate([places, drawn[hull.find_simplex(drawn) >= 0]])
    other = search.kneighbors(places[:n])[0][:, 0]
    return float((other**2).sum() / ((other**2).sum() + (own**2).sum()))


def clump(points: Points, near: int = 5, far: int = 50) -> float:
    """How much nearer the nearest points are than the density around them makes expect."""
    squares = NearestNeighbors(n_neighbors=far).fit(points).kneighbors()[0] ** 2
    return float(near / far / np.mean(squares[:, near - 1] / squares[:, far - 1]))


def tail(points: Points) -> float:
    """How much farther apart the loneliest points are than the usual ones."""
    nearest = NearestNeighbors(n_neighbors=1).fit(points).kneighbors()[0]
    return float(np.percentile(nearest, 99) / np.median(nearest))


def empty(points: Points, hull: Delaunay, n_bins: int = 40) -> tuple[float, float]:
    """Share of the grid's cells wholly inside the hull that are empty, and that share for as many uniform points."""
    counts, *edges = np.histogram2d(*points.T, bins=n_bins)
    corner = hull.find_simplex(np.stack(np.meshgrid(*edges, indexing="ij"), axis=-1)) >= 0
    inside = corner[:-1, :-1] & corner[1:, :-1] & corner[:-1, 1:] & corner[1:, 1:]
    counts = counts[inside]
    return float((counts == 0).mean()), float((1 - 1 / len(counts)) ** counts.sum())


def judge(embedding: Points, plane: Points) -> tuple[str, ...]:
    """The five measures, as text."""
    points = np.asarray(embedding, float)
    hull = Delaunay(points)
    found, expected = empty(points, hull)
    # The seed differs from that of the points: the same would draw the points themselves as random places.
    h = hopkins(points, hull, np.random.default_rng((0, 1)))
    texts = f"{h:.3f}", f"{clump(points):.2f}", f"{tail(points):.2f}", f"{found:.3f} ({expected:.3f})"
    return *texts, f"{procrustes_r(plane, points):.3f}"


def picture(maps: dict[str, Points], colors: NDArray, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.6, 6), layout="constrained")
    axes = figure.subplots(2, 4)
    axes.flat[-1].axis("off")
    for ax, (name, points) in zip(axes.flat, maps.items(), strict=False):
        scatter(ax, points, colors, name)
    save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Embed noise, and half-moons.")
    parser.add_argument("--out", type=Path, required=True, help="folder for noise.md and embeddings/")
    parser.add_argument("--to", type=Path, required=True, help="folder for noise.png and moons.png")
    parser.add_argument("--points", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    description = machine.describe()
    uniform = np.random.default_rng(args.seed).uniform(size=(args.points, 2))
    moons, moon = make_moons(args.points, noise=0.05, random_state=args.seed)
    from matplotlib import colormaps

    (args.out / "embeddings").mkdir(parents=True, exist_ok=True)
    lines = ["| points | method | hopkins | clump | tail | empty (uniform) | plane |", f"|{' --- |' * 7}"]
    print(*lines, sep="\n", flush=True)
    sets = {"noise": (uniform, colormaps["viridis"](uniform[:, 0])), "moons": (moons, np.array(OKABE_ITO)[moon])}
    for kind, (plane, colors) in sets.items():
        maps, features = {"original plane": plane}, lift(plane)
        for name, method in COMPARED.items():
            if method.installed:
                maps[name] = method.embed(AnnData(obsm={"X_pca": features.copy()}), args.seed)
                np.save(args.out / "embeddings" / f"{kind}-{name.replace(', ', '-')}-{args.seed}.npy", maps[name])
        for name, points in maps.items():
            lines.append(f"| {kind} | {name} | {' | '.join(judge(points, plane))} |")
            print(lines[-1], flush=True)
        picture(maps, colors, args.to / f"{kind}.png")
    (args.out / "noise.md").write_text("\n".join([description, "", *lines, ""]))


if __name__ == "__main__":
    main()
