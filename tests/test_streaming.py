"""Rows on their way through: stored in a file, projected, mapped block by block, here and by workers."""

import tracemalloc

import anndata as ad
import dask.array as da
import h5py
import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA

from scivis.data import _spill as _row_file
from scivis.data._projection import fit_projection, project
from scivis.data._rows import BLOCK, spread_rows, take_rows
from scivis.data._spill import RowFile
from scivis.data._streaming import Rows


@pytest.fixture(scope="module")
def counts():
    """Sparse counts of 20,000 cells, whose 60 genes follow 3 programmes."""
    rng = np.random.default_rng(0)
    programmes = rng.gamma(0.3, size=(3, 60))
    x = rng.poisson(rng.dirichlet(np.ones(3), 20_000) @ programmes)
    return sparse.csr_matrix(x.astype(np.float32))


def on_disk(matrix, path):
    """The matrix as `.X` of a backed AnnData object."""
    ad.AnnData(matrix).write_h5ad(path, compression="gzip")
    return ad.read_h5ad(path, backed="r")


# --- rows in a file


def test_a_row_file_gives_back_what_was_written():
    x = np.random.default_rng(0).normal(size=(1000, 7)).astype(np.float32)
    rows = RowFile.of((x[a : a + 300] for a in range(0, 1000, 300)), (1000, 7))
    np.testing.assert_array_equal(rows[:], x)
    np.testing.assert_array_equal(rows[250:620], x[250:620])
    np.testing.assert_array_equal(rows[990:2000], x[990:])
    assert rows[5:5].shape == (0, 7)
    np.testing.assert_array_equal(rows.mapped()[[3, 999, 3]], x[[3, 999, 3]])


def test_a_disk_without_room_is_refused_before_anything_is_written(monkeypatch):
    monkeypatch.setattr(_row_file.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100})())
    with pytest.raises(OSError, match=r"take 4,000 bytes .* has 100 left\. Set TMPDIR"):
        RowFile((100, 10))


# --- some rows


@pytest.mark.parametrize("kind", ["array", "csr", "csc", "h5", "dask", "file"])
def test_rows_are_taken_from_anything(kind, counts, tmp_path):
    rows = np.array([0, 5, BLOCK - 1, BLOCK, 19_999])
    wanted = counts[rows].toarray()
    dense = counts.toarray()
    match kind:
        case "array":
            matrix = dense
        case "csr" | "csc":
            matrix = counts.asformat(kind)
        case "h5":
            matrix = on_disk(counts, tmp_path / "x.h5ad").X
        case "dask":
            matrix = da.from_array(dense, chunks=(3000, 20))
        case "file":
            matrix = RowFile.of([dense], dense.shape)
    np.testing.assert_array_equal(take_rows(matrix, rows), wanted)


def test_blocks_without_a_wanted_row_are_not_read():
    class Counted:
        shape, read = (5 * BLOCK, 1), []

        def __getitem__(self, rows):
            self.read.append(rows.start)
            return np.arange(rows.start, rows.stop)[:, None]

    source = Counted()
    taken = take_rows(source, np.array([3, 2 * BLOCK + 1]))
    assert taken.ravel().tolist() == [3, 2 * BLOCK + 1]
    assert sorted(set(source.read)) == [0, 2 * BLOCK]


def test_spread_rows_are_runs_from_all_over():
    x = np.arange(1000)[:, None]
    assert spread_rows(x, 3, 4).ravel().tolist() == [0, 1, 2, 3, 498, 499, 500, 501, 996, 997, 998, 999]
    assert spread_rows(x[:10], 3, 4).ravel().tolist() == list(range(10))


# --- projection


def test_all_rows_known_the_axes_are_those_of_pca(counts):
    columns = np.arange(60) % 3 > 0
    projection = fit_projection(counts, columns, 0)
    x = counts.toarray()[:, columns]
    pca = PCA(39, svd_solver="full").fit(x)
    found, wanted = projection(counts)[:, :3], pca.transform(x)[:, :3]
    signs = np.sign((found * wanted).sum(axis=0))
    np.testing.assert_allclose(found * signs, wanted, atol=2e-2)
    assert not projection.loadings[~columns].any()
    np.testing.assert_allclose(projection.means, counts.toarray().mean(axis=0), rtol=1e-4, atol=1e-6)


def test_axes_from_a_part_are_nearly_those_of_all(counts, monkeypatch):
    everything = fit_projection(counts, np.ones(60, bool), 0)
    monkeypatch.setattr("scivis.data._projection._RUNS", 20)
    part = fit_projection(counts, np.ones(60, bool), 0)
    overlap = np.linalg.svd(everything.loadings[:, :2].T @ part.loadings[:, :2])[1]
    assert overlap.min() > 0.99  # cosines of the angles between the planes


def test_projected_rows_are_the_same_wherever_they_lie(counts, tmp_path):
    projection = fit_projection(counts, np.ones(60, bool), 0)
    wanted = counts.toarray() @ projection.loadings + projection.offset
    lazy = da.from_array(counts.toarray(), chunks=(3000, 60))
    backed = on_disk(counts, tmp_path / "x.h5ad")
    for matrix in (counts, backed.X, lazy):
        np.testing.assert_allclose(np.asarray(project(matrix, projection, "X")[0:20_000]), wanted, atol=1e-4)
    backed.file.close()


def test_nan_in_a_block_is_refused_with_its_row(counts):
    x = counts.toarray()
    projection = fit_projection(counts, np.ones(60, bool), 0)
    x[BLOCK + 7, 3] = np.nan
    with pytest.raises(ValueError, match=rf"genes holds NaN .* row {BLOCK + 7}"):
        project(x, projection, "genes")


# --- one pass


def test_a_function_of_rows_is_applied_to_all_blocks(tmp_path):
    x = np.random.default_rng(0).normal(size=(2 * BLOCK + 5, 3)).astype(np.float32)
    wanted = np.column_stack([x.sum(axis=1), x[:, 0]])
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = x
        for matrix in (x, file["x"], da.from_array(x, chunks=(5000, 2)), RowFile.of([x], x.shape)):
            mapped = Rows(matrix, "x").map(lambda rows: np.column_stack([rows.sum(axis=1), rows[:, 0]]), 2)
            np.testing.assert_allclose(mapped, wanted, rtol=1e-5, atol=1e-5)


def test_no_more_than_a_block_is_in_memory(counts, tmp_path, monkeypatch):
    """The dense matrix would take 19 MB; a block of 1,000 rows takes 1, beside the sparse rows that it is made of."""
    monkeypatch.setattr("scivis.data._streaming._BLOCK_VALUES", 1)
    monkeypatch.setattr("scivis.data._streaming.BLOCK", 1000)
    backed = on_disk(sparse.hstack([counts] * 4, format="csr"), tmp_path / "x.h5ad")
    Rows(backed.X, "X").map(lambda rows: rows[:, :1], 1)  # imports, caches
    tracemalloc.start()
    Rows(backed.X, "X").map(lambda rows: rows[:, :1], 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    backed.file.close()
    assert 1e6 < peak < 6e6


def test_nan_is_refused_by_name():
    x = np.ones((10, 2), np.float32)
    x[7, 1] = np.inf
    with pytest.raises(ValueError, match=r"the cells holds NaN or infinite values: 1 of 10 cells read, .* row 7"):
        Rows(x, "the cells").map(lambda rows: rows, 2)
