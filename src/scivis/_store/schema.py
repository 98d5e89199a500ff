"""The common schema of stored models: JSON and numbered arrays, validated when they are read.

Each method packs its own entry out of these parts. Nothing in an entry can run: an architecture is a set of names and
sizes from which scivis builds the network, and weights are arrays whose number and shapes must be those of that network.
A file from a stranger therefore cannot run code; at worst it is refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from scivis._checks import is_integer, is_real

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

FORMAT = 1
# Wider than any network in use. A forged width must not exhaust the memory.
_MAX_WIDTH = 1_000_000
_SMALLEST, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


class UnusableModelError(ValueError):
    """A stored model is incomplete or has been altered."""


def fail(what: str, cause: Exception | None = None) -> NoReturn:
    """Raise the error for a stored model that is incomplete or has been altered."""
    msg = f"The stored model cannot be used: {what}. Fit it again, or read the file again from its source."
    raise UnusableModelError(msg) from cause


def check_entry(stored: Any, required: Collection[str]) -> None:
    """Raise unless a stored model is a dictionary with the required keys, in a format that this version reads."""
    if not hasattr(stored, "keys"):
        fail(f"it is a {type(stored).__name__}, not a dictionary")
    if missing := {"format", *required} - set(stored):
        fail(f"it lacks {sorted(missing)}")
    version = stored["format"]
    if not is_integer(version) or version < 1:
        fail(f"its format is {str(version)[:80]!r}")
    if version > FORMAT:
        msg = f"The stored model has format {version}, but this scivis reads up to {FORMAT}. Update scivis."
        raise ValueError(msg)


def to_json(entry: dict[str, Any]) -> str:
    """JSON text, with NumPy numbers and arrays as plain numbers and lists."""
    return json.dumps(entry, default=lambda value: value.tolist())


def from_json(stored: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The JSON object stored under a name."""
    try:
        entry = json.loads(stored[name])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        fail(f"its {name} is not JSON", error)
    if not isinstance(entry, dict):
        fail(f"its {name} is not a JSON object")
    return entry


def arrays_to_dict(arrays: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """A list of arrays as a dictionary with numbered keys, which files return in this order.

    Examples
    --------
    >>> list(arrays_to_dict([np.ones(2), np.ones(3)]))
    ['000', '001']
    """
    return {f"{i:03d}": array for i, array in enumerate(arrays)}


def dict_to_arrays(entry: Any, name: str, kinds: str = "f") -> list[np.ndarray]:
    """The list of finite arrays that :func:`arrays_to_dict` was given.

    Parameters
    ----------
    entry
        The dictionary.
    name
        Name of one array in messages.
    kinds
        Allowed kinds of dtype: `f`, `i`, `u`.
    """
    if not hasattr(entry, "keys") or sorted(entry) != [f"{i:03d}" for i in range(len(entry))]:
        fail(f"its {name}s are not numbered 000, 001, …")
    return [finite_array(entry[key], f"{name} {key}", kinds) for key in sorted(entry)]


def plain_array(values: Any, name: str) -> np.ndarray:
    """An array that holds each of its values. One number, repeated without memory, could fill the memory when it is read."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RecursionError) as error:  # lists of unequal length, or nested without end
        fail(f"{name} is not an array", error)
    low, high = np.lib.array_utils.byte_bounds(array)
    if high - low < array.nbytes:
        fail(f"{name} has shape {array.shape}, but does not hold as many values")
    return array


def finite_array(values: Any, name: str, kinds: str = "f") -> np.ndarray:
    """An array of finite numbers within the range of float32."""
    array = plain_array(values, name)
    if array.dtype.kind not in kinds or not float(np.abs(array).max(initial=0)) <= _LARGEST:
        fail(f"{name} is not an array of finite floating-point numbers")
    return array


def float32_array(values: Any, name: str) -> NDArray[np.float32]:
    """An array of finite floating-point numbers, as float32."""
    return finite_array(values, name).astype(np.float32)


def check_shapes(name: str, given: list[tuple[int, ...]], expected: list[tuple[int, ...]]) -> None:
    """Raise unless arrays have the shapes that the rest of the model asks for."""
    if given != expected:
        fail(f"its {name} have shapes {given}, but its network needs {expected}")


def is_width(value: object) -> bool:
    """Whether a value can be the width of a layer."""
    return is_integer(value) and 1 <= value <= _MAX_WIDTH  # type: ignore[operator]  # an integer by then


def is_positive(value: object) -> bool:
    """Whether a value is a number above 0 within the range of float32."""
    return is_number(value) and value >= _SMALLEST  # type: ignore[operator]  # a number by then


def is_number(value: object) -> bool:
    """Whether a value is a number within the range of float32."""
    return is_real(value) and -_LARGEST <= value <= _LARGEST  # type: ignore[operator]  # a number by then
