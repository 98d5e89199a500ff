"""Changes in memory: the same as in the file itself, and the file below stays as it is."""

from __future__ import annotations

import io
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO
from unittest.mock import patch

import h5py
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scivis._store import overlay
from scivis._store.overlay import Overlay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHANGES = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 60), st.binary(max_size=30)),
    st.tuples(st.just("truncate"), st.integers(0, 60), st.none()),
)


@given(st.binary(max_size=40), st.lists(CHANGES, max_size=8))
def test_an_overlay_is_read_and_applied_as_if_the_file_were_changed(content: bytes, changes: list) -> None:
    with patch.object(overlay, "_BLOCK", 7), file_of(content) as copy, file_of(content) as expected:
        below = io.BytesIO(content)
        changed = Overlay(below)
        for file in (changed, expected):
            for kind, position, data in changes:
                file.seek(position)
                file.write(data) if kind == "write" else file.truncate()
        changed.apply(copy)
        changed.seek(0)
        assert changed.read() == all_of(copy) == all_of(expected)
        assert below.getvalue() == content


@contextmanager
def file_of(content: bytes) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        yield file


def all_of(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def test_hdf5_changes_an_overlay_as_it_changes_a_file(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        del file["obs"]
        file["obs/name"] = np.arange(50_000)
        file["uns"].attrs["text"] = "é" * 1000
        file.create_dataset("uns/weights", data=np.ones((300, 300)), chunks=(100, 100), compression="gzip")

    one, other = tmp_path / "one.h5", tmp_path / "other.h5"
    with h5py.File(one, "w") as file:
        file["X"] = np.arange(100_000.0)
        file["obs/name"] = np.arange(10)
        file.create_group("uns")
    before = one.read_bytes()
    with one.open("rb") as below, other.open("w+b") as copy:
        copy.write(before)
        changes = Overlay(below)
        with h5py.File(changes, "r+") as file:
            change(file)
        changes.apply(copy)
    assert one.read_bytes() == before
    with h5py.File(one, "r+") as file, h5py.File(other, "r") as changed:
        change(file)
        assert set(changed) == set(file)
        for name in ("X", "obs/name", "uns/weights"):
            np.testing.assert_array_equal(changed[name], file[name])
        assert changed["uns"].attrs["text"] == file["uns"].attrs["text"]
