"""Files and folders that are replaced as a whole: after a crash the old one is still complete."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path` for a new file or folder, which is renamed to `path` at the end, or removed after an error.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with replacing(folder / "a.txt") as unfinished:
    ...     _ = unfinished.write_text("done")
    >>> [file.name for file in folder.iterdir()]
    ['a.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}-{uuid4().hex}")
    try:
        yield unfinished
        if unfinished.is_dir():  # a folder takes the name of a file, or of an empty folder, only
            remove(path)
        unfinished.replace(path)
    finally:
        remove(unfinished)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that it holds; nothing happens if there is neither."""
    if path.is_dir():
        # Renamed first, so that its name is free at once.
        shutil.rmtree(path.rename(path.with_name(f".{path.name}-{uuid4().hex}")))
    else:
        path.unlink(missing_ok=True)


def check_absent(path: Path, *, overwrite: bool) -> None:
    """Raise if something that must not be overwritten is in the way."""
    if path.exists() and not overwrite:
        msg = f"{path} exists. Choose another name, or pass overwrite=True."
        raise FileExistsError(msg)
