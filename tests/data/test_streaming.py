"""A function of rows that is applied block by block."""

from __future__ import annotations

import tracemalloc

import anndata as ad
import dask.array as da
import h5py
import numpy as np
import pytest
from scipy import sparse

from scivis.data._blocks import BLOCK
from scivis.data._spill import RowFile
from scivis.data._streaming import Rows


def test_a_function_of_rows_is_applied_to_all_blocks(tmp_path):
    x = np.random.default_rng(0).normal(size=(2 * BLOCK + 5, 3)).astype(np.float32)
    wanted = np.column_stack([x.sum(axis=1), x[:, 0]])
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = x
        for matrix in (x, file["x"], da.from_array(x, chunks=(5000, 2)), RowFile.of([x], x.shape)):
            mapped = Rows(matrix, "x").map(lambda rows: np.column_stack([rows.sum(axis=1), rows[:, 0]]), 2)
            np.testing.assert_allclose(mapped, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["csr", "dask of csr"])
def test_blocks_are_prepared_before_the_function_reads_them(values, kind):
    matrix = sparse.csr_matrix(values)
    if kind == "dask of csr":
        matrix = da.from_array(values, chunks=(10, -1)).map_blocks(sparse.csr_matrix)
    doubled = Rows(matrix, "x", lambda block: 2 * block.toarray()).map(lambda rows: rows, 9)
    np.testing.assert_array_equal(doubled, 2 * values)


def test_short_rows_of_many_blocks_are_one_block(monkeypatch):
    """Blocks of four rows of eight values become rows of two values, of which 16 are as large."""
    monkeypatch.setattr("scivis.data._streaming._BLOCK_VALUES", 32)
    monkeypatch.setattr("scivis.data._streaming.BLOCK", 1)
    x, sizes = np.arange(8 * 42, dtype=np.float32).reshape(42, 8), []

    def noted(rows):
        sizes.append(len(rows))
        return rows

    np.testing.assert_array_equal(Rows(x, "x", lambda block: block[:, :2]).map(noted, 2), x[:, :2])
    assert sizes == [16, 16, 10]


def test_memory_holds_no_more_than_one_block(tmp_path, monkeypatch):
    """The dense matrix would take 19 MB; a block of 1,000 rows takes 1, beside the sparse rows that it is made from."""
    monkeypatch.setattr("scivis.data._streaming._BLOCK_VALUES", 1)
    monkeypatch.setattr("scivis.data._streaming.BLOCK", 1000)
    counts = sparse.random_array((20_000, 240), density=0.02, random_state=0, format="csr", dtype=np.float32)
    ad.AnnData(sparse.csr_matrix(counts)).write_h5ad(tmp_path / "x.h5ad")
    backed = ad.read_h5ad(tmp_path / "x.h5ad", backed="r")
    Rows(backed.X, "X").map(lambda rows: rows[:, :1], 1)  # imports, caches
    tracemalloc.start()
    Rows(backed.X, "X").map(lambda rows: rows[:, :1], 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    backed.file.close()
    assert 1e6 < peak < 6e6


@pytest.mark.parametrize(("chunk", "n_read"), [(10, 10), (4, 2)])
def test_values_that_are_not_finite_are_reported_with_the_name_of_the_data(chunk, n_read):
    """And with their row, also if dask computes a block of it."""
    x = np.ones((10, 2), np.float32)
    x[9, 1] = np.inf
    matrix = x if chunk == 10 else da.from_array(x, chunks=(chunk, 2))
    with pytest.raises(
        ValueError, match=rf"the cells holds NaN or infinite values: 1 of {n_read} cells read, .* row 9"
    ):
        Rows(matrix, "the cells").map(lambda rows: rows, 2)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, lambda x: da.from_array(x, chunks=(10, 4))])
def test_only_rows_that_are_not_validated_yet_are_tested(values, kind, counted_rows):
    x = values.copy()
    Rows(kind(x), "x").map(lambda rows: rows, 9)
    assert sum(counted_rows) == 57
    counted_rows.clear()
    x[7, 1] = np.nan
    mapped = Rows(kind(x), "x", is_validated=True).map(lambda rows: rows, 9)
    assert counted_rows == []
    np.testing.assert_array_equal(mapped, x)
