"""Whether progress is shown: scanpy's verbosity rules, from `hint` on."""

from __future__ import annotations


def verbose() -> bool:
    """Whether the user wants progress bars."""
    from scanpy import settings

    return int(settings.verbosity) >= 3


def bar(title: str) -> str | None:
    """The title of a progress bar, if there is to be one."""
    return title if verbose() else None
