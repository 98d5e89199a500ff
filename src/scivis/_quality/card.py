"""The card: every measure of several maps of the same cells, from the same samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import rankdata

from .distances import Boxes, correlations, distance_boxes, triplets_kept
from .labels import centroids, label_accuracy, mantel, nearest_classes_kept
from .neighbors import density_kept, nearest, neighbors_kept, ranks, trust

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]
    Rows = NDArray[np.integer]

# Sizes of the samples; up to the first, ranks are exact.
_LANDMARKS, _TRIPLETS, _CLASSIFIED, _PERMUTATIONS = 10_000, 20_000, 40_000, 999
# Rows of the card come in this order.
_MEASURES = (
    "recall", "trustworthiness", "continuity", "density", "triplets", "spearman", "pearson", "accuracy", "silhouette",
    "nearest_classes", "centroids_pearson", "centroids_spearman",
)  # fmt: skip
# Correlations of the distances between fewer classes say nothing.
_FEWEST_CLASSES = 4


class Measure(NamedTuple):
    """A row of the card: what was measured of which map, among how many neighbours, and the p-value of a test."""

    basis: str
    aspect: str
    measure: str
    k: int | None
    value: float
    p: float = np.nan


@dataclass(frozen=True, eq=False)
class Samples:
    """What the measures look at.

    Parameters
    ----------
    cells
        Rows whose neighbours among all cells, and whose distances to each other, are compared.
    landmarks
        Rows among which neighbours are ranked.
    triplets
        Row numbers, shape (3, n).
    labelled
        Rows with a label, in random order, for the classifier.
    orders
        Of the classes, one a row, for the Mantel test.
    """

    cells: Rows
    landmarks: Rows
    triplets: Rows
    labelled: Rows
    orders: Rows


def draw_samples(codes: NDArray[np.integer], n_cells: int, rng: np.random.Generator) -> Samples:
    """Random samples of the cells whose classes are `codes`, −1 for none; at most `n_cells` for neighbours."""
    n, n_classes = len(codes), codes.max(initial=-1) + 1
    return Samples(
        cells=rng.choice(n, min(n_cells, n), replace=False),
        landmarks=rng.choice(n, min(_LANDMARKS, n), replace=False),
        triplets=rng.integers(0, n, (3, _TRIPLETS)),
        labelled=rng.permutation(np.flatnonzero(codes >= 0))[:_CLASSIFIED],
        orders=np.array([rng.permutation(n_classes) for _ in range(_PERMUTATIONS)]),
    )


def pca(x: Matrix) -> Matrix:
    """The first two principal components, or the only one."""
    from sklearn.decomposition import PCA

    return PCA(min(2, x.shape[1]), random_state=0).fit_transform(x)


def judge(
    x: Matrix, maps: Mapping[str, Matrix], codes: NDArray[np.integer], n_neighbors: Sequence[int], samples: Samples
) -> tuple[list[Measure], dict[str, Boxes]]:
    """All measures of all maps, and the distances on each map in bins of those in the representation.

    Parameters
    ----------
    x
        The representation, cells × features.
    maps
        By name, cells × axes.
    codes
        Classes from 0 on, without gaps; −1 for a cell without a label.
    n_neighbors
        The numbers of neighbours k, each below half of the number of cells.
    samples
        From :func:`draw_samples`.
    """
    rows = [*_local(x, maps, n_neighbors, samples)]
    before = pdist(x[samples.cells])
    boxes = {}
    for name, z in maps.items():
        after = pdist(z[samples.cells])
        rho, r = correlations(before, after)
        rows.append(Measure(name, "global", "triplets", None, triplets_kept(x, z, samples.triplets)))
        rows.append(Measure(name, "global", "spearman", None, rho))
        rows.append(Measure(name, "global", "pearson", None, r))
        rows += _labels(name, x, z, codes, samples) if codes.max(initial=-1) > 0 else []
        boxes[name] = distance_boxes(before, after)
    order = list(maps)
    rows.sort(key=lambda row: (order.index(row.basis), _MEASURES.index(row.measure), row.k or 0))
    return rows, boxes


def _local(x: Matrix, maps: Mapping[str, Matrix], n_neighbors: Sequence[int], samples: Samples) -> Iterator[Measure]:
    """Measures of the neighbours of the sampled cells."""
    cells, landmarks, n, most = samples.cells, samples.landmarks, len(x), max(n_neighbors)
    before, radius = nearest(x, cells, most)
    found = {name: nearest(z, cells, most) for name, z in maps.items()}
    invented = ranks(x, cells, [after for after, _ in found.values()], landmarks)
    for (name, (after, drawn_radius)), rank in zip(found.items(), invented, strict=True):
        [missed] = ranks(maps[name], cells, [before], landmarks)
        for k in n_neighbors:
            yield Measure(name, "local", "recall", k, neighbors_kept(before[:, :k], after[:, :k]))
            yield Measure(name, "local", "trustworthiness", k, float(trust(rank[:, :k], n).mean()))
            yield Measure(name, "local", "continuity", k, float(trust(missed[:, :k], n).mean()))
            yield Measure(name, "density", "density", k, density_kept(radius[:, :k], drawn_radius[:, :k]))


def _labels(name: str, x: Matrix, z: Matrix, codes: NDArray[np.integer], samples: Samples) -> Iterator[Measure]:
    """Measures of the classes."""
    from sklearn.metrics import silhouette_score

    rows = samples.labelled
    yield Measure(name, "labels", "accuracy", None, label_accuracy(z[rows], codes[rows]))
    rows = samples.cells[codes[samples.cells] >= 0]
    if 1 < len(np.unique(codes[rows])) < len(rows):
        yield Measure(name, "labels", "silhouette", None, float(silhouette_score(z[rows], codes[rows])))
    n_classes = samples.orders.shape[1]
    if n_classes < _FEWEST_CLASSES:
        return
    known = codes >= 0
    before, after = (centroids(matrix[known], codes[known]) for matrix in (x, z))
    k = min(10, n_classes // 3)
    yield Measure(name, "labels", "nearest_classes", k, nearest_classes_kept(before, after, k))
    apart, drawn = pdist(before), pdist(after)
    yield Measure(name, "labels", "centroids_pearson", None, *mantel(apart, drawn, samples.orders))
    yield Measure(name, "labels", "centroids_spearman", None, *mantel(rankdata(apart), rankdata(drawn), samples.orders))
