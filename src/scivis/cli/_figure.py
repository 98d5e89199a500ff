"""The file of a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scivis._store.files import replacing

if TYPE_CHECKING:
    from pathlib import Path


def save_figure(axes: Any, path: Path) -> None:
    """Write the figure of these Axes to a file, as a whole or not at all."""
    with replacing(path) as unfinished:
        axes.figure.savefig(unfinished, format=format_of(path), dpi=150, bbox_inches="tight")


def format_of(path: Path) -> str:
    """Format of a file by its name, as matplotlib names it."""
    return path.suffix.lstrip(".").lower()
