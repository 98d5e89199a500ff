"""The digest of an entry: the same after a file, another after any change."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scivis
from scivis._store.digest import check_seal, digest_of, sealed
from scivis._store.packed import unpacked
from scivis._store.schema import UnusableModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anndata import AnnData

ENTRY: dict[str, Any] = {
    "method": "ivis",
    "params": {"n": 3, "rate": 0.1, "decay": True, "seed": None},
    "model": {"weights": {"000": np.arange(6, dtype=np.float32).reshape(2, 3)}, "classes": np.arange(2)},
    "expression": {"genes": np.array(["A", "B"], dtype=object), "offset": np.empty(0, np.float32)},
    "predictions": {},
}


@pytest.mark.parametrize(
    ("path", "other"),
    {
        "an order of keys": ((), dict(reversed(ENTRY.items()))),
        "a NumPy integer": (("params", "n"), np.int64(3)),
        "a NumPy float": (("params", "rate"), np.float64(0.1)),
        "a NumPy boolean": (("params", "decay"), np.array(True)),  # noqa: FBT003 (the value that files return)
        "a NumPy text": (("method",), np.str_("ivis")),
        "an array in Fortran order": (("model", "weights", "000"), np.asfortranarray(ENTRY["model"]["weights"]["000"])),
        "an array of big-endian numbers": (("model", "classes"), np.arange(2, dtype=">i8")),
        "texts of fixed width": (("expression", "genes"), np.array(["A", "B"])),
        "texts of pandas": (("expression", "genes"), pd.array(["A", "B"], dtype="string")),
        "a list of texts": (("expression", "genes"), ["A", "B"]),
        "an empty array of another type": (("expression", "offset"), np.empty(0, object)),
    }.values(),
    ids=str,
)
def test_what_files_change_does_not_count(path: tuple[str, ...], other: Any) -> None:
    assert digest_of(changed(path, other)) == digest_of(ENTRY)


def changed(path: tuple[str, ...], other: Any) -> dict[str, Any]:
    entry = copy.deepcopy(ENTRY)
    if not path:
        return dict(other)
    inner = entry
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = other
    return entry


def test_empty_dictionaries_and_none_can_be_lost() -> None:
    entry = copy.deepcopy(ENTRY)
    del entry["predictions"], entry["params"]["seed"]
    assert digest_of(entry) == digest_of(ENTRY)


@pytest.mark.parametrize(
    ("path", "other"),
    [
        (("method",), "tsne"),
        (("params", "n"), 4),
        (("params", "n"), "3"),
        (("params", "rate"), np.nextafter(0.1, 1)),
        (("params", "decay"), 1),
        (("params", "more"), 1),
        (("model", "weights", "000"), np.arange(6, dtype=np.float64).reshape(2, 3)),
        (("model", "weights", "000"), np.arange(6, dtype=np.float32).reshape(3, 2)),
        (("model", "weights", "000"), np.arange(6, dtype=np.float32)),
        (("model", "weights", "001"), np.arange(6, dtype=np.float32).reshape(2, 3)),
        (("model", "weights", "000"), -np.arange(6, dtype=np.float32).reshape(2, 3)),
        (("model", "classes"), np.arange(2)[::-1]),
        (("expression", "genes"), np.array(["B", "A"], dtype=object)),
        (("expression", "genes"), np.array(['A", "B'], dtype=object)),
        (("expression", "offset"), np.empty((0, 0), np.float32)),
    ],
    ids=str,
)
def test_any_other_change_counts(path: tuple[str, ...], other: Any) -> None:
    assert digest_of(changed(path, other)) != digest_of(ENTRY)
    with pytest.raises(UnusableModelError, match=r"changed since it was written.*remove its entry 'digest'"):
        check_seal(sealed(ENTRY) | changed(path, other))


def test_each_bit_of_an_array_counts() -> None:
    rng = np.random.default_rng(0)
    array = rng.normal(size=(50, 40)).astype(np.float32)
    digests = {digest_of({"a": array})}
    for place in rng.choice(array.nbytes * 8, 200, replace=False):
        other = array.copy()
        other.reshape(-1).view(np.uint8)[place // 8] ^= 1 << (place % 8)
        digests.add(digest_of({"a": other}))
    assert len(digests) == 201


@pytest.mark.parametrize("array", [np.broadcast_to(np.float32(1), (10**5, 10**5)), np.broadcast_to("a", (10**9,))])
def test_values_that_are_not_there_are_not_read(array: np.ndarray) -> None:
    with pytest.raises(UnusableModelError, match="but does not hold as many values"):
        digest_of({"a": array})


def endless() -> dict[str, Any]:
    entry: dict[str, Any] = {}
    entry["a"] = entry
    return entry


def nested(depth: int) -> list[Any]:
    values: list[Any] = []
    for _ in range(depth):
        values = [values]
    return values


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, np.array(["2020"], "M8[Y]"), nested(100), [[1], [1, 2]], endless()], ids=range(6)
)
def test_other_objects_are_refused(value: Any) -> None:
    with pytest.raises(UnusableModelError):
        digest_of({"a": value})


@pytest.mark.parametrize("method", ["ivis", "tsne", "n2d"])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")  # of zarr and anndata on coming formats
@pytest.mark.parametrize("fmt", ["h5ad", "zarr"])
def test_entries_keep_their_digest_in_files(method: str, fmt: str, reference: AnnData, tmp_path: Path) -> None:
    path = tmp_path / f"cells.{fmt}"
    (reference.write_h5ad if fmt == "h5ad" else reference.write_zarr)(path)
    back = (ad.read_h5ad if fmt == "h5ad" else ad.read_zarr)(path)
    assert check_seal(back.uns[method]) == reference.uns[method]["digest"]


ACCIDENTS: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
    "weights of zero": ("ivis", lambda entry: entry["model"]["weights"]["000"].fill(0)),
    "negated landmarks": ("tsne", lambda entry: np.negative(*[entry["model"]["landmarks"]] * 2)),
    "another offset": ("n2d", lambda entry: entry["model"]["offset"].__iadd__(1)),
    "another config": ("ivis", lambda entry: entry["model"].update(config=entry["model"]["config"] + " ")),
    "another class": ("ivis", lambda entry: entry["predictions"]["categories"].__setitem__(0, "D")),
    "a renamed gene": ("n2d", lambda entry: entry["expression"]["genes"].__setitem__(0, "other")),
}


@pytest.mark.parametrize(("method", "change"), ACCIDENTS.values(), ids=ACCIDENTS)
def test_tools_notice_accidents(
    method: str, change: Callable[[dict[str, Any]], Any], reference: AnnData, query: AnnData
) -> None:
    damaged = reference.copy()
    damaged.uns = {method: unpacked(copy.deepcopy(reference.uns[method]))}
    damaged.uns[method] = sealed(damaged.uns[method])  # as earlier versions stored it
    change(damaged.uns[method])
    for use in (lambda: scivis.get.model(damaged, method), lambda: scivis.tl.ingest(query, damaged, key=method)):
        with pytest.raises(UnusableModelError, match="it has changed since it was written"):
            use()


def test_entries_without_a_digest_are_those_of_earlier_versions(reference: AnnData, query: AnnData) -> None:
    old = reference.copy()
    old.uns = {"ivis": dict(reference.uns["ivis"])}
    del old.uns["ivis"]["digest"]
    placed = [scivis.tl.ingest(query, cells, copy=True) for cells in (reference, old)]
    np.testing.assert_array_equal(*(cells.obsm["X_ivis"] for cells in placed))
