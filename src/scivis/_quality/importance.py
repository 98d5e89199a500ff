"""Permutation importance of the features of an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

# Number of input values that are embedded at once.
_VALUES = 2**20


def permutation_importance(
    embed: Callable[[Array], Array],
    inputs: Array,
    changes: Array,
    loadings: Array,
    ticks: Callable[[range], Iterable[int]] = iter,
) -> Array:
    """Mean distance in the embedding by which rows move if one feature of all of them changes, shape (features,).

    As in Breiman (Random forests, Machine Learning 45, 2001), but with the distance in place of the error of a
    prediction.

    Parameters
    ----------
    embed
        Function from rows of the model's input to coordinates.
    inputs
        Input of the model, shape (rows, width).
    changes
        Change of each feature, shape (rows, features).
    loadings
        Matrix from features to input, shape (features, width). Empty if the features are the input.
    ticks
        Wrapper of the range of blocks, for a progress bar.

    Examples
    --------
    >>> rows = np.array([[0.0, 0.0], [1.0, 3.0]], np.float32)
    >>> no_loadings = np.empty((0, 0), np.float32)
    >>> permutation_importance(lambda x: 2 * x[:, :1], rows, rows[::-1] - rows, no_loadings)  # ignores the second one
    array([2., 0.], dtype=float32)
    """
    original, n_features = embed(inputs), changes.shape[1]
    step = max(1, _VALUES // inputs.size)
    distances = np.empty(n_features, np.float32)
    for start in ticks(range(0, n_features, step)):
        features = np.arange(start, min(start + step, n_features))
        rows = np.repeat(inputs[None], len(features), axis=0)
        for row, j in zip(rows, features, strict=True):
            if loadings.size:
                row += changes[:, j, None] * loadings[j]
            else:
                row[:, j] += changes[:, j]
        embedded = embed(rows.reshape(-1, inputs.shape[1])).reshape(len(features), *original.shape)
        distances[features] = np.linalg.norm(embedded - original, axis=2).mean(axis=1)
    return distances
