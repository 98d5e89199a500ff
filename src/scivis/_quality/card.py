"""All measures of several embeddings of the same cells, computed from the same samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import rankdata

from .batches import batch_measures
from .chance import chance_recall, chance_trust
from .class_measures import class_measures
from .distances import DistanceBins, bin_distances, kept_triplets
from .estimates import ASPECTS, Estimate, Terms, mean_terms, resample
from .neighbors import nearest_neighbors, neighbor_ranks, shared_neighbors, trust_from_ranks
from .resampling import pair_terms, pearson_terms, spearman_terms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from .samples import Samples

    Matrix = NDArray[np.floating]
    Codes = NDArray[np.integer]


def pca(x: Matrix) -> Matrix:
    """The first two principal components, or one for a single column."""
    from sklearn.decomposition import PCA

    return PCA(min(2, x.shape[1]), random_state=0).fit_transform(x)


def measure_embeddings(
    x: Matrix,
    embeddings: Mapping[str, Matrix],
    codes: Codes,
    n_neighbors: Sequence[int],
    samples: Samples,
    rng: np.random.Generator,
    batches: Codes | None = None,
) -> tuple[list[Estimate], dict[str, DistanceBins]]:
    """All measures of all embeddings, and their distances in bins of those in the representation, both by name.

    `codes` are the classes from 0 without gaps, −1 for unlabeled cells, shape (n,). Each k in `n_neighbors` is below n / 2.
    `rng` draws the resamples. Each kind of resample has a generator of its own, so that values of an embedding do not depend
    on what else is measured. `batches` are codes of batches, for their mixing among up to 10,000 cells.
    """
    of_cells, of_triplets, of_labels, of_batches = rng.spawn(4)
    before = pdist(x[samples.cells])
    after = {basis: pdist(z[samples.cells]) for basis, z in embeddings.items()}
    terms = [*_neighbor_terms(x, embeddings, n_neighbors, samples), *_distance_terms(before, after, samples)]
    found = list(resample(terms, of_cells))
    found += resample(_triplet_terms(x, embeddings, samples), of_triplets)
    found += class_measures(x, embeddings, codes, samples, of_labels) if codes.max(initial=-1) > 0 else []
    if batches is not None:
        rows = samples.landmarks[batches[samples.landmarks] >= 0]
        found += batch_measures({basis: z[rows] for basis, z in embeddings.items()}, batches[rows], of_batches)
    bases, measures = list(embeddings), list(ASPECTS)
    found.sort(key=lambda one: (bases.index(one.basis), measures.index(one.measure), one.k))
    return found, {basis: bin_distances(before, distances) for basis, distances in after.items()}


def _neighbor_terms(
    x: Matrix, embeddings: Mapping[str, Matrix], n_neighbors: Sequence[int], samples: Samples
) -> Iterator[Terms]:
    """Measures of the neighbors of the sampled cells."""
    cells, landmarks, n, k_max = samples.cells, samples.landmarks, len(x), max(n_neighbors)
    before, radii = nearest_neighbors(x, cells, k_max)
    found = {basis: nearest_neighbors(z, cells, k_max) for basis, z in embeddings.items()}
    all_ranks = neighbor_ranks(x, cells, [after for after, _ in found.values()], landmarks)
    for (basis, (after, radii_after)), ranks in zip(found.items(), all_ranks, strict=True):
        [ranks_after] = neighbor_ranks(embeddings[basis], cells, [before], landmarks)
        for k in n_neighbors:
            shared, trust = shared_neighbors(before[:, :k], after[:, :k]), trust_from_ranks(ranks[:, :k], n)
            yield mean_terms(basis, "recall", shared, k=k, chance=chance_recall(k, n))
            yield mean_terms(basis, "trustworthiness", trust, k=k, chance=chance_trust(k, n))
            continuity = trust_from_ranks(ranks_after[:, :k], n)
            yield mean_terms(basis, "continuity", continuity, k=k, chance=chance_trust(k, n))
            # As for densMAP (Narayan et al., Nature Biotechnology 39, 765, 2021), but with unweighted means of distances.
            mean_radii = (rankdata(np.mean(some[:, :k], axis=1)) for some in (radii, radii_after))
            yield Terms(basis, "density", *spearman_terms(*mean_radii), k)


def _distance_terms(before: Matrix, after: Mapping[str, Matrix], samples: Samples) -> Iterator[Terms]:
    """Correlations of the distances between the sampled cells: `before` in the representation, `after` by embedding."""
    ranks, n = rankdata(before), len(samples.cells)
    for basis, distances in after.items():
        for measure, (value, terms) in (
            ("spearman", spearman_terms(ranks, rankdata(distances))),
            ("pearson", pearson_terms(before, distances)),
        ):
            yield Terms(basis, measure, value, pair_terms(terms, n))


def _triplet_terms(x: Matrix, embeddings: Mapping[str, Matrix], samples: Samples) -> Iterator[Terms]:
    for basis, z in embeddings.items():
        yield mean_terms(basis, "triplets", kept_triplets(x, z, samples.triplets), chance=0.5)
