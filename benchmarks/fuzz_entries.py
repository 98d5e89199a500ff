"""Entries of `.uns` that were altered at random, read by everything that reads them; a section of `fuzz.py`.

With its old digest, an altered entry ends with an error of scivis, or changes nothing. With a new digest, as a stranger writes
it, it ends with an error of scivis, or gives finite coordinates. In neither case does anything run that the entry names.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
from mutants import is_own, mutants, resealed

import scivis
from scivis._store.digest import sealed
from scivis._store.packed import unpacked
from scivis._store.schema import UnusableModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

METHODS = ("ivis", "labeled", "tsne", "n2d")
# What Python reports before it runs a program, builds an object from a pickle, or compiles a text.
_EVENTS = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "pickle.find_class")
_PLANTED = ("os.system", "__import__")


def trials(seed: int, n: int, first: int = 0) -> Iterator[tuple[str, str | None]]:
    """Promise and failure, if there is one, of the trials from `first` to `n`, the methods by turns."""
    reference, ran = reference_cells(), code_that_runs()
    streams = [
        trial
        for i, key in enumerate(METHODS)
        for trial in (old_digests(reference, key, seed + i, n), new_digests(reference, key, seed + 100 + i, n))
    ]
    for i in range(n):
        what, judge = next(streams[i % len(streams)])
        if i >= first:
            ran.clear()
            promise, failure = judge()
            yield promise, f"{what}: {failure or f'ran {ran}'}" if failure or ran else None


def old_digests(reference: AnnData, key: str, seed: int, n: int) -> Iterator[tuple[str, Any]]:
    """Altered entries with the digest of the entry that they were, and a function that judges what comes of each."""
    expected = used(reference, key, reference.uns[key])
    for what, entry in mutants(sealed(unpacked(reference.uns[key])), seed, n):
        yield what, lambda entry=entry: (f"{key}, altered: noticed", judged(reference, key, entry, expected))


def new_digests(reference: AnnData, key: str, seed: int, n: int) -> Iterator[tuple[str, Any]]:
    """The same with a digest of their own. Another method would not take the options of this one."""
    for what, entry in mutants(unpacked(reference.uns[key]), seed, n, but=("method",)):
        yield what, lambda entry=entry: (f"{key}, forged: refused, or finite", judged(reference, key, resealed(entry)))


def judged(reference: AnnData, key: str, entry: Any, expected: list[np.ndarray] | None = None) -> str | None:
    """The failure: an error from elsewhere, or arrays that are not the expected ones, or not finite if none are expected."""
    try:
        result = used(reference, key, entry)
    except Exception as error:  # noqa: BLE001 (which errors there are is what is tested)
        noticed = is_own(error) and (expected is None or isinstance(error, UnusableModelError | KeyError))
        return None if noticed else f"{type(error).__name__}: {str(error)[:200]}"
    if expected is None:
        return None if all(np.isfinite(array).all() for array in result) else "coordinates are not finite"
    same = len(result) == len(expected) and all(map(np.array_equal, result, expected))
    return None if same else "another result without an error"


def cells(n: int, seed: int) -> AnnData:
    """Three groups of cells with five genes."""
    rng, groups = np.random.default_rng(seed), np.arange(n) % 3
    adata = ad.AnnData((rng.normal(size=(n, 5)) + 4 * np.eye(3, 5)[groups]).astype(np.float32))
    adata.obs["group"] = np.array(list("ABC"))[groups]
    return adata


def reference_cells(methods: tuple[str, ...] = METHODS) -> AnnData:
    """60 cells with a small model of each method."""
    adata, options = cells(60, 0), {"n_neighbors": 5, "network": [4], "epochs": 1}
    if "ivis" in methods:
        scivis.tl.ivis(adata, **options)
    if "labeled" in methods:
        scivis.tl.ivis(adata, labels="group", key_added="labeled", **options)
    if "n2d" in methods:
        manifold = scivis.Ivis(k=5, batch_size=20, model=[4], epochs=1, verbose=0, random_state=0)
        scivis.tl.n2d(adata, 3, architecture=[4], epochs=1, manifold=manifold, clusterer="kmeans")
    if "tsne" in methods:
        scivis.tl.tsne(adata, perplexity=5, n_iter=10, early_exaggeration_iter=0)
    return adata


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


def code_that_runs() -> list[str]:
    """A list to which everything is added, from now on, that runs and could come from an entry."""
    ran: list[str] = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        planted = event == "compile" and any(text in str(arguments[0]) for text in _PLANTED)
        if event in _EVENTS or planted:
            ran.append(f"{event} {str(arguments)[:100]}")

    sys.addaudithook(note)
    return ran
