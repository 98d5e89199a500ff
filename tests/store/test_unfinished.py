"""What dead processes left is cleared, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scivis._store import unfinished
from scivis._store.unfinished import clear_unfinished, holds_nothing, name_unfinished, unfinished_beside

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def of_process(path: Path, process: int, machine: str | None = None) -> Path:
    """A file as a process of this or another machine would leave it."""
    left = path.with_name(f".{path.name}.{machine or unfinished._machine()}-{process}-0123abcd.unfinished")
    left.write_text("half")
    return left


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_files_and_folders_of_a_dead_process_are_cleared(tmp_path: Path, dead: int) -> None:
    path = tmp_path / "out [1].h5ad"
    of_process(path, dead)
    folder = of_process(path, dead).with_name(f".{path.name}.{unfinished._machine()}-{dead}-00000000.unfinished")
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "half.txt").write_text("half")
    clear_unfinished(path)
    assert names(tmp_path) == []


def test_whatever_may_be_in_use_stays(tmp_path: Path, dead: int) -> None:
    path = tmp_path / "out.h5ad"
    path.write_text("done")
    kept = [
        path,
        of_process(path, os.getppid()),  # which runs this test
        of_process(path, dead, "0badcafe"),  # of another machine
        of_process(tmp_path / "other.h5ad", dead),
        of_process(tmp_path / "a.out.h5ad", dead),
    ]
    for name in (".out.h5ad", ".out.h5ad.unfinished", f".out.h5ad.{unfinished._machine()}-x-0123abcd.unfinished"):
        kept.append(tmp_path / name)
        kept[-1].write_text("of the user")
    with unfinished_beside(path) as writing:
        writing.write_text("half")
        clear_unfinished(path)
        assert names(tmp_path) == sorted(file.name for file in (*kept, writing))
    assert names(tmp_path) == sorted(file.name for file in kept)


def test_a_dead_process_may_have_had_the_number_of_this_one(tmp_path: Path) -> None:
    """As in a container, where the first process is always number 1."""
    of_process(tmp_path / "out.h5ad", os.getpid())
    clear_unfinished(tmp_path / "out.h5ad")
    assert names(tmp_path) == []


def test_a_killed_process_leaves_a_name_that_the_next_one_clears(tmp_path: Path) -> None:
    code = """
        import os, signal, sys
        from pathlib import Path
        from scivis._store.unfinished import unfinished_beside

        with unfinished_beside(Path(sys.argv[1])) as writing:
            writing.write_text("half")
            os.kill(os.getpid(), signal.SIGTERM)
    """
    code = "\n".join(line[8:] for line in code.splitlines())
    path = tmp_path / "out.h5ad"
    subprocess.run([sys.executable, "-c", code, path], check=False)
    assert len(names(tmp_path)) == 1
    clear_unfinished(path)
    assert names(tmp_path) == []


def test_nothing_is_cleared_in_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    clear_unfinished(tmp_path / "no" / "out.h5ad")
    assert names(tmp_path) == []


def test_links_are_removed_and_not_followed(tmp_path: Path, dead: int) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cells.h5ad").write_text("mine")
    left = of_process(tmp_path / "out.h5ad", dead)
    left.unlink()
    left.symlink_to(tmp_path / "data")
    clear_unfinished(tmp_path / "out.h5ad")
    assert names(tmp_path) == ["data"]
    assert names(tmp_path / "data") == ["cells.h5ad"]


def test_a_folder_with_unfinished_files_only_holds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    assert not holds_nothing(folder)
    folder.mkdir()
    assert holds_nothing(folder)
    name_unfinished(folder / "model.h5").write_text("half")
    assert holds_nothing(folder)
    (folder / "model.h5").write_text("done")
    assert not holds_nothing(folder)
    assert not holds_nothing(folder / "model.h5")
