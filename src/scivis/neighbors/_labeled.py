"""Neighbors by label: the rows of one class."""

from __future__ import annotations

from operator import index as as_int
from typing import TYPE_CHECKING, Any

import numpy as np

from ._matrix import NeighbourMatrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class LabeledNeighbourMap(NeighbourMatrix):
    """Neighbors for training with labels: all rows of the same label are neighbors of each other.

    Only the labels are kept in memory; the neighbors of a row are listed on demand.

    Parameters
    ----------
    labels
        One label per row: numbers, strings or a categorical. Rows with a missing label (−1, NaN or `None`) have no
        neighbors.

    Raises
    ------
    ValueError
        If `labels` has more than one axis.

    Examples
    --------
    >>> neighbors = LabeledNeighbourMap(["T", "B", "T", "T"])
    >>> neighbors[0], neighbors[1]
    (array([2, 3]), array([], dtype=int64))
    """

    def __init__(self, labels: ArrayLike) -> None:
        from pandas import factorize

        values = np.asarray(labels)
        if values.ndim != 1:
            msg = f"labels has shape {values.shape}; one label per row is required."
            raise ValueError(msg)
        codes = factorize(values)[0]
        self._codes = np.where(values == -1, -1, codes) if values.dtype.kind in "if" else codes
        self._order = np.argsort(self._codes, kind="stable")
        # Class c is the rows _order[_starts[c] : _starts[c + 1]].
        self._starts = np.searchsorted(self._codes[self._order], np.arange(self._codes.max(initial=-1) + 2))
        self._positions = np.argsort(self._order)
        self.k = max(int(np.diff(self._starts).max(initial=0)) - 1, 0)

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return self.get_batch(range(len(self))[idx])
        row = range(len(self))[as_int(idx)]
        start, stop = self._bounds(np.array([row]))
        same_class = self._order[start[0] : stop[0]]
        return same_class[same_class != row]

    # Training uses the methods below. With classes of 7,000 rows, listing all neighbors of a batch would take a hundred
    # times as long as everything else.

    def counts(self, rows: NDArray[np.integer]) -> NDArray[np.integer]:
        """Number of neighbors of each row."""
        start, stop = self._bounds(rows)
        return np.maximum(stop - start - 1, 0)

    def neighbour(self, rows: NDArray[np.integer], rank: NDArray[np.integer]) -> NDArray[np.integer]:
        """The neighbor number `rank`, counted from 0, of each row, which must have more neighbors than that."""
        start, _ = self._bounds(rows)
        return self._order[start + rank + (start + rank >= self._positions[rows])]

    def other(self, rows: NDArray[np.integer], rank: NDArray[np.integer]) -> NDArray[np.integer]:
        """The row number `rank`, counted from 0, of those that are neither the row itself nor one of its neighbors."""
        start, stop = self._bounds(rows)
        other = rank + (rank >= rows)  # correct for rows without neighbors
        for first, last in set(zip(start.tolist(), stop.tolist(), strict=True)):
            # The j-th row of a class comes after j rows of the class, and so after its index minus j rows of other classes.
            in_class, n_others_before = start == first, self._order[first:last] - np.arange(last - first)
            if last > first:
                other[in_class] = rank[in_class] + np.searchsorted(n_others_before, rank[in_class], side="right")
        return other

    def _bounds(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """First position and end of the class of each row in `_order`; both 0 for a row without a label."""
        codes = self._codes[rows]
        return np.where(codes >= 0, self._starts[codes], 0), np.where(codes >= 0, self._starts[codes + 1], 0)
