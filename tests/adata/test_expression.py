"""From genes to the model's input: the projection found in `adata` gives back `X_pca`."""

from __future__ import annotations

import anndata as ad
import dask.array as da
import numpy as np
import pytest
import scanpy as sc
from scipy import sparse

from scivis._adata import expression as _expression
from scivis._adata.expression import ExpressionInput, expression_input
from scivis._adata.model_input import model_input, report_source
from scivis._adata.representation import choose_representation
from scivis.data._blocks import dense

N_CELLS, N_GENES, N_PCS = 240, 60, 10


@pytest.fixture(scope="module")
def _expressed():
    """Logarithms of counts with three groups of cells, and their PCA."""
    rng = np.random.default_rng(0)
    rates = rng.gamma(1.0, 2.0, size=(3, N_GENES))[np.arange(N_CELLS) % 3]
    adata = ad.AnnData(np.log1p(rng.poisson(rates)).astype(np.float32))
    adata.var_names = [f"gene{i}" for i in range(N_GENES)]
    sc.pp.pca(adata, n_comps=N_PCS)
    return adata


@pytest.fixture
def expressed(_expressed):
    return _expressed.copy()


def pca(adata, n_pcs=None):
    return choose_representation(adata, use_rep="X_pca", n_pcs=n_pcs)


def check_projection(adata, expression, n_pcs=N_PCS):
    """The model's input, made from the genes, is the stored PCA."""
    assert expression is not None
    matrix = adata.layers[expression.layer] if expression.layer else adata.X
    matrix = matrix.compute() if hasattr(matrix, "compute") else matrix[:]
    columns = adata.var_names.get_indexer(expression.genes)
    rows = dense(matrix)[:, columns]
    np.testing.assert_allclose(expression.project(rows), adata.obsm["X_pca"][:, :n_pcs], atol=1e-4)
    np.testing.assert_allclose(expression.means, rows.mean(axis=0), rtol=1e-4, atol=1e-6)


KINDS = {
    "dense": np.asarray,
    "csr": sparse.csr_matrix,
    "csr_array": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "dask": lambda x: da.from_array(x, chunks=(100, 30)),
    "float64": np.float64,
}


@pytest.mark.parametrize("kind", KINDS)
def test_genes_project_onto_the_pca(expressed, kind):
    expressed.X = KINDS[kind](expressed.X)
    expression = expression_input(expressed, pca(expressed))
    assert expression.layer == ""
    assert expression.loadings.shape == (N_GENES, N_PCS)
    check_projection(expressed, expression)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_genes_on_disk_project_onto_the_pca(expressed, kind, tmp_path):
    expressed.X = kind(expressed.X)
    expressed.write_h5ad(tmp_path / "x.h5ad")
    backed = ad.read_h5ad(tmp_path / "x.h5ad", backed="r")
    check_projection(backed, expression_input(backed, pca(backed)))
    backed.file.close()


def test_the_real_cells_project_onto_their_pca(adata):
    """Scaled genes, clipped, as their PCA was computed on them here."""
    sc.pp.pca(adata, n_comps=20)
    check_projection(adata, expression_input(adata, pca(adata)), n_pcs=20)


def test_the_first_components_alone(expressed):
    expression = expression_input(expressed, pca(expressed, n_pcs=4))
    assert expression.loadings.shape == (N_GENES, 4)
    check_projection(expressed, expression, n_pcs=4)


@pytest.mark.parametrize("zero_center", [True, False])
def test_the_pca_of_sparse_genes(expressed, zero_center):
    expressed.X = sparse.csr_matrix(expressed.X)
    sc.pp.pca(expressed, n_comps=N_PCS, zero_center=zero_center)
    expression = expression_input(expressed, pca(expressed))
    check_projection(expressed, expression)
    assert zero_center or np.abs(expression.offset).max() < 1e-3


@pytest.mark.parametrize("by", ["mask_var", "highly_variable"])
def test_a_pca_of_some_genes_reads_only_these(expressed, by):
    chosen = np.arange(N_GENES) % 3 == 0
    if by == "mask_var":
        sc.pp.pca(expressed, n_comps=N_PCS, mask_var=chosen)
    else:
        expressed.var["highly_variable"] = chosen
        sc.pp.pca(expressed, n_comps=N_PCS)
    expression = expression_input(expressed, pca(expressed))
    assert expression.genes.tolist() == expressed.var_names[chosen].tolist()
    check_projection(expressed, expression)


