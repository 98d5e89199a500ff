"""An Annoy index together with its file: saved, closed, deleted and pickled."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scivis._store.files import replacing
from scivis._store.unfinished import clear_unfinished, delete_unfinished, name_unfinished

from ._annoy_file import check_metric, check_size, load_index

if TYPE_CHECKING:
    from annoy import AnnoyIndex


class StoredIndex:
    """An Annoy index of `n_rows` rows, and its file if it has one.

    Pickles and copies refer to a file that the caller named. Otherwise they contain the index.
    """

    def __init__(self, index: AnnoyIndex, n_rows: int, metric: str, path: str | os.PathLike[str] | None) -> None:
        check_metric(metric)
        check_size(index, n_rows)
        self.index: AnnoyIndex | None = index
        self.path, self.metric, self.shape = path, metric, (n_rows, index.f)
        # The path, if it is that of a temporary file of this object.
        self.temporary: TemporaryIndexFile | None = None

    def opened(self) -> AnnoyIndex:
        """The index, unless it was closed."""
        if self.index is None:
            msg = "The index was unloaded. Load it again with AnnoyKnnMatrix.load, or build a new one."
            raise RuntimeError(msg)
        return self.index

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to another file, as a whole or not at all."""
        index = self.opened()
        with replacing(path) as unfinished:
            if self.path is not None:
                shutil.copyfile(self.path, unfinished)
                return
            index.save(str(unfinished))
            if not unfinished.exists():  # Annoy reports success
                msg = "Annoy cannot save an index that it built on disk. Pass the path of its file as index_path."
                raise ValueError(msg)

    def close(self) -> None:
        """Close the index."""
        if self.index is not None:
            self.index.unload()
        self.index = None

    def delete(self, *, parent: bool) -> None:
        """Close the index and delete its file, and its folder if asked for; nothing if the folder holds other files."""
        file = None if self.path is None else Path(self.path)
        if file is None or not file.parent.is_dir():
            self.close()
            return
        if parent and any(other != file for other in file.parent.iterdir()):
            msg = f"{file.parent} holds other files than the index {file.name}, which delete_index(parent=True) would delete."
            raise OSError(msg)
        self.close()
        file.unlink(missing_ok=True)
        if parent:
            file.parent.rmdir()
        self.temporary = None

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__ | {"index": None, "temporary": None}
        return state | {"is_open": self.index is not None, "content": self._content()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        is_open, content = state.pop("is_open"), state.pop("content")
        self.__dict__.update(state)
        if content is not None:
            self.temporary = TemporaryIndexFile()
            self.temporary.path.write_bytes(content)
            self.path = self.temporary.path
        if is_open:
            self.index = load_index(str(self.path), *self.shape, self.metric)

    def _content(self) -> bytes | None:
        """The index as bytes, unless it is closed or in a file that the caller named."""
        if self.index is None or (self.path is not None and self.temporary is None):
            return None
        file = self.temporary or TemporaryIndexFile()
        if file is not self.temporary:
            self.save(file.path)
        return file.path.read_bytes()


class TemporaryIndexFile:
    """A path for a new file in a temporary folder, which is removed with this object or when the process ends.

    What dead processes left in the folder for temporary files is removed first.
    """

    def __init__(self) -> None:
        name = Path(tempfile.gettempdir(), "scivis-annoy")
        clear_unfinished(name)
        folder = name_unfinished(name)
        folder.mkdir(mode=0o700)
        self.path = folder / "annoy.index"
        self.remove = weakref.finalize(self, _remove_folder, folder, os.getpid())


def _remove_folder(folder: Path, process: int) -> None:
    if os.getpid() == process:  # a forked process must not remove the file of its parent
        delete_unfinished(folder)
