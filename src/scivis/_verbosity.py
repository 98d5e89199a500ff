"""Whether tools show progress bars, by scanpy's verbosity."""

from __future__ import annotations


def verbose() -> bool:
    """Whether progress bars are shown: at any verbosity but 0, as long stages would give no sign of life."""
    from scanpy import settings

    return int(settings.verbosity) >= 1


def bar(title: str) -> str | None:
    """The title of a progress bar; `None` if none is shown."""
    return title if verbose() else None
