"""Neighbours by labels: rows of one class."""

from __future__ import annotations

from operator import index as as_int
from typing import TYPE_CHECKING, Any

import numpy as np

from ._matrix import NeighbourMatrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class LabeledNeighbourMap(NeighbourMatrix):
    """Rows of one label are each other's neighbours: supervision by pairs.

    Only the labels are kept in memory; a row's neighbours are put together when they are asked for.

    Parameters
    ----------
    labels
        One label per row: numbers, strings or a categorical. A row whose label is missing, that is −1, NaN or
        `None`, has no neighbours.

    Raises
    ------
    ValueError
        If `labels` has more than one axis.

    Examples
    --------
    >>> neighbours = LabeledNeighbourMap(["T", "B", "T", "T"])
    >>> neighbours[0], neighbours[1]
    (array([2, 3]), array([], dtype=int64))
    """

    def __init__(self, labels: ArrayLike) -> None:
        from pandas import factorize

        values = np.asarray(labels)
        if values.ndim != 1:
            msg = f"labels has shape {values.shape}; one label per row is needed."
            raise ValueError(msg)
        codes = factorize(values)[0]
        self._codes = np.where(values == -1, -1, codes) if values.dtype.kind in "if" else codes
        self._order = np.argsort(self._codes, kind="stable")
        # Class c is the rows _order[_starts[c] : _starts[c + 1]].
        self._starts = np.searchsorted(self._codes[self._order], np.arange(self._codes.max(initial=-1) + 2))
        self._place = np.argsort(self._order)
        self.k = max(int(np.diff(self._starts).max(initial=0)) - 1, 0)

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return self.get_batch(range(len(self))[idx])
        row = range(len(self))[as_int(idx)]
        code = self._codes[row]
        same = self._order[self._starts[code] : self._starts[code + 1]] if code >= 0 else self._order[:0]
        return same[same != row]

    # For training: to list the neighbours of a whole batch takes a hundred times as long as all else, where a class is
    # a tenth of 70,000 rows.

    def counts(self, rows: NDArray[np.integer]) -> NDArray[np.integer]:
        """How many neighbours these rows have."""
        start, stop = self._bounds(rows)
        return np.maximum(stop - start - 1, 0)

    def neighbour(self, rows: NDArray[np.integer], rank: NDArray[np.integer]) -> NDArray[np.integer]:
        """The neighbour of each row that has so many before it; each row must have more than `rank`."""
        start, _ = self._bounds(rows)
        return self._order[start + rank + (start + rank >= self._place[rows])]

    def other(self, rows: NDArray[np.integer], rank: NDArray[np.integer]) -> NDArray[np.integer]:
        """Of the rows that are neither a row itself nor one of its neighbours, the one that has so many before it."""
        start, stop = self._bounds(rows)
        other = rank + (rank >= rows)  # right where only the row itself is left out
        for first, last in set(zip(start.tolist(), stop.tolist(), strict=True)):
            # Before the j-th row of a class are j rows of that class; all others before it are others of the class.
            mine, free = start == first, self._order[first:last] - np.arange(last - first)
            if last > first:
                other[mine] = rank[mine] + np.searchsorted(free, rank[mine], side="right")
        return other

    def _bounds(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Where the class of each row begins and ends in the order; nowhere, for a row without a label."""
        code = self._codes[rows]
        start = np.where(code >= 0, self._starts[code], 0)
        return start, np.where(code >= 0, self._starts[code + 1], 0)