def test_loadings_that_are_missing_in_files_of_old_scanpy_mean_unused_genes(expressed):
    chosen = np.arange(N_GENES) % 3 == 0
    sc.pp.pca(expressed, n_comps=N_PCS, mask_var=chosen)
    expressed.varm["PCs"][~chosen] = np.nan
    expression = expression_input(expressed, pca(expressed))
    assert expression.genes.tolist() == expressed.var_names[chosen].tolist()
    check_projection(expressed, expression)


def test_an_inexact_pca_is_still_the_pca_of_these_genes(expressed):
    """Iterative solvers end before the last components are exact; single cells must not decide."""
    noise = np.random.default_rng(0).normal(size=expressed.obsm["X_pca"].shape)
    expressed.obsm["X_pca"] += (0.03 * expressed.obsm["X_pca"].std() * noise).astype(np.float32)
    expression = expression_input(expressed, pca(expressed))
    found = expression.project(expressed.X)
    assert np.abs(found - expressed.obsm["X_pca"]).max() < 0.2 * expressed.obsm["X_pca"].std()


def test_the_pca_of_a_layer_reads_the_layer(expressed):
    expressed.layers["logs"] = expressed.X.copy()
    expressed.X = np.expm1(expressed.X)
    sc.pp.pca(expressed, n_comps=N_PCS, layer="logs")
    expression = expression_input(expressed, pca(expressed))
    assert expression.layer == "logs"
    check_projection(expressed, expression)


def test_the_name_of_the_pca_in_scanpys_second_version(expressed):
    expressed.obsm["pca"] = expressed.obsm["X_pca"]
    expression = expression_input(expressed, choose_representation(expressed, use_rep="pca"))
    check_projection(expressed, expression)


def test_a_pca_under_a_key_of_the_user_has_its_own_loadings_and_layer(expressed):
    expressed.layers["logs"] = expressed.X.copy()
    expressed.layers["halves"] = expressed.X / 2
    expressed.X = np.expm1(expressed.X)
    sc.pp.pca(expressed, n_comps=5, layer="halves")
    sc.pp.pca(expressed, n_comps=N_PCS, layer="logs", key_added="pca_all")
    expression = expression_input(expressed, choose_representation(expressed, use_rep="pca_all"))
    assert expression.layer == "logs"
    np.testing.assert_allclose(expression.project(expressed.layers["logs"]), expressed.obsm["pca_all"], atol=1e-4)


def test_what_new_cells_must_bring_is_said_with_the_reason(expressed, said):
    expressed.obsm["X_scvi"] = np.random.default_rng(0).normal(size=(N_CELLS, 3))

    def report(key, verbosity):
        sc.settings.verbosity = verbosity
        representation = choose_representation(expressed, use_rep=key)
        report_source(expressed, model_input(expressed, representation, n_train=10, random_state=0))
        return said()

    assert report("X_pca", "warning") == report("X_scvi", "warning") == ""
    assert "scivis.tl.ingest will place new cells by their expression" in report("X_pca", "hint")
    assert "by their obsm['X_scvi'] and not by genes, because it is not a PCA" in report("X_scvi", "hint")
    expressed.X = expressed.X**2
    warned = report("X_pca", "warning")
    assert "by their obsm['X_pca'] and not by genes, because adata.obsm['X_pca'] is not the PCA of adata.X" in warned


def test_a_pca_of_counts_is_warned_of_with_the_remedy(counted, said):
    def report(**named):
        chosen = choose_representation(counted, **named)
        report_source(counted, model_input(counted, chosen, n_train=10, random_state=0))
        return said()

    counted.layers["counts"] = counted.X.copy()
    sc.pp.pca(counted, n_comps=5, layer="counts")
    assert report() == ""
    sc.pp.pca(counted, n_comps=5)
    assert "the PCA is one of raw counts" in (warned := report())
    assert "run `sc.pp.normalize_total`, `sc.pp.log1p`, `sc.pp.pca`" in warned
    assert report(use_rep="X") == ""
    sc.pp.normalize_total(counted, target_sum=1e4)
    sc.pp.log1p(counted)
    sc.pp.pca(counted, n_comps=5)
    assert report() == ""


