"""A digest of everything that a stored entry holds, by which an accidental change is noticed.

The digest is the same before and after a file: HDF5, zarr and concatenation lose empty dictionaries and `None`, and return
other types of numbers and of texts. It does not protect against a stranger, who can write a new digest; whatever is read
is validated as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from .schema import fail, plain_array

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY = "digest"
_SIZE = 16
# Deeper than any entry. A dictionary may contain itself.
_DEPTH = 10
_SCALARS = (str, bytes, bool, int, float, complex)


def sealed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry with its digest.

    Examples
    --------
    >>> entry = sealed({"method": "ivis", "model": {"weights": np.ones(2)}})
    >>> check_seal(entry) == entry["digest"]
    True
    >>> entry["model"]["weights"][0] = 2
    >>> check_seal(entry)
    Traceback (most recent call last):
    scivis._store.schema.UnusableModelError: The stored model cannot be used: it has changed since it was written...
    """
    return {**entry, _KEY: digest_of(entry)}


def check_seal(entry: Mapping[str, Any]) -> str:
    """The digest of an entry; raise if it is not the one that was stored. Entries of earlier versions have none."""
    digest = digest_of(entry)
    stored = entry.get(_KEY)
    if stored is not None and str(stored)[: 2 * _SIZE + 1] != digest:
        fail("it has changed since it was written. If you changed it on purpose, remove its entry 'digest'")
    return digest


def digest_of(entry: Mapping[str, Any]) -> str:
    """Digest of names, types, shapes and values of all that a nested dictionary holds, except for a stored digest."""
    hasher = blake2b(digest_size=_SIZE)
    for path, value in _leaves({name: value for name, value in entry.items() if name != _KEY}, ()):
        kind, content = _plain(value, " ".join(path))
        # The length of each part keeps apart what is only divided differently.
        hasher.update(json.dumps([path, kind, len(content)]).encode())
        hasher.update(content)
    return hasher.hexdigest()


def _leaves(entry: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All values in nested dictionaries with their paths, in alphabetical order."""
    if len(path) > _DEPTH:
        fail("its dictionaries are nested deeper than those of a model")
    for name, value in sorted(entry.items(), key=lambda item: str(item[0])):
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, str(name)))
        elif value is not None:
            yield (*path, str(name)), value


def _plain(value: Any, name: str) -> tuple[str, bytes | memoryview]:
    """Kind and content of a value. Numbers are the same as arrays without axes, whatever their size in memory."""
    array = plain_array(value, name)
    if array.dtype.kind not in "biufcOUST" or (array.ndim == 0 and not isinstance(array.item(), _SCALARS)):
        fail(f"{name} is neither text nor numbers")
    if array.ndim == 0:
        kind = "number" if array.dtype.kind in "biufc" else "text"
        return kind, _text(array.item()).encode("utf-8", "surrogatepass")
    if array.size == 0:
        return f"empty {array.shape}", b""
    if array.dtype.kind in "OUST":
        texts = json.dumps([_text(text) for text in array.ravel().tolist()])
        return f"texts {array.shape}", texts.encode()
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return f"{array.dtype.str} {array.shape}", array.reshape(-1).view(np.uint8).data


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
