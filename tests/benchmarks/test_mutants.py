"""Altered entries end with an error of scivis, or change nothing, or give finite coordinates if their digest is new."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest

import scivis
from scivis._store.schema import UnusableModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import ModuleType

    from anndata import AnnData

METHODS = ("ivis", "labeled", "tsne", "n2d")
N_MUTANTS = 75


def cells(n: int, seed: int) -> AnnData:
    rng, groups = np.random.default_rng(seed), np.arange(n) % 3
    adata = ad.AnnData((rng.normal(size=(n, 5)) + 4 * np.eye(3, 5)[groups]).astype(np.float32))
    adata.obs["group"] = np.array(list("ABC"))[groups]
    return adata


@pytest.fixture(scope="module")
def reference(eagerly: Callable[[], AbstractContextManager[None]]) -> AnnData:
    """Cells with a model of each method; no test may change them."""
    adata = cells(60, 0)
    with eagerly():
        scivis.tl.ivis(adata, n_neighbors=5, network=[4], epochs=1)
        scivis.tl.ivis(adata, n_neighbors=5, network=[4], epochs=1, labels="group", key_added="labeled")
        manifold = scivis.Ivis(k=5, batch_size=20, model=[4], epochs=1, verbose=0, random_state=0)
        scivis.tl.n2d(adata, 3, architecture=[4], epochs=1, manifold=manifold, clusterer="kmeans")
    scivis.tl.tsne(adata, perplexity=5, n_iter=10, early_exaggeration_iter=0)
    return adata


@pytest.fixture(scope="module")
def mutants(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("mutants")


def used(reference: AnnData, key: str, entry: Any) -> list[np.ndarray]:
    """Everything that reads an entry of `.uns`, and the arrays that come of it."""
    adata, query = reference.copy(), cells(4, 1)
    adata.uns = {key: entry}
    options = {"n_iter": 5} if key == "tsne" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, about numbers that are too large
        scivis.get.model(adata, key)
        scivis.tl.ingest(query, adata, key=key, **options)
        lines = scivis.pl.history(adata, key=key, show=False).lines
    arrays = [np.asarray(query.obsm[name]) for name in sorted(query.obsm)]
    return [*arrays, *(np.asarray(line.get_ydata(), float) for line in lines)]


@pytest.mark.slow
@pytest.mark.parametrize("key", METHODS)
def test_altered_entries_are_noticed(key: str, reference: AnnData, mutants: ModuleType) -> None:
    """With their old digest: an error says so, unless the alteration is none."""
    expected, failures = used(reference, key, reference.uns[key]), []
    for what, entry in mutants.mutants(reference.uns[key], seed=0, n=N_MUTANTS):
        try:
            result = used(reference, key, entry)
        except (UnusableModelError, KeyError) as error:
            failures += [] if mutants.is_own(error) else [what]
        else:
            same = len(result) == len(expected) and all(map(np.array_equal, result, expected))
            failures += [] if same else [what]
    assert not failures, "\n".join(failures)


@pytest.mark.slow
@pytest.mark.parametrize("key", METHODS)
def test_entries_altered_on_purpose_end_with_an_error_of_scivis(
    key: str, reference: AnnData, mutants: ModuleType
) -> None:
    """With a new digest, as a stranger writes it."""
    failures = []
    # Another method would not take the options of this one.
    for what, entry in mutants.mutants(reference.uns[key], seed=1, n=N_MUTANTS, but=("method",)):
        try:
            result = used(reference, key, mutants.resealed(entry))
        except Exception as error:  # noqa: BLE001 (which errors there are is what is tested)
            if not mutants.is_own(error):
                failures.append(f"{what}: {type(error).__name__}: {str(error)[:300]}")
        else:
            failures += [what for array in result if not np.isfinite(array).all()]
    assert not failures, "\n".join(failures)


def test_errors_of_scivis_are_told_from_others(mutants: ModuleType) -> None:
    def raised(call: Callable[[], Any]) -> bool:
        try:
            call()
        except Exception as error:  # noqa: BLE001
            return mutants.is_own(error)
        pytest.fail("there was no error")

    adata = cells(5, 0)
    assert raised(lambda: scivis.get.model(adata))
    assert not raised(lambda: scivis.get.model(None))  # an AttributeError
    assert not raised(lambda: np.asarray([[1], [1, 2]]))


def test_mutants_follow_from_the_seed_and_leave_the_entry(mutants: ModuleType) -> None:
    entry = {"model": {"weights": {"000": np.ones((2, 3), np.float32)}, "config": '{"a": {"b": 1}}'}, "method": "ivis"}
    one, other, third = ([what for what, _ in mutants.mutants(entry, seed, 40)] for seed in (0, 0, 1))
    assert one == other != third
    assert entry["model"]["config"] == '{"a": {"b": 1}}'
    assert (entry["model"]["weights"]["000"] == 1).all()
