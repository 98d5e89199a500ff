"""`scivis.tl.feature_importance`: one gene that separates the cells, and genes changed one at a time."""

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from numpy.testing import assert_allclose, assert_array_equal

import scivis

pytestmark = pytest.mark.usefixtures("op_by_op")

TINY = {"network": [8], "epochs": 2, "batch_size": 100, "n_neighbors": 5}


@pytest.fixture(scope="module")
def cells():
    """300 cells of noise, except for one gene that is expressed in every third cell."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 20)).astype(np.float32)
    x[::3, 7] += 12
    adata = ad.AnnData(x)
    sc.pp.pca(adata, n_comps=10)
    return adata


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("how", [{"use_rep": "X"}, {"use_rep": "X_pca"}])
def test_the_gene_that_separates_cells_is_the_most_important(cells, how):
    adata = cells.copy()
    scivis.tl.ivis(adata, **how, epochs=10, n_neighbors=15)
    scivis.tl.feature_importance(adata)
    importance = adata.var["ivis_importance"]
    assert importance.idxmax() == "7"
    assert importance["7"] > 3 * importance.drop("7").max()


def test_importance_is_the_mean_distance_by_which_cells_move(cells):
    adata = cells.copy()
    adata.X[:, 3] = 5  # a constant gene has no effect
    scivis.tl.ivis(adata, use_rep="X", **TINY)
    scivis.tl.feature_importance(adata, n_cells=300, random_state=4)
    model, found = scivis.get.model(adata), adata.var["ivis_importance"].to_numpy()
    rng = np.random.default_rng(4)
    rng.choice(300, 300, replace=False)
    order = rng.permutation(300)
    for gene in range(20):
        changed = adata.X.copy()
        changed[order, gene] = adata.X[np.roll(order, 1), gene]
        moved = np.linalg.norm(model.transform(changed) - adata.obsm["X_ivis"], axis=1).mean()
        assert found[gene] == pytest.approx(moved, rel=1e-3, abs=1e-6)
    assert found[3] == 0


def test_changed_genes_are_projected_on_the_pca(cells):
    adata = cells[:, ::-1].copy()
    adata.var["read"] = adata.var_names != "2"
    sc.pp.pca(adata, n_comps=10, mask_var="read")
    scivis.tl.ivis(adata, use_rep="X_pca", **TINY)
    scivis.tl.feature_importance(adata, n_cells=300)
    rng = np.random.default_rng(0)
    rng.choice(300, 300, replace=False)
    order = rng.permutation(300)
    changed = adata.copy()
    changed.X[order, 12] = adata.X[np.roll(order, 1), 12]
    scivis.tl.ingest(changed, adata)
    moved = np.linalg.norm(changed.obsm["X_ivis"] - adata.obsm["X_ivis"], axis=1).mean()
    assert adata.var["ivis_importance"].iloc[12] == pytest.approx(moved, rel=1e-3)
    assert np.isnan(adata.var.loc["2", "ivis_importance"])
    assert adata.var["ivis_importance"].notna().sum() == 19


def test_without_genes_the_columns_of_the_representation_get_importances(cells):
    adata = ad.AnnData(obsm={"X_own": cells.X[:, 5:9].copy()})
    scivis.tl.ivis(adata, use_rep="X_own", **TINY, key_added="mine")
    scivis.tl.feature_importance(adata, key="mine")
    assert adata.uns["mine_importance"].shape == (4,)
    assert adata.uns["mine_importance"].argmax() == 2


def test_equal_seeds_give_equal_results_and_a_copy_leaves_adata_unchanged(cells):
    adata = cells.copy()
    scivis.tl.ivis(adata, use_rep="X", **TINY)
    first, again, other = (
        scivis.tl.feature_importance(adata, n_cells=50, random_state=seed, copy=True).var["ivis_importance"]
        for seed in (1, 1, 2)
    )
    assert_array_equal(first, again)
    assert (first != other).any()
    assert "ivis_importance" not in adata.var


def test_the_size_of_blocks_has_no_effect(cells, monkeypatch):
    adata = cells.copy()
    scivis.tl.ivis(adata, use_rep="X", **TINY)
    whole = scivis.tl.feature_importance(adata, n_cells=50, copy=True).var["ivis_importance"]
    monkeypatch.setattr("scivis._quality.importance._VALUES", 3 * 50 * 20)
    blocks = scivis.tl.feature_importance(adata, n_cells=50, copy=True).var["ivis_importance"]
    assert_allclose(blocks, whole, rtol=1e-5)


def test_a_model_without_a_network_is_rejected(adata):
    scivis.tl.tsne(adata, early_exaggeration_iter=10, n_iter=0)
    with pytest.raises(
        ValueError, match=r"key='tsne' is an embedding of tsne, but a model of scivis.tl.ivis is needed"
    ):
        scivis.tl.feature_importance(adata, key="tsne")
    with pytest.raises(KeyError, match="ivis"):
        scivis.tl.feature_importance(adata)


@pytest.mark.parametrize("arguments", [{"n_cells": 0}, {"random_state": -1}])
def test_bad_arguments_are_rejected(adata, arguments):
    [(name, value)] = arguments.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        scivis.tl.feature_importance(adata, **arguments)
