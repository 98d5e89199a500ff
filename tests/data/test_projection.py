"""Principal components of very many genes."""

from __future__ import annotations

import anndata as ad
import dask.array as da
import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA

from scivis.data._blocks import BLOCK
from scivis.data._projection import fit_projection, project


@pytest.fixture(scope="module")
def counts():
    """Sparse counts of 10,000 cells, whose 60 genes follow 3 programs."""
    rng = np.random.default_rng(0)
    programs = rng.gamma(0.3, size=(3, 60))
    x = rng.poisson(rng.dirichlet(np.ones(3), 10_000) @ programs)
    return sparse.csr_matrix(x.astype(np.float32))


def test_axes_of_all_rows_are_those_of_pca(counts):
    columns = np.arange(60) % 3 > 0
    projection = fit_projection(counts, columns, 0)
    x = counts.toarray()[:, columns]
    pca = PCA(39, svd_solver="full").fit(x)
    found, wanted = projection(counts)[:, :3], pca.transform(x)[:, :3]
    signs = np.sign((found * wanted).sum(axis=0))
    np.testing.assert_allclose(found * signs, wanted, atol=2e-2)
    assert not projection.loadings[~columns].any()
    np.testing.assert_allclose(projection.means, counts.toarray().mean(axis=0), rtol=1e-4, atol=1e-6)


def test_axes_of_sampled_runs_are_nearly_those_of_all_rows(counts, monkeypatch):
    everything = fit_projection(counts, np.ones(60, bool), 0)
    monkeypatch.setattr("scivis.data._projection._RUNS", 20)
    part = fit_projection(counts, np.ones(60, bool), 0)
    overlap = np.linalg.svd(everything.loadings[:, :2].T @ part.loadings[:, :2])[1]
    assert overlap.min() > 0.99  # cosines of the angles between the planes


def test_components_are_the_same_for_data_in_memory_on_disk_and_in_dask(counts, tmp_path):
    projection = fit_projection(counts, np.ones(60, bool), 0)
    wanted = counts.toarray() @ projection.loadings + projection.offset
    lazy = da.from_array(counts.toarray(), chunks=(3000, 60))
    ad.AnnData(counts).write_h5ad(tmp_path / "x.h5ad", compression="gzip")
    backed = ad.read_h5ad(tmp_path / "x.h5ad", backed="r")
    for matrix in (counts, backed.X, lazy):
        np.testing.assert_allclose(np.asarray(project(matrix, projection, "X")[0:10_000]), wanted, atol=1e-4)
    backed.file.close()


def test_nan_is_reported_with_its_row(counts):
    x = counts.toarray()
    projection = fit_projection(counts, np.ones(60, bool), 0)
    x[BLOCK + 7, 3] = np.nan
    with pytest.raises(ValueError, match=rf"genes holds NaN .* row {BLOCK + 7}\."):
        project(x, projection, "genes")


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_nan_in_a_sampled_run_is_reported_with_its_row(counts, kind, monkeypatch):
    monkeypatch.setattr("scivis.data._projection._RUNS", 3)
    x = counts.toarray()
    x[9_950, 3] = np.nan  # in the last of three runs of 200 rows
    with pytest.raises(ValueError, match=r"The expression holds NaN .* row 9950\."):
        fit_projection(kind(x), np.ones(60, bool), 0)
    fit_projection(kind(x), np.arange(60) != 3, 0)
