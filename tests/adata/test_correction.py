"""The stored correction: found, packed, validated; and the batches of a query."""

from __future__ import annotations

import copy

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from numpy.testing import assert_array_equal

from scivis._adata.correction import fit_correction, pack_correction, query_batches, unpack_correction
from scivis._adata.expression import integrated_pca
from scivis._adata.model_input import model_input
from scivis._adata.representation import choose_representation


@pytest.fixture
def pbmc(adata):
    """Cells with a PCA of their expression."""
    del adata.obsm, adata.varm, adata.uns
    sc.pp.pca(adata, n_comps=12)
    return adata


def moved(pca):
    """A copy of a PCA in which cells on one side of the first component are moved, as by Harmony."""
    return pca + np.where(pca[:, :1] > 0, 0.5 * pca.std(axis=0), 0)


def found(adata, key):
    return integrated_pca(adata, choose_representation(adata, use_rep=key))


# Which representations are integrated copies


def test_an_integrated_copy_is_recognized(pbmc):
    pbmc.obsm["X_pca_harmony"] = moved(pbmc.obsm["X_pca"])
    pca = found(pbmc, "X_pca_harmony")
    assert pca.key == "X_pca"
    assert_array_equal(pca.matrix, pbmc.obsm["X_pca"])


def test_a_copy_may_have_fewer_components_and_be_a_data_frame(pbmc):
    pbmc.obsm["first"] = pd.DataFrame(moved(pbmc.obsm["X_pca"])[:, :5], index=pbmc.obs_names)
    assert_array_equal(found(pbmc, "first").matrix, pbmc.obsm["X_pca"][:, :5])


def test_a_copy_of_a_pca_under_another_key_is_recognized(pbmc):
    sc.pp.pca(pbmc, n_comps=12, mask_var=np.arange(pbmc.n_vars) % 2 == 0, key_added="pca_half")
    pbmc.obsm["corrected"] = moved(pbmc.obsm["pca_half"])
    assert found(pbmc, "corrected").key == "pca_half"


def test_harmony_itself_is_recognized(pbmc):
    harmonypy = pytest.importorskip("harmonypy")
    batch = pd.DataFrame({"batch": np.random.default_rng(0).choice(["a", "b"], pbmc.n_obs)})
    shifted = pbmc.obsm["X_pca"] + 3 * (batch == "a").to_numpy()
    pbmc.obsm["X_pca_harmony"] = harmonypy.run_harmony(shifted, batch, "batch", verbose=False).Z_corr
    assert found(pbmc, "X_pca_harmony").key == "X_pca"


