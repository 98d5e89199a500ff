"""Files and folders appear complete, or the old ones stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scivis._store.files import check_absent, remove, replacing

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_appears_at_the_end(tmp_path: Path) -> None:
    with replacing(tmp_path / "sub" / "a.txt") as unfinished:
        unfinished.write_text("new")
        assert not (tmp_path / "sub" / "a.txt").exists()
    assert names(tmp_path / "sub") == ["a.txt"]
    assert (tmp_path / "sub" / "a.txt").read_text() == "new"


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as unfinished:
            unfinished.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(tmp_path) == ["a.txt"]
    assert path.read_text() == "old"


def test_a_folder_replaces_a_folder_with_all_its_files(tmp_path: Path) -> None:
    old = tmp_path / "model"
    old.mkdir()
    (old / "of_the_old_one.txt").write_text("old")
    with replacing(old) as unfinished:
        unfinished.mkdir()
        (unfinished / "new.txt").write_text("new")
    assert names(tmp_path) == ["model"]
    assert names(old) == ["new.txt"]


def test_removing_takes_files_folders_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    for name in ("file", "folder", "missing"):
        remove(tmp_path / name)
    assert names(tmp_path) == []


def test_existing_files_are_overwritten_only_on_request(tmp_path: Path) -> None:
    check_absent(tmp_path / "new", overwrite=False)
    check_absent(tmp_path, overwrite=True)
    with pytest.raises(FileExistsError, match=r"exists\. Choose another name, or pass overwrite=True"):
        check_absent(tmp_path, overwrite=False)
