"""The table of neighbors that every search fills and training reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Rows that are processed at once: sorting takes several times their memory.
_BLOCK = 262_144


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The nearest neighbors of each of `n` cells, without the cell itself.

    Parameters
    ----------
    indices
        Indices of the neighbors, shape (n, k), dtype int32. A row with fewer than `k` neighbors ends in −1.
    counts
        Number of neighbors of each row, shape (n,), dtype int32.

    Raises
    ------
    ValueError
        If an index lies outside the table, or is repeated, or is that of its own row, or if `counts` and the entries of
        −1 disagree.

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
            msg = "Each row of indices must hold as many neighbors as counts says, followed by -1."
            raise ValueError(msg)
        if indices.max(initial=-1) >= n:
            msg = f"indices refers to row {indices.max()}, but there are only {n} rows: neighbors of other cells?"
            raise ValueError(msg)
        if _is_repeated(indices).any():
            msg = "A row of indices holds a neighbor twice."
            raise ValueError(msg)
        if (indices == np.arange(start, start + len(indices))[:, None]).any():
            msg = "A row of indices holds the row itself. Leave it out."
            raise ValueError(msg)

    @property
    def n_cells(self) -> int:
        """Number of rows."""
        return self.indices.shape[0]

    def take(self, rows: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """`indices` and `counts` of some rows."""
        return self.indices[rows], self.counts[rows]

    @classmethod
    def from_indices(cls, indices: Sequence[Sequence[int]] | NDArray[np.integer]) -> Neighbors:
        """Neighbors from an index array or lists of unequal length, without repetitions and the index of the row itself."""
        if isinstance(indices, np.ndarray) and indices.ndim == 2:
            return cls._compress(np.array(indices, dtype=np.int32))
        lengths = [len(row) for row in indices]
        table = np.full((len(lengths), max(lengths, default=0)), -1, np.int32)
        for i, row in enumerate(indices):
            table[i, : lengths[i]] = row
        return cls._compress(table)

    @classmethod
    def _compress(cls, table: NDArray[np.int32]) -> Neighbors:
        """Remove indices of the row itself and repetitions from a table, which is changed, and close the gaps."""
        for start in range(0, len(table), _BLOCK):
            part = table[start : start + _BLOCK]
            part[part == np.arange(start, start + len(part))[:, None]] = -1
            part[_is_repeated(part)] = -1
            part[:] = np.take_along_axis(part, np.argsort(part < 0, axis=1, kind="stable"), axis=1)
        counts = (table >= 0).sum(axis=1, dtype=np.int32)
        return cls(table[:, : int(counts.max(initial=0))], counts)


def include_self(indices: NDArray[Any]) -> NDArray[Any]:
    """The table, changed in place so that each row holds its own index.

    Among duplicates, a search for one neighbor more than needed can miss the row itself, which then replaces the farthest.
    """
    lacks_self = (indices != np.arange(len(indices))[:, None]).all(axis=1)
    indices[lacks_self, -1] = np.flatnonzero(lacks_self)
    return indices


def _is_repeated(table: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Mask of the entries that occur earlier in their row, except −1."""
    order = np.argsort(table, axis=1, kind="stable")
    ordered = np.take_along_axis(table, order, axis=1)
    repeated = np.zeros(table.shape, bool)
    repeated[:, 1:] = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    result = np.empty_like(repeated)
    np.put_along_axis(result, order, repeated, axis=1)
    return result
