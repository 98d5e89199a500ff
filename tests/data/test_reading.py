"""Rows of every kind of source, read as validated float32 arrays."""

from __future__ import annotations

import gc
from itertools import product
from types import SimpleNamespace

import anndata as ad
import dask.array as da
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scivis import Ivis
from scivis.data import IndexableDataset, _reading
from scivis.data._reading import iter_rows, read_rows
from scivis.data._spill import RowFile
from scivis.data._validation import ValidatedRows

ROW_BYTES = 4 * 9


class Dataset(IndexableDataset):
    """The rows of a list, one by one."""

    shape = None

    def __init__(self, values):
        self.rows, self.shape = values.tolist(), values.shape

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, idx):
        return self.rows[idx]


class Rows:
    """A user's own class: nothing but a shape and single rows. It records the requests."""

    def __init__(self, values):
        self.values, self.shape, self.requested, self.rejected = values, values.shape, [], 0

    def __getitem__(self, i):
        if not isinstance(i, int):
            self.rejected += 1
            msg = "a database takes one number"
            raise OSError(msg)
        self.requested.append(i)
        return self.values[i]


class Slices(Rows):
    """The same with slices, and optionally in chunks."""

    def __init__(self, values, chunks=None):
        super().__init__(values)
        self.chunks = chunks

    def __getitem__(self, rows):
        self.requested.append((rows.start, rows.stop))
        return self.values[rows]


SOURCES = {
    "list": lambda x: x.tolist(),
    "objects": lambda x: x.astype(object),
    "data frame": lambda x: pd.DataFrame(x).astype({0: "float64", 3: "Float64"}).rename(columns={1: "format"}),
    "IndexableDataset": Dataset,
    "class with rows": Rows,
    "class with slices": Slices,
    "row file": lambda x: RowFile.of([x], x.shape),
}
any_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


@pytest.fixture
def block_rows(monkeypatch):
    """Sets the number of rows of a block."""
    return lambda n: monkeypatch.setattr(_reading, "_BLOCK_BYTES", n * ROW_BYTES)


# --- every kind of rows


def check_values(source, values):
    rows = read_rows(source)
    assert rows.dtype == np.float32
    assert rows.dtype.isnative
    assert rows.flags.c_contiguous
    assert rows.flags.writeable
    np.testing.assert_array_equal(rows, values)


@pytest.mark.parametrize("n", [7, 1000])
def test_rows_of_every_kind_of_matrix_are_its_values(matrix, values, n, block_rows):
    block_rows(n)
    check_values(matrix, values)


@pytest.mark.parametrize("n", [7, 1000])
@any_source
def test_rows_of_every_other_source_are_its_values(source, values, n, block_rows):
    block_rows(n)
    check_values(source(values), values)


@pytest.mark.parametrize(
    "kind", [np.array, lambda v: h5py.File.in_memory()["/"].create_dataset("x", data=v), Rows, Slices]
)
def test_rows_may_have_any_number_of_axes(kind):
    images = np.arange(5 * 4 * 3 * 2, dtype=np.uint8).reshape(5, 4, 3, 2)
    rows = read_rows(kind(images))
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, images)


def test_float32_arrays_in_c_order_are_not_copied(values, monkeypatch, tmp_path):
    assert read_rows(values) is values
    matrix = values.view(np.matrix)
    assert type(read_rows(matrix)) is np.ndarray
    assert np.shares_memory(read_rows(matrix), matrix)
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=(4, 3))
    monkeypatch.setattr(_reading, "MAX_BYTES", 1)
    assert read_rows(mapped) is mapped


def test_a_small_memory_map_is_copied_into_memory(tmp_path):
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=(4, 3))
    rows = read_rows(mapped)
    assert type(rows) is np.ndarray
    assert not np.shares_memory(rows, mapped)


NUMBERS = product([np.asarray, sparse.csr_matrix], [bool, np.int32, np.int64, np.uint8, np.float64])


