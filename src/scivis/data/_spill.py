"""Rows in a temporary file: written once, block by block, and read as often as needed."""

from __future__ import annotations

import tempfile
import weakref
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from scivis._store.space import check_space, naming_full_disk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_REMEDY = "Set TMPDIR to a larger disk."


class RowFile:
    """A float32 array in an unnamed file, which is removed with this object or with the process.

    It is read by slices like an HDF5 dataset, so that only the requested rows are in memory. `shape` is the number of
    rows, then the shape of one row. An OSError is raised if the folder for temporary files has too little space.

    Examples
    --------
    >>> rows = RowFile.of([np.eye(2), np.ones((1, 2))], (3, 2))
    >>> rows[1:3]
    array([[0., 1.],
           [1., 1.]], dtype=float32)
    """

    dtype = np.dtype(np.float32)

    def __init__(self, shape: tuple[int, ...]) -> None:
        check_space(Path(tempfile.gettempdir()), 4 * prod(shape), "The temporary file of rows", _REMEDY)
        self.shape = shape
        self._file = tempfile.TemporaryFile(prefix="scivis-")  # noqa: SIM115 (closed with this object)
        weakref.finalize(self, self._file.close)

    @classmethod
    def of(cls, blocks: Iterable[NDArray[Any]], shape: tuple[int, ...]) -> Self:
        """A file that holds the rows of these blocks, in order."""
        rows = cls(shape)
        for block in blocks:
            with naming_full_disk(Path(tempfile.gettempdir()), "set TMPDIR to a larger disk"):
                rows._file.write(np.ascontiguousarray(block, np.float32).data)
                rows._file.flush()
        return rows

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Consecutive rows, as a new array."""
        start, stop, _ = rows.indices(self.shape[0])
        block = np.empty((max(stop - start, 0), *self.shape[1:]), np.float32)
        if block.size:
            self._file.seek(start * 4 * prod(self.shape[1:]))
            self._file.readinto(block.reshape(-1).view(np.uint8).data)
        return block

    def mapped(self) -> NDArray[np.float32]:
        """All rows as a read-only memory map, for access in any order."""
        return np.memmap(self._file, np.float32, "r", shape=self.shape)
