"""Changes of a file that are kept in memory until the library that makes them is done.

After a failed write, as to a full disk, the HDF5 library cannot close its file, and may end the process later. It therefore
never writes to a disk here: it changes an overlay, which is applied to a copy of the file by plain writes. The rest of the
file, which may be larger than memory, is not read.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 2**16


class Overlay(io.RawIOBase):
    """A file that can be read and changed, while the file below, which is open for reading, stays as it is.

    Examples
    --------
    >>> below, other = io.BytesIO(b"all cells"), io.BytesIO(b"all cells")
    >>> overlay = Overlay(below)
    >>> overlay.seek(4), overlay.write(b"genes")
    (4, 5)
    >>> overlay.apply(other)
    >>> below.getvalue(), other.getvalue()
    (b'all cells', b'all genes')
    """

    def __init__(self, below: BinaryIO) -> None:
        self._below = below
        self._size = self._kept = below.seek(0, io.SEEK_END)  # bytes of the file, and those that come from below
        self._at = 0
        self._blocks: dict[int, bytearray] = {}

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def writable(self) -> bool:
        """Whether it can be changed: always."""
        return True

    def seekable(self) -> bool:
        """Whether there is random access: always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """The position."""
        return self._at

    def truncate(self, size: int | None = None) -> int:
        """Change the size; a larger file is filled with zeros."""
        self._size = self._at if size is None else size
        self._kept = min(self._kept, self._size)
        for number, block in self._blocks.items():
            end = max(self._size - number * _BLOCK, 0)
            block[end:] = bytes(len(block[end:]))
        return self._size

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the position on; returns the number of bytes."""
        view = memoryview(buffer).cast("B")
        view = view[: max(self._size - self._at, 0)]
        self._read_below(self._at, view)
        for number, inside, part in _parts(self._at, len(view)):
            if number in self._blocks:
                view[part] = self._blocks[number][inside]
        self._at += len(view)
        return len(view)

    def write(self, data: Any) -> int:
        """Replace the bytes from the position on; returns the number of bytes."""
        view = memoryview(data).cast("B")
        for number, inside, part in _parts(self._at, len(view)):
            self._block(number)[inside] = view[part]
        self._at += len(view)
        self._size = max(self._size, self._at)
        return len(view)

    def apply(self, copy: BinaryIO) -> None:
        """Make the same changes to a copy of the file below, which is open for writing."""
        copy.truncate(self._size)
        for number, block in sorted(self._blocks.items()):
            copy.seek(number * _BLOCK)
            copy.write(block[: max(self._size - number * _BLOCK, 0)])

    def _block(self, number: int) -> bytearray:
        if number not in self._blocks:
            self._blocks[number] = bytearray(_BLOCK)
            self._read_below(number * _BLOCK, memoryview(self._blocks[number]))
        return self._blocks[number]

    def _read_below(self, position: int, view: memoryview) -> None:
        """Fill a view with bytes of the file below, and with zeros beyond its end."""
        n_bytes = min(max(self._kept - position, 0), len(view))
        self._below.seek(position)
        content = self._below.read(n_bytes)
        view[: len(content)] = content
        view[len(content) :] = bytes(len(view) - len(content))


def _parts(position: int, n_bytes: int) -> Iterator[tuple[int, slice, slice]]:
    """Blocks that a range of bytes meets: their numbers, the place inside each, and the part of the range."""
    end = position + n_bytes
    for number in range(position // _BLOCK, -(-end // _BLOCK)):
        begin, stop = max(position, number * _BLOCK), min(end, (number + 1) * _BLOCK)
        yield number, slice(begin - number * _BLOCK, stop - number * _BLOCK), slice(begin - position, stop - position)
