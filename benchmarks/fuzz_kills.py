"""Processes that are killed while they write; a section of `fuzz.py`.

SIGKILL, SIGTERM and SIGINT by turns; data in memory and in backed files; half of them at any moment of the work, half in the 10 ms after something began to be
written. What was there before can be read, or the new file is complete; the same call then succeeds, and clears what was left.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import time
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
from fuzz_entries import cells

import scivis
from scivis import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Children are forked, so that nothing is imported again. Only they compute: whoever has computed cannot be forked.
_FORK = multiprocessing.get_context("fork")
_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_CALL = {"n_neighbors": 5, "network": [4], "epochs": 4}
_SAVES = 500


def trials(seed: int, n: int, first: int = 0) -> Iterator[tuple[str, str | None]]:
    """Promise and failure, if there is one, of the trials from `first` to `n`."""
    with TemporaryDirectory() as name:
        cases = [case(Path(name) / case.__name__) for case in CASES]
        for i in range(first, n):
            case, number = cases[i % len(cases)], _SIGNALS[i // len(cases) % 3]
            yield f"{case.promise} ({number.name})", case.trial(random.Random(f"{seed} {i}"), number)


class Case:
    """Work that is killed in a folder of its own. `seconds` is how long it takes."""

    promise: str

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.ready, self.error = folder, folder / "ready", folder / "error"

    def run(self, work: Callable[[], Any], rng: random.Random | None = None, number: int = 0) -> int:
        """Exit status of a child that works, and is killed if `rng` is given."""
        for file in (self.ready, self.error):
            file.unlink(missing_ok=True)
        child = _FORK.Process(target=self.child, args=(work,))
        child.start()
        if rng:
            self.wait(child, rng)
            if child.is_alive():
                os.kill(child.pid, number)
        child.join()
        return child.exitcode

    def child(self, work: Callable[[], Any]) -> None:
        try:
            os._exit(work() or 0)
        except KeyboardInterrupt:
            os._exit(130)
        except BaseException:  # noqa: BLE001 (the parent reads it)
            self.error.write_text(traceback.format_exc())
            os._exit(1)

    def wait(self, child: Any, rng: random.Random) -> None:
        """Wait for the moment of the kill."""
        seconds, aimed = rng.uniform(0, self.seconds), rng.random() < 0.5
        while child.is_alive() and not (self.ready.exists() and (not aimed or unfinished(self.folder))):
            time.sleep(0.0005)
        child.join(rng.uniform(0, 0.01) if aimed else seconds)

    def whole(self, work: Callable[[], Any]) -> None:
        """Work that is not killed must succeed."""
        begin = time.monotonic()
        assert self.run(work) == 0, self.failed()
        self.seconds = time.monotonic() - begin

    def failed(self) -> str | None:
        """The error of the last child, if it had one."""
        return self.error.read_text()[-500:] if self.error.exists() else None


class Saves(Case):
    promise = (
        "killed save_model(overwrite=True): the model is the previous or the new one; the next save leaves no litter"
    )

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.whole(self.fit)
        self.models = [(folder / name / "model.h5").read_bytes() for name in "ab"]
        self.seconds = 0.2

    def fit(self) -> None:
        for seed, name in enumerate("ab"):
            model = scivis.Ivis(k=5, batch_size=20, model=[4], epochs=1, verbose=0, random_state=seed)
            model.fit(cells(60, 0).X).save_model(self.folder / name)

    def trial(self, rng: random.Random, number: int) -> str | None:
        self.run(self.save, rng, number)
        if failure := self.failed():
            return failure
        if (self.folder / "model" / "model.h5").read_bytes() not in self.models:
            return "the file is neither model"
        return "litter" if number == signal.SIGINT and unfinished(self.folder) else None

    def save(self) -> None:
        models = [scivis.Ivis().load_model(self.folder / name) for name in "ab"]
        models[0].save_model(self.folder / "model", overwrite=True)
        assert files(self.folder / "model") == ["model.h5"], "litter"  # of the child that was killed before
        self.ready.touch()
        for i in range(_SAVES):
            models[i % 2].save_model(self.folder / "model", overwrite=True)


class Checkpoints(Case):
    promise = "killed fits with a checkpoint: the same call goes on, gives the same bits, and leaves no litter"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.point, self.result = folder / "point", folder / "result.npy"
        self.whole(self.fit)
        self.expected, self.files = self.result.read_bytes(), files(self.point)

    def fit(self) -> None:
        from scivis._ivis import checkpoint

        checkpoint._SECONDS = 0  # after each epoch
        adata = self.data()
        self.ready.touch()
        scivis.tl.ivis(adata, checkpoint=self.point, **_CALL)
        np.save(self.result, np.append(adata.obsm["X_ivis"].ravel(), adata.uns["ivis"]["history"]["loss"]))

    def data(self) -> ad.AnnData:
        return cells(60, 0)

    def trial(self, rng: random.Random, number: int) -> str | None:
        shutil.rmtree(self.point, ignore_errors=True)
        self.result.unlink(missing_ok=True)
        for killing in (*[rng] * rng.choice([1, 2]), None):  # in the end, it is left alone
            self.run(self.fit, killing, number)
            if failure := self.failed():
                return failure
        if self.result.read_bytes() != self.expected:
            return "another result"
        return None if files(self.point) == self.files else f"litter: {files(self.point)}"


class BackedCheckpoints(Checkpoints):
    promise = "killed fits of backed data with a checkpoint: likewise, and the file stays as it was"

    def __init__(self, folder: Path) -> None:
        self.source = folder.with_suffix(".h5ad")
        cells(60, 0).write_h5ad(self.source)
        self.bytes = self.source.read_bytes()
        super().__init__(folder)

    def data(self) -> ad.AnnData:
        return ad.read_h5ad(self.source, backed="r")

    def trial(self, rng: random.Random, number: int) -> str | None:
        return super().trial(rng, number) or (
            None if self.source.read_bytes() == self.bytes else "the file was changed"
        )


class Commands(Case):
    promise = "killed scivis embed: the output is whole or as before; the next run leaves no litter"
    options: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.out = folder / "out" / "out.h5ad"
        cells(60, 0).write_h5ad(folder / "cells.h5ad")
        self.whole(self.embed)
        self.expected = ad.read_h5ad(self.out).obsm["X_ivis"]

    def embed(self) -> int:
        self.ready.touch()
        command = ("embed", self.folder / "cells.h5ad", self.out, "--epochs", 1, "--force", "--quiet", *self.options)
        return cli.main([str(argument) for argument in command])

    def trial(self, rng: random.Random, number: int) -> str | None:
        if rng.random() < 0.5:
            self.out.unlink(missing_ok=True)
        before = self.out.read_bytes() if self.out.exists() else None
        status = self.run(self.embed, rng, number)
        if failure := self.failed() or self.altered(before):
            return failure
        if not (left := unfinished(self.folder)):
            return None
        if status in (0, 128 + number):
            return f"litter after status {status}: {left}"
        self.run(self.embed)
        return self.failed() or self.altered(None) or (f"litter: {left}" if unfinished(self.folder) else None)

    def altered(self, before: bytes | None) -> str | None:
        """The failure: the output is neither what it was, nor complete."""
        if not self.out.exists():
            return before and "the previous output is lost"
        same = self.out.read_bytes() == before or np.array_equal(ad.read_h5ad(self.out).obsm["X_ivis"], self.expected)
        return None if same else "the output is not complete"


class BackedCommands(Commands):
    promise = "killed scivis embed of expression on disk: likewise"
    options = ("--use-rep", "X")


CASES = (Saves, Checkpoints, BackedCheckpoints, Commands, BackedCommands)


def unfinished(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*/**/.*.unfinished")]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