OTHERS = {
    "random": lambda x: np.random.default_rng(0).normal(size=x.shape) * x.std(axis=0),
    "rotated": lambda x: x[:, ::-1],
    "standardized": lambda x: x / x.std(axis=0),
    "wider": lambda x: np.concatenate([x, x[:, :1]], axis=1),
    "constant": np.ones_like,
    "NaN": lambda x: np.where(x > 0, np.nan, x),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_other_representations_are_not(pbmc, other):
    pbmc.obsm["X_other"] = other(pbmc.obsm["X_pca"])
    assert found(pbmc, "X_other") is None


def test_the_pca_itself_is_not(pbmc):
    assert found(pbmc, "X_pca") is None
    del pbmc.obsm["X_pca"]
    pbmc.obsm["X_other"] = np.ones((pbmc.n_obs, 3))
    assert found(pbmc, "X_other") is None


def inputs(adata, key):
    return model_input(adata, choose_representation(adata, use_rep=key), n_train=adata.n_obs, random_state=0)


def test_the_input_of_an_integrated_model_is_the_pca_of_expression(pbmc):
    pbmc.obsm["X_pca_harmony"] = moved(pbmc.obsm["X_pca"])
    cells = inputs(pbmc, "X_pca_harmony")
    assert cells.is_integrated
    expression = pbmc[:, cells.expression.genes].X
    np.testing.assert_allclose(cells.expression.project(expression), pbmc.obsm["X_pca"], atol=1e-3)
    correction = cells.with_correction(pbmc.obsm["X_pca_harmony"]).correction
    assert correction.is_integrated
    assert correction.clusters.sums.shape == (23, 12)


def test_an_integrated_copy_of_an_outdated_pca_stays_in_obsm(pbmc):
    pbmc.obsm["X_pca_harmony"] = moved(pbmc.obsm["X_pca"])
    pbmc.X = pbmc.X**2
    cells = inputs(pbmc, "X_pca_harmony")
    assert (cells.is_integrated, cells.expression) == (False, None)
    assert "X_pca'] is not the PCA of adata.X" in cells.reason
    assert cells.with_correction(pbmc.obsm["X_pca"]).pack() == {"expression": {}, "correction": {}}


def test_models_of_genes_and_of_other_representations_have_no_correction(pbmc):
    pbmc.obsm["X_other"] = np.random.default_rng(0).normal(size=(pbmc.n_obs, 12))
    for key in ("X", "X_other"):
        cells = inputs(pbmc, key)
        assert cells.with_correction(cells.rows.matrix).correction is None


# What is stored


@pytest.fixture
def stored():
    x = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    return pack_correction(fit_correction(x, 90, is_integrated=True))


def test_a_correction_survives_a_file(stored, tmp_path):
    ad.AnnData(uns={"correction": stored, "none": pack_correction(None)}).write_h5ad(tmp_path / "c.h5ad")
    read = ad.read_h5ad(tmp_path / "c.h5ad").uns
    again = unpack_correction(read["correction"], 4)
    assert_array_equal(again.clusters.masses, stored["masses"])
    assert_array_equal(again.clusters.sums, stored["sums"])
    assert (again.clusters.sigma, again.is_integrated) == (0.1, True)
    assert unpack_correction(read["none"], 4) is None


def test_a_correction_takes_a_few_tens_of_kilobytes():
    x = np.random.default_rng(0).normal(size=(5000, 50)).astype(np.float32)
    stored = pack_correction(fit_correction(x, 10**6, is_integrated=False))
    assert sum(np.asarray(value).nbytes for value in stored.values()) < 21_000


FORGERIES = {
    "no dictionary": (None, 3, "int, not a dictionary"),
    "masses of text": ("masses", np.array(["a"]), "masses is not an array"),
    "negative masses": ("masses", np.array([1.0, -1, 1]), "or are negative"),
    "no mass": ("masses", np.zeros(3), "or are negative"),
    "too many clusters": ("masses", np.ones(1001), "have shape"),
    "sums of another width": ("sums", np.ones((3, 5)), "but 3 × 4 are needed"),
    "infinite sums": ("sums", np.full((3, 4), np.inf), "sums is not an array"),
    "sigma of zero": ("sigma", 0.0, "sigma of its clusters"),
    "sigma of text": ("sigma", "0.1", "sigma of its clusters"),
    "integrated by text": ("is_integrated", "yes", "is_integrated is not a boolean"),
}


@pytest.mark.parametrize(("name", "value", "reason"), FORGERIES.values(), ids=FORGERIES)
def test_an_altered_correction_is_rejected(stored, name, value, reason):
    forged = copy.deepcopy(stored) | {name: value} if name else value
    with pytest.raises(ValueError, match=reason):
        unpack_correction(forged, 4)


@pytest.mark.parametrize("name", ["masses", "sums", "sigma", "is_integrated"])
def test_an_incomplete_correction_is_rejected(stored, name):
    del stored[name]
    with pytest.raises(ValueError, match=f"its correction lacks \\['{name}'\\]"):
        unpack_correction(stored, 4)


# Batches


def batched(values):
    return ad.AnnData(obs=pd.DataFrame({"batch": values}, index=[f"c{i}" for i in range(len(values))]))


@pytest.mark.parametrize(
    ("values", "codes"),
    [(["b", "a", "b"], [0, 1, 0]), ([7, 7, 3], [0, 0, 1]), (pd.Categorical(["x", "y", "x"]), [0, 1, 0])],
    ids=["text", "numbers", "categories"],
)
def test_batches_are_numbered(values, codes):
    assert_array_equal(query_batches(batched(values), "batch"), codes)


def test_without_a_key_all_cells_are_one_batch():
    assert_array_equal(query_batches(batched(["a", "b"]), None), [0, 0])


def test_a_missing_column_or_batch_is_rejected():
    with pytest.raises(KeyError, match=r"batch_key='donor' is not a column.*\['batch'\]"):
        query_batches(batched(["a"]), "donor")
    with pytest.raises(ValueError, match=r"obs\['batch'\] has no value for 1 cells"):
        query_batches(batched(["a", None]), "batch")
