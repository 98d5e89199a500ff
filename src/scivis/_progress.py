"""Progress bars, which scanpy's verbosity enables from `hint` on."""

from __future__ import annotations


def verbose() -> bool:
    """Whether progress bars are shown."""
    from scanpy import settings

    return int(settings.verbosity) >= 3


def bar(title: str) -> str | None:
    """The title of a progress bar; `None` if none is shown."""
    return title if verbose() else None
