"""`scivis.tl.ivis(detail=True)`: a t-SNE anchored to the embedding, from the neighbors of training."""

import dask.array as da
import numpy as np
import pytest
from anndata import read_h5ad
from numpy.testing import assert_array_equal

import scivis
from scivis._quality.neighbors import nearest_neighbors, neighbor_recall
from scivis._tsne.presets import anchored_settings

FAST = {"epochs": 2, "network": [8]}


@pytest.fixture
def few_iterations(monkeypatch):
    """Where the embedding does not matter."""
    monkeypatch.setattr(
        "scivis.tl._detail.anchored_settings", lambda n_cells: anchored_settings(n_cells) | {"n_iter": 10}
    )


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


@pytest.fixture
def many(monkeypatch):
    """These cells count as too many for an exact search."""
    monkeypatch.setattr("scivis.tl._detail.EXACT_UP_TO", 100)


@pytest.mark.slow
def test_of_few_cells_it_is_the_anchored_t_sne(detailed):
    scivis.tl.tsne(detailed, anchor="X_ivis", key_added="own")
    np.testing.assert_allclose(detailed.obsm["ivis_detail"], detailed.obsm["own"], atol=1e-3)


@pytest.mark.slow
@pytest.mark.usefixtures("many")
def test_of_many_cells_it_is_that_of_the_neighbors_of_training(detailed, monkeypatch):
    scivis.tl.tsne(detailed, anchor="X_ivis", affinity="uniform", n_neighbors=15, key_added="own")
    monkeypatch.setattr("scivis._tsne.affinities.opentsne_index", None)  # no second search
    scivis.tl.ivis(detailed, detail=True, key_added="mine", **FAST)
    np.testing.assert_allclose(detailed.obsm["mine_detail"], detailed.obsm["own"], atol=1e-3)
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
    before = detailed.obsm["X_ivis"].copy()
    with pytest.raises(ValueError, match="n_components=4 must be at most 3"):
        scivis.tl.ivis(detailed, detail=True, n_components=4)
    with pytest.raises(ValueError, match="detail=2"):
        scivis.tl.ivis(detailed, detail=2)
    assert_array_equal(detailed.obsm["X_ivis"], before)


@pytest.mark.usefixtures("few_iterations", "many")
def test_fewer_neighbors_of_training_than_the_affinities_need_are_searched_again(detailed):
    scivis.tl.ivis(detailed, detail=True, n_neighbors=5, **FAST)
    params = detailed.uns["ivis_detail"]["params"]
    assert (params["n_neighbors"], params["neighbors"]) == (15, "15 per cell, found by exact, euclidean")
    assert detailed.uns["ivis"]["params"]["neighbors"].startswith("5 per cell")
    assert scivis.get.model(detailed, "ivis_detail").affinities.P.getnnz(axis=1).min() >= 15


@pytest.mark.usefixtures("few_iterations", "many")
def test_ten_neighbors_of_training_suffice(detailed):
    scivis.tl.ivis(detailed, detail=True, n_neighbors=10, **FAST)
    params, trained = detailed.uns["ivis_detail"]["params"], detailed.uns["ivis"]["params"]
    assert (params["n_neighbors"], params["neighbors"]) == (10, trained["neighbors"])


@pytest.fixture(scope="module")
def _sampled(_pbmc):
    adata = _pbmc[:300].copy()
    del adata.uns["neighbors"], adata.obsp
    scivis.tl.ivis(adata, detail=True, max_train_cells=120, **FAST)
    return adata


@pytest.fixture
def sampled(_sampled):
    return _sampled.copy()


def test_a_subsample_is_arranged_and_the_other_cells_are_placed_as_new_cells(sampled, tmp_path):
    sampled.write_h5ad(tmp_path / "cells.h5ad")
    adata = read_h5ad(tmp_path / "cells.h5ad")
    mask = adata.obs["ivis_detail_sample"].to_numpy()
    assert mask.sum() == 120
    query = adata[~mask].copy()
    scivis.tl.ingest(query, adata, key="ivis_detail", use_rep="X_pca")
    np.testing.assert_allclose(query.obsm["ivis_detail"], adata.obsm["ivis_detail"][~mask], atol=1e-3)
    arranged = adata[mask]
    assert recall(arranged, "ivis_detail") > recall(arranged, "X_ivis") + 0.05


