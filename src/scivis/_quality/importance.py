"""What a map rests on: how far cells move when one of their features is another cell's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

# Values that are placed at once.
_VALUES = 2**20


def permutation_importance(
    place: Callable[[Array], Array],
    inputs: Array,
    changes: Array,
    loadings: Array,
    ticks: Callable[[range], Iterable[int]] = iter,
) -> Array:
    """Mean distance on the map by which rows move when one feature of all of them changes, shape (features,).

    Source: Breiman, Random forests (Machine Learning 45, 2001), for a map in place of a forest: what is measured is not how
    much worse a prediction becomes, but how far the rows go.

    Parameters
    ----------
    place
        Rows of the model's input in, coordinates out.
    inputs
        Shape (rows, width).
    changes
        What each row's features change by, shape (rows, features).
    loadings
        How the features enter the input, shape (features, width); empty if they are the input.
    ticks
        Wraps the range of blocks that is worked through, for a progress bar.

    Examples
    --------
    >>> rows = np.array([[0.0, 0.0], [1.0, 3.0]], np.float32)
    >>> no_loadings = np.empty((0, 0), np.float32)
    >>> permutation_importance(lambda x: 2 * x[:, :1], rows, rows[::-1] - rows, no_loadings)  # the second is not used
    array([2., 0.], dtype=float32)
    """
    at, n_features = place(inputs), changes.shape[1]
    step = max(1, _VALUES // inputs.size)
    moved = np.empty(n_features, np.float32)
    for start in ticks(range(0, n_features, step)):
        features = np.arange(start, min(start + step, n_features))
        rows = np.repeat(inputs[None], len(features), axis=0)
        for row, j in zip(rows, features, strict=True):
            if loadings.size:
                row += changes[:, j, None] * loadings[j]
            else:
                row[:, j] += changes[:, j]
        placed = place(rows.reshape(-1, inputs.shape[1])).reshape(len(features), *at.shape)
        moved[features] = np.linalg.norm(placed - at, axis=2).mean(axis=1)
    return moved
