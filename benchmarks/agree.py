"""The measures of the quality card beside the code of others, on the same maps.

pip install zadu scib-metrics
python benchmarks/agree.py --data DIR --out runs-agree

Embeds with `methods.py`, unless the embedding is in --cache already, and measures all cells. Writes `agree.csv` (a row per measure
and map) and `agree.md`, which it also prints: a row per measure, with the values of all maps and the reason of what differs.
The formulas of openproblems (task_dimensionality_reduction) are computed here, on the same representation; their own
benchmark compares with the expression of all genes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import machine
import numpy as np
import results
from quality import embed
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr

import scivis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from results import Row

    Matrix = NDArray[np.floating]
    Codes = NDArray[np.integer]

MAPS = ("scivis", "UMAP", "openTSNE")
K, K_OPENPROBLEMS = 15, 30
# Where the values differ by more than rounding.
REASONS = {
    "LCMC + k / (n − 1)": "LCMC subtracts the recall by chance; added here",
    "1 − cLISI": "iLISI with the types in place of batches; another neighbor search",
    "iLISI": "types in place of batches; another neighbor search",
    "kBET": "types in place of batches; another neighbor search",
    "density preservation": "Pearson correlation of logarithms of distances weighted by UMAP's graph; ours: Spearman, no weights",
    "label distance correlation": "includes the zeros between each class and itself, which raise it",
    "waypoint distance correlation": "from 100 waypoints, zeros included; ours: all pairs",
}


def theirs(x: Matrix, z: Matrix, codes: Codes) -> Iterator[tuple[str, int, str, str, float]]:
    """Measure of ours with its k, and whose code gives what for it."""
    yield from of_scikit_learn(x, z, codes)
    yield from of_zadu(x, z)
    yield from of_scib_metrics(z, codes)
    yield from of_openproblems(x, z, codes)


def of_scikit_learn(x: Matrix, z: Matrix, codes: Codes) -> Iterator[tuple[str, int, str, str, float]]:
    from sklearn.manifold import trustworthiness
    from sklearn.metrics import silhouette_score

    yield "trustworthiness", K, "scikit-learn", "trustworthiness", trustworthiness(x, z, n_neighbors=K)
    yield "continuity", K, "scikit-learn", "trustworthiness, exchanged", trustworthiness(z, x, n_neighbors=K)
    yield "silhouette", 0, "scikit-learn", "silhouette", silhouette_score(z, codes)


def of_zadu(x: Matrix, z: Matrix) -> Iterator[tuple[str, int, str, str, float]]:
    from zadu.measures import (
        local_continuity_meta_criteria,
        pearson_r,
        spearman_rho,
        steadiness_cohesiveness,
        trustworthiness_continuity,
    )

    both = trustworthiness_continuity.measure(x, z, k=K)
    yield "trustworthiness", K, "zadu", "trustworthiness", both["trustworthiness"]
    yield "continuity", K, "zadu", "continuity", both["continuity"]
    [lcmc] = local_continuity_meta_criteria.measure(x, z, k=K).values()
    yield "recall", K, "zadu", "LCMC + k / (n − 1)", lcmc + K / (len(x) - 1)
    [rho] = spearman_rho.measure(x, z).values()
    yield "spearman", 0, "zadu", "Spearman ρ", rho
    [r] = pearson_r.measure(x, z).values()
    yield "pearson", 0, "zadu", "Pearson r", r
    found = steadiness_cohesiveness.measure(x, z, random_state=0)
    yield "", 0, "zadu", "steadiness", found["steadiness"]
    yield "", 0, "zadu", "cohesiveness", found["cohesiveness"]


def of_scib_metrics(z: Matrix, codes: Codes) -> Iterator[tuple[str, int, str, str, float]]:
    import scib_metrics
    from scib_metrics.nearest_neighbors import pynndescent

    found = pynndescent(z, n_neighbors=90, random_state=0)
    yield "silhouette", 0, "scib-metrics", "silhouette", scib_metrics.silhouette_label(z, codes, rescale=False)
    yield "ilisi", 90, "scib-metrics", "iLISI", scib_metrics.ilisi_knn(found, codes)
    yield "ilisi", 90, "scib-metrics", "1 − cLISI", 1 - scib_metrics.clisi_knn(found, codes)
    yield "kbet", 50, "scib-metrics", "kBET", scib_metrics.kbet(found.subset_neighbors(n=50), codes)[0]


def of_openproblems(x: Matrix, z: Matrix, codes: Codes) -> Iterator[tuple[str, int, str, str, float]]:
    from scivis._quality.labels import centroids

    radii = [np.log(weighted_radii(points)) for points in (x, z)]
    yield "density", K_OPENPROBLEMS, "openproblems", "density preservation", pearsonr(*radii)[0]
    between = [squareform(pdist(centroids(points, codes))).ravel() for points in (x, z)]
    yield "centroids_spearman", 0, "openproblems", "label distance correlation", spearmanr(*between)[0]
    rows = np.random.default_rng(0).choice(len(x), 100, replace=False)
    waypoints = [squareform(pdist(points))[:, rows].ravel() for points in (x, z)]
    yield "spearman", 0, "openproblems", "waypoint distance correlation", spearmanr(*waypoints)[0]
    recall = np.mean(shared(nearest(x), nearest(z))) / K_OPENPROBLEMS
    yield "recall", K_OPENPROBLEMS, "openproblems", "QNX", recall


def weighted_radii(points: Matrix) -> Matrix:
    """Mean distance of each cell to its neighbors, weighted by the edges of UMAP's graph."""
    from umap.umap_ import fuzzy_simplicial_set

    rng = np.random.RandomState(42)
    graph, _, _, distances = fuzzy_simplicial_set(points, K_OPENPROBLEMS, rng, "euclidean", return_dists=True)
    graph, distances = csr_array(graph), csr_array(distances)
    return np.asarray((graph * distances).sum(axis=1) / graph.sum(axis=1))


