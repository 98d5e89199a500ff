"""A small reference with a model of each method, and files of these models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

import scivis

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from anndata import AnnData

N_CELLS, N_GENES = 60, 5


def made(n_cells: int, seed: int) -> AnnData:
    """Cells of three groups, labeled."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n_cells) % 3
    x = rng.normal(size=(n_cells, N_GENES)) + 4 * np.eye(3, N_GENES)[groups]
    adata = ad.AnnData(x.astype(np.float32))
    adata.obs["group"] = np.array(list("ABC"))[groups]
    adata.obs["group"] = adata.obs["group"].astype("category")
    return adata


@pytest.fixture(scope="session")
def query() -> AnnData:
    """New cells; no test may change them."""
    return made(4, 1)


@pytest.fixture(scope="session")
def reference(eagerly: Callable[[], AbstractContextManager[None]]) -> AnnData:
    """Cells with a model of each method; no test may change them."""
    adata = made(N_CELLS, 0)
    manifold = scivis.Ivis(k=5, batch_size=20, model=[4], epochs=1, verbose=0, random_state=0)
    clusterer = GaussianMixture(3, random_state=0)
    with eagerly():
        scivis.tl.ivis(adata, n_neighbors=5, network=[4], epochs=1, labels="group")
        scivis.tl.n2d(adata, 3, architecture=[4], epochs=1, manifold=manifold, clusterer=clusterer)
    scivis.tl.tsne(adata, perplexity=5, n_iter=10, early_exaggeration_iter=0)
    return adata


@pytest.fixture(scope="session")
def folder(eagerly: Callable[[], AbstractContextManager[None]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a saved model of labeled rows, which keeps the state of its training; no test may change it."""
    rows = made(N_CELLS, 0)
    path = tmp_path_factory.mktemp("saved") / "model"
    with eagerly():
        # Dropout between two layers has a random state, which is saved.
        model = scivis.Ivis(k=5, batch_size=20, model=[4, 4], epochs=1, verbose=0, random_state=0)
        model.fit(rows.X, rows.obs["group"].cat.codes).save_model(path)
    return path


@pytest.fixture
def nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forged entry must be rejected before a network of its size is allocated."""

    def fail(*_: object, **__: object) -> None:
        pytest.fail("a network was built")

    monkeypatch.setattr("scivis.nn.build_encoder", fail)
    monkeypatch.setattr("scivis.n2d._network.build", fail)