def test_a_part_of_the_cells_keeps_its_projection(expressed):
    part = expressed[30:90].copy()
    check_projection(part, expression_input(part, pca(part)))


# --- no known way


@pytest.mark.parametrize(
    "change",
    [
        lambda x: 2 * x,
        np.expm1,
        lambda x: (x - x.mean(axis=0)) / x.std(axis=0),
        lambda x: x[::-1],
        lambda x: np.where(np.arange(len(x))[:, None] % 20 == 3, 0, x),
    ],
    ids=["doubled", "exponentials", "scaled", "other order", "every twentieth cell"],
)
def test_data_that_changed_after_the_pca_cannot_be_computed_from_genes(expressed, change):
    expressed.X = change(expressed.X)
    assert "is not the PCA of adata.X, which was changed since" in expression_input(expressed, pca(expressed))


def test_without_loadings_or_expression_nothing_can_be_computed(expressed):
    representation = pca(expressed)
    without_x = expressed.copy()
    without_x.X = None
    assert expression_input(without_x, representation) == "adata.X is None"
    del expressed.varm["PCs"]
    assert "not a PCA with loadings in adata.varm" in expression_input(expressed, representation)


def test_other_embeddings_cannot_be_computed_from_genes(expressed):
    expressed.obsm["X_scvi"] = expressed.obsm["X_pca"]
    reason = expression_input(expressed, choose_representation(expressed, use_rep="X_scvi"))
    assert "not a PCA with loadings in adata.varm" in reason


def test_a_pca_with_fewer_loadings_cannot_be_computed_from_genes(expressed):
    expressed.varm["PCs"] = expressed.varm["PCs"][:, :3]
    assert expression_input(expressed, pca(expressed)) == "adata.varm['PCs'] has loadings of only 3 of its 10 columns"


# --- genes themselves


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_genes_reads_them_as_they_are(expressed, kind):
    values = np.asarray(expressed.X)
    expressed.X = KINDS[kind](values)
    expression = model_input(
        expressed, choose_representation(expressed, use_rep="X"), n_train=10, random_state=0
    ).expression
    assert expression.genes.tolist() == expressed.var_names.tolist()
    assert expression.layer == ""
    np.testing.assert_allclose(expression.means, values.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(expression.project(values), values)


def test_a_model_of_a_layer_knows_the_layer(expressed):
    expressed.layers["twice"] = 2 * expressed.X
    expression = model_input(
        expressed, choose_representation(expressed, layer="twice"), n_train=10, random_state=0
    ).expression
    assert expression.layer == "twice"
    np.testing.assert_allclose(expression.means, 2 * expressed.X.mean(axis=0), rtol=1e-5)


# --- large data


@pytest.mark.parametrize("n", [5, 30, 95, 240])
def test_of_large_data_evenly_spread_blocks_are_read(monkeypatch, n):
    monkeypatch.setattr(_expression, "_BLOCKS", 3)
    monkeypatch.setattr(_expression, "_BLOCK", 10)
    x = np.arange(4.0 * n).reshape(n, 4)
    rows, where = _expression._sample(sparse.csr_array(x), np.array([True, False, False, True]))
    np.testing.assert_array_equal(rows, x[where][:, [0, 3]])
    assert len(where) == len(set(where)) == min(n, 30)
    assert np.diff(np.concatenate([where, [n]])).max() <= -(-n // 3)


def test_the_projection_of_large_data_comes_from_the_sample(expressed, monkeypatch):
    monkeypatch.setattr(_expression, "_BLOCKS", 4)
    monkeypatch.setattr(_expression, "_BLOCK", 10)
    expression = model_input(expressed, pca(expressed), n_train=10, random_state=0).expression
    # The offset is that of every cell; only the means are estimated.
    np.testing.assert_allclose(expression.project(expressed.X), expressed.obsm["X_pca"], atol=1e-4)


def test_projecting_is_a_matrix_product_and_an_offset():
    rng = np.random.default_rng(0)
    loadings, offset = rng.normal(size=(5, 2)).astype(np.float32), np.array([1, -1], np.float32)
    expression = ExpressionInput(np.array(list("abcde")), np.zeros(5, np.float32), "", loadings, offset)
    rows = rng.normal(size=(7, 5)).astype(np.float32)
    np.testing.assert_allclose(expression.project(rows), rows @ loadings + offset, rtol=1e-6)