@pytest.mark.parametrize(("kind", "dtype"), [*NUMBERS, (np.asarray, np.float16)])
def test_numbers_of_other_types_become_float32(kind, dtype, values):
    counts = (10 * values).astype(dtype)
    rows = read_rows(kind(counts))
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, counts.astype(np.float32))


# --- order and number of reads


def requests(source):
    np.testing.assert_array_equal(read_rows(source), source.values)
    return source.requested


def test_slices_are_read_in_order_each_once(values, block_rows):
    block_rows(20)
    assert requests(Slices(values)) == [(0, 20), (20, 40), (40, 57)]


def test_single_rows_are_read_in_order_each_once_if_slices_fail(values, block_rows):
    block_rows(20)
    rows = Rows(values)
    assert requests(rows) == list(range(57))
    assert rows.rejected == 1


def test_a_class_that_returns_something_else_for_a_slice_is_read_by_rows(values):
    class First(Rows):
        def __getitem__(self, i):
            return self.values[i.start if isinstance(i, slice) else i]

    np.testing.assert_array_equal(read_rows(First(values)), values)


def test_a_class_with_batches_is_read_by_batches(values, block_rows):
    class Batches(Rows):
        def get_batch(self, idx_seq):
            assert all(type(i) is int for i in idx_seq)
            self.requested.append((idx_seq[0], idx_seq[-1] + 1))
            return [self.values[i] for i in idx_seq]

    block_rows(20)
    assert requests(Batches(values)) == [(0, 20), (20, 40), (40, 57)]


@pytest.mark.parametrize(
    ("chunk", "n", "wanted"),
    [
        (10, 25, [(0, 20), (20, 40), (40, 57)]),
        (30, 7, [(0, 30), (30, 57)]),
        (10, 10, [(i, min(i + 10, 57)) for i in range(0, 57, 10)]),
    ],
)
def test_blocks_are_whole_chunks(chunk, n, wanted, values, block_rows):
    block_rows(n)
    assert requests(Slices(values, chunks=(chunk, 3))) == wanted


def test_chunks_of_a_dask_array_are_computed_once_whatever_their_lengths(values, block_rows):
    computed = []

    def spy(block, block_info):
        computed.append(block_info[0]["chunk-location"])
        return block

    lazy = da.from_array(values, chunks=((3, 20, 1, 1, 1, 31), (4, 5))).map_blocks(
        spy, dtype=np.float32, meta=values[:0]
    )
    block_rows(23)
    blocks = list(iter_rows(lazy))
    assert [len(block) for block in blocks] == [23, 3, 31]
    np.testing.assert_array_equal(np.concatenate(blocks), values)
    assert sorted(computed) == [(i, j) for i in range(6) for j in range(2)]


@pytest.fixture
def hdf5_requests(monkeypatch):
    """First row and end of each slice that is read from HDF5 datasets."""
    requested, read = [], h5py.Dataset.__getitem__

    def spy(self, rows, *rest):
        requested.append((rows.start, rows.stop))
        return read(self, rows, *rest)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    return requested


def test_chunks_on_disk_are_read_once(values, tmp_path, block_rows, hdf5_requests):
    block_rows(25)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        read_rows(file.create_dataset("x", data=values, chunks=(10, 9)))
    assert hdf5_requests == [(0, 20), (20, 40), (40, 57)]


@pytest.mark.usefixtures("op_by_op")
@pytest.mark.parametrize("max_bytes", [_reading.MAX_BYTES, 100], ids=["in memory", "in a temporary file"])
def test_a_fit_of_several_epochs_reads_each_block_once(
    values, tmp_path, monkeypatch, max_bytes, block_rows, hdf5_requests
):
    block_rows(25)
    monkeypatch.setattr(_reading, "MAX_BYTES", max_bytes)
    model = Ivis(k=5, batch_size=19, epochs=3, model=[4], verbose=0, random_state=0, n_epochs_without_progress=None)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", data=values, chunks=(10, 9))
        model.fit(data, shuffle_mode="batch")
        assert len(model.loss_history_) == 3
        assert hdf5_requests == [(0, 20), (20, 40), (40, 57)]
        map_ = model.transform(data)
        assert hdf5_requests == [(0, 20), (20, 40), (40, 57)] * 2
    assert np.isfinite(map_).all()


