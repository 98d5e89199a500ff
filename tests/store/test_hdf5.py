"""HDF5 files of models: round trips, damage, and files that are more than data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from scivis._store.hdf5 import is_undamaged, read_entry, signed, write_entry
from scivis._store.schema import UnusableModelError

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = {"format": 1, "config": '{"a": 1}', "weights": {"000": np.arange(6.0).reshape(2, 3), "001": np.ones(0)}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_entry(tmp_path / "model.h5", ENTRY)
    return tmp_path / "model.h5"


def test_what_is_written_is_read(path: Path) -> None:
    read = read_entry(path)
    assert (read["format"], read["config"], set(read)) == (1, '{"a": 1}', set(ENTRY))
    for name, values in ENTRY["weights"].items():
        np.testing.assert_array_equal(read["weights"][name], values)


def test_nothing_else_is_left_in_the_folder(path: Path) -> None:
    write_entry(path, ENTRY)
    assert [file.name for file in path.parent.iterdir()] == ["model.h5"]


def test_every_changed_byte_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    assert is_undamaged(path)
    # The user block beyond name and digest is padding, which nothing reads.
    for position in (*range(0, 45, 3), *range(512, len(content), 97), len(content) - 1):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(UnusableModelError, match="damaged, or no model of scivis"):
            read_entry(path)


@pytest.mark.parametrize("content", [b"", b"text", b"scivis model\n"])
def test_other_files_are_rejected(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(UnusableModelError, match="damaged, or no model of scivis"):
        read_entry(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no file .*nowhere\.h5"):
        read_entry(tmp_path / "nowhere.h5")


def forge(path: Path, change: Any) -> None:
    """Change a file on purpose, and sign it again."""
    with h5py.File(path, "r+") as file:
        change(file)
    path.write_bytes(signed(path.read_bytes()))


def add_virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "secret", (4,))
    file.create_virtual_dataset("x", layout)


FORGERIES = {
    "a dangling link": (lambda file: file.__setitem__("x", h5py.SoftLink("/no/where")), "x is a link"),
    "a virtual array": (add_virtual, "the numbers of x are not in the file"),
    "numbers that were never written": (
        lambda file: file.create_dataset("x", (10**6, 10**6), "f4"),
        "the numbers of x are not in the file",
    ),
    "numbers that are compressed": (
        lambda file: file.create_dataset("x", (10**6, 1000), "f4", chunks=(1000, 1000), compression="gzip"),
        "the numbers of x are not in the file",
    ),
    "references": (
        lambda file: file.create_dataset("x", data=[file["weights"].ref], dtype=h5py.ref_dtype),
        "x is not an array of numbers",
    ),
    "records": (
        lambda file: file.__setitem__("x", np.zeros(4, [("name", "S4"), ("value", "f4")])),
        "x is not an array of numbers",
    ),
    "a type": (lambda file: file.__setitem__("x", np.dtype("f4")), "x is not an array of numbers"),
    "a soft link": (lambda file: file.__setitem__("x", h5py.SoftLink("/weights/000")), "x is a link"),
    "an external link": (lambda file: file.__setitem__("x", h5py.ExternalLink("other.h5", "/a")), "x is a link"),
    "a group in itself": (
        lambda file: file["weights"].__setitem__("again", file["weights"]),
        "nested deeper than those of a model",
    ),
    "text in place of numbers": (lambda file: file.__setitem__("x", "text"), "x is not an array of numbers"),
    "more numbers than the file holds": (
        lambda file: file.create_dataset("x", (10**9,), "f4", chunks=(10**6,)),
        "the numbers of x are not in the file",
    ),
    "numbers in another file": (
        lambda file: file.create_dataset("x", (4,), "u1", external=[("/etc/hostname", 0, 4)]),
        "the numbers of x are not in the file",
    ),
}


@pytest.mark.parametrize(("change", "message"), FORGERIES.values(), ids=FORGERIES)
def test_only_data_of_its_own_are_read(change: Any, message: str, path: Path) -> None:
    forge(path, change)
    with pytest.raises(UnusableModelError, match=message):
        read_entry(path)
