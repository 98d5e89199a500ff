"""All measures of several embeddings of the same cells, computed from the same samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import rankdata

from .distances import DistanceBins, bin_distances, distance_correlations, triplet_accuracy
from .labels import centroids, class_recall, label_accuracy, mantel_test
from .neighbors import density_correlation, nearest_neighbors, neighbor_ranks, neighbor_recall, trust_from_ranks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]
    Rows = NDArray[np.integer]

# Ranks are exact up to the number of landmarks.
_LANDMARKS, _TRIPLETS, _CLASSIFIED, _PERMUTATIONS = 10_000, 20_000, 40_000, 999
# Aspect of each measure, in the order of the rows of the card.
_ASPECTS = {
    "recall": "local", "trustworthiness": "local", "continuity": "local", "density": "density", "triplets": "global",
    "spearman": "global", "pearson": "global", "accuracy": "labels", "silhouette": "labels",
    "nearest_classes": "labels", "centroids_pearson": "labels", "centroids_spearman": "labels",
}  # fmt: skip
# A correlation of the distances between fewer classes is not meaningful.
_MIN_CLASSES = 4


class Measure(NamedTuple):
    """A row of the card. `k` is 0 without a number of neighbors, and `p` is NaN without a test."""

    basis: str
    aspect: str
    measure: str
    k: int
    value: float
    p: float


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples on which the measures are computed.

    Parameters
    ----------
    cells
        Rows whose neighbors among all cells, and whose pairwise distances, are compared.
    landmarks
        Rows among which neighbors are ranked.
    triplets
        Indices of rows, shape (3, n).
    labeled
        Labeled rows in random order, for the classifier.
    permutations
        Permutations of the classes, one per row, for the Mantel test.
    """

    cells: Rows
    landmarks: Rows
    triplets: Rows
    labeled: Rows
    permutations: Rows


def sample_cells(codes: NDArray[np.integer], n_cells: int, rng: np.random.Generator) -> Samples:
    """Random samples of cells with the classes `codes`, −1 if unlabeled, at most `n_cells` for neighbors."""
    n, n_classes = len(codes), codes.max(initial=-1) + 1
    return Samples(
        cells=rng.choice(n, min(n_cells, n), replace=False),
        landmarks=rng.choice(n, min(_LANDMARKS, n), replace=False),
        triplets=rng.integers(0, n, (3, _TRIPLETS)),
        labeled=rng.permutation(np.flatnonzero(codes >= 0))[:_CLASSIFIED],
        permutations=np.array([rng.permutation(n_classes) for _ in range(_PERMUTATIONS)]),
    )


def pca(x: Matrix) -> Matrix:
    """The first two principal components, or one for a single column."""
    from sklearn.decomposition import PCA

    return PCA(min(2, x.shape[1]), random_state=0).fit_transform(x)


def measure_embeddings(
    x: Matrix,
    embeddings: Mapping[str, Matrix],
    codes: NDArray[np.integer],
    n_neighbors: Sequence[int],
    samples: Samples,
) -> tuple[list[Measure], dict[str, DistanceBins]]:
    """All measures of all embeddings, and their distances in bins of those in the representation, both by name.

    `codes` are the classes from 0 without gaps, −1 for unlabeled cells, shape (n,). Each k in `n_neighbors` is below n / 2.
    """
    rows = list(_neighbor_measures(x, embeddings, n_neighbors, samples))
    before, bins = pdist(x[samples.cells]), {}
    for basis, z in embeddings.items():
        after = pdist(z[samples.cells])
        rho, r = distance_correlations(before, after)
        triplets = triplet_accuracy(x, z, samples.triplets)
        rows += [_row(basis, "triplets", triplets), _row(basis, "spearman", rho), _row(basis, "pearson", r)]
        rows += _class_measures(basis, x, z, codes, samples) if codes.max(initial=-1) > 0 else []
        bins[basis] = bin_distances(before, after)
    bases, measures = list(embeddings), list(_ASPECTS)
    rows.sort(key=lambda row: (bases.index(row.basis), measures.index(row.measure), row.k))
    return rows, bins


def _row(basis: str, measure: str, value: float, *, k: int = 0, p: float = np.nan) -> Measure:
    return Measure(basis, _ASPECTS[measure], measure, k, float(value), p)


def _neighbor_measures(
    x: Matrix, embeddings: Mapping[str, Matrix], n_neighbors: Sequence[int], samples: Samples
) -> Iterator[Measure]:
    """Measures of the neighbors of the sampled cells."""
    cells, landmarks, n, k_max = samples.cells, samples.landmarks, len(x), max(n_neighbors)
    before, radii = nearest_neighbors(x, cells, k_max)
    found = {basis: nearest_neighbors(z, cells, k_max) for basis, z in embeddings.items()}
    all_ranks = neighbor_ranks(x, cells, [after for after, _ in found.values()], landmarks)
    for (basis, (after, radii_after)), ranks in zip(found.items(), all_ranks, strict=True):
        [ranks_after] = neighbor_ranks(embeddings[basis], cells, [before], landmarks)
        for k in n_neighbors:
            yield _row(basis, "recall", neighbor_recall(before[:, :k], after[:, :k]), k=k)
            yield _row(basis, "trustworthiness", trust_from_ranks(ranks[:, :k], n).mean(), k=k)
            yield _row(basis, "continuity", trust_from_ranks(ranks_after[:, :k], n).mean(), k=k)
            yield _row(basis, "density", density_correlation(radii[:, :k], radii_after[:, :k]), k=k)


def _class_measures(
    basis: str, x: Matrix, z: Matrix, codes: NDArray[np.integer], samples: Samples
) -> Iterator[Measure]:
    """Measures of the labeled classes."""
    from sklearn.metrics import silhouette_score

    rows = samples.labeled
    yield _row(basis, "accuracy", label_accuracy(z[rows], codes[rows]))
    rows = samples.cells[codes[samples.cells] >= 0]
    if 1 < len(np.unique(codes[rows])) < len(rows):
        yield _row(basis, "silhouette", silhouette_score(z[rows], codes[rows]))
    n_classes = samples.permutations.shape[1]
    if n_classes < _MIN_CLASSES:
        return
    labeled, k = codes >= 0, min(10, n_classes // 3)
    before, after = (centroids(matrix[labeled], codes[labeled]) for matrix in (x, z))
    yield _row(basis, "nearest_classes", class_recall(before, after, k), k=k)
    distances, distances_after = pdist(before), pdist(after)
    r, p = mantel_test(distances, distances_after, samples.permutations)
    yield _row(basis, "centroids_pearson", r, p=p)
    rho, p = mantel_test(rankdata(distances), rankdata(distances_after), samples.permutations)
    yield _row(basis, "centroids_spearman", rho, p=p)