def test_data_without_rows_have_no_blocks(values):
    assert list(iter_rows(values[:0])) == []
    assert read_rows(values[:0].astype(float)).shape == (0, 9)


# --- validation


def test_each_row_of_a_matrix_is_tested_for_nan_once(matrix, counted_rows, block_rows, monkeypatch):
    block_rows(20)
    read_rows(matrix)
    assert sum(counted_rows) == 57
    counted_rows.clear()
    list(iter_rows(matrix))
    assert sum(counted_rows) == 57
    counted_rows.clear()
    monkeypatch.setattr(_reading, "MAX_BYTES", 100)
    read_rows(matrix)
    assert sum(counted_rows) == 57


@pytest.mark.parametrize("max_bytes", [_reading.MAX_BYTES, 100])
def test_each_row_of_an_array_is_tested_for_nan_once(values, counted_rows, max_bytes, monkeypatch):
    monkeypatch.setattr(_reading, "MAX_BYTES", max_bytes)
    read_rows(values)
    assert sum(counted_rows) == 57


def test_validated_rows_are_not_tested_again(values, counted_rows):
    x = values.copy()
    x[7, 1] = np.nan
    rows = ValidatedRows(x)
    assert read_rows(rows) is x
    (block,) = iter_rows(rows)
    assert np.shares_memory(block, x)
    assert counted_rows == []
    assert _reading.shape_of(rows) == (57, 9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.array, np.float64, sparse.csr_matrix, Rows])
def test_a_value_that_is_not_finite_is_reported_with_its_row(value, kind, values, block_rows, monkeypatch):
    block_rows(10)
    monkeypatch.setattr(_reading, "BLOCK", 10)
    monkeypatch.setattr("scivis.data._blocks.iter_blocks.__defaults__", (10,))
    x = values.copy()
    x[[23, 26], 4] = value
    with pytest.raises(ValueError, match=r"adata\.X holds NaN or infinite.*2 of 10 cells.*row 23\. Remove or impute"):
        read_rows(kind(x), "adata.X")


def test_numbers_too_large_for_float32_are_reported_as_infinite():
    with pytest.raises(ValueError, match=r"infinite.*row 1\."):
        read_rows(np.array([[1.0, 2.0], [1e300, 2.0]]))


def test_missing_numbers_of_a_data_frame_are_nan():
    frame = pd.DataFrame({"a": pd.array([1, None, 2], dtype="Int64"), "b": [True, False, True]})
    with pytest.raises(ValueError, match=r"NaN.*: 1 of 3 cells read, the first of them row 1\."):
        read_rows(frame)
    np.testing.assert_array_equal(read_rows(frame.dropna()), [[1, 1], [2, 1]])


