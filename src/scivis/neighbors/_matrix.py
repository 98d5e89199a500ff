"""Neighbours that are looked up row by row, and the way training reads them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


class NeighbourMatrix(Sequence):
    """Base class for neighbours that are looked up when they are asked for.

    A subclass gives ``__getitem__``, which returns the neighbours of one row as row numbers, and ``__len__``. It may
    add :meth:`get_batch` where many rows are looked up faster together, and set `k`.

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
        """Row numbers of the neighbours of row `idx`."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows."""

    @cached_property
    def k(self) -> int:
        """Neighbours of the row that has most; a subclass that knows the number sets it."""
        return max((len(self[i]) for i in range(len(self))), default=0)

    def get_batch(self, idx_seq: Iterable[int]) -> list[Any]:
        """The neighbours of these rows, one row after the other."""
        return [self[i] for i in idx_seq]


class LazyNeighbors:
    """Any sequence of neighbours in the form that training reads, without ever holding all of them.

    Gives the same :attr:`n_cells` and :meth:`take` as :class:`Neighbors`, which holds them all, and so the same draws.

    Parameters
    ----------
    matrix
        One list of row numbers per row, each of any length; −1 is no neighbour. If it has `get_batch`, that is called
        with a list of row numbers, else `matrix[i]`.

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
        """Neighbours of these rows, shape (rows, most neighbours of any of them), −1 at the end, and their counts.

        A row's own number and repetitions are left out.

        Raises
        ------
        ValueError
            If a row is not a list of row numbers.
        """
        numbers = [int(row) for row in rows]  # a class of the user's may know Python's integers only
        scratch = np.empty(self.n_cells, np.int32)
        read = (_row_numbers(row, found, self.n_cells) for row, found in zip(numbers, self._read(numbers), strict=True))
        lists = [_distinct(row, found, scratch) for row, found in zip(numbers, read, strict=True)]
        counts = np.array([len(entries) for entries in lists], np.int32)
        table = np.full((len(lists), counts.max(initial=0)), -1, np.int32)
        table[np.arange(table.shape[1]) < counts[:, None]] = np.concatenate([np.empty(0, np.int32), *lists])
        return table, counts

    def _read(self, rows: list[int]) -> Sequence[Any]:
        if not hasattr(self.matrix, "get_batch"):
            return [self.matrix[row] for row in rows]
        found = self.matrix.get_batch(rows)
        if len(found) != len(rows):
            msg = f"get_batch returned {len(found)} rows, but was asked for {len(rows)}."
            raise ValueError(msg)
        return found


def _distinct(row: int, found: NDArray[np.int32], scratch: NDArray[np.int32]) -> NDArray[np.int32]:
    """A row's neighbours, each once and in their order, without the row itself."""
    # Each entry leaves its place in the list at its row, the first one last: no sorting, as rows may be long.
    places = np.arange(len(found), dtype=np.int32)
    scratch[found[::-1]] = places[::-1]
    return found[(scratch[found] == places) & (found != row)]


def _row_numbers(row: int, entries: Any, n_rows: int) -> NDArray[np.int32]:
    found = np.asarray(entries)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        msg = f"The neighbours of row {row} are no list of row numbers, but {_shortened(entries)}."
        raise ValueError(msg)
    if found.size and not -1 <= found.min() <= found.max() < n_rows:
        wrong = found[(found < -1) | (found >= n_rows)][0]
        msg = f"The neighbours of row {row} name row {wrong}, but there are only rows 0 to {n_rows - 1}."
        raise ValueError(msg)
    return found[found >= 0].astype(np.int32)


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
