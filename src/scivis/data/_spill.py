"""Rows in a temporary file: written once, block by block, then read as often as needed."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


class RowFile:
    """A float32 matrix in a file without a name, which vanishes with this object or with the process.

    It is read by slices, as an HDF5 dataset is, so that only the rows asked for are in memory.

    Parameters
    ----------
    shape
        Number of rows and of columns.

    Raises
    ------
    OSError
        If the folder of temporary files has no room for it.

    Examples
    --------
    >>> rows = RowFile.of([np.eye(2), np.ones((1, 2))], (3, 2))
    >>> rows[1:3]
    array([[0., 1.],
           [1., 1.]], dtype=float32)
    """

    dtype = np.dtype(np.float32)

    def __init__(self, shape: tuple[int, int]) -> None:
        check_room(tempfile.gettempdir(), 4 * shape[0] * shape[1])
        self.shape = shape
        self._file = tempfile.TemporaryFile(prefix="scivis-")  # noqa: SIM115 (it lives as long as this)
        weakref.finalize(self, self._file.close)

    @classmethod
    def of(cls, blocks: Iterable[NDArray[Any]], shape: tuple[int, int]) -> Self:
        """The rows of these blocks, one after the other."""
        rows = cls(shape)
        for block in blocks:
            rows._file.write(np.ascontiguousarray(block, np.float32).data)
        rows._file.flush()
        return rows

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Consecutive rows, as a new array."""
        start, stop, _ = rows.indices(self.shape[0])
        width = 4 * self.shape[1]
        block = np.empty((max(stop - start, 0), self.shape[1]), np.float32)
        if block.size:
            self._file.seek(start * width)
            self._file.readinto(block.reshape(-1).view(np.uint8).data)
        return block

    def mapped(self) -> NDArray[np.float32]:
        """The whole as a memory map, for those who need rows in any order."""
        return np.memmap(self._file, np.float32, "r", shape=self.shape)


def check_room(folder: str, n_bytes: int) -> None:
    """Refuse to fill a disk: writing to the map of a full one would end the process."""
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        msg = (
            f"The rows take {n_bytes:,} bytes as float32, but {folder} has {free:,} left. Set TMPDIR to a larger disk."
        )
        raise OSError(msg)
