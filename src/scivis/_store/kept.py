"""Stored entries that were read, and models that were built from them, kept for the next call that needs them.

Reading an entry and building a network take many times longer than placing a few cells. Both are kept under the digest of the
entry, so that a changed entry is never served by what was made of the old one.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    Model = TypeVar("Model")

# Numbers of models, and of parts of their entries. Those of many references at once are built again.
_SIZE, _PARTS = 4, 8
_LOCK = Lock()
_KEPT: OrderedDict[Hashable, Any] = OrderedDict()
_SHARED: OrderedDict[Hashable, Any] = OrderedDict()


@contextmanager
def borrowed(key: Hashable | None, build: Callable[[], Model]) -> Iterator[Model]:
    """A model for the block only: that which was kept under `key`, or a new one. `None` keeps no model.

    A model belongs to one block at a time, because learners change while they are used: a second thread builds its own.
    After an error it is given up.

    Examples
    --------
    >>> with borrowed("a", lambda: ["built"]) as model:
    ...     model.append("used")
    >>> with borrowed("a", lambda: ["built"]) as model:
    ...     model
    ['built', 'used']
    """
    with _LOCK:
        kept = _KEPT.pop(key, None)
    model = build() if kept is None else kept
    yield model
    _keep(_KEPT, key, model, _SIZE)


def shared(key: Hashable | None, build: Callable[[], Model]) -> Model:
    """What was built under `key`, or builds it. Any number of callers hold it at once, and none may change it.

    Examples
    --------
    >>> shared("b", lambda: ("built",)) is shared("b", lambda: ("never built",))
    True
    """
    with _LOCK:
        found = _SHARED.get(key)
    found = build() if found is None else found
    _keep(_SHARED, key, found, _PARTS)
    return found


def _keep(kept: OrderedDict[Hashable, Any], key: Hashable | None, value: Any, size: int) -> None:
    """Keep a value as the last of at most `size`."""
    if key is None:
        return
    with _LOCK:
        kept[key] = value
        kept.move_to_end(key)
        while len(kept) > size:
            kept.popitem(last=False)


def give_up_all() -> None:
    """Forget everything, for a process that was forked: it must neither wait for the lock of another nor use its models."""
    global _LOCK
    _LOCK = Lock()
    _KEPT.clear()
    _SHARED.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=give_up_all)
