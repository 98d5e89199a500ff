"""The measures of labeled classes of several embeddings, with their errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import rankdata

from .estimates import Estimate, mean_terms, resample
from .labels import averaging, compare_class_distances, label_hits, mantel_test, resampled_centroids

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from .estimates import Terms
    from .samples import Samples

    Matrix = NDArray[np.floating]
    Rows = NDArray[np.integer]
    Codes = NDArray[np.integer]

# A correlation of the distances between fewer classes is not meaningful.
_MIN_CLASSES = 4
# Labels of more classes are clones or identities rather than kinds of cells, and each permutation takes all their pairs.
_MAX_CLASSES = 500
# Random orders of the rows of a map, over which the distances between classes by chance are averaged.
_SHUFFLES = 20


def class_measures(
    x: Matrix, embeddings: Mapping[str, Matrix], codes: Codes, samples: Samples, rng: np.random.Generator
) -> Iterator[Estimate]:
    """Measures of the labeled classes."""
    of_hits, of_widths, of_centroids = rng.spawn(3)
    yield from resample(_hit_terms(embeddings, codes, samples, of_hits), of_hits)
    rows = samples.cells[codes[samples.cells] >= 0]
    if 1 < len(np.unique(codes[rows])) < len(rows):
        yield from resample(_silhouette_terms(embeddings, rows, codes[rows], of_widths), of_widths)
    if _MIN_CLASSES <= samples.permutations.shape[1] <= _MAX_CLASSES:
        yield from _centroid_measures(x, embeddings, codes, samples, of_centroids)


def _hit_terms(
    embeddings: Mapping[str, Matrix], codes: Codes, samples: Samples, rng: np.random.Generator
) -> Iterator[Terms]:
    rows = samples.labeled
    shuffled = rng.permutation(codes[rows])
    for basis, z in embeddings.items():
        chance = float(label_hits(z[rows], shuffled).mean())
        yield mean_terms(basis, "accuracy", label_hits(z[rows], codes[rows]), chance=chance)


def _silhouette_terms(
    embeddings: Mapping[str, Matrix], rows: Rows, classes: Codes, rng: np.random.Generator
) -> Iterator[Terms]:
    from sklearn.metrics import silhouette_samples, silhouette_score

    shuffled = rng.permutation(classes)
    for basis, z in embeddings.items():
        chance = float(silhouette_score(z[rows], shuffled))
        yield mean_terms(basis, "silhouette", silhouette_samples(z[rows], classes), chance=chance)


def _centroid_measures(
    x: Matrix, embeddings: Mapping[str, Matrix], codes: Codes, samples: Samples, rng: np.random.Generator
) -> Iterator[Estimate]:
    """Measures of the distances between the centroids of the classes."""
    n_classes = samples.permutations.shape[1]
    k, average, labeled = min(10, n_classes // 3), averaging(codes[codes >= 0]), codes >= 0
    matrices = [x, *embeddings.values()]
    centers = [average @ matrix[labeled] for matrix in matrices]
    of_x, *resampled = (_distances(some) for some in resampled_centroids(matrices, centers, codes, rng))
    before, *distances = (_distances(center[None]) for center in centers)
    chances = _class_chances(before, [z[labeled] for z in embeddings.values()], average, k, rng)
    for basis, after, moved, chance in zip(embeddings, distances, resampled, chances, strict=True):
        [recall], [pearson], [spearman] = compare_class_distances(before, after, k)
        in_resamples = compare_class_distances(of_x, moved, k)
        _, p = mantel_test(before[0], after[0], samples.permutations)
        _, p_ranks = mantel_test(rankdata(before[0]), rankdata(after[0]), samples.permutations)
        yield Estimate(basis, "nearest_classes", recall, in_resamples[0], k, chance[0])
        yield Estimate(basis, "centroids_pearson", pearson, in_resamples[1], chance=chance[1], p=p)
        yield Estimate(basis, "centroids_spearman", spearman, in_resamples[2], chance=chance[2], p=p_ranks)


def _distances(centers: Matrix) -> Matrix:
    """Distances between the centroids of each resample, shape (resamples, pairs)."""
    return np.array([pdist(points) for points in centers])


def _class_chances(
    before: Matrix, matrices: Sequence[Matrix], average: csr_array, k: int, rng: np.random.Generator
) -> Matrix:
    """Mean of the measures if the rows of each map are in random order, shape (maps, 3)."""
    found = np.zeros((len(matrices), 3))
    for _ in range(_SHUFFLES):
        order = rng.permutation(average.shape[1])
        for row, z in zip(found, matrices, strict=True):
            row += compare_class_distances(before, _distances((average @ z[order])[None]), k)[:, 0] / _SHUFFLES
    return found
