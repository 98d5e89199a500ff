"""Rows are tested for finite values once per call, and read as few times as the method needs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import anndata as ad
import dask.array as da
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

import scivis
from scivis._adata import expression, preparation, strangers
from scivis.data import _projection, _reading, _sampling, _streaming, _validation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anndata import AnnData

pytestmark = pytest.mark.usefixtures("op_by_op")

N = 200
IVIS = {"n_neighbors": 5, "network": [4], "epochs": 1}
CALLS = {
    "ivis": ("ivis", IVIS),
    "ivis with labels": ("ivis", IVIS | {"labels": "group"}),
    "ivis with a subsample": ("ivis", IVIS | {"max_train_cells": 100}),
    "tsne": ("tsne", {"n_iter": 2, "early_exaggeration_iter": 0, "perplexity": 5}),
    "n2d": ("n2d", {"n_clusters": 3, "architecture": [4], "epochs": 1, "manifold": PCA(2), "clusterer": "kmeans"}),
}


@pytest.fixture
def tested(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Number of rows that were tested for finite values, by the name of the data."""
    counts: Counter[str] = Counter()

    def counting(rows: np.ndarray, name: str, first_row: int = 0) -> np.ndarray:
        counts[name] += len(rows)
        return _validation.check_finite(rows, name, first_row)

    for module in (_projection, _reading, _sampling, _streaming):
        monkeypatch.setattr(module, "check_finite", counting)
    return counts


@pytest.fixture(autouse=True)
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimates from few rows, as they are of large data."""
    monkeypatch.setattr(expression, "_BLOCKS", 2)
    monkeypatch.setattr(expression, "_BLOCK", 5)
    monkeypatch.setattr(preparation, "_RUNS", 2)
    monkeypatch.setattr(preparation, "_VALUES", 0)
    monkeypatch.setattr(strangers, "_RUNS", 2)
    monkeypatch.setattr(_sampling, "_PILOT", 20)
    monkeypatch.setattr(_sampling, "_CENTERS", 4)


def made(x: Any) -> AnnData:
    adata = ad.AnnData(x)
    adata.obs["group"] = np.array(list("AB"))[np.arange(N) % 2]
    return adata


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, 6)).astype(np.float32)


@pytest.mark.parametrize(("name", "settings"), CALLS.values(), ids=CALLS)
def test_rows_in_memory_are_tested_once(
    name: str, settings: dict[str, Any], rows: np.ndarray, tested: Counter[str]
) -> None:
    adata = made(np.zeros((N, 60), np.float32))
    adata.obsm["X_pca"] = rows
    getattr(scivis.tl, name)(adata, **settings)
    # A subsample is stratified by clusters of some rows, which are tested before k-means reads them.
    assert sum(tested.values()) == N + (20 if "max_train_cells" in settings else 0)


@pytest.mark.parametrize(("name", "settings"), CALLS.values(), ids=CALLS)
def test_rows_on_disk_are_tested_once(
    name: str, settings: dict[str, Any], rows: np.ndarray, tested: Counter[str], tmp_path: Path
) -> None:
    made(rows).write_h5ad(tmp_path / "cells.h5ad")
    adata = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    getattr(scivis.tl, name)(adata, **settings)
    assert sum(tested.values()) == N + (20 if "max_train_cells" in settings else 0)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["ivis", "tsne", "n2d"])
def test_new_cells_are_tested_once(key: str, rows: np.ndarray, tested: Counter[str]) -> None:
    reference, query = made(rows), made(rows)[:50].copy()
    name, settings = CALLS[key]
    # Unlike a PCA, this manifold learner is stored with the model.
    manifold = {"manifold": scivis.Ivis(k=5, batch_size=50, model=[4], epochs=1, verbose=0, random_state=0)}
    getattr(scivis.tl, name)(reference, **settings | (manifold if key == "n2d" else {}))
    tested.clear()
    scivis.tl.ingest(query, reference, key=key)
    assert tested.pop("adata_new's expression") == 50
    # t-SNE places new cells among those of the reference, which are read once. The manifold learner of N2D is an estimator of
    # its own, which reads the latent cells.
    assert sum(tested.values()) == {"ivis": 0, "tsne": N, "n2d": 50}[key]


def test_the_estimators_test_rows_once(rows: np.ndarray, tested: Counter[str]) -> None:
    model = scivis.Ivis(k=5, batch_size=50, model=[4], epochs=1, verbose=0).fit(rows, np.arange(N) % 2)
    assert sum(tested.values()) == N
    model.transform(rows)
    model.score_samples(rows)
    model.novelty(rows)
    assert sum(tested.values()) == 4 * N
    tested.clear()
    parts = scivis.n2d.ManifoldClusterer(PCA(2), KMeans(2, n_init=1, random_state=0))
    scivis.N2D(scivis.n2d.AutoEncoder(6, 2, [4]), parts).fit(rows, epochs=1)
    assert sum(tested.values()) == N


class Source:
    """A dask array that counts how often each row is computed."""

    def __init__(self, rows: np.ndarray, chunk: int = 20) -> None:
        self.reads = np.zeros(len(rows), int)

        def read(block: np.ndarray, block_info: Any = None) -> np.ndarray:
            start = block_info[None]["array-location"][0][0]
            self.reads[start : start + len(block)] += 1
            return block

        stored = da.from_array(rows, chunks=(chunk, rows.shape[1]))
        self.array = stored.map_blocks(read, dtype=rows.dtype, meta=np.empty((0, 0), rows.dtype))


@pytest.fixture
def source(rows: np.ndarray) -> Iterator[Source]:
    import dask

    with dask.config.set(scheduler="synchronous"):
        yield Source(rows)


def test_lazy_rows_are_read_once_and_embedded_in_another_pass(source: Source) -> None:
    scivis.tl.ivis(made(source.array), use_rep="X", **IVIS)
    # The two blocks from which the means of the genes are estimated, and the units recognized, are read once more for each.
    assert np.median(source.reads) == 1
    assert source.reads.max() == 3


def test_a_subsample_of_lazy_rows_takes_three_passes(source: Source) -> None:
    """One to sample, one to read the sampled rows, and one to embed all rows."""
    scivis.tl.ivis(made(source.array), use_rep="X", **IVIS, max_train_cells=100)
    # Estimates of means, units and clusters read some blocks once more.
    assert 3 <= np.median(source.reads) <= 4
    assert source.reads.max() <= 6


def test_a_query_is_read_once(source: Source, rows: np.ndarray) -> None:
    reference = made(rows)
    scivis.tl.ivis(reference, use_rep="X", **IVIS)
    scivis.tl.ingest(made(source.array), reference)
    # The two blocks from which its units are recognized, and by which it is judged, are read once more for each.
    assert np.median(source.reads) == 1
    assert source.reads.max() == 3
