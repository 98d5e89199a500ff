"""A folder from which a call that was killed goes on: what it was called with, its neighbours, and its model so far."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._store.files import replacing
from scivis.neighbors import Neighbors

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scivis.nn._autosave import Autosave

    from .estimator import Ivis

# Minutes of work that a kill may cost, beside the rest of the epoch.
_SECONDS = 120.0
_CALL, _NEIGHBORS, _MODEL = "call.json", "neighbors.npz", "model"
# Rows by which data are recognised.
_ROWS = 1000


@dataclass(frozen=True)
class Checkpoint:
    """What is in the folder of one call.

    Parameters
    ----------
    folder
        Made when it is opened.
    """

    folder: Path

    @classmethod
    def open(cls, folder: str | Path, call: dict[str, Any]) -> Checkpoint:
        """The checkpoint of this call, new or begun.

        Raises
        ------
        ValueError
            If the folder is that of another call, or holds something else.
        """
        folder = Path(folder)
        path, text = folder / _CALL, json.dumps(call, indent=1, sort_keys=True, default=str)
        if path.is_file():
            _check_same(json.loads(text), path)
        elif folder.exists() and any(folder.iterdir()):
            msg = f"checkpoint={str(folder)!r} is not empty, and not a checkpoint. Name a new folder."
            raise ValueError(msg)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as unfinished:
            unfinished.write_text(text)
        return cls(folder)

    def neighbors(self, search: Callable[[], Neighbors]) -> Neighbors:
        """The neighbours that were found before the kill, or those found now."""
        path = self.folder / _NEIGHBORS
        if not path.is_file():
            found = search()
            with replacing(path) as unfinished, unfinished.open("wb") as file:
                np.savez(file, indices=found.indices, counts=found.counts)
        with np.load(path, allow_pickle=False) as stored:
            return Neighbors(stored["indices"], stored["counts"])

    def resume(self, model: Ivis) -> Ivis:
        """The model as it was when it was last saved, to be fitted further; the one given, if none was saved."""
        from .save import load

        if not (self.folder / _MODEL).exists():
            return model
        saved = load(self.folder / _MODEL, model)
        saved.set_params(**model.get_params(deep=False))
        if saved._trained:
            saved._trained = replace(saved._trained, interrupted=True)
        return saved

    def autosave(self) -> Autosave:
        """The callback that saves during training."""
        from scivis.nn._autosave import Autosave

        return Autosave(self.folder / _MODEL, _SECONDS)


def _check_same(call: dict[str, Any], path: Path) -> None:
    try:
        before = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: remove the folder {path.parent} and begin anew."
        raise ValueError(msg) from error
    changed = sorted(key for key in {*call, *before} if call.get(key) != before.get(key))
    if changed:
        msg = (
            f"checkpoint={str(path.parent)!r} belongs to a call that differs in {changed}. Repeat that call, name another "
            "folder, or remove this one."
        )
        raise ValueError(msg)


def digest(x: NDArray[Any]) -> str:
    """By what rows are recognised: some of them, evenly spread."""
    rows = x[np.linspace(0, len(x) - 1, min(len(x), _ROWS)).astype(np.int64)]
    return hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
