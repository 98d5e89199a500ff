"""Full disks: errors that say how much is needed, how much is left, and what to do."""

from __future__ import annotations

import errno
import gc
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from scivis._store.files import replacing
from scivis._store.hdf5 import read_entry, write_entry
from scivis._store.space import check_space, existing, is_full

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1_500_000))


@pytest.mark.usefixtures("few_bytes")
def test_the_check_compares_what_is_needed_with_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "new" / "index"
    check_space(path, 1_500_000, "The index", "Choose another disk.")
    with pytest.raises(
        OSError, match=rf"The index needs up to 1\.5 MB, but {tmp_path} has 1\.5 MB left. Choose"
    ) as full:
        check_space(path, 1_500_001, "The index", "Choose another disk.")
    assert full.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_the_disk_of_a_new_file_is_that_of_the_nearest_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert existing(tmp_path / "a" / "b") == tmp_path
    assert existing(tmp_path) == tmp_path
    monkeypatch.chdir(tmp_path)
    assert existing(Path("a")) == tmp_path


HDF5_TEXT = "Can't write data (file write failed: time = now, errno = 28, error message = 'No space left on device')"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (OSError(HDF5_TEXT), True),
        (RuntimeError(HDF5_TEXT), True),
        (OSError("Unable to write: No space left on device (28)"), True),
        (PermissionError(errno.EACCES, "Permission denied"), False),
        (OSError("errno = 280, of something else"), False),
    ],
)
def test_full_disks_are_recognized(error: Exception, expected: bool) -> None:  # noqa: FBT001
    assert is_full(error) is expected


@pytest.mark.usefixtures("few_bytes")
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError(HDF5_TEXT)])
def test_a_full_disk_is_named_and_leaves_no_folder(tmp_path: Path, error: Exception) -> None:
    def write_half() -> None:
        with replacing(tmp_path / "new" / "inner" / "out.h5ad") as unfinished:
            unfinished.write_text("half")
            raise error

    with pytest.raises(OSError, match=r"out\.h5ad cannot be written: its disk is full.* with 1\.5 MB left. Free some"):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_disk_is_named(tmp_path: Path) -> None:
    def write() -> None:
        with replacing(tmp_path / "new" / "out.h5ad"):
            raise OSError(errno.EROFS, "Read-only file system")

    with pytest.raises(OSError, match=r"out\.h5ad cannot be written: its disk is read-only\. .* choose another folder"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_other_errors_are_not_changed(tmp_path: Path) -> None:
    def fail() -> None:
        with replacing(tmp_path / "new" / "out.h5ad"):
            (tmp_path / "new" / "of the user").write_text("mine")
            msg = "something else"
            raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match=r"^something else$"):
        fail()
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "of the user"]


ENTRY = {"format": 1, "weights": {"000": np.arange(400_000.0)}}


def test_a_model_on_a_full_disk(disk: Callable[[int], Path]) -> None:
    """3 MB on a disk of 1 MB: no file is left, HDF5 leaves none open, and what fits is written afterwards."""
    small_disk = disk(1)
    gc.collect()  # backed objects of other tests
    n_open = h5py.h5f.get_obj_count(types=h5py.h5f.OBJ_FILE)
    with pytest.raises(OSError, match=r"model\.h5 cannot be written: its disk is full"):
        write_entry(small_disk / "model" / "model.h5", ENTRY)
    assert list(small_disk.iterdir()) == []
    assert h5py.h5f.get_obj_count(types=h5py.h5f.OBJ_FILE) == n_open
    write_entry(small_disk / "model" / "model.h5", ENTRY | {"weights": {}})
    assert read_entry(small_disk / "model" / "model.h5")["format"] == 1
