"""Models that are kept: the same results, never those of another entry, never shared."""

from __future__ import annotations

import copy
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import scivis
from scivis._ivis.place import StoredModel
from scivis._store import kept
from scivis._store.digest import digest_of, sealed
from scivis._store.kept import borrowed, give_up_all, shared
from scivis._store.packed import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    give_up_all()
    yield
    give_up_all()


def test_a_model_is_built_once() -> None:
    built: list[int] = []
    for _ in range(3):
        with borrowed("key", lambda: built.append(1) or built) as model:
            assert model is built
    assert built == [1]


def test_models_of_other_keys_and_of_none_are_built() -> None:
    with borrowed("one", lambda: "first"):
        pass
    with borrowed("two", lambda: "second") as model:
        assert model == "second"
    for expected in ("third", "fourth"):
        with borrowed(None, lambda expected=expected: expected) as model:
            assert model == expected


def test_the_four_that_were_used_last_are_kept() -> None:
    for key in (0, 1, 2, 3, 0, 4):
        with borrowed(key, lambda: "new"):
            pass
    assert list(kept._KEPT) == [2, 3, 0, 4]


def test_a_model_that_is_in_use_is_not_lent_again() -> None:
    with borrowed("key", list) as one, borrowed("key", list) as other:
        assert one is not other


def test_after_an_error_a_model_is_given_up() -> None:
    with pytest.raises(ZeroDivisionError), borrowed("key", list):
        _ = 1 / 0
    assert not kept._KEPT


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Python, that a process with threads forks
def test_a_forked_process_keeps_nothing_and_waits_for_no_lock() -> None:
    with borrowed("key", list):
        pass
    with kept._LOCK:
        child = os.fork()
        if not child:
            with borrowed("key", lambda: "new") as model:
                os._exit(0 if model == "new" else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("method", ["ivis", "n2d"])
def test_the_network_of_an_unchanged_entry_is_built_once(
    method: str, reference: AnnData, query: AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scivis.tl.ingest(query, reference, key=method, copy=True)
    monkeypatch.setattr("scivis.nn.build_encoder", lambda *_, **__: pytest.fail("a network was built"))
    monkeypatch.setattr("scivis.n2d._network.build", lambda *_, **__: pytest.fail("a network was built"))
    again = scivis.tl.ingest(query, reference.copy(), key=method, copy=True)
    for name in first.obsm:
        np.testing.assert_array_equal(first.obsm[name], again.obsm[name])


def test_a_worker_builds_the_network_of_an_unchanged_entry_once(
    reference: AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call sends it the entry anew."""
    packed = unpacked(reference.uns["ivis"])["model"]
    first = pickle.loads(pickle.dumps(StoredModel(packed))).fitted
    monkeypatch.setattr("scivis.nn.build_encoder", lambda *_, **__: pytest.fail("a network was built"))
    assert pickle.loads(pickle.dumps(StoredModel(packed))).fitted is first


def halved(entry: dict[str, Any]) -> None:
    weights = entry["model"]["weights"]
    weights["000"] /= 2
    del entry["digest"]


@pytest.mark.parametrize("method", ["ivis", "n2d"])
def test_a_changed_entry_is_not_served_by_the_model_of_the_old_one(
    method: str, reference: AnnData, query: AnnData
) -> None:
    changed = reference.copy()
    changed.uns = {method: unpacked(copy.deepcopy(reference.uns[method]))}
    changed.uns[method] = sealed(changed.uns[method])
    before = scivis.tl.ingest(query, changed, key=method, copy=True)
    halved(changed.uns[method])  # in place
    after = scivis.tl.ingest(query, changed, key=method, copy=True)
    assert np.abs(before.obsm[f"X_{method}"] - after.obsm[f"X_{method}"]).max() > 1e-3
    give_up_all()
    anew = scivis.tl.ingest(query, changed, key=method, copy=True)
    np.testing.assert_array_equal(after.obsm[f"X_{method}"], anew.obsm[f"X_{method}"])


def test_a_model_that_was_asked_for_is_independent(reference: AnnData, query: AnnData) -> None:
    before = scivis.tl.ingest(query, reference, copy=True)
    mine = scivis.get.model(reference)
    mine.encoder_.set_weights([0 * weight for weight in mine.encoder_.get_weights()])
    after = scivis.tl.ingest(query, reference, copy=True)
    np.testing.assert_array_equal(before.obsm["X_ivis"], after.obsm["X_ivis"])
    assert scivis.get.model(reference).encoder_ is not mine.encoder_


def test_what_is_shared_is_built_once_and_held_by_many() -> None:
    built: list[int] = []
    found = [shared("key", lambda: (built.append(1), "built")) for _ in range(3)]
    assert found[0] is found[1] is found[2]
    assert built == [1]
    assert [shared(None, lambda number=number: number) for number in (1, 2)] == [1, 2]


def test_the_shared_values_that_were_used_last_are_kept() -> None:
    for key in (*range(8), 0, 8):
        shared(key, lambda: "new")
    assert list(kept._SHARED) == [2, 3, 4, 5, 6, 7, 0, 8]


@pytest.mark.parametrize("method", ["ivis", "n2d", pytest.param("tsne", marks=pytest.mark.slow)])
def test_an_entry_is_unpacked_once_and_not_changed(
    method: str, reference: AnnData, query: AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    scivis.tl.ingest(query, reference, key=method, copy=True)
    monkeypatch.setattr("scivis._store.packed._read", lambda *_: pytest.fail("an entry was unpacked"))
    scivis.tl.ingest(query, reference.copy(), key=method, copy=True)
    parts = [value for key, value in kept._SHARED.items() if key[0] == "parts"]
    monkeypatch.undo()
    anew = unpacked(reference.uns[method])
    assert [digest_of(part) for part in parts] == [digest_of({name: anew[name] for name in parts[0]})]


def test_names_that_change_in_place_are_those_of_their_own_entry_only(reference: AnnData, query: AnnData) -> None:
    """What is not packed is never kept."""
    other = reference.copy()
    del other.uns["ivis"]["digest"]
    before = scivis.tl.ingest(query, other, copy=True)
    other.uns["ivis"]["params"]["n_features"] = 1
    again = scivis.tl.ingest(query, reference, copy=True)
    np.testing.assert_array_equal(before.obsm["X_ivis"], again.obsm["X_ivis"])


@pytest.mark.parametrize("method", ["ivis", "n2d"])
def test_threads_place_the_same_cells(method: str, reference: AnnData, query: AnnData) -> None:
    first = scivis.tl.ingest(query, reference, key=method, copy=True)
    queries = [query.copy() for _ in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda cells: scivis.tl.ingest(cells, reference, key=method), queries))
    for cells in queries:
        np.testing.assert_array_equal(cells.obsm[f"X_{method}"], first.obsm[f"X_{method}"])
