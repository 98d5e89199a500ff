"""`scivis.tl.ivis(detail=True)`: a t-SNE anchored to the embedding, from the neighbors of training."""

import numpy as np
import pytest
from anndata import read_h5ad
from numpy.testing import assert_array_equal

import scivis
from scivis._quality.neighbors import nearest_neighbors, neighbor_recall

FAST = {"epochs": 2, "network": [8]}


def recall(adata, key):
    cells = np.arange(adata.n_obs)
    return neighbor_recall(*(nearest_neighbors(adata.obsm[name], cells, 15)[0] for name in ("X_pca", key)))


@pytest.fixture(scope="module")
def _detailed(_pbmc):
    adata = _pbmc[:300].copy()
    del adata.uns["neighbors"], adata.obsp
    scivis.tl.ivis(adata, detail=True, **FAST)
    return adata


@pytest.fixture
def detailed(_detailed):
    return _detailed.copy()


def test_one_call_trains_once_and_adds_the_neighbors_of_t_sne(detailed):
    plain = detailed.copy()
    scivis.tl.ivis(plain, **FAST)
    assert_array_equal(plain.obsm["X_ivis"], detailed.obsm["X_ivis"])  # the embedding is not changed
    assert recall(detailed, "ivis_detail") > recall(detailed, "X_ivis") + 0.05
    correlations = [
        np.corrcoef(detailed.obsm["X_ivis"][:, i], detailed.obsm["ivis_detail"][:, i])[0, 1] for i in (0, 1)
    ]
    assert min(correlations) > 0.95


@pytest.mark.slow
def test_it_is_the_anchored_t_sne_of_the_neighbors_of_training(detailed, monkeypatch):
    scivis.tl.tsne(detailed, anchor="X_ivis", affinity="uniform", n_neighbors=15, key_added="own")
    np.testing.assert_allclose(detailed.obsm["ivis_detail"], detailed.obsm["own"], atol=1e-3)
    monkeypatch.setattr("scivis._tsne.affinities.opentsne_index", None)  # no second search
    scivis.tl.ivis(detailed, detail=True, key_added="mine", **FAST)
    assert detailed.uns["mine_detail"]["params"]["anchor"] == "mine"


def test_the_result_is_a_model_of_its_own(detailed, tmp_path):
    detailed.write_h5ad(tmp_path / "cells.h5ad")
    reference = read_h5ad(tmp_path / "cells.h5ad")
    query = reference[:5].copy()
    scivis.tl.ingest(query, reference, key="ivis_detail")
    assert query.obsm["ivis_detail"].shape == (5, 2)
    scivis.tl.tsne(reference, resume=True, key_added="ivis_detail", n_iter=1)


@pytest.mark.slow
def test_a_graph_is_used_for_both(adata):
    scivis.tl.ivis(adata, detail=True, epochs=1, network=[8])
    assert adata.uns["ivis_detail"]["params"]["neighbors"] == adata.uns["ivis"]["params"]["neighbors"]
    assert scivis.get.model(adata, "ivis_detail").affinities.P.shape == (700, 700)


def test_calls_that_cannot_have_detail_are_rejected(detailed):
    with pytest.raises(ValueError, match="max_train_cells=None"):
        scivis.tl.ivis(detailed, detail=True, max_train_cells=100)
    with pytest.raises(ValueError, match="mask_var"):
        scivis.tl.ivis(detailed, detail=True, use_rep="X", mask_var=np.ones(detailed.n_vars, bool))


def test_new_cells_are_placed_by_the_network_and_their_neighbors(detailed, tmp_path):
    detailed.write_h5ad(tmp_path / "cells.h5ad")
    reference = read_h5ad(tmp_path / "cells.h5ad")
    query = detailed[:40].copy()
    del query.obsm["ivis_detail"]
    parts = [query[:7].copy(), query[7:].copy()]
    for cells in (query, *parts):
        scivis.tl.ingest(cells, reference, key="ivis_detail")
    assert_array_equal(reference.obsm["ivis_detail"], detailed.obsm["ivis_detail"])
    placed = np.concatenate([part.obsm["ivis_detail"] for part in parts])
    np.testing.assert_allclose(placed, query.obsm["ivis_detail"], atol=1e-3)
    # Cells of the reference fall onto their own place.
    apart = np.linalg.norm(placed - reference.obsm["ivis_detail"][:40], axis=1)
    assert np.median(apart) < 0.3 * reference.obsm["ivis_detail"].std()


def test_without_the_model_of_the_anchor_new_cells_are_optimized(detailed):
    query = detailed[:5].copy()
    del detailed.uns["ivis"]
    with pytest.raises(ValueError, match="requires an anchor with a model"):
        scivis.tl.ingest(query, detailed, key="ivis_detail", initialization="anchor")
    scivis.tl.ingest(query, detailed, key="ivis_detail", n_iter=5)
    assert np.isfinite(query.obsm["ivis_detail"]).all()
