"""Neighbors that are read row by row, on demand, and their form for training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from reprlib import repr as short_repr
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


class NeighbourMatrix(Sequence):
    """Base class for neighbors that are read on demand.

    A subclass defines ``__getitem__``, which returns the indices of the neighbors of one row, and ``__len__``. It can
    override :meth:`get_batch` if reading many rows at once is faster, and set `k`.

    Examples
    --------
    >>> class Ring(NeighbourMatrix):
    ...     def __getitem__(self, idx):
    ...         return [(idx - 1) % 5, (idx + 1) % 5]
    ...
    ...     def __len__(self):
    ...         return 5
    >>> Ring().k, Ring().get_batch([0, 3])
    (2, [[4, 1], [2, 4]])
    """

    @abstractmethod
    def __getitem__(self, idx: Any) -> Any:
        """Indices of the neighbors of row `idx`."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows."""

    @cached_property
    def k(self) -> int:
        """Largest number of neighbors of a row. By default, all rows are read to find it."""
        return max((len(self[i]) for i in range(len(self))), default=0)

    def get_batch(self, idx_seq: Iterable[int]) -> list[Any]:
        """The neighbors of the rows with these indices."""
        return [self[i] for i in idx_seq]


class LazyNeighbors:
    """Any sequence of neighbors in the form that training reads, without holding all neighbors in memory.

    It has the :attr:`n_cells` and :meth:`take` of :class:`Neighbors`, so that training with the same neighbors and the
    same seed gives the same result.

    Parameters
    ----------
    matrix
        One list of row indices per row. The lists can have different lengths, and entries of −1 are ignored. If the
        object has `get_batch`, it is called with a list of row indices; otherwise rows are read as `matrix[i]`.

    Examples
    --------
    >>> import numpy as np
    >>> indices, counts = LazyNeighbors([[0, 1, 1], [2, 0], []]).take(np.array([1, 0]))
    >>> indices, counts
    (array([[ 2,  0],
           [ 1, -1]], dtype=int32), array([2, 1], dtype=int32))
    """

    def __init__(self, matrix: Sequence[Any]) -> None:
        self.matrix = matrix

    @property
    def n_cells(self) -> int:
        """Number of rows."""
        return len(self.matrix)

    def take(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Neighbors of some rows, shape (rows, largest number of neighbors) with −1 at the end, and their numbers.

        The row itself and repeated entries are left out.

        Raises
        ------
        ValueError
            If an entry of the sequence is not a list of row indices.
        """
        numbers = [int(row) for row in rows]  # a user's class may accept only Python integers
        scratch = np.empty(self.n_cells, np.int32)
        lists = [
            _unique(row, _check_indices(row, entries, self.n_cells), scratch)
            for row, entries in zip(numbers, self._read(numbers), strict=True)
        ]
        counts = np.array([len(entries) for entries in lists], np.int32)
        table = np.full((len(lists), counts.max(initial=0)), -1, np.int32)
        table[np.arange(table.shape[1]) < counts[:, None]] = np.concatenate([np.empty(0, np.int32), *lists])
        return table, counts

    def _read(self, rows: list[int]) -> Sequence[Any]:
        if not hasattr(self.matrix, "get_batch"):
            return [self.matrix[row] for row in rows]
        found = self.matrix.get_batch(rows)
        if len(found) != len(rows):
            msg = f"get_batch returned {len(found)} rows, but {len(rows)} were requested."
            raise ValueError(msg)
        return found


def _unique(row: int, neighbors: NDArray[np.int32], scratch: NDArray[np.int32]) -> NDArray[np.int32]:
    """The neighbors of a row in their order, without repetitions and without the row itself."""
    # Each entry writes its position to `scratch`, the first of equal ones last. This needs no sorting of long rows.
    positions = np.arange(len(neighbors), dtype=np.int32)
    scratch[neighbors[::-1]] = positions[::-1]
    return neighbors[(scratch[neighbors] == positions) & (neighbors != row)]


def _check_indices(row: int, entries: Any, n_rows: int) -> NDArray[np.int32]:
    """The neighbors of a row as an array, without entries of −1."""
    found = np.asarray(entries)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        msg = f"The neighbors of row {row} must be a list of row indices, but are {short_repr(entries)}."
        raise ValueError(msg)
    if found.size and not -1 <= found.min() <= found.max() < n_rows:
        wrong = found[(found < -1) | (found >= n_rows)][0]
        msg = f"The neighbors of row {row} include row {wrong}, but there are only rows 0 to {n_rows - 1}."
        raise ValueError(msg)
    return found[found >= 0].astype(np.int32)
