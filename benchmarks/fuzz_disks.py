"""Disks that are full, or on which nothing can be written; a section of `fuzz.py`.

A disk of a megabyte in memory has a random number of free bytes, or is read-only. A call succeeds, or ends with an error that says
what to do; what was there before is as it was, nothing else is left, and the same call succeeds once there is space.
"""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fuzz_entries import cells

import scivis
from scivis import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Call = Callable[[Path], object]

_CALL = {"n_neighbors": 5, "network": [4], "epochs": 1}
# Free bytes of a full disk: from nothing to more than any of the calls needs.
_MOST = 150_000
_REMEDIES = ("free some space", "choose another")


def trials(seed: int, n: int, first: int = 0) -> Iterator[tuple[str, str | None]]:
    """Promise and failure, if there is one, of the trials from `first` to `n`; none where no disk can be mounted."""
    with TemporaryDirectory() as name, small_disk(Path(name)) as disk:
        if disk is None:
            print("no small disk can be mounted here, which needs root", file=sys.stderr)
            return
        calls = list(calls_in(Path(name)).items())
        for i in range(first, n):
            (what, call), rng = calls[i % len(calls)], random.Random(f"{seed} {i}")
            is_full = rng.random() < 0.75
            limit = partial(filled, disk, rng.randrange(_MOST)) if is_full else partial(read_only, disk)
            promise = f"{what} on a {'full' if is_full else 'read-only'} disk: a remedy, nothing left, and the next call succeeds"
            yield promise, tried(call, disk, limit)


def calls_in(folder: Path) -> dict[str, Call]:
    """Calls that write to a disk; what else they need is in a folder."""
    cells(60, 0).write_h5ad(folder / "cells.h5ad")
    model = scivis.Ivis(k=5, batch_size=20, model=[4], epochs=1, verbose=0, random_state=0).fit(cells(60, 0).X)
    return {
        "save_model": lambda disk: model.save_model(disk / "new" / "model"),
        "save_model(overwrite=True)": lambda disk: model.save_model(disk / "old", overwrite=True),
        "a fit with a checkpoint": lambda disk: scivis.tl.ivis(cells(60, 0), checkpoint=disk / "point", **_CALL),
        "scivis embed": lambda disk: embed(folder / "cells.h5ad", disk / "new" / "out.h5ad"),
        "scivis embed --figure": lambda disk: embed(
            folder / "cells.h5ad", folder / "out.h5ad", "--figure", disk / "out.png"
        ),
    }


def embed(*arguments: object) -> None:
    """Run the command in this process, which must survive a full disk."""
    messages = io.StringIO()
    with contextlib.redirect_stderr(messages):
        status = cli.main(["embed", *map(str, arguments), "--epochs", "1", "--force", "--quiet"])
    if status:
        raise OSError(messages.getvalue().strip().splitlines()[-1])


def tried(call: Call, disk: Path, limit: Callable[[], contextlib.AbstractContextManager[None]]) -> str | None:
    """The failure of a call on a disk with a limit, and of the same call without."""
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    scivis.Ivis(k=33).save_model(disk / "old")
    before = contents(disk)
    with limit():
        try:
            call(disk)
        except Exception as error:  # noqa: BLE001 (which errors there are is what is tested)
            if not any(remedy in str(error).lower() for remedy in _REMEDIES):
                return f"no remedy: {type(error).__name__}: {str(error)[:300]}"
            # What a checkpoint holds is complete, and stays.
            left = {name: content for name, content in contents(disk).items() if not name.startswith("point")}
            if left != before or unfinished(disk):
                return f"left behind, or lost: {sorted(set(left) ^ set(before))} {unfinished(disk)}"
        else:
            return None
    try:
        call(disk)
    except Exception as error:  # noqa: BLE001
        return f"the next call: {type(error).__name__}: {str(error)[:300]}"
    return None


def contents(disk: Path) -> dict[str, bytes | None]:
    """All files and folders, except for the ballast."""
    paths = (path for path in disk.rglob("*") if path.name != "ballast")
    return {str(path.relative_to(disk)): path.read_bytes() if path.is_file() else None for path in paths}


def unfinished(disk: Path) -> list[str]:
    return [name for name in contents(disk) if name.endswith(".unfinished")]


@contextlib.contextmanager
def filled(disk: Path, n_bytes: int) -> Iterator[None]:
    """The disk with so many free bytes at most."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(max(shutil.disk_usage(disk).free - n_bytes, 0)))
    try:
        yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def read_only(disk: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A new disk in memory; none where it cannot be mounted."""
    disk = folder / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
