"""Parts of an entry as one array: they come back as they were, and altered bytes are refused."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from scivis._store.digest import digest_of
from scivis._store.packed import packed, unpacked
from scivis._store.schema import UnusableModelError

if TYPE_CHECKING:
    from anndata import AnnData

ENTRY: dict[str, Any] = {
    "method": "ivis",
    "params": {"epochs": 3},
    "model": {
        "format": 1,
        "config": '{"é": 1}',
        "landmark_unit": 0.25,
        "weights": {"000": np.ones((2, 3), np.float32), "001": np.empty((0, 2), np.float32)},
        "classes": np.array([3, 5]),
    },
    "expression": {"genes": np.array(["Actb", "MT-é", ""], dtype=object), "layer": "", "preparation": {"total": 1e4}},
    "correction": {"is_integrated": True, "masses": np.asfortranarray(np.arange(6.0).reshape(2, 3))},
}


def test_values_shapes_and_types_come_back() -> None:
    back = unpacked(packed(ENTRY))
    assert back["method"] == "ivis"
    assert back["params"] == {"epochs": 3}
    for part in ("model", "expression", "correction"):
        assert digest_of(back[part]) == digest_of(ENTRY[part])
    assert back["model"]["format"] == 1
    assert type(back["model"]["landmark_unit"]) is float
    assert back["correction"]["is_integrated"] is True
    assert back["expression"]["layer"] == ""
    assert back["model"]["weights"]["000"].dtype == np.float32


def test_the_same_entry_has_the_same_bytes_and_one_array() -> None:
    first, again = packed(ENTRY), packed(ENTRY)
    assert set(first) == {"method", "params", "model"}
    assert_array_equal(first["model"], again["model"])
    assert first["model"].flags.writeable


def test_entries_of_earlier_versions_are_as_they_are() -> None:
    assert unpacked(ENTRY) == ENTRY
    assert unpacked({"model": "text", "a": 1}) == {"model": "text", "a": 1}


def test_an_empty_part_is_an_empty_dictionary() -> None:
    assert unpacked(packed({"model": {"format": 1}, "expression": {}}))["expression"] == {}


def archive(**members: bytes) -> np.ndarray:
    """The bytes of an archive with these members, which are compressed if their name says so."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            kind = zipfile.ZIP_DEFLATED if name == "compressed" else zipfile.ZIP_STORED
            file.writestr(f"model/{name}.npy", content, kind)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def claiming(shape: str, dtype: str = "<f4") -> bytes:
    """An array without values that claims a shape."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


FORGERIES = {
    "nothing": np.empty(0, np.uint8),
    "noise": np.arange(256, dtype=np.uint8),
    "text in place of an array": archive(a=b"text"),
    "more values than there are": archive(a=claiming("(10**12,)".replace("10**12", str(10**12)))),
    "values that take no memory": archive(a=claiming(f"({10**12},)", "<U0")),
    "code in place of a shape": archive(a=claiming("__import__('os').getpid()")),
    "a bomb": archive(compressed=bytes(10**6)),
}


@pytest.mark.parametrize("stored", FORGERIES.values(), ids=FORGERIES)
def test_other_bytes_are_refused(stored: np.ndarray) -> None:
    with pytest.raises(UnusableModelError, match="its bytes are"):
        unpacked({"model": stored})


@pytest.mark.parametrize(("name", "message"), [("params/epochs", "'params', which is not one of"), ("", "not one of")])
def test_parts_of_other_names_are_refused(name: str, message: str) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.ones(2)})
    with pytest.raises(UnusableModelError, match=message):
        unpacked({"model": np.frombuffer(buffer.getvalue(), np.uint8)})


def test_a_path_through_an_array_is_refused() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **{"model/a": np.ones(2), "model/a/b": np.ones(2)})
    with pytest.raises(UnusableModelError, match="lies in an array"):
        unpacked({"model": np.frombuffer(buffer.getvalue(), np.uint8)})


@settings(max_examples=200)
@given(place=st.integers(0, 10**6), value=st.integers(0, 255))
def test_an_altered_byte_is_refused_or_gives_an_entry(place: int, value: int) -> None:
    short = packed(ENTRY)
    short["model"][place % short["model"].size] = value
    try:
        entry = unpacked(short)
    except UnusableModelError:
        return
    assert {"method", "params"} < set(entry)


def test_stored_entries_are_short(reference: AnnData) -> None:
    for method in ("ivis", "tsne", "n2d"):
        stored = reference.uns[method]
        assert stored["model"].dtype == np.uint8
        assert len(str(stored)) < 3000
