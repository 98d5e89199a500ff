"""Data as the tools leave them, without training."""

import numpy as np
import pandas as pd
import pytest

import scivis


@pytest.fixture(scope="session")
def add_embedding():
    """Adds random coordinates and a training history, as `scivis.tl.ivis` does."""

    def add(adata, key="ivis", n_components=2, seed=0):
        rng = np.random.default_rng(seed)
        name = "X_ivis" if key == "ivis" else key
        adata.obsm[name] = rng.normal(size=(adata.n_obs, n_components)).astype(np.float32)
        adata.uns[key] = {"params": {"loss": "infonce"}, "history": {"loss": np.array([3.0, 2.0, 1.5])}}
        return adata

    return add


@pytest.fixture
def embedded(adata, add_embedding):
    """700 cells with an ivis embedding and a history."""
    return add_embedding(adata)


@pytest.fixture
def query(adata, add_embedding):
    """50 cells on the embedding, with their novelty."""
    cells = add_embedding(adata[:50].copy(), seed=1)
    del cells.uns["ivis"]
    cells.obs["ivis_novelty"] = np.linspace(0, 2, 50, dtype=np.float32)
    return cells


@pytest.fixture
def predicted(embedded):
    """700 cells with predicted classes x, y and z."""
    scores = np.random.default_rng(0).dirichlet([1, 1, 1], 700).astype(np.float32)
    embedded.obsm["ivis_scores"] = scores
    embedded.obs["ivis_certainty"] = scores.max(axis=1)
    embedded.obs["ivis_label"] = pd.Categorical(np.array(["x", "y", "z"])[scores.argmax(axis=1)])
    return embedded


@pytest.fixture(scope="session")
def _measured(_pbmc):
    adata = _pbmc.copy()
    adata.obsm["X_other"] = adata.obsm["X_pca"][:, 2:4].copy()
    scivis.tl.quality(adata, ["umap", "other"], labels="bulk_labels", n_neighbors=[10, 30], n_cells=100)
    return adata


@pytest.fixture
def measured(_measured):
    """700 cells with the quality card of two embeddings."""
    return _measured.copy()


@pytest.fixture(scope="session")
def offsets():
    """Coordinates of each collection of dots in the Axes."""
    return lambda axes: [np.asarray(dots.get_offsets()) for dots in axes.collections if len(dots.get_offsets())]
