"""The measures of an embedding.

python benchmarks/measures.py CELLS.npz EMBEDDING.npy    # prints them as JSON

knn    share of a cell's 15 nearest neighbours that are also among its 15 nearest in the embedding: 1,000 cells,
       their neighbours sought among all
rta    random-triplet accuracy: share of 20,000 triplets (i, j, l) in which the nearer of j and l to i stays the nearer
spear  Spearman correlation of the distances among 2,000 cells with those in the embedding
pear   Pearson correlation of the same; a few outlying cells can make it high by themselves
cent   Spearman correlation of the distances among label centroids with those in the embedding
centp  Pearson correlation of the same
frame  share of an axis' range that the middle 98 % of the cells take, the smaller of both axes: low when a few
       cells squash the picture
acc    accuracy of a classifier by the 10 nearest cells of the embedding: 75 % of at most 40,000 cells teach, 25 % test
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, spearmanr
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]

NAMES = ("knn", "rta", "spear", "pear", "cent", "centp", "frame", "acc")


def evaluate(x: Matrix, embedding: Matrix, labels: NDArray[np.integer], seed: int = 0) -> dict[str, float]:
    """All measures of the embedding of `x`. The samples are drawn in a fixed order: it is part of the definition."""
    rng = np.random.default_rng(seed)
    n = len(x)
    cells = rng.choice(n, min(1000, n), replace=False)
    sample = rng.choice(n, min(2000, n), replace=False)
    triplets = rng.integers(0, n, (3, 20_000))
    shuffled = rng.permutation(n)[:40_000]

    spear, pear = correlations(x[sample], embedding[sample])
    cent, centp = correlations(centroids(x, labels), centroids(embedding, labels))
    return {
        "knn": neighbors_kept(x, embedding, cells),
        "rta": triplets_kept(x, embedding, triplets),
        "spear": spear,
        "pear": pear,
        "cent": cent,
        "centp": centp,
        "frame": frame(embedding),
        "acc": label_accuracy(embedding[shuffled], labels[shuffled]),
    }


def neighbors_kept(x: Matrix, embedding: Matrix, cells: NDArray[np.integer], k: int = 15) -> float:
    """Share of the `k` nearest neighbours of the given cells that the embedding keeps."""
    pairs = zip(_nearest(x, cells, k), _nearest(embedding, cells, k), strict=True)
    return float(np.mean([len(set(before) & set(after)) / k for before, after in pairs]))


def _nearest(x: Matrix, cells: NDArray[np.integer], k: int) -> NDArray[np.integer]:
    """The `k` nearest rows of each cell; the first found is the cell itself."""
    algorithm = "brute" if x.shape[1] > 10 else "kd_tree"
    search = NearestNeighbors(n_neighbors=k + 1, algorithm=algorithm, n_jobs=-1).fit(x)
    return search.kneighbors(x[cells], return_distance=False)[:, 1:]


def triplets_kept(x: Matrix, embedding: Matrix, triplets: NDArray[np.integer]) -> float:
    """Share of the triplets (i, j, l) in which j is nearer to i than l is, or is not, in both."""

    def first_is_nearer(points: Matrix) -> NDArray[np.bool_]:
        i, j, l = (points[rows] for rows in triplets)
        return np.square(i - j).sum(axis=1) < np.square(i - l).sum(axis=1)

    return float(np.mean(first_is_nearer(x) == first_is_nearer(embedding)))


def correlations(points: Matrix, images: Matrix) -> tuple[float, float]:
    """Spearman and Pearson correlation of all distances among the points with those among their images."""
    before, after = pdist(points), pdist(images)
    return float(spearmanr(before, after)[0]), float(pearsonr(before, after)[0])


def centroids(points: Matrix, labels: NDArray[np.integer]) -> Matrix:
    """The mean point of each label."""
    return np.array([points[labels == label].mean(axis=0) for label in np.unique(labels)])


def frame(embedding: Matrix) -> float:
    """Share of the range that the middle 98 % take, the smallest over the axes."""
    low, high = np.percentile(embedding, [1, 99], axis=0)
    return float(((high - low) / np.ptp(embedding, axis=0)).min())


def label_accuracy(embedding: Matrix, labels: NDArray[np.integer]) -> float:
    """Accuracy of the last quarter's labels, each voted by 10 nearest neighbours among the others."""
    split = int(len(embedding) * 0.75)
    classifier = KNeighborsClassifier(10, n_jobs=-1).fit(embedding[:split], labels[:split])
    return float(classifier.score(embedding[split:], labels[split:]))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure one embedding.")
    parser.add_argument("cells", type=Path, help="from datasets.py")
    parser.add_argument("embedding", type=Path, help="npy file")
    args = parser.parse_args()
    cells = datasets.read(args.cells)
    print(json.dumps(evaluate(cells.x, np.load(args.embedding), cells.codes)))


if __name__ == "__main__":
    main()
