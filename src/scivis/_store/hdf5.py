"""Nested dictionaries of arrays, numbers and strings in HDF5 files that carry a checksum.

The HDF5 library trusts what it reads: one damaged byte can end the process, or change a weight unnoticed. HDF5 allows a
user block at the start of a file; a name and a SHA-256 digest of everything after them are stored there and compared
before the library opens the file. The digest protects against accidents only: whoever alters a file on purpose can
write a new digest, and everything that is read is validated as well.
"""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from .files import replacing
from .schema import UnusableModelError, fail

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The smallest user block that HDF5 allows.
_USER_BLOCK = 512
_NAME = b"scivis model\n"
_HEAD = len(_NAME) + hashlib.sha256().digest_size
# Depth of nested groups: the file, the model, its weights.
_DEPTH = 2


def write_entry(path: Path, entry: Mapping[str, Any]) -> None:
    """Write a nested dictionary to a file, which is replaced as a whole."""
    # In memory first: after a failed write, as to a full disk, the HDF5 library cannot close its file.
    buffer = BytesIO()
    with h5py.File(buffer, "w", userblock_size=_USER_BLOCK) as file:
        _write(file, entry)
    content = signed(buffer.getvalue())
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)


def read_entry(path: Path) -> dict[str, Any]:
    """Read a nested dictionary of numbers, strings and numeric arrays.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, or holds anything else than data of its own.
    """
    if not path.is_file():
        msg = f"There is no file {path}."
        raise FileNotFoundError(msg)
    if not is_undamaged(path):
        fail(f"{path} is damaged, or no model of scivis")
    try:
        with h5py.File(path, "r") as file:
            return _read(file, path.stat().st_size)
    except UnusableModelError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        fail(f"{path} is not a complete HDF5 file", error)


def signed(content: bytes) -> bytes:
    """The content of a file with its digest in the user block."""
    return _head(content) + content[_HEAD:]


def is_undamaged(path: Path) -> bool:
    """Whether a file has a digest, and has not changed since it was written."""
    content = path.read_bytes()
    return content[:_HEAD] == _head(content)


def _head(content: bytes) -> bytes:
    return _NAME + hashlib.sha256(content[_HEAD:]).digest()


def _write(group: h5py.Group, entry: Mapping[str, Any]) -> None:
    for name, value in entry.items():
        if isinstance(value, dict):
            _write(group.create_group(name), value)
        elif isinstance(value, np.ndarray):
            group[name] = value
        else:
            group.attrs[name] = value


def _read(group: h5py.Group, size: int, depth: int = 0) -> dict[str, Any]:
    """Groups as dictionaries. Links are refused, and so are arrays that are larger than the file."""
    # A group may contain itself. Python's recursion limit would be too late: h5py would keep its lock and block other threads.
    if depth > _DEPTH:
        fail("its groups are nested deeper than those of a model")
    entry: dict[str, Any] = dict(group.attrs)
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            fail(f"{name} is a link")
        value = group[name]
        entry[name] = _read(value, size, depth + 1) if isinstance(value, h5py.Group) else _array(value, name, size)
    return entry


def _array(value: Any, name: str, size: int) -> np.ndarray:
    if not isinstance(value, h5py.Dataset) or value.dtype.kind not in "fiu":
        fail(f"{name} is not an array of numbers")
    if value.is_virtual or value.external or value.nbytes > size:
        fail(f"the numbers of {name} are not in the file")
    return np.asarray(value[()])
