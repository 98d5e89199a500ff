"""Which rows belong together: the anchors of an epoch in a new order, and a positive and a negative for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from scivis.neighbors import LabeledNeighbourMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scivis.neighbors import LazyNeighbors, Neighbors

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


def are_classes(neighbors: Neighbors | LazyNeighbors) -> bool:
    """Whether rows of one class are each other's neighbours, too many to list."""
    # Not a subclass, which may have other neighbours.
    return type(getattr(neighbors, "matrix", None)) is LabeledNeighbourMap


def draw_partners(
    neighbors: Neighbors | LazyNeighbors,
    anchors: NDArray[np.int32],
    rng: np.random.Generator,
    *,
    positives: int = 1,
    negatives: bool,
) -> list[NDArray[np.int32]]:
    """So many positives of each anchor and, if asked for, a negative; each shape (batch,)."""
    if are_classes(neighbors):
        return _partners_by_label(neighbors.matrix, anchors, rng, negatives=negatives)  # type: ignore[union-attr, arg-type]
    indices, counts = neighbors.take(anchors)
    partners = list(draw_positives(anchors, indices, counts, rng, positives))
    return [*partners, draw_negatives(anchors, indices, counts, neighbors.n_cells, rng)] if negatives else partners


def pairs_within(rows: NDArray[np.int32], neighbors: Neighbors | LazyNeighbors) -> NDArray[np.int32]:
    """Which of these rows are neighbours of which others, as places in `rows`, shape (2, pairs).

    Of a row that is there twice, the last is the one that others find.

    Examples
    --------
    >>> from scivis.neighbors import Neighbors
    >>> ring = Neighbors.from_indices([[1, 4], [2, 0], [3, 1], [4, 2], [0, 3]])
    >>> pairs_within(np.array([3, 0, 4]), ring)  # 3 and 0 are neighbours of 4, and it is theirs
    array([[0, 1, 2, 2],
           [2, 2, 1, 0]], dtype=int32)
    """
    place = np.full(neighbors.n_cells + 1, -1, np.int32)  # one more: where −1, for no neighbour, looks
    place[rows] = np.arange(len(rows))
    found = place[neighbors.take(rows)[0]]
    row, column = np.nonzero(found >= 0)
    return np.stack([row.astype(np.int32), found[row, column]])


def _partners_by_label(
    labels: LabeledNeighbourMap, anchors: NDArray[np.int32], rng: np.random.Generator, *, negatives: bool
) -> list[NDArray[np.int32]]:
    """The same draws as from a table, without listing neighbours: a class may be a large part of all rows."""
    counts = labels.counts(anchors)
    positives, has_some = anchors.copy(), counts > 0
    if has_some.any():
        rank = rng.integers(0, np.maximum(counts, 1))
        positives[has_some] = labels.neighbour(anchors[has_some], rank[has_some])
    partners: list[NDArray[np.integer]] = [positives]
    if negatives:
        _check_some_left(counts, len(labels))
        partners.append(labels.other(anchors, rng.integers(0, len(labels) - 1 - counts)))
    return [rows.astype(np.int32) for rows in partners]


def draw_positives(
    anchors: NDArray[np.int32],
    indices: NDArray[np.int32],
    counts: NDArray[np.int32],
    rng: np.random.Generator,
    n: int = 1,
) -> NDArray[np.int32]:
    """Neighbours of each anchor, shape (n, batch): each neighbour with equal chance, drawn for each anchor anew.

    Several are evenly spaced in the row, from a place drawn by chance: near and far ones together, none twice unless there
    are fewer. An anchor without neighbours is its own positive: nothing draws it anywhere, and the others still keep their
    distance. ivis draws one rank for a whole batch instead.

    Parameters
    ----------
    anchors
        Row numbers, shape (batch,).
    indices, counts
        Their neighbours, as :meth:`scivis.neighbors.Neighbors.take` gives them.
    rng
        Where chance comes from.
    n
        How many of each.

    Examples
    --------
    >>> anchors, indices, counts = np.array([7, 8]), np.array([[8], [-1]]), np.array([1, 0])
    >>> draw_positives(anchors, indices, counts, np.random.default_rng(0))
    array([[8, 8]], dtype=int32)
    """
    if not indices.shape[1]:
        return np.tile(anchors.astype(np.int32), (n, 1))
    some = np.maximum(counts, 1)
    ranks = (rng.integers(0, some) + np.arange(n)[:, None] * some // n) % some
    return np.where(counts > 0, indices[np.arange(len(anchors)), ranks], anchors).astype(np.int32)


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
    _check_some_left(counts, n_cells)
    # Of the n − 1 − count rows that remain, take the drawn-th: each excluded row at or before it moves it on by one.
    # With the excluded rows ascending and the j-th lowered by j, each says how many allowed rows come before it.
    excluded = np.column_stack([anchors, np.where(indices < 0, 2 * n_cells, indices)])
    excluded.sort(axis=1)
    drawn = rng.integers(0, n_cells - 1 - counts)
    passed = excluded - np.arange(excluded.shape[1]) <= drawn[:, None]
    return (drawn + passed.sum(axis=1)).astype(np.int32)


def _check_some_left(counts: NDArray[np.integer], n_cells: int) -> None:
    if counts.max(initial=0) >= n_cells - 1:
        msg = f"n_neighbors={counts.max()} leaves no negatives among {n_cells} cells; take fewer neighbours."
        raise ValueError(msg)
