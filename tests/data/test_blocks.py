"""Blocks and subsamples of the rows of every kind of matrix."""

from __future__ import annotations

import os
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from scivis.data._blocks import BLOCK, dense, iter_blocks, sample_runs, take_rows

INTEGERS = np.arange(57 * 9).reshape(57, 9)


def as_array(block):
    return block.toarray() if sparse.issparse(block) else block


# --- all rows


@pytest.mark.parametrize("size", [1, 10, 19, 57, 1000])
def test_consecutive_blocks_are_the_matrix(matrix, values, size):
    blocks = list(iter_blocks(matrix, size))
    assert [block.shape[0] for block in blocks[:-1]] == [size] * (len(blocks) - 1)
    assert all(isinstance(block, np.ndarray | sparse.csr_array) for block in blocks)
    np.testing.assert_array_equal(np.concatenate([as_array(block) for block in blocks]), values)


@given(st.integers(0, 40), st.integers(1, 45), st.sampled_from([np.asarray, sparse.csr_matrix, sparse.csc_array]))
def test_blocks_of_any_size_hold_every_row_once(n, size, kind):
    rows = INTEGERS[:n]
    blocks = [as_array(block) for block in iter_blocks(kind(rows), size)]
    assert len(blocks) == -(-n // size)
    np.testing.assert_array_equal(np.concatenate([rows[:0], *blocks]), rows)


def test_blocks_keep_their_type_until_they_are_made_dense(values):
    (block,) = iter_blocks(sparse.csr_matrix((10 * values).astype(np.int64)))
    assert block.dtype == np.int64
    assert dense(block).dtype == np.float32
    assert dense(np.asfortranarray(values)).flags.c_contiguous


def test_csc_on_disk_is_rejected_with_the_remedy(values, tmp_path):
    ad.AnnData(sparse.csc_matrix(values)).write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(NotImplementedError, match=r"CSC.*on disk.*tocsr\(\).*write_h5ad"):
        next(iter_blocks(ad.read_h5ad(tmp_path / "x.h5ad", backed="r").X))


def test_csr_on_disk_is_read_in_slices_not_row_by_row(values, tmp_path, monkeypatch):
    ad.AnnData(sparse.csr_matrix(values)).write_h5ad(tmp_path / "x.h5ad")
    matrix = ad.read_h5ad(tmp_path / "x.h5ad", backed="r").X
    requested, read = [], type(matrix).__getitem__

    def spy(self, rows):
        requested.append(rows)
        return read(self, rows)

    monkeypatch.setattr(type(matrix), "__getitem__", spy)
    list(iter_blocks(matrix, 20))
    assert requested == [slice(0, 20), slice(20, 40), slice(40, 60)]


@pytest.mark.parametrize(
    ("chunk", "wanted"),
    [
        (45, [slice(0, 40), slice(40, 80)]),  # larger than a block, and smaller
        (7, [slice(0, 20), slice(20, 40), slice(40, 60)]),
        ((3, 45, 9), [slice(0, 40), slice(40, 80)]),  # dask: each chunk has a length of its own
    ],
)
def test_large_chunks_are_read_as_a_whole(values, chunk, wanted):
    requested = []

    class Chunked:
        shape, chunks = values.shape, (chunk, 4)

        def __getitem__(self, rows):
            requested.append(rows)
            return values[rows]

    blocks = list(iter_blocks(Chunked(), 20))
    assert requested == wanted
    assert [len(block) for block in blocks] == [20, 20, 17]
    np.testing.assert_array_equal(np.concatenate(blocks), values)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_memory_map_keeps_its_values_when_its_pages_are_freed(tmp_path, mode):
    """Changed values of a private map exist nowhere else."""
    x = np.arange(60_000, dtype=np.float32).reshape(-1, 2)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode=mode)
    if mode != "r":
        mapped[3] = x[3] = -1
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate(list(iter_blocks(mapped, 7000))), x)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory of a process is read from /proc")
def test_pages_of_a_memory_map_that_were_read_do_not_stay_in_memory(tmp_path):
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


# --- some rows


def test_rows_are_taken_from_every_kind_of_matrix(matrix, values, monkeypatch):
    monkeypatch.setattr("scivis.data._blocks.BLOCK", 10)
    rows = np.array([0, 5, 9, 10, 56])
    taken = take_rows(matrix, rows)
    assert taken.dtype == np.float32
    np.testing.assert_array_equal(taken, values[rows])


def test_blocks_without_a_requested_row_are_not_read():
    class Counted:
        shape, read = (5 * BLOCK, 1), []

        def __getitem__(self, rows):
            self.read.append(rows.start)
            return np.arange(rows.start, rows.stop)[:, None]

    source = Counted()
    taken = take_rows(source, np.array([3, 2 * BLOCK + 1]))
    assert taken.ravel().tolist() == [3, 2 * BLOCK + 1]
    assert sorted(set(source.read)) == [0, 2 * BLOCK]


def test_sampled_runs_are_evenly_spaced(monkeypatch):
    x = np.arange(1000)[:, None]
    runs = [(start, run.ravel().tolist()) for start, run in sample_runs(x, 3, 4)]
    assert runs == [(0, [0, 1, 2, 3]), (498, [498, 499, 500, 501]), (996, [996, 997, 998, 999])]
    assert [(start, run.ravel().tolist()) for start, run in sample_runs(x[:10], 3, 4)] == [(0, list(range(10)))]
    monkeypatch.setattr("scivis.data._blocks.BLOCK", 8)
    assert [start for start, _ in sample_runs(x[:12], 3, 4)] == [0, 8]
