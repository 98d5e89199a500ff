"""Names for what is being written, by which a later process can tell what a dead one left behind.

A name carries the machine and the number of the process. Only a process of the same machine can be known to be dead, so
that nothing is removed that another machine, or another container, may still be writing to a shared disk.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"\.(?P<name>.+)\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}\.unfinished", re.DOTALL)
# What this process is writing now: a dead process may have had the same number.
_MINE: set[Path] = set()


@contextmanager
def unfinished_beside(path: Path) -> Iterator[Path]:
    """A hidden path beside `path`; whatever is still there at the end is removed."""
    unfinished = name_unfinished(path)
    try:
        yield unfinished
    finally:
        delete_unfinished(unfinished)


def name_unfinished(path: Path) -> Path:
    """A new hidden path beside `path`, which this process is writing until it calls :func:`delete_unfinished`.

    Examples
    --------
    >>> unfinished = name_unfinished(Path("a.txt"))
    >>> unfinished.name.startswith(".a.txt."), unfinished.suffix
    (True, '.unfinished')
    """
    unfinished = path.with_name(f".{path.name}.{_machine()}-{os.getpid()}-{uuid4().hex[:8]}.unfinished")
    _MINE.add(unfinished.absolute())
    return unfinished


def delete_unfinished(unfinished: Path) -> None:
    """Remove an unfinished file or folder; nothing happens if there is none, or if it is finished and renamed."""
    if unfinished.is_dir() and not unfinished.is_symlink():
        shutil.rmtree(unfinished, ignore_errors=True)  # another process may be deleting it, too
    else:
        with suppress(OSError):
            unfinished.unlink()
    _MINE.discard(unfinished.absolute())


def clear_unfinished(path: Path) -> None:
    """Remove what dead processes of this machine left beside `path` when they wrote it."""
    for found in _entries(path.parent):
        match = _NAME.fullmatch(found.name)
        if match and match["name"] == path.name and match["machine"] == _machine() and _is_dead(found, match):
            delete_unfinished(found)


def holds_nothing(folder: Path) -> bool:
    """Whether a folder holds nothing, or nothing but what is unfinished."""
    return folder.is_dir() and all(_NAME.fullmatch(found.name) for found in folder.iterdir())


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _is_dead(found: Path, match: re.Match[str]) -> bool:
    process = int(match["process"])
    return found.absolute() not in _MINE if process == os.getpid() else not _is_running(process)


def _is_running(process: int) -> bool:
    if os.name == "nt":  # signal 0 is Ctrl-C there
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # a process of another user; no number of a process
        return True
    return True


@cache
def _machine() -> str:
    """Digest of the name of this machine and, on Linux, of the namespace in which processes have their numbers."""
    namespace = Path("/proc/self/ns/pid")
    numbers = str(namespace.readlink()) if namespace.is_symlink() else ""
    return hashlib.sha256(f"{platform.node()} {numbers}".encode()).hexdigest()[:8]
