"""Which rows belong together: the anchors of an epoch in a new order, and a positive and a negative for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shuffle = bool | Literal["batch"]


def draw_anchors(
    n_cells: int, n_batches: int, batch_size: int, shuffle: Shuffle, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Each row once, shape (n_batches, batch_size); places left over are filled from the front.

    `shuffle` is `True` for a new order of the rows, `batch` for a new order of batches of neighbouring rows, `False` for
    the order given.
    """
    rows = rng.permutation(n_cells) if shuffle is True else np.arange(n_cells)
    batches = np.resize(rows.astype(np.int32), (n_batches, batch_size))
    return rng.permutation(batches) if shuffle == "batch" else batches


def draw_positives(
    anchors: NDArray[np.int32], indices: NDArray[np.int32], counts: NDArray[np.int32], rng: np.random.Generator
) -> NDArray[np.int32]:
    """One neighbour of each anchor, each of its neighbours with equal chance, drawn for each anchor anew.

    An anchor without neighbours is its own positive: nothing draws it anywhere, and the others still keep their
    distance. ivis draws one rank for a whole batch instead.

    Parameters
    ----------
    anchors
        Row numbers, shape (batch,).
    indices, counts
        Their neighbours, as :meth:`scivis.neighbors.Neighbors.take` gives them.
    rng
        Where chance comes from.

    Examples
    --------
    >>> anchors, indices, counts = np.array([7, 8]), np.array([[8], [-1]]), np.array([1, 0])
    >>> draw_positives(anchors, indices, counts, np.random.default_rng(0))
    array([8, 8], dtype=int32)
    """
    if not indices.shape[1]:
        return anchors.astype(np.int32)
    rank = rng.integers(0, np.maximum(counts, 1))
    return np.where(counts > 0, indices[np.arange(len(anchors)), rank], anchors).astype(np.int32)


def draw_negatives(
    anchors: NDArray[np.int32],
    indices: NDArray[np.int32],
    counts: NDArray[np.int32],
    n_cells: int,
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    """One row for each anchor that is neither the anchor nor one of its neighbours, all others with equal chance.

    Parameters
    ----------
    anchors, indices, counts
        As for :func:`draw_positives`.
    n_cells
        Number of rows to draw from.
    rng
        Where chance comes from.

    Raises
    ------
    ValueError
        If some anchor has all others as neighbours, so that no negative is left.
    """
    if counts.max(initial=0) >= n_cells - 1:
        msg = f"n_neighbors={counts.max()} leaves no negatives among {n_cells} cells; take fewer neighbours."
        raise ValueError(msg)
    # Of the n − 1 − count rows that remain, take the drawn-th: each excluded row at or before it moves it on by one.
    # With the excluded rows ascending and the j-th lowered by j, each says how many allowed rows come before it.
    excluded = np.column_stack([anchors, np.where(indices < 0, 2 * n_cells, indices)])
    excluded.sort(axis=1)
    drawn = rng.integers(0, n_cells - 1 - counts)
    passed = excluded - np.arange(excluded.shape[1]) <= drawn[:, None]
    return (drawn + passed.sum(axis=1)).astype(np.int32)
