"""Sampling of anchors and their partners: positives, which are neighbors, and negatives, which are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from scivis.neighbors import LabeledNeighbourMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scivis.neighbors import LazyNeighbors, Neighbors

Shuffle = bool | Literal["batch"]


def sample_anchors(
    n_cells: int, n_batches: int, batch_size: int, shuffle: Shuffle, rng: np.random.Generator
) -> NDArray[np.int32]:
    """All rows once, shape (n_batches, batch_size); the last batch is filled with rows from the start of the order.

    `shuffle` is `True` for a random order of the rows, `batch` for a random order of batches of consecutive rows, and
    `False` for the original order.
    """
    rows = rng.permutation(n_cells) if shuffle is True else np.arange(n_cells)
    batches = np.resize(rows.astype(np.int32), (n_batches, batch_size))
    return rng.permutation(batches) if shuffle == "batch" else batches


def is_label_map(neighbors: Neighbors | LazyNeighbors) -> bool:
    """Whether all rows with the same label are neighbors, which are too many to list."""
    # Subclasses may define other neighbors.
    return type(getattr(neighbors, "matrix", None)) is LabeledNeighbourMap


def sample_partners(
    neighbors: Neighbors | LazyNeighbors,
    anchors: NDArray[np.int32],
    rng: np.random.Generator,
    *,
    positives: int = 1,
    negatives: bool,
) -> list[NDArray[np.int32]]:
    """`positives` neighbors of each anchor and, if requested, a negative; each of shape (batch,)."""
    if is_label_map(neighbors):
        return _sample_by_label(neighbors.matrix, anchors, rng, negatives=negatives)  # type: ignore[union-attr, arg-type]
    indices, counts = neighbors.take(anchors)
    partners = list(sample_positives(anchors, indices, counts, rng, positives))
    return [*partners, sample_negatives(anchors, indices, counts, neighbors.n_cells, rng)] if negatives else partners


def find_pairs(rows: NDArray[np.int32], neighbors: Neighbors | LazyNeighbors) -> NDArray[np.int32]:
    """All pairs of neighbors among `rows`, as positions in `rows`, shape (2, pairs).

    If a row occurs more than once, its last position is the one that is paired with rows whose neighbor it is.

    Examples
    --------
    >>> from scivis.neighbors import Neighbors
    >>> ring = Neighbors.from_indices([[1, 4], [2, 0], [3, 1], [4, 2], [0, 3]])
    >>> find_pairs(np.array([3, 0, 4]), ring)  # 4 is a neighbor of 3 and 0, which are neighbors of 4
    array([[0, 1, 2, 2],
           [2, 2, 1, 0]], dtype=int32)
    """
    positions = np.full(neighbors.n_cells + 1, -1, np.int32)  # the last entry is that of −1, which is no neighbor
    positions[rows] = np.arange(len(rows))
    found = positions[neighbors.take(rows)[0]]
    row, column = np.nonzero(found >= 0)
    return np.stack([row.astype(np.int32), found[row, column]])


def _sample_by_label(
    labels: LabeledNeighbourMap, anchors: NDArray[np.int32], rng: np.random.Generator, *, negatives: bool
) -> list[NDArray[np.int32]]:
    """The same samples as from a table of neighbors, without listing all rows of a class."""
    counts = labels.counts(anchors)
    positives, has_neighbors = anchors.copy(), counts > 0
    if has_neighbors.any():
        rank = rng.integers(0, np.maximum(counts, 1))
        positives[has_neighbors] = labels.neighbour(anchors[has_neighbors], rank[has_neighbors])
    partners: list[NDArray[np.integer]] = [positives]
    if negatives:
        _check_negatives_exist(counts, len(labels))
        partners.append(labels.other(anchors, rng.integers(0, len(labels) - 1 - counts)))
    return [rows.astype(np.int32) for rows in partners]


def sample_positives(
    anchors: NDArray[np.int32],
    indices: NDArray[np.int32],
    counts: NDArray[np.int32],
    rng: np.random.Generator,
    n: int = 1,
) -> NDArray[np.int32]:
    """Neighbors of each anchor, shape (n, batch), all with the same probability, independently for each anchor.

    `indices` and `counts` are the neighbors of `anchors` by :meth:`scivis.neighbors.Neighbors.take`. The `n` neighbors
    of an anchor are evenly spaced in its row, from a random start, so that near and far neighbors are sampled together,
    and none twice unless there are fewer than `n`. An anchor without neighbors is its own positive, so that it is only
    repelled. ivis samples one rank for a whole batch instead.

    Examples
    --------
    >>> anchors, indices, counts = np.array([7, 8]), np.array([[8], [-1]]), np.array([1, 0])
    >>> sample_positives(anchors, indices, counts, np.random.default_rng(0))
    array([[8, 8]], dtype=int32)
    """
    if not indices.shape[1]:
        return np.tile(anchors.astype(np.int32), (n, 1))
    lengths = np.maximum(counts, 1)
    ranks = (rng.integers(0, lengths) + np.arange(n)[:, None] * lengths // n) % lengths
    return np.where(counts > 0, indices[np.arange(len(anchors)), ranks], anchors).astype(np.int32)


def sample_negatives(
    anchors: NDArray[np.int32],
    indices: NDArray[np.int32],
    counts: NDArray[np.int32],
    n_cells: int,
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    """One row per anchor that is neither the anchor nor a neighbor, shape (batch,), all with the same probability.

    Raises
    ------
    ValueError
        If all other rows are neighbors of an anchor.
    """
    _check_negatives_exist(counts, n_cells)
    # Sample a rank among the allowed rows and convert it to an index: each excluded row at or before it adds one. If
    # the excluded rows are sorted and j is subtracted from the j-th, each is the number of allowed rows before it.
    excluded = np.column_stack([anchors, np.where(indices < 0, 2 * n_cells, indices)])
    excluded.sort(axis=1)
    ranks = rng.integers(0, n_cells - 1 - counts)
    is_before = excluded - np.arange(excluded.shape[1]) <= ranks[:, None]
    return (ranks + is_before.sum(axis=1)).astype(np.int32)


def _check_negatives_exist(counts: NDArray[np.integer], n_cells: int) -> None:
    if counts.max(initial=0) >= n_cells - 1:
        msg = f"n_neighbors={counts.max()} leaves no negatives among {n_cells} cells; take fewer neighbors."
        raise ValueError(msg)
