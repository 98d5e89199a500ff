"""Cells that neither the landmarks nor the principal components have seen: their scores, and their expression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._novelty import scores, subsample_reference

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.decomposition import PCA

# Fewest and most folds. Components of few cells change most when cells are left out, so that few are left out at a time.
_MIN_FOLDS, _MAX_FOLDS = 5, 20
# Numbers of scored cells and of projected values at which no further fold is scored.
_ENOUGH_CELLS, _ENOUGH_VALUES = 1000, 2**26


def cross_fitted_scores(
    x: NDArray[np.float32], n_components: int, n_landmarks: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Scores of held-out rows of `x`, shape (n, features), as those of new cells come about.

    Principal components fit the noise of the cells that they were computed from, which therefore lie farther from each other
    than from any new cell. In turn, a few of the cells are left out. Components and landmarks are those of the other cells.
    """
    n_folds = min(max(10 * _ENOUGH_CELLS // len(x), _MIN_FOLDS), _MAX_FOLDS)
    fold_of, found = rng.permutation(len(x)) % n_folds, []
    for fold in range(n_folds):
        held_out = fold_of == fold
        pca = _pca(x[~held_out], n_components)
        reference = subsample_reference(pca.transform(x[~held_out]).astype(np.float32), n_landmarks, rng)
        found.append(scores(reference, pca.transform(x[held_out]).astype(np.float32)))
        if sum(map(len, found)) >= _ENOUGH_CELLS or (fold + 1) * x.size >= _ENOUGH_VALUES:
            break
    return np.concatenate(found)


def unseen_expression(x: NDArray[np.float32], rows: NDArray[np.int64], n_components: int) -> NDArray[np.float32]:
    """The rows of `x`, shape (n, features), as far as the principal components of the other rows show them.

    What is left out is mostly their noise, which components that were computed from these rows fit, but not the noise of
    new cells.
    """
    held_out = np.zeros(len(x), bool)
    held_out[rows] = True
    pca = _pca(x[~held_out], n_components)
    return pca.inverse_transform(pca.transform(x[rows])).astype(np.float32)


def missing_share(components: NDArray[np.float32]) -> float:
    """Share of the cells of a PCA that are not among these, from their coordinates in it, shape (n, components).

    Over all cells of a PCA, the coordinates in two components are uncorrelated. If only n of N cells are left, drawn at random,
    the square of their mean product has the expectation (1 − n/N)/n × the mean of their squared product: the variance of a mean
    under sampling without replacement (Cochran, Sampling Techniques, 1977, theorem 2.2). The ratio is formed over all pairs of
    components. It exceeds the share if the cells that are left are no random sample.
    """
    x = components.astype(np.float64)
    x /= np.maximum(np.sqrt((x**2).mean(axis=0)), np.finfo(np.float32).tiny)
    pairs = np.triu_indices(x.shape[1], 1)
    products, squares = (x.T @ x / len(x))[pairs], ((x**2).T @ x**2 / len(x))[pairs]
    return min(float(len(x) * (products**2).sum() / squares.sum()), 1.0) if squares.sum() else 0.0


def _pca(x: NDArray[np.float32], n_components: int) -> PCA:
    from sklearn.decomposition import PCA

    return PCA(n_components, svd_solver="randomized", iterated_power=2, random_state=0).fit(x)
