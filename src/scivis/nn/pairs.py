"""Which rows belong together: a positive and a negative for each anchor, drawn inside the training graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from keras import ops, random

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scivis.neighbors import Neighbors

    from .losses import Tensor


def draw_positives(anchors: Tensor, indices: Tensor, counts: Tensor, seed: random.SeedGenerator) -> Tensor:
    """One neighbour of each anchor, each of its neighbours with equal chance, drawn for each anchor anew.

    Parameters
    ----------
    anchors
        Row numbers, shape (batch,).
    indices, counts
        The table of :class:`scivis.neighbors.Neighbors`. An anchor without neighbours is its own positive: nothing
        draws it anywhere, and the others still keep their distance.
    """
    count = ops.take(counts, anchors)
    rank = _draw_below(ops.maximum(count, 1), seed)
    drawn = ops.take_along_axis(ops.take(indices, anchors, axis=0), rank[:, None], axis=1)[:, 0]
    return ops.where(count > 0, drawn, anchors)


def draw_negatives(
    anchors: Tensor, excluded: Tensor, counts: Tensor, n_cells: int, seed: random.SeedGenerator
) -> Tensor:
    """One row for each anchor that is neither the anchor nor one of its neighbours, all others with equal chance.

    Parameters
    ----------
    anchors
        Row numbers, shape (batch,).
    excluded
        The table of :func:`exclusion_table`.
    counts
        Neighbours of each row.
    n_cells
        Number of rows to draw from.
    """
    # Of the n − 1 − count rows that remain, take the drawn-th: each excluded row at or before it moves it on by one.
    drawn = _draw_below(n_cells - 1 - ops.take(counts, anchors), seed)
    passed = ops.take(excluded, anchors, axis=0) <= drawn[:, None]
    return drawn + ops.sum(ops.cast(passed, "int32"), axis=1)


def exclusion_table(neighbors: Neighbors) -> NDArray[np.int32]:
    """Each row's own number and its neighbours, ascending, the j-th lowered by j; shape (n, k + 1).

    Lowered, an excluded row says how many allowed rows come before it, which is what :func:`draw_negatives` compares.

    Raises
    ------
    ValueError
        If some cell has all others as neighbours, so that no negative is left.
    """
    n = neighbors.n_cells
    if neighbors.counts.max(initial=0) >= n - 1:
        msg = f"n_neighbors={neighbors.counts.max()} leaves no negatives among {n} cells; take fewer neighbours."
        raise ValueError(msg)
    rows = np.hstack([np.arange(n, dtype=np.int32)[:, None], neighbors.indices])
    rows = np.where(rows < 0, np.int32(2 * n), rows)
    rows.sort(axis=1)
    return rows - np.arange(rows.shape[1], dtype=np.int32)


def _draw_below(limit: Tensor, seed: random.SeedGenerator) -> Tensor:
    """Integers from 0 to `limit` − 1, element by element; the remainder's bias is at most limit / 2³⁰."""
    return random.randint(ops.shape(limit), 0, 2**30, dtype="int32", seed=seed) % limit
