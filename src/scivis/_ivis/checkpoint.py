"""A folder from which a call of :func:`scivis.tl.ivis` resumes: its settings, its neighbors, and its model so far."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from scivis._store.files import replacing
from scivis._store.schema import UnusableModelError
from scivis._store.unfinished import holds_nothing
from scivis.neighbors import Neighbors

from .save import is_saved, load_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import keras
    from numpy.typing import NDArray

    from scivis.nn._autosave import Autosave

    from .model import FittedIvis

# Seconds between two saves. After a crash, at most this time and the rest of the epoch are lost.
_SECONDS = 120.0
_CALL, _NEIGHBORS, _MODEL = "call.json", "neighbors.npz", "model"
# Number of rows by which data are recognized.
_DIGEST_ROWS = 1000


@dataclass(frozen=True)
class Checkpoint:
    """The folder of one call."""

    folder: Path

    @classmethod
    def open(cls, folder: str | Path, call: dict[str, Any]) -> Checkpoint:
        """The checkpoint of a call, which is created if it does not exist.

        The call is recognized by `call`, its settings and digests of its data.

        Raises
        ------
        ValueError
            If the folder belongs to another call, or holds something else.
        """
        folder = Path(folder)
        path, text = folder / _CALL, json.dumps(call, indent=1, sort_keys=True, default=str)
        if path.is_file():
            _check_same(json.loads(text), path)
        elif folder.exists() and not holds_nothing(folder):
            msg = f"checkpoint={str(folder)!r} is not empty, and is not a checkpoint. Choose a new folder."
            raise ValueError(msg)
        with replacing(path) as unfinished:
            unfinished.write_text(text)
        return cls(folder)

    @property
    def index_path(self) -> Path:
        """File for an Annoy index."""
        return self.folder / "annoy.index"

    def neighbors(self, search: Callable[[], Neighbors]) -> Neighbors:
        """The stored neighbors; without any, those of a search, which are stored."""
        path = self.folder / _NEIGHBORS
        if not path.is_file():
            found = search()
            with replacing(path) as unfinished, unfinished.open("wb") as file:
                np.savez(file, indices=found.indices, counts=found.counts)
        with _naming_damage(path), path.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            return Neighbors(stored["indices"], stored["counts"])

    def resume(self, backbone: keras.Model | None) -> FittedIvis | None:
        """The model that was saved last, to be trained further; `None` if none was saved completely."""
        folder = self.folder / _MODEL
        if not is_saved(folder):
            return None
        with _naming_damage(folder):
            fitted = load_folder(folder, backbone=backbone).fitted
        if fitted is None or fitted.training is None:
            return fitted
        return replace(fitted, training=replace(fitted.training, interrupted=True))

    def autosave(self) -> Autosave:
        """The callback that saves during training."""
        from scivis.nn._autosave import Autosave

        return Autosave(self.folder / _MODEL, _SECONDS)


@contextmanager
def _naming_damage(path: Path) -> Iterator[None]:
    """Say what to do about a part of the checkpoint that a damaged disk has changed."""
    try:
        yield
    except (UnusableModelError, BadZipFile, KeyError, EOFError) as error:
        msg = f"{path} is damaged ({error}). Remove it, and repeat the call: what it held is then computed again."
        raise ValueError(msg) from error


def _check_same(call: dict[str, Any], path: Path) -> None:
    try:
        before = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read. Remove the folder {path.parent} and start again."
        raise ValueError(msg) from error
    changed = sorted(key for key in {*call, *before} if call.get(key) != before.get(key))
    if changed:
        msg = (
            f"checkpoint={str(path.parent)!r} belongs to a call that differs in {changed}. Repeat that call, choose another "
            "folder, or remove this one."
        )
        raise ValueError(msg)


def digest(x: NDArray[Any]) -> str:
    """SHA-256 of up to 1,000 evenly spaced rows, by which data are recognized."""
    rows = x[np.linspace(0, len(x) - 1, min(len(x), _DIGEST_ROWS)).astype(np.int64)]
    return hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
