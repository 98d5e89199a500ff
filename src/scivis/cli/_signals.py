"""Signals that end a command: it cleans up as after an error, and ends with one line."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Ctrl-C, the end of a job or container, and a closed terminal. Windows has no SIGHUP.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Stopped(BaseException):
    """A signal to end. No code that handles errors handles it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


@contextmanager
def raising_stopped() -> Iterator[None]:
    """Raise :class:`Stopped` at these signals. Those that are ignored stay ignored, as SIGHUP under `nohup`."""
    before = {}
    # Only the main thread may set handlers.
    names = _NAMES if threading.current_thread() is threading.main_thread() else ()
    for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            before[number] = signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _frame: object) -> None:
    raise Stopped(number)
