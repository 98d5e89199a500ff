"""Stored entries that were altered at random, for `fuzz.py` and for the tests.

An entry of `.uns` is a tree of dictionaries. A mutant differs from it in one place: a value is removed, replaced by one of
another type, resized, or its numbers are changed. JSON texts are changed inside. All of it follows from one seed.
"""

from __future__ import annotations

import copy
import json
import linecache
import random
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import scivis
from scivis._store.digest import sealed
from scivis._store.schema import UnusableModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    Entry = dict[str, Any]
    Path_ = tuple[str, ...]

_SOURCE = str(Path(scivis.__file__).parent)
# Entries that hold JSON.
_JSON = ("config", "settings", "training")
_TEXTS = ("", "X", "custom", "Lambda", "os.system", "__import__('os')", "../..", "a/b", "\x00", "é" * 5000)
_NUMBERS = (
    0, 1, -1, 3, 10**6, 10**9, 2**63 - 1, 2**63, -(2**63), 10**400, 0.5, -0.0, 1e-300, 3e38, 1e39, 1e300,
    float("nan"), float("inf"), float("-inf"),
)  # fmt: skip


def leaves(entry: Mapping[str, Any], path: Path_ = ()) -> Iterator[Path_]:
    """Paths of all values in nested dictionaries, and of the dictionaries themselves."""
    for name, value in entry.items():
        yield (*path, name)
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, name))


def mutants(entry: Entry, seed: int, n: int, *, but: tuple[str, ...] = ()) -> Iterator[tuple[str, Entry]]:
    """`n` altered copies of an entry, each with a description of what was done; the places `but` stay as they are."""
    rng = random.Random(seed)
    paths = sorted(path for path in leaves(entry) if path[0] not in ("digest", *but))
    for _ in range(n):
        path, mutant = rng.choice(paths), copy.deepcopy(entry)
        inner = mutant
        for name in path[:-1]:
            inner = inner[name]
        what, value = _changed(inner[path[-1]], path[-1], rng)
        if what == "removed":
            del inner[path[-1]]
        else:
            inner[path[-1]] = value
        yield f"{'/'.join(path)} {what}", mutant


def resealed(entry: Entry) -> Entry:
    """The entry with a digest of its own, as a stranger would write it; without one if it holds what has no digest."""
    entry = {name: value for name, value in entry.items() if name != "digest"}
    try:
        return sealed(entry)
    except UnusableModelError:
        return entry


def is_own(error: BaseException) -> bool:
    """Whether an error was raised by a statement of scivis, and not by what it calls: its message is for the user."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(last.filename, last.lineno or 0).strip()
    return isinstance(error, ValueError | KeyError) and last.filename.startswith(_SOURCE) and line.startswith("raise ")


def _changed(value: Any, name: str, rng: random.Random) -> tuple[str, Any]:
    """What is done to a value, and what it becomes."""
    if name in _JSON and isinstance(value, str) and rng.random() < 0.8:
        return _changed_json(value, rng)
    if rng.random() < 0.1:
        return "removed", None
    if isinstance(value, np.ndarray) and rng.random() < 0.75:
        name, change = rng.choice(list(_ARRAYS.items()))
        with np.errstate(all="ignore"):
            try:
                return name, change(value, rng)
            except (TypeError, ValueError):  # texts have no sign
                return "emptied", value[:0]
    return "replaced", _anything(rng)


def _changed_json(text: str, rng: random.Random) -> tuple[str, Any]:
    """One value inside, at any depth, removed or replaced."""
    config = json.loads(text)
    path, inner = [], config
    while isinstance(inner, dict) and inner and (not path or rng.random() < 0.8):
        path.append(rng.choice(sorted(inner)))
        inner = inner[path[-1]]
    parent = config
    for key in path[:-1]:
        parent = parent[key]
    if rng.random() < 0.25:
        del parent[path[-1]]
        return f"{'.'.join(path)} removed", json.dumps(config)
    numbers = [rng.choice(_NUMBERS) for _ in range(3)]
    parent[path[-1]] = rng.choice([None, True, *_NUMBERS, *_TEXTS, [], {}, numbers, [numbers], {"a": numbers}])
    return f"{'.'.join(path)} replaced by {str(parent[path[-1]])[:40]}", json.dumps(config)


def _anything(rng: random.Random) -> Any:
    """A value of any type that could be in a dictionary, or in a file."""
    nested: list[Any] = []
    for _ in range(rng.choice([3, 200])):
        nested = [nested]
    arrays = [
        np.array(rng.choice(_NUMBERS[:9])),
        np.array("a"),
        np.empty((0, 2), np.float32),
        np.array(["a", "a"], dtype=object),
        np.array([{"a": 1}], dtype=object),
        np.full((2, 2), np.nan, np.float32),
        np.array([1 + 1j]),
        np.array(["2020"], "M8[D]"),
        np.broadcast_to(np.float32(1), (10**5, 10**5)),
    ]
    others = [None, True, b"a", [], {}, (), {1, 2}, object(), nested, [[1], [1, 2]], {"000": np.ones(1)}, {0: 1}]
    return rng.choice([rng.choice(_NUMBERS), rng.choice(_TEXTS), rng.choice(arrays), rng.choice(others)])


def _scattered(array: np.ndarray, rng: random.Random, value: float) -> np.ndarray:
    """The array with one other number."""
    other = np.array(array, dtype=np.result_type(array, np.float32))
    if other.size:
        other.flat[rng.randrange(other.size)] = value
    return other


_ARRAYS: dict[str, Any] = {
    "halved": lambda a, rng: a[: len(a) // 2],
    "doubled": lambda a, rng: np.concatenate([a, a]),
    "widened": lambda a, rng: np.concatenate([a, a], axis=-1),
    "transposed": lambda a, rng: a.T,
    "flattened": lambda a, rng: a.ravel(),
    "with another axis": lambda a, rng: a[None],
    "repeated without memory": lambda a, rng: np.broadcast_to(a.ravel()[:1], (10**5, 10**5)),
    "shuffled": lambda a, rng: a[rng.sample(range(len(a)), len(a))],
    "negated": lambda a, rng: -a,
    "zeroed": lambda a, rng: np.zeros_like(a),
    "enormous": lambda a, rng: np.full_like(a, 3e38),
    "with one other number": lambda a, rng: _scattered(a, rng, rng.choice([0.0, 1e30, -1e30, np.nan, np.inf])),
    "as integers": lambda a, rng: a.astype(int),
    "as booleans": lambda a, rng: a.astype(bool),
    "as doubles": lambda a, rng: a.astype(float),
    "as complex": lambda a, rng: a.astype(complex),
    "as texts": lambda a, rng: a.astype(str),
    "as objects": lambda a, rng: a.astype(object),
    "as a list": lambda a, rng: a.tolist(),
}