@pytest.mark.slow
def test_the_same_call_gives_the_same_places(sampled):
    again = sampled.copy()
    scivis.tl.ivis(again, detail=True, max_train_cells=120, **FAST)
    assert_array_equal(again.obsm["ivis_detail"], sampled.obsm["ivis_detail"])
    assert_array_equal(again.obs["ivis_detail_sample"], sampled.obs["ivis_detail_sample"])
    scivis.tl.ivis(again, detail=True, **FAST)
    assert "ivis_detail_sample" not in again.obs


def test_the_model_of_a_subsample_is_restored_and_continued(sampled):
    mask = sampled.obs["ivis_detail_sample"].to_numpy()
    model = scivis.get.model(sampled, "ivis_detail")
    assert_array_equal(np.asarray(model), sampled.obsm["ivis_detail"][mask])
    before = sampled.obsm["ivis_detail"].copy()
    scivis.tl.tsne(sampled, resume=True, key_added="ivis_detail", n_iter=5)
    moved = np.linalg.norm(sampled.obsm["ivis_detail"] - before, axis=1)
    assert moved[mask].mean() > 0
    assert 0 < moved[~mask].mean() < before.std()
    assert sampled.uns["ivis_detail"]["params"]["sample"] == "ivis_detail_sample"


def test_some_of_the_cells_are_a_model_too(sampled):
    part = sampled[::2].copy()
    query = sampled[1:9:2].copy()
    scivis.tl.ingest(query, part, key="ivis_detail")
    assert np.isfinite(query.obsm["ivis_detail"]).all()
    del part.obs["ivis_detail_sample"]
    with pytest.raises(ValueError, match="marks the cells that it arranged, is missing"):
        scivis.tl.ingest(query, part, key="ivis_detail")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["memory", "backed", "dask"])
@pytest.mark.usefixtures("few_iterations")
def test_genes_in_a_file_are_streamed_through_their_components(adata, tmp_path, form, monkeypatch):
    monkeypatch.setattr("scivis._adata.model_input._MAX_VALUES", 2**10)
    cells = adata[:300].copy()
    del cells.uns["neighbors"], cells.obsp, cells.obsm["X_pca"], cells.varm
    cells.write_h5ad(tmp_path / "cells.h5ad")
    adata = read_h5ad(tmp_path / "cells.h5ad", backed="r" if form == "backed" else None)
    if form == "dask":
        adata.X = da.from_array(adata.X, chunks=(40, 100))
    scivis.tl.ivis(adata, detail=True, use_rep="X", max_train_cells=120, **FAST)
    assert adata.uns["ivis_detail"]["params"]["n_features"] == 50
    query = cells[:20].copy()
    scivis.tl.ingest(query, adata, key="ivis_detail")
    placed = ~adata.obs["ivis_detail_sample"].to_numpy()[:20]
    np.testing.assert_allclose(query.obsm["ivis_detail"][placed], adata.obsm["ivis_detail"][:20][placed], atol=1e-2)
    scivis.tl.tsne(adata, resume=True, key_added="ivis_detail", n_iter=1)


@pytest.mark.slow
@pytest.mark.usefixtures("few_iterations")
def test_genes_that_mask_var_selects_are_read_again(adata):
    cells = adata[:200].copy()
    del cells.uns["neighbors"], cells.obsp
    mask = np.arange(cells.n_vars) % 3 == 0
    scivis.tl.ivis(cells, detail=True, use_rep="X", mask_var=mask, **FAST)
    query = cells[:5].copy()
    scivis.tl.ingest(query, cells, key="ivis_detail")
    assert np.isfinite(query.obsm["ivis_detail"]).all()
    few = cells[:, 5:].copy()
    with pytest.raises(ValueError, match="genes that it was fitted on are missing"):
        scivis.get.model(few, "ivis_detail")


@pytest.mark.slow
@pytest.mark.usefixtures("few_iterations", "many")
def test_a_graph_of_all_cells_trains_the_network_and_the_subsample_has_its_own(adata):
    scivis.tl.ivis(adata, detail=True, max_train_cells=200, epochs=1, network=[8])
    assert adata.uns["ivis"]["params"]["neighbors"] == "the graph 'neighbors'"
    assert adata.uns["ivis_detail"]["params"]["neighbors"].startswith("15 per cell")
    assert adata.obs["ivis_detail_sample"].sum() == 200


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
