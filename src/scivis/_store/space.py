"""Free space: looked at before much is written, and named when a disk is full."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)


class FullDiskError(OSError):
    """A disk without enough space, with what to do about it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)  # alone: it is printed without the number, which is for callers
        self.errno = errno.ENOSPC


def check_space(path: Path, n_bytes: int, what: str, remedy: str) -> None:
    """Raise, before anything is written, if `path` has no space for `n_bytes`.

    Examples
    --------
    >>> from pathlib import Path
    >>> check_space(Path("/"), 10**18, "The index", "Choose another disk.")
    Traceback (most recent call last):
    scivis._store.space.FullDiskError: The index needs up to 1,000,000,000.0 GB, but / has ... left. Choose another disk.
    """
    if n_bytes > (free := free_space(path)):
        msg = f"{what} needs up to {size(n_bytes)}, but {existing(path)} has {size(free)} left. {remedy}"
        raise FullDiskError(msg)


def free_space(path: Path) -> int:
    """Number of bytes that can be written to the disk on which `path` lies, or will lie."""
    return shutil.disk_usage(existing(path)).free


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(above for above in (path.absolute(), *path.absolute().parents) if above.exists())


@contextmanager
def naming_full_disk(path: Path, remedy: str = "choose another folder") -> Iterator[None]:
    """Turn the errors of a full disk, of which each library has its own, into one that says what to do.

    A read-only disk is named likewise.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if getattr(error, "errno", None) == errno.EROFS:
            msg = f"{path} cannot be written: its disk is read-only. Make it writable, or {remedy}."
            raise OSError(msg) from error
        if isinstance(error, FullDiskError) or not is_full(error):
            raise
        msg = (
            f"{path} cannot be written: its disk is full, or a quota is reached, with {size(free_space(path))} left. "
            f"Free some space, or {remedy}; then repeat the call."
        )
        raise FullDiskError(msg) from error


def is_full(error: BaseException) -> bool:
    """Whether an error comes from a full disk. HDF5 and Annoy report it in the text only."""
    return getattr(error, "errno", None) in _FULL or any(os.strerror(number) in str(error) for number in _FULL)


def size(n_bytes: int) -> str:
    """A number of bytes in the unit in which it is read best.

    Examples
    --------
    >>> size(4000), size(2_500_000), size(3 * 10**9)
    ('4.0 kB', '2.5 MB', '3.0 GB')
    """
    for factor, unit in ((10**9, "GB"), (10**6, "MB")):
        if n_bytes >= factor:
            return f"{n_bytes / factor:,.1f} {unit}"
    return f"{n_bytes / 1000:.1f} kB"