def nearest(points: Matrix) -> NDArray[np.bool_]:
    """Which cells are among the 30 nearest of each cell, from all distances."""
    distances = squareform(pdist(points))
    np.fill_diagonal(distances, np.inf)
    return distances <= np.partition(distances, K_OPENPROBLEMS - 1, axis=1)[:, K_OPENPROBLEMS - 1 : K_OPENPROBLEMS]


def shared(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> NDArray[np.integer]:
    """Number of common neighbors of each cell."""
    return (before & after).sum(axis=1)


def compare(args: argparse.Namespace) -> Iterator[Row]:
    """A row for each measure and map."""
    cells = datasets.read(datasets.prepared(args.dataset, args))
    adata = cells.adata()
    adata.obs["label"] = cells.names[cells.codes]
    embed(adata, args)
    scivis.tl.quality(
        adata, [f"X_{name}" for name in args.methods], use_rep="X_pca", labels="label", batch_key="label",
        n_neighbors=[K, K_OPENPROBLEMS], n_cells=adata.n_obs,
    )  # fmt: skip
    ours = adata.uns["quality"]["table"].set_index(["basis", "measure", "k"])["value"]
    for name in args.methods:
        for measure, k, code, what, value in theirs(cells.x, adata.obsm[f"X_{name}"], cells.codes):
            mine = round(float(ours[f"X_{name}", measure, k]), 4) if measure else ""
            yield {
                "map": name, "measure": measure, "k": k, "ours": mine, "code": code, "what": what,
                "theirs": round(float(value), 4),
            }  # fmt: skip


def markdown(rows: list[Row]) -> str:
    """A row per measure, with the values of all maps."""
    maps = list(dict.fromkeys(row["map"] for row in rows))
    lines = [f"| our measure | code | theirs | {', '.join(maps)}: ours | theirs | note |", "| --- " * 6 + "|"]
    for code, what in dict.fromkeys((row["code"], row["what"]) for row in rows):
        found = [row for row in rows if (row["code"], row["what"]) == (code, what)]
        name = found[0]["measure"] + (f", k = {found[0]['k']}" if found[0]["k"] else "")
        ours, others = (
            ", ".join(f"{row[whose]:.3f}" for row in found if row[whose] != "") for whose in ("ours", "theirs")
        )
        lines.append(f"| {name or '–'} | {code} | {what} | {ours or '–'} | {others} | {REASONS.get(what, '')} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the measures of the quality card with the code of others.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the table")
    parser.add_argument("--dataset", choices=datasets.NAMES, default="pbmc3k")
    parser.add_argument("--methods", nargs="+", default=list(MAPS))
    parser.add_argument("--seed", type=int, default=0)
    datasets.add_options(parser)
    args = parser.parse_args()

    args.out.mkdir(parents=True, exist_ok=True)
    rows = results.printed(compare(args))
    results.write(args.out / "agree.csv", rows)
    text = f"{machine.describe()}\n\n{args.dataset}\n\n{markdown(rows)}\n"
    (args.out / "agree.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
