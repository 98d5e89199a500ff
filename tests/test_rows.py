"""Rows out of every kind of matrix, block by block."""

from __future__ import annotations

import os
from pathlib import Path

import anndata as ad
import dask.array as da
import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from scivis.data._rows import check_finite, dense, iter_blocks, read_dense, take_rows

VALUES = sparse.random_array((57, 9), density=0.4, rng=0).toarray().astype(np.float32)


def backed(tmp_path, matrix):
    """The matrix as it lies in an h5ad file."""
    path = tmp_path / "backed.h5ad"
    ad.AnnData(matrix).write_h5ad(path)
    return ad.read_h5ad(path, backed="r").X


MAKE = {
    "dense": lambda tmp_path: VALUES,
    "dense, Fortran order": lambda tmp_path: np.asfortranarray(VALUES),
    "csr_matrix": lambda tmp_path: sparse.csr_matrix(VALUES),
    "csr_array": lambda tmp_path: sparse.csr_array(VALUES),
    "csc_matrix": lambda tmp_path: sparse.csc_matrix(VALUES),
    "csc_array": lambda tmp_path: sparse.csc_array(VALUES),
    "dask": lambda tmp_path: da.from_array(VALUES, chunks=(10, 4)),
    "dask of csr": lambda tmp_path: da.from_array(VALUES, chunks=(10, -1)).map_blocks(sparse.csr_matrix),
    "h5ad, dense": lambda tmp_path: backed(tmp_path, VALUES),
    "h5ad, csr": lambda tmp_path: backed(tmp_path, sparse.csr_matrix(VALUES)),
    "h5py": lambda tmp_path: h5py.File(tmp_path / "x.h5", "w").create_dataset("x", data=VALUES),
    "zarr": lambda tmp_path: zarr.array(VALUES, chunks=(10, 9)),
    "memmap": lambda tmp_path: memmap(tmp_path / "x.npy"),
}


def memmap(path):
    np.save(path, VALUES)
    return np.load(path, mmap_mode="r")


@pytest.fixture(params=MAKE)
def matrix(request, tmp_path):
    matrix = MAKE[request.param](tmp_path)
    yield matrix
    file = getattr(matrix, "file", None)
    if isinstance(file, h5py.File):
        file.close()


def as_array(block):
    return block.toarray() if sparse.issparse(block) else block


@pytest.mark.parametrize("size", [1, 10, 19, 57, 1000])
def test_blocks_one_after_the_other_are_the_matrix(matrix, size):
    blocks = list(iter_blocks(matrix, size))
    assert [block.shape[0] for block in blocks[:-1]] == [size] * (len(blocks) - 1)
    assert all(isinstance(block, np.ndarray | sparse.csr_array) for block in blocks)
    np.testing.assert_array_equal(np.concatenate([as_array(block) for block in blocks]), VALUES)


@given(st.integers(0, 40), st.integers(1, 45), st.sampled_from([np.asarray, sparse.csr_matrix, sparse.csc_array]))
def test_any_size_of_blocks_gives_every_row_once(n, size, kind):
    values = VALUES[:n]
    blocks = [as_array(block) for block in iter_blocks(kind(values), size)]
    assert len(blocks) == -(-n // size)
    np.testing.assert_array_equal(np.concatenate([values[:0], *blocks]), values)


def test_all_rows_as_one_array(matrix):
    rows = read_dense(matrix, "it")
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    np.testing.assert_array_equal(rows, VALUES)


def test_reading_by_blocks_changes_nothing(matrix, monkeypatch):
    from scivis.data import _rows

    monkeypatch.setattr(_rows.iter_blocks, "__defaults__", (8,))
    np.testing.assert_array_equal(read_dense(matrix, "it"), VALUES)


def test_the_matrix_is_not_aliased():
    rows = read_dense(VALUES, "it")
    rows += 1
    assert (rows != VALUES).any()


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.float64, bool])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_numbers_of_other_types_become_float32(dtype, kind):
    counts = (10 * VALUES).astype(dtype)
    rows = read_dense(kind(counts), "it")
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, counts.astype(np.float32))


