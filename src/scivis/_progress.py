"""Progress bars of long stages."""

from __future__ import annotations

from typing import Any

# Seconds after which a bar appears, so that stages of little data show none.
DELAY = 2.0


def progress_bar(*args: Any, **kwargs: Any) -> Any:
    """A bar of tqdm, as a widget in notebooks, that appears only if a stage takes long."""
    from tqdm.auto import tqdm

    bar: Any = tqdm  # whose stubs list all arguments
    return bar(*args, delay=DELAY, **kwargs)
