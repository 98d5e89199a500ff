"""Models that were built from stored entries, kept for the next call that needs them.

Building a network takes many times longer than placing a few cells with it. A model is kept under the digest of its entry,
so that a changed entry is never served by the model of the old one.
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

# Number of models. Those of many references at once are built again.
_SIZE = 4
_LOCK = Lock()
_KEPT: OrderedDict[Hashable, Any] = OrderedDict()


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
    if key is not None:
        with _LOCK:
            _KEPT[key] = model
            while len(_KEPT) > _SIZE:
                _KEPT.popitem(last=False)


def give_up_all() -> None:
    """Forget all models, for a process that was forked: it must neither wait for the lock of another nor use its models."""
    global _LOCK
    _LOCK = Lock()
    _KEPT.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=give_up_all)
