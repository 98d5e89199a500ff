"""The verdict on a query that `scivis.tl.ingest` writes, for all methods."""

import io

import anndata as ad
import numpy as np
import pytest
import scanpy as sc

import scivis

pytestmark = pytest.mark.usefixtures("op_by_op")

FITS = {
    "ivis": lambda adata: scivis.tl.ivis(adata, network=[8], epochs=1, batch_size=100, n_neighbors=5),
    "tsne": lambda adata: scivis.tl.tsne(adata, perplexity=5, early_exaggeration_iter=0, n_iter=1),
    "n2d": lambda adata: scivis.tl.n2d(adata, 3, architecture=[8], epochs=1, manifold="ivis"),
}


@pytest.fixture(scope="module")
def genes():
    """Expression of 40 genes in cells of three types; genes 0 to 9 are high in the first, 10 to 19 in the second, …"""
    rng = np.random.default_rng(0)
    types = np.repeat(np.arange(3), 200)
    x = rng.normal(size=(600, 40)).astype(np.float32)
    x[np.arange(40) // 10 == types[:, None]] += 5
    cells = ad.AnnData(rng.permutation(x))
    cells.var_names = [f"gene-{i}" for i in range(40)]
    return cells


@pytest.fixture(scope="module", params=["ivis", "tsne", pytest.param("n2d", marks=pytest.mark.slow)])
def method(request):
    return request.param


@pytest.fixture(scope="module")
def reference(genes, method, eagerly):
    fitted = genes[:450].copy()
    with eagerly():
        FITS[method](fitted)
    return fitted


def with_new_type(cells):
    """A third of the cells have genes 30 to 39 high."""
    cells = cells.copy()
    cells.X[:50, :30] = np.random.default_rng(1).normal(size=(50, 30))
    cells.X[:50, 30:] += 5
    return cells


def test_the_verdict_names_a_new_type_and_its_genes(genes, reference, method):
    query = with_new_type(genes[450:])
    sc.settings.verbosity, sc.settings.logfile = "info", io.StringIO()
    log = sc.settings.logfile
    scivis.tl.ingest(query, reference, key=method)
    verdict = query.uns[f"{method}_verdict"]
    assert verdict["kind"] == "population"
    assert verdict["excess"] == pytest.approx(1 / 3, abs=0.03)
    assert set(verdict["genes"]) == {f"gene-{i}" for i in range(30, 40)}
    assert (verdict["differences"] > 2).all()
    assert (query.obs[f"{method}_pvalue"].iloc[:50] <= 0.01).mean() > 0.9
    assert verdict["text"] in log.getvalue()
    assert "They lie together" in verdict["text"]


def test_a_query_like_the_reference_has_nothing_unusual(genes, reference, method):
    query = genes[450:].copy()
    scivis.tl.ingest(query, reference, key=method)
    verdict = query.uns[f"{method}_verdict"]
    assert verdict["kind"] == "none"
    assert "Nothing unusual" in verdict["text"]
    assert "Genes" not in verdict["text"]


def test_the_verdict_survives_a_file(genes, reference, method, tmp_path):
    query = with_new_type(genes[450:])
    scivis.tl.ingest(query, reference, key=method)
    query.write_h5ad(tmp_path / "query.h5ad")
    read = ad.read_h5ad(tmp_path / "query.h5ad").uns[f"{method}_verdict"]
    assert set(read) == set(query.uns[f"{method}_verdict"])
    assert list(read["genes"]) == list(query.uns[f"{method}_verdict"]["genes"])


def test_a_query_without_cells_has_no_verdict(genes, reference, method):
    query = genes[450:].copy()
    scivis.tl.ingest(query, reference, key=method)
    none = query[:0].copy()
    scivis.tl.ingest(none, reference, key=method)
    assert f"{method}_verdict" not in none.uns
    assert none.obs[f"{method}_pvalue"].shape == (0,)
