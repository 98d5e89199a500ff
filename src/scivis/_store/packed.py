"""What only scivis reads of an entry, as one array, so that the entry prints in a few lines.

The array holds the bytes of an `.npz` file, the archive of NumPy. Names in nested dictionaries are paths in it, and texts are
stored as UTF-8. Nothing in it can run: pickles are refused, and what is read is validated like the nested dictionaries of
earlier versions.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from .kept import shared
from .schema import fail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

# Parts of an entry that are packed. The array takes the place of the first.
PARTS = ("model", "expression", "correction")


def packed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry with its parts as one array of bytes under `model`.

    Examples
    --------
    >>> entry = {"method": "ivis", "model": {"format": 1, "weights": {"000": np.ones((2, 3))}}, "expression": {}}
    >>> short = packed(entry)
    >>> list(short), short["model"].dtype
    (['method', 'model'], dtype('uint8'))
    >>> unpacked(short)["model"]["weights"]["000"].shape
    (2, 3)
    """
    buffer = BytesIO()
    arrays = dict(_leaves({name: entry[name] for name in PARTS if name in entry}))
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # no path is the name of a flag of NumPy
    plain = {name: value for name, value in entry.items() if name not in PARTS}
    return plain | {"model": np.frombuffer(buffer.getvalue(), np.uint8).copy()}


def unpacked(entry: Mapping[str, Any], digest: str | None = None) -> dict[str, Any]:
    """The entry with its parts as nested dictionaries, as earlier versions stored it.

    Parts that were packed are kept under the `digest` of the entry, and must not be changed then.
    """
    stored = entry.get("model")
    if not isinstance(stored, np.ndarray) or stored.dtype != np.uint8 or stored.ndim != 1:
        return dict(entry)  # of an earlier version, or no model
    parts = shared(digest and ("parts", digest), lambda: _parts(stored))
    return {name: value for name, value in entry.items() if name != "model"} | parts


def _parts(stored: NDArray[np.uint8]) -> dict[str, Any]:
    """The parts in the bytes of an archive."""
    parts: dict[str, Any] = {"expression": {}}  # an empty dictionary has no path
    for path, value in _read(stored).items():
        _insert(parts, path.split("/"), value)
    if unknown := sorted(set(parts) - set(PARTS)):
        fail(f"it holds {unknown[0][:80]!r}, which is not one of {list(PARTS)}")
    return parts


def _leaves(parts: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """All values in nested dictionaries as arrays, with their paths."""
    for name, value in parts.items():
        if hasattr(value, "keys"):
            yield from _leaves(value, f"{path}{name}/")
        elif value is not None:
            array = np.asarray(value)
            is_text = array.dtype.kind in "OUT"
            yield f"{path}{name}", np.char.encode(array.astype(str), "utf-8", "surrogatepass") if is_text else array


def _read(stored: NDArray[np.uint8]) -> dict[str, Any]:
    """Arrays, numbers and texts by their paths."""
    content = BytesIO(stored.tobytes())
    try:
        with ZipFile(content) as archive:
            files = archive.infolist()
        # An archive may be small and claim to hold more than the memory does.
        if all(file.compress_type == ZIP_STORED for file in files) and sum(f.file_size for f in files) <= stored.size:
            with np.load(content, allow_pickle=False) as arrays:
                return {path: _plain(arrays[path], stored.size) for path in arrays.files}
    except Exception as error:  # noqa: BLE001  # both libraries raise errors of many kinds for altered bytes
        fail("its bytes are not an archive of arrays", error)
    fail("its bytes are an archive of more than they hold")


def _plain(array: Any, largest: int) -> Any:
    """An array with texts decoded, or the number or text of an array without axes."""
    if not isinstance(array, np.ndarray) or array.size > largest:
        msg = "not an array, or one of many values that take no memory"
        raise ValueError(msg)
    values = np.char.decode(array, "utf-8", "surrogatepass") if array.dtype.kind == "S" else array
    return values if values.ndim else values.item()


def _insert(parts: dict[str, Any], path: list[str], value: Any) -> None:
    """Put a value into nested dictionaries."""
    for name in path[:-1]:
        parts = parts.setdefault(name, {})
        if not isinstance(parts, dict):
            fail(f"{'/'.join(path)[:80]!r} lies in an array")
    parts[path[-1]] = value