def test_blocks_keep_their_type_until_they_are_made_dense():
    (block,) = iter_blocks(sparse.csr_matrix((10 * VALUES).astype(np.int64)))
    assert block.dtype == np.int64
    assert dense(block).dtype == np.float32
    assert dense(np.asfortranarray(VALUES)).flags.c_contiguous


def test_csc_on_disk_is_refused_with_the_remedy(tmp_path):
    matrix = backed(tmp_path, sparse.csc_matrix(VALUES))
    with pytest.raises(NotImplementedError, match=r"CSC.*on disk.*tocsr\(\).*write_h5ad"):
        next(iter_blocks(matrix))
    with pytest.raises(NotImplementedError, match="CSC"):
        read_dense(matrix, "adata.X")


def test_csr_on_disk_is_read_in_slices_never_row_by_row(tmp_path, monkeypatch):
    matrix = backed(tmp_path, sparse.csr_matrix(VALUES))
    asked, read = [], type(matrix).__getitem__

    def spy(self, rows):
        asked.append(rows)
        return read(self, rows)

    monkeypatch.setattr(type(matrix), "__getitem__", spy)
    list(iter_blocks(matrix, 20))
    assert asked == [slice(0, 20), slice(20, 40), slice(40, 60)]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_a_value_that_is_not_finite_is_named_with_its_row(value, kind, monkeypatch):
    from scivis.data import _rows

    monkeypatch.setattr(_rows.iter_blocks, "__defaults__", (10,))
    values = VALUES.copy()
    values[[23, 26], 4] = value
    with pytest.raises(ValueError, match=r"adata\.X holds NaN or infinite.*2 of 10 cells.*row 23\. Remove or impute"):
        read_dense(kind(values), "adata.X")


def test_infinities_that_cancel_are_found_too():
    rows = VALUES.copy()
    rows[7, :2] = np.inf, -np.inf
    with pytest.raises(ValueError, match=r"row 7\."):
        check_finite(rows, "it")


def test_large_values_whose_sum_overflows_are_fine():
    check_finite(np.full((10, 10), 3e38, np.float32), "it")


def test_numbers_too_large_for_float32_are_refused_not_turned_into_infinities():
    with pytest.raises(ValueError, match=r"infinite.*row 1\."):
        read_dense(np.array([[1.0, 2.0], [1e300, 2.0]]), "it")


def test_images_are_checked_like_rows():
    images = np.zeros((5, 3, 3, 1), np.float32)
    check_finite(images, "it")
    images[2, 1, 1, 0] = np.nan
    with pytest.raises(ValueError, match=r"1 of 5 cells.*row 2\."):
        check_finite(images, "it")


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_memory_map_keeps_its_values_when_its_pages_are_let_go(tmp_path, mode):
    """Those of a private map that were changed are nowhere else."""
    x = np.arange(60_000, dtype=np.float32).reshape(-1, 2)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode=mode)
    if mode != "r":
        mapped[3] = x[3] = -1
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate(list(iter_blocks(mapped, 7000))), x)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory of a process is read from /proc")
def test_what_was_read_of_a_memory_map_does_not_stay_in_memory(tmp_path):
    """64 MB, read in blocks of 2."""
    np.save(tmp_path / "x.npy", np.zeros((2_000_000, 8), np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")

    def shared_bytes():
        return int(Path("/proc/self/statm").read_text().split()[2]) * os.sysconf("SC_PAGE_SIZE")

    before = shared_bytes()
    peak = max(shared_bytes() for block in iter_blocks(mapped, 62_500) if block.sum() == 0)
    assert peak - before < 20e6
    assert not take_rows(mapped, np.arange(0, 2_000_000, 100)).any()  # a row of every page
    assert shared_bytes() - before < 20e6
