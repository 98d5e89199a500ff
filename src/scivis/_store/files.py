"""Files and folders that are replaced as a whole: after a crash the old one is still complete."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from .space import existing, naming_full_disk
from .unfinished import clear_unfinished, unfinished_beside

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path` for a new file or folder, which is renamed to `path` at the end, or removed after an error.

    What dead processes left when they wrote `path` is removed first. After an error, folders that were created for `path`
    are removed, too.

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
    clear_unfinished(path)
    with naming_full_disk(path), _parents(path), unfinished_beside(path) as unfinished:
        yield unfinished
        if unfinished.is_dir():  # a folder takes the name of a file, or of an empty folder, only
            remove(path)
        unfinished.replace(path)


@contextmanager
def _parents(path: Path) -> Iterator[None]:
    """Create the folders above `path`; after an error, remove those that were created."""
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):  # something else is in it by now, or it was not created
                folder.rmdir()
        raise


def check_writable(name: str, path: Path) -> None:
    """Raise, before any work, if no file or folder can be written at `path`, the value of the argument `name`."""
    folder = path if path.is_dir() else existing(path.parent)
    try:
        with TemporaryFile(dir=folder):
            return
    except OSError as error:
        reason = error.strerror if folder.is_dir() else "it is a file"
        msg = f"{name}={str(path)!r} cannot be written: {folder} takes no new files ({reason}). Choose another folder."
        raise OSError(msg) from error


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that it holds; nothing happens if there is neither."""
    if path.is_dir():
        with unfinished_beside(path) as unwanted:
            path.rename(unwanted)  # so that its name is free at once
    else:
        path.unlink(missing_ok=True)


def check_absent(path: Path, *, overwrite: bool) -> None:
    """Raise if something that must not be overwritten is in the way."""
    if path.exists() and not overwrite:
        msg = f"{path} exists. Choose another name, or pass overwrite=True."
        raise FileExistsError(msg)
