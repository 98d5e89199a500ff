"""Which matrix stands for the cells."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

from scivis._adata.representation import choose_representation


@pytest.fixture
def plain():
    """60 genes, more than scanpy's 50, and nothing computed yet."""
    return ad.AnnData(np.random.default_rng(0).normal(size=(80, 60)).astype(np.float32))


def test_the_pca_by_default(adata):
    found = choose_representation(adata)
    assert (found.kind, found.key) == ("obsm", "X_pca")
    assert found.matrix is adata.obsm["X_pca"]


def test_the_pca_of_scanpys_second_version(adata):
    adata.obsm["pca"] = adata.obsm.pop("X_pca")
    assert choose_representation(adata).key == "pca"


def test_x_for_few_genes(plain):
    found = choose_representation(plain[:, :50])
    assert (found.kind, found.key, found.matrix.shape) == ("X", "X", (80, 50))


def test_what_few_genes_are_is_scanpys_setting(plain):
    sc.settings.N_PCS = 60
    assert choose_representation(plain).kind == "X"


@pytest.mark.parametrize("arguments", [{"use_rep": "X"}, {"n_pcs": 0}, {"use_rep": "X", "n_pcs": 0}])
def test_x_on_request(adata, arguments):
    found = choose_representation(adata, **arguments)
    assert found.kind == "X"
    np.testing.assert_array_equal(found.matrix, adata.X)


@pytest.mark.parametrize("use_rep", [None, "X_pca"])
def test_the_first_components(adata, use_rep):
    found = choose_representation(adata, use_rep=use_rep, n_pcs=7)
    np.testing.assert_array_equal(found.matrix, adata.obsm["X_pca"][:, :7])


def test_few_components_also_of_few_genes(plain):
    few = plain[:, :40].copy()
    sc.pp.pca(few, n_comps=10)
    assert choose_representation(few, n_pcs=3).matrix.shape == (80, 3)


def test_any_embedding(adata):
    assert choose_representation(adata, use_rep="X_umap").matrix is adata.obsm["X_umap"]


def test_a_table_among_the_embeddings(adata):
    adata.obsm["proteins"] = pd.DataFrame(adata.X[:, :4], index=adata.obs_names, columns=list("abcd"))
    found = choose_representation(adata, use_rep="proteins").matrix
    np.testing.assert_array_equal(found, adata.X[:, :4])


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_a_layer(adata, kind):
    adata.layers["counts"] = kind(np.ones(adata.shape, np.int64))
    found = choose_representation(adata, layer="counts")
    assert (found.kind, found.key) == ("layer", "counts")
    assert found.matrix.dtype == np.int64


def test_nothing_is_computed_or_copied_that_is_there(adata):
    before = (sorted(adata.obsm), sorted(adata.varm), sorted(adata.uns))
    for arguments in ({}, {"use_rep": "X_umap"}, {"n_pcs": 3}, {"use_rep": "X"}):
        choose_representation(adata, **arguments)
    assert (sorted(adata.obsm), sorted(adata.varm), sorted(adata.uns)) == before


def test_descriptions_name_the_place_and_the_size(adata):
    adata.layers["counts"] = adata.X
    assert choose_representation(adata, n_pcs=5).description == "adata.obsm['X_pca'], 5 columns"
    assert choose_representation(adata, use_rep="X").description == "adata.X (765 genes)"
    assert choose_representation(adata, layer="counts").description == "adata.layers['counts'], 765 columns"


# --- without a PCA


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_a_missing_pca_is_computed_and_written_with_a_warning(plain, kind):
    plain.X = kind(plain.X)
    other = plain.copy()
    with pytest.warns(
        UserWarning, match=r"no PCA.*computing 50 components, stored in adata\.obsm\['X_pca'\].*sc\.pp\.pca"
    ):
        found = choose_representation(plain)
    sc.pp.pca(other, n_comps=50)
    assert (found.kind, found.key) == ("obsm", "X_pca")
    np.testing.assert_array_equal(plain.obsm["X_pca"], other.obsm["X_pca"])
    assert "PCs" in plain.varm


def test_as_many_components_as_asked_for_and_as_the_data_have(plain):
    with pytest.warns(UserWarning, match="computing 12 components"):
        assert choose_representation(plain.copy(), n_pcs=12).matrix.shape == (80, 12)
    few = plain[:20].copy()
    with pytest.warns(UserWarning, match="computing 19 components"):
        assert choose_representation(few).matrix.shape == (20, 19)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_values_that_are_not_finite_are_rejected_before_the_pca(plain, kind):
    plain.X[[33, 40], 5] = np.nan
    plain.X = kind(plain.X)
    with pytest.raises(ValueError, match=r"adata\.X holds NaN.*2 of 80.*row 33\."):
        choose_representation(plain)
    assert not plain.obsm.keys()


# --- refused


def test_unknown_keys_are_rejected_with_the_known_ones(adata):
    with pytest.raises(KeyError, match=r"Did not find 'X_pcaa' in adata\.obsm; it holds \['X_pca', 'X_umap'\]"):
        choose_representation(adata, use_rep="X_pcaa")
    with pytest.raises(KeyError, match=r"Did not find '' in adata\.obsm"):
        choose_representation(adata, use_rep="")
    adata.layers["logs"] = adata.X
    with pytest.raises(KeyError, match=r"Did not find 'counts' in adata\.layers; it holds \['logs'\]"):
        choose_representation(adata, layer="counts")


@pytest.mark.parametrize("arguments", [{"use_rep": "X_pca"}, {"n_pcs": 3}, {"use_rep": "X"}])
def test_a_layer_beside_another_choice_is_rejected(adata, arguments):
    adata.layers["counts"] = adata.X
    with pytest.raises(ValueError, match=r"layer='counts'.*leave out use_rep and n_pcs, or leave out layer"):
        choose_representation(adata, layer="counts", **arguments)


def test_components_of_x_are_rejected(adata):
    with pytest.raises(ValueError, match=r"use_rep='X' reads all genes: leave out n_pcs=5"):
        choose_representation(adata, use_rep="X", n_pcs=5)


def test_more_components_than_there_are_are_rejected(adata):
    with pytest.raises(ValueError, match=r"n_pcs=51, but adata\.obsm\['X_pca'\] has 50 columns"):
        choose_representation(adata, n_pcs=51)


def test_more_components_than_a_pca_can_have_are_rejected(plain):
    with pytest.raises(ValueError, match=r"n_pcs=20, but a PCA of 20 cells and 60 genes has at most 19"):
        choose_representation(plain[:20].copy(), n_pcs=20)


@pytest.mark.parametrize("n_pcs", [-1, 2.5, "10", True])
def test_a_number_of_components_that_is_none_is_rejected_before_a_pca_is_computed(plain, n_pcs):
    with pytest.raises(ValueError, match=rf"n_pcs={n_pcs!r} must be an integer"):
        choose_representation(plain, n_pcs=n_pcs)
    assert not plain.obsm.keys()


def test_an_array_of_images_is_rejected(adata):
    adata.obsm["images"] = np.zeros((700, 4, 4))
    with pytest.raises(ValueError, match=r"adata\.obsm\['images'\] has shape \(700, 4, 4\).*one row per cell"):
        choose_representation(adata, use_rep="images")


def test_no_x_is_rejected_with_the_remedy(adata):
    adata.X = None
    with pytest.raises(ValueError, match=r"adata\.X is None.*use_rep.*layer"):
        choose_representation(adata, use_rep="X")
