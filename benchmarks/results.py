"""Rows of results: printed while they are measured, and written as a table."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    Row = dict[str, Any]


def printed(rows: Iterable[Row]) -> list[Row]:
    """All rows, each printed when it is there."""
    listed = []
    for row in rows:
        listed.append(row)
        print(row, flush=True)
    return listed


def write(path: Path, rows: list[Row]) -> None:
    """Write rows as CSV, with the columns of all of them in the order of their first appearance."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
