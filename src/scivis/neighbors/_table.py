"""The table of neighbours that every search fills and training reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Rows looked at together: sorting takes several times the memory of the rows.
_BLOCK = 262_144


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The nearest neighbours of each of `n` cells, the cell itself left out.

    Parameters
    ----------
    indices
        Row numbers, shape (n, k), dtype int32. A row with fewer than `k` neighbours ends in −1.
    counts
        How many entries of each row are neighbours, shape (n,), dtype int32.

    Raises
    ------
    ValueError
        If an index points outside the table or at its own row, or if `counts` and the −1 entries disagree.

    Examples
    --------
    >>> import numpy as np
    >>> Neighbors.from_indices(np.array([[1, 2], [0, 2], [1, 0]])).counts
    array([2, 2, 2], dtype=int32)
    """

    indices: NDArray[np.int32]
    counts: NDArray[np.int32]

    def __post_init__(self) -> None:
        n = len(self.indices)
        if self.counts.shape != (n,):
            msg = f"counts has shape {self.counts.shape}, but indices has {n} rows."
            raise ValueError(msg)
        for start in range(0, n, _BLOCK):
            self._check(start, self.indices[start : start + _BLOCK], self.counts[start : start + _BLOCK])

    def _check(self, start: int, indices: NDArray[np.int32], counts: NDArray[np.int32]) -> None:
        n, k = self.indices.shape
        used = np.arange(k) < counts[:, None]
        if not np.array_equal(indices >= 0, used):
            msg = "indices must hold neighbours first and -1 afterwards, as many neighbours as counts says."
            raise ValueError(msg)
        if indices.max(initial=-1) >= n:
            msg = f"indices points at row {indices.max()}, but there are only {n} rows: other cells' neighbours?"
            raise ValueError(msg)
        if _repeated(indices).any():
            msg = "indices names a neighbour twice in one row."
            raise ValueError(msg)
        if (indices == np.arange(start, start + len(indices))[:, None]).any():
            msg = "indices lists a row as its own neighbour; leave the cell itself out."
            raise ValueError(msg)

    @property
    def n_cells(self) -> int:
        """Number of rows."""
        return self.indices.shape[0]

    def take(self, rows: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """`indices` and `counts` of these rows."""
        return self.indices[rows], self.counts[rows]

    @classmethod
    def from_indices(cls, indices: Sequence[Sequence[int]] | NDArray[np.integer]) -> Neighbors:
        """Neighbours from an index table or from lists of unequal length, dropping each row's own number."""
        if isinstance(indices, np.ndarray) and indices.ndim == 2:
            return cls._compress(np.array(indices, dtype=np.int32))
        lengths = [len(row) for row in indices]
        table = np.full((len(lengths), max(lengths, default=0)), -1, np.int32)
        for i, row in enumerate(indices):
            table[i, : lengths[i]] = row
        return cls._compress(table)

    @classmethod
    def _compress(cls, table: NDArray[np.int32]) -> Neighbors:
        """Drop own row numbers and repetitions and close the gaps they leave, the order of the others kept."""
        for start in range(0, len(table), _BLOCK):
            part = table[start : start + _BLOCK]
            part[part == np.arange(start, start + len(part))[:, None]] = -1
            part[_repeated(part)] = -1
            part[:] = np.take_along_axis(part, np.argsort(part < 0, axis=1, kind="stable"), axis=1)
        counts = (table >= 0).sum(axis=1, dtype=np.int32)
        return cls(table[:, : int(counts.max(initial=0))], counts)


def with_own(indices: NDArray[Any]) -> NDArray[Any]:
    """The table, changed in place so that each row holds its own number.

    Among duplicates a search for one neighbour more than wanted may miss the row itself: then its farthest one makes room.
    """
    own = (indices == np.arange(len(indices))[:, None]).any(axis=1)
    indices[~own, -1] = np.flatnonzero(~own)
    return indices


def _repeated(table: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Where an entry has stood before in its row."""
    order = np.argsort(table, axis=1, kind="stable")
    ranked = np.take_along_axis(table, order, axis=1)
    again = np.zeros(table.shape, bool)
    again[:, 1:] = (ranked[:, 1:] == ranked[:, :-1]) & (ranked[:, 1:] >= 0)
    result = np.empty_like(again)
    np.put_along_axis(result, order, again, axis=1)
    return result
