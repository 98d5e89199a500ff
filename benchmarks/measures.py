"""The measures of an embedding: those of `scivis.tl.quality`, on samples of their own, and `frame`.

python benchmarks/measures.py CELLS.npz EMBEDDING.npy    # prints them as JSON

knn    share of a cell's 15 nearest neighbors that are also among its 15 nearest in the embedding: 1,000 cells,
       their neighbors sought among all
rta    random-triplet accuracy: share of 20,000 triplets (i, j, l) in which the nearer of j and l to i stays the nearer
spear  Spearman correlation of the distances among 2,000 cells with those in the embedding
pear   Pearson correlation of the same; a few outlying cells can make it high by themselves
cent   Spearman correlation of the distances among label centroids with those in the embedding
centp  Pearson correlation of the same
frame  share of an axis' range that the middle 98 % of the cells take, the smaller of both axes: low when a few
       cells squash the picture
acc    accuracy of a classifier by the 10 nearest cells of the embedding: 75 % of at most 40,000 cells teach, 25 % test

Of new cells that are placed on the map of a reference, up to 5,000 at random:

recall   share of a new cell's 15 nearest reference cells that are also among its 15 nearest reference cells on the map
new_acc  accuracy of a classifier by the 10 nearest reference cells on the map
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import numpy as np
from scipy.spatial.distance import pdist
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from scivis._quality.distances import distance_correlations, triplet_accuracy
from scivis._quality.labels import centroids, label_accuracy
from scivis._quality.neighbors import nearest_neighbors, neighbor_recall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]

_MAX_PLACED = 5000
NAMES = ("knn", "rta", "spear", "pear", "cent", "centp", "frame", "acc")


def evaluate(x: Matrix, embedding: Matrix, labels: NDArray[np.integer], seed: int = 0) -> dict[str, float]:
    """All measures of the embedding of `x`. The samples are drawn in a fixed order: it is part of the definition."""
    rng = np.random.default_rng(seed)
    n = len(x)
    cells = rng.choice(n, min(1000, n), replace=False)
    sample = rng.choice(n, min(2000, n), replace=False)
    triplets = rng.integers(0, n, (3, 20_000))
    shuffled = rng.permutation(n)[:40_000]

    found = (nearest_neighbors(points, cells, 15)[0] for points in (x, embedding))
    spear, pear = distance_correlations(pdist(x[sample]), pdist(embedding[sample]))
    cent, centp = distance_correlations(*(pdist(centroids(points, labels)) for points in (x, embedding)))
    return {
        "knn": neighbor_recall(*found),
        "rta": triplet_accuracy(x, embedding, triplets),
        "spear": spear,
        "pear": pear,
        "cent": cent,
        "centp": centp,
        "frame": frame(embedding),
        "acc": label_accuracy(embedding[shuffled], labels[shuffled]),
    }


def frame(embedding: Matrix) -> float:
    """Share of the range that the middle 98 % take, the smallest over the axes."""
    low, high = np.percentile(embedding, [1, 99], axis=0)
    return float(((high - low) / np.ptp(embedding, axis=0)).min())


@dataclass(frozen=True)
class Part:
    """Reference or new cells: their representation, their places on the map, and their labels."""

    x: Matrix
    embedding: Matrix
    labels: NDArray[np.integer] | NDArray[np.str_]

    def sample(self, n: int, rng: np.random.Generator) -> Part:
        """Some cells at random."""
        rows = rng.choice(len(self.x), min(n, len(self.x)), replace=False)
        return Part(self.x[rows], self.embedding[rows], self.labels[rows])


def evaluate_placed(reference: Part, query: Part, seed: int = 0) -> dict[str, float]:
    """How well the new cells are placed, and `knn` of the reference, which placing should not cost."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(len(reference.x), min(1000, len(reference.x)), replace=False)
    found = (nearest_neighbors(points, cells, 15)[0] for points in (reference.x, reference.embedding))
    new = query.sample(_MAX_PLACED, rng)
    return {
        "knn": neighbor_recall(*found),
        "recall": placed_recall(reference, new),
        "new_acc": placed_accuracy(reference, new),
    }


def placed_recall(reference: Part, new: Part, k: int = 15) -> float:
    """Share of the `k` nearest reference cells that are also the `k` nearest on the map, mean over the new cells."""
    pairs = ((reference.x, new.x), (reference.embedding, new.embedding))
    searches = (NearestNeighbors(n_neighbors=k).fit(taught).kneighbors(asked) for taught, asked in pairs)
    return neighbor_recall(*(found for _, found in searches))


def placed_accuracy(reference: Part, new: Part, k: int = 10) -> float:
    """Accuracy of a classifier by the `k` nearest reference cells on the map."""
    classifier = KNeighborsClassifier(k).fit(reference.embedding, reference.labels)
    return float(classifier.score(new.embedding, new.labels))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure one embedding.")
    parser.add_argument("cells", type=Path, help="from datasets.py")
    parser.add_argument("embedding", type=Path, help="npy file")
    args = parser.parse_args()
    cells = datasets.read(args.cells)
    print(json.dumps(evaluate(cells.x, np.load(args.embedding), cells.codes)))


if __name__ == "__main__":
    main()