# --- in memory or on disk


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """An empty folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def check_large(source, values, temporary, monkeypatch):
    monkeypatch.setattr(_reading, "MAX_BYTES", values.nbytes)
    assert type(read_rows(source)) is np.ndarray
    monkeypatch.setattr(_reading, "MAX_BYTES", values.nbytes - 1)
    rows = read_rows(source)
    assert isinstance(rows, np.memmap)
    assert not rows.flags.writeable
    assert not list(temporary.iterdir())
    gc.collect()
    np.testing.assert_array_equal(rows, values)


@pytest.mark.slow
def test_large_matrices_are_mapped_from_a_file_without_a_name(matrix, values, temporary, monkeypatch, block_rows):
    block_rows(10)
    check_large(matrix, values, temporary, monkeypatch)


@pytest.mark.slow
@any_source
def test_other_large_sources_are_mapped_from_a_file_without_a_name(source, values, temporary, monkeypatch, block_rows):
    block_rows(10)
    check_large(source(values), values, temporary, monkeypatch)


def test_large_arrays_in_memory_are_mapped_so_that_training_holds_no_second_copy(values, temporary, monkeypatch):
    check_large(values, values, temporary, monkeypatch)


def test_rows_in_a_file_are_not_written_to_another_one(values, monkeypatch):
    source = RowFile.of([values], values.shape)
    monkeypatch.setattr(_reading, "MAX_BYTES", 100)
    monkeypatch.setattr(_reading, "RowFile", RowFile)
    monkeypatch.setattr(RowFile, "of", lambda *_: pytest.fail("written again"))
    np.testing.assert_array_equal(read_rows(source), values)


def test_a_full_disk_is_an_error_before_anything_is_read(values, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=100))
    monkeypatch.setattr(_reading, "MAX_BYTES", 1000)
    source = Slices(values)
    with pytest.raises(OSError, match=r"rows needs up to 2\.1 kB.*has 0\.1 kB left.*TMPDIR"):
        read_rows(source)
    assert source.requested == []


# --- invalid sources


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (None, TypeError, "type NoneType; an array"),
        (iter([[1, 2]]), TypeError, "type list_iterator; an array"),
        ("rows.csv", TypeError, "type str; an array"),
        (SimpleNamespace(shape=(3, 2)), TypeError, "`shape` and `__getitem__`"),
        (np.zeros(4), ValueError, r"shape \(4,\); at least 3 rows"),
        ([1, 2, 3], ValueError, r"shape \(3,\)"),
        ([[1, 2], [3]], ValueError, "inhomogeneous"),
        (np.array([["a", "b"]]), TypeError, "type <U1, which are not real numbers"),
        ([[1, None], [{}, 2]], TypeError, "type object, which are not real numbers"),
        (np.ones((3, 2), complex), TypeError, "complex128, which are not real numbers"),
        (np.array([["2020-01-01"]], "datetime64[D]"), TypeError, "datetime64"),
        (np.ma.masked_array([[1.0, 2.0]], [[True, False]]), TypeError, "masked.*filled"),
        (pd.DataFrame({"a": [1.0], "gene": ["x"]}), TypeError, "columns that are not numeric: gene"),
        (pd.DataFrame({"a": pd.Categorical(["1"])}), TypeError, "not numeric: a"),
        (ad.AnnData(np.ones((3, 2))), TypeError, r"scivis\.tl\.ivis\(adata\)"),
    ],
)
def test_invalid_sources_are_rejected_with_the_reason(source, error, message):
    with pytest.raises(error, match=message):
        read_rows(source)


def test_dask_arrays_of_unknown_length_are_rejected_with_the_remedy(values):
    lazy = da.from_array(values, chunks=(10, 9))
    with pytest.raises(TypeError, match=r"compute_chunk_sizes\(\)"):
        read_rows(lazy[lazy[:, 0] > 0])


@pytest.mark.parametrize("shape", [None, 57, "57 x 9", (57, None)])
def test_invalid_shapes_are_rejected(shape, values):
    source = Rows(values)
    source.shape = shape
    with pytest.raises(TypeError, match=r"have shape .*, but a tuple of integers is required"):
        read_rows(source)


def test_a_row_of_another_shape_is_reported(values):
    class Ragged(Rows):
        def __getitem__(self, i):
            return super().__getitem__(i)[: 9 - (i == 30)]

    with pytest.raises(ValueError, match=r"Row 30 of the data has shape \(8,\).*implies \(9,\)"):
        read_rows(Ragged(values))


def test_errors_of_the_source_are_raised(values):
    class Broken(Rows):
        def __getitem__(self, i):
            msg = "disk on fire"
            raise OSError(msg)

    with pytest.raises(OSError, match="disk on fire"):
        read_rows(Broken(values))
    csc = SimpleNamespace(shape=(3, 2), format="csc", get_batch=None)
    with pytest.raises(NotImplementedError, match="CSC"):
        read_rows(csc)


def test_csc_on_disk_is_rejected(values, tmp_path):
    ad.AnnData(sparse.csc_matrix(values)).write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(NotImplementedError, match="CSC"):
        read_rows(ad.read_h5ad(tmp_path / "x.h5ad", backed="r").X, "adata.X")
