"""Rows out of everything that has rows, and images out of files."""

from __future__ import annotations

import gc
import pickle
import threading
from types import SimpleNamespace

import anndata as ad
import dask.array as da
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from PIL import Image
from scipy import sparse

from scivis import Ivis
from scivis.data import FlattenedImageDataset, ImageDataset, IndexableDataset, _reading
from scivis.data._reading import iter_rows, read_rows

VALUES = sparse.random_array((57, 9), density=0.4, rng=0).toarray().astype(np.float32)
ROW_BYTES = 4 * 9


class Dataset(IndexableDataset):
    """Rows of a list, one by one."""

    shape = VALUES.shape

    def __len__(self):
        return len(VALUES)

    def __getitem__(self, idx):
        return VALUES.tolist()[idx]


class Rows:
    """A user's own class: nothing but a shape and single rows, and a note of what was asked for."""

    def __init__(self, values=VALUES):
        self.values, self.shape, self.asked, self.refused = values, values.shape, [], 0

    def __getitem__(self, i):
        if not isinstance(i, int):
            self.refused += 1
            msg = "a database takes one number"
            raise OSError(msg)
        self.asked.append(i)
        return self.values[i]


class Slices(Rows):
    """The same with slices, and perhaps in chunks."""

    def __init__(self, values=VALUES, chunks=None):
        super().__init__(values)
        self.chunks = chunks

    def __getitem__(self, rows):
        self.asked.append((rows.start, rows.stop))
        return self.values[rows]


def memmap(path):
    np.save(path, VALUES.astype(np.float64))
    return np.load(path, mmap_mode="r")


def backed(path, matrix):
    ad.AnnData(matrix).write_h5ad(path)
    return ad.read_h5ad(path, backed="r").X


MAKE = {
    "float64": lambda folder: VALUES.astype(np.float64),
    "Fortran order": lambda folder: np.asfortranarray(VALUES),
    "big-endian": lambda folder: VALUES.astype(">f4"),
    "list": lambda folder: VALUES.tolist(),
    "objects": lambda folder: VALUES.astype(object),
    "memmap": lambda folder: memmap(folder / "x.npy"),
    "data frame": lambda folder: (
        pd.DataFrame(VALUES).astype({0: "float64", 3: "Float64"}).rename(columns={1: "format"})
    ),
    "csr_matrix": lambda folder: sparse.csr_matrix(VALUES),
    "csr_array": lambda folder: sparse.csr_array(VALUES),
    "csc_matrix": lambda folder: sparse.csc_matrix(VALUES),
    "csc_array": lambda folder: sparse.csc_array(VALUES),
    "h5py": lambda folder: h5py.File(folder / "x.h5", "w").create_dataset("x", data=VALUES),
    "h5py in chunks": lambda folder: h5py.File(folder / "x.h5", "w").create_dataset("x", data=VALUES, chunks=(4, 2)),
    "h5ad, csr": lambda folder: backed(folder / "x.h5ad", sparse.csr_matrix(VALUES)),
    "zarr": lambda folder: zarr.array(VALUES, chunks=(10, 9)),
    "dask": lambda folder: da.from_array(VALUES, chunks=(10, 4)),
    "dask of csr": lambda folder: da.from_array(VALUES, chunks=(10, -1)).map_blocks(sparse.csr_matrix),
    "IndexableDataset": lambda folder: Dataset(),
    "class with rows": lambda folder: Rows(),
    "class with slices": lambda folder: Slices(),
}


@pytest.fixture(params=MAKE)
def source(request, tmp_path):
    source = MAKE[request.param](tmp_path)
    yield source
    file = getattr(source, "file", None)
    if isinstance(file, h5py.File):
        file.close()


# --- every kind of rows


@pytest.mark.parametrize("block_rows", [7, 1000])
def test_rows_of_every_kind_are_the_values(source, block_rows, monkeypatch):
    monkeypatch.setattr(_reading, "_BLOCK_BYTES", block_rows * ROW_BYTES)
    rows = read_rows(source)
    assert rows.dtype == np.float32
    assert rows.dtype.isnative
    assert rows.flags.c_contiguous
    assert rows.flags.writeable
    np.testing.assert_array_equal(rows, VALUES)


@pytest.mark.parametrize(
    "kind", [np.array, lambda v: h5py.File.in_memory()["/"].create_dataset("x", data=v), Rows, Slices]
)
def test_rows_may_have_any_number_of_axes(kind):
    images = np.arange(5 * 4 * 3 * 2, dtype=np.uint8).reshape(5, 4, 3, 2)
    rows = read_rows(kind(images))
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, images)


def test_a_float32_array_in_order_is_not_copied(tmp_path):
    assert read_rows(VALUES) is VALUES
    map_ = np.memmap(tmp_path / "x", np.float32, "w+", shape=(4, 3))
    assert np.shares_memory(read_rows(map_, max_bytes=1), map_)
    matrix = VALUES.view(np.matrix)
    assert type(read_rows(matrix)) is np.ndarray
    assert np.shares_memory(read_rows(matrix), matrix)


@pytest.mark.parametrize("dtype", [bool, np.int64, np.uint8, np.float16])
def test_numbers_of_other_types_become_float32(dtype):
    counts = (10 * VALUES).astype(dtype)
    np.testing.assert_array_equal(read_rows(counts), counts.astype(np.float32))


def test_missing_numbers_of_a_data_frame_are_nan():
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [True, False]})
    np.testing.assert_array_equal(read_rows(frame), [[1, 1], [np.nan, 0]])


# --- in which order, and how often


def asked_of(source, block_rows, monkeypatch):
    monkeypatch.setattr(_reading, "_BLOCK_BYTES", block_rows * ROW_BYTES)
    np.testing.assert_array_equal(read_rows(source), VALUES)
    return source.asked


def test_slices_are_asked_for_in_order_each_once(monkeypatch):
    assert asked_of(Slices(), 20, monkeypatch) == [(0, 20), (20, 40), (40, 57)]


def test_rows_are_asked_for_in_order_each_once_where_slices_fail(monkeypatch):
    rows = Rows()
    assert asked_of(rows, 20, monkeypatch) == list(range(57))
    assert rows.refused == 1


def test_a_class_that_answers_a_slice_with_something_else_is_read_by_rows():
    class First(Rows):
        def __getitem__(self, i):
            return self.values[i.start if isinstance(i, slice) else i]

    np.testing.assert_array_equal(read_rows(First()), VALUES)


def test_batches_are_asked_for_where_a_class_has_them(monkeypatch):
    class Batches(Rows):
        def get_batch(self, idx_seq):
            assert all(type(i) is int for i in idx_seq)
            self.asked.append((idx_seq[0], idx_seq[-1] + 1))
            return [VALUES[i] for i in idx_seq]

    assert asked_of(Batches(), 20, monkeypatch) == [(0, 20), (20, 40), (40, 57)]


@pytest.mark.parametrize(
    ("chunk", "block_rows", "asked"),
    [
        (10, 25, [(0, 20), (20, 40), (40, 57)]),
        (30, 7, [(0, 30), (30, 57)]),
        (10, 10, [(i, min(i + 10, 57)) for i in range(0, 57, 10)]),
    ],
)
def test_blocks_are_whole_chunks(chunk, block_rows, asked, monkeypatch):
    assert asked_of(Slices(chunks=(chunk, 3)), block_rows, monkeypatch) == asked


def test_chunks_of_a_dask_array_are_computed_once_whatever_their_lengths(monkeypatch):
    computed = []

    def spy(block, block_info):
        computed.append(block_info[0]["chunk-location"])
        return block

    lazy = da.from_array(VALUES, chunks=((3, 20, 1, 1, 1, 31), (4, 5))).map_blocks(
        spy, dtype=np.float32, meta=VALUES[:0]
    )
    monkeypatch.setattr(_reading, "_BLOCK_BYTES", 23 * ROW_BYTES)
    blocks = list(iter_rows(lazy))
    assert [len(block) for block in blocks] == [23, 3, 31]
    np.testing.assert_array_equal(np.concatenate(blocks), VALUES)
    assert sorted(computed) == [(i, j) for i in range(6) for j in range(2)]


def test_chunks_on_disk_are_read_once(tmp_path, monkeypatch):
    asked, read = [], h5py.Dataset.__getitem__

    def spy(self, rows, *rest):
        asked.append((rows.start, rows.stop))
        return read(self, rows, *rest)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    monkeypatch.setattr(_reading, "_BLOCK_BYTES", 25 * ROW_BYTES)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        read_rows(file.create_dataset("x", data=VALUES, chunks=(10, 9)))
    assert asked == [(0, 20), (20, 40), (40, 57)]


@pytest.mark.parametrize("max_bytes", [_reading.MAX_BYTES, 100], ids=["in memory", "in a temporary file"])
def test_a_fit_reads_each_block_once_however_many_epochs_it_has(tmp_path, monkeypatch, max_bytes):
    asked, read = [], h5py.Dataset.__getitem__

    def spy(self, rows, *rest):
        asked.append((rows.start, rows.stop))
        return read(self, rows, *rest)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    monkeypatch.setattr(_reading, "_BLOCK_BYTES", 25 * ROW_BYTES)
    monkeypatch.setattr(_reading.read_rows, "__kwdefaults__", {"max_bytes": max_bytes})
    model = Ivis(k=5, batch_size=19, epochs=3, model=[4], verbose=0, random_state=0, n_epochs_without_progress=None)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", data=VALUES, chunks=(10, 9))
        model.fit(data, shuffle_mode="batch")
        assert len(model.loss_history_) == 3
        assert asked == [(0, 20), (20, 40), (40, 57)]
        map_ = model.transform(data)
        assert asked == [(0, 20), (20, 40), (40, 57)] * 2
    assert np.isfinite(map_).all()


def test_no_rows_are_no_blocks():
    assert list(iter_rows(VALUES[:0])) == []
    assert read_rows(VALUES[:0].astype(float)).shape == (0, 9)


# --- where rows are kept


def test_large_rows_are_kept_in_a_file_without_a_name(source, tmp_path, monkeypatch):
    if isinstance(source, np.ndarray) and source.dtype == np.float32 and source.flags.c_contiguous:
        pytest.skip("returned as it is")
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(_reading, "_BLOCK_BYTES", 10 * ROW_BYTES)
    assert type(read_rows(source, max_bytes=VALUES.nbytes)) is np.ndarray
    rows = read_rows(source, max_bytes=VALUES.nbytes - 1)
    assert isinstance(rows, np.memmap)
    assert not list(folder.iterdir())
    rows[0] += 1
    gc.collect()
    np.testing.assert_array_equal(rows[1:], VALUES[1:])
    np.testing.assert_array_equal(rows[0], VALUES[0] + 1)


def test_a_full_disk_is_noticed_before_any_work(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=100))
    source = Slices()
    with pytest.raises(OSError, match=r"take 2,052 bytes.*has 100 left.*TMPDIR"):
        read_rows(source, max_bytes=1000)
    assert source.asked == []


# --- what is no data


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
        (np.array([["a", "b"]]), TypeError, "type <U1, which are no real numbers"),
        ([[1, None], [{}, 2]], TypeError, "type object, which are no real numbers"),
        (np.ones((3, 2), complex), TypeError, "complex128, which are no real numbers"),
        (np.array([["2020-01-01"]], "datetime64[D]"), TypeError, "datetime64"),
        (np.ma.masked_array([[1.0, 2.0]], [[True, False]]), TypeError, "masked.*filled"),
        (pd.DataFrame({"a": [1.0], "gene": ["x"]}), TypeError, "columns that hold no numbers: gene"),
        (pd.DataFrame({"a": pd.Categorical(["1"])}), TypeError, "no numbers: a"),
        (ad.AnnData(VALUES), TypeError, r"scivis\.tl\.ivis\(adata\)"),
    ],
)
def test_what_is_no_data_is_refused_with_the_reason(source, error, message):
    with pytest.raises(error, match=message):
        read_rows(source)


def test_dask_arrays_of_unknown_length_are_refused_with_the_remedy():
    lazy = da.from_array(VALUES, chunks=(10, 9))
    with pytest.raises(TypeError, match=r"compute_chunk_sizes\(\)"):
        read_rows(lazy[lazy[:, 0] > 0])


@pytest.mark.parametrize("shape", [None, 57, "57 x 9", (57, None)])
def test_a_shape_that_is_none_is_refused(shape):
    source = Rows()
    source.shape = shape
    with pytest.raises(TypeError, match="how many rows"):
        read_rows(source)


def test_a_row_of_another_shape_is_named():
    class Ragged(Rows):
        def __getitem__(self, i):
            return super().__getitem__(i)[: 9 - (i == 30)]

    with pytest.raises(ValueError, match=r"Row 30 of the data has shape \(8,\).*promises \(9,\)"):
        read_rows(Ragged())


def test_an_error_of_the_source_is_not_hidden():
    class Broken(Rows):
        def __getitem__(self, i):
            msg = "disk on fire"
            raise OSError(msg)

    with pytest.raises(OSError, match="disk on fire"):
        read_rows(Broken())
    csc = SimpleNamespace(shape=(3, 2), format="csc", get_batch=None)
    with pytest.raises(NotImplementedError, match="CSC"):
        read_rows(csc)


# --- datasets


def test_a_dataset_gives_batches_of_single_rows():
    np.testing.assert_array_equal(Dataset().get_batch([3, 0, 3]).astype(np.float32), VALUES[[3, 0, 3]])
    assert Dataset().get_batch([]).shape == (0, 9)
    assert len(list(Dataset())) == 57


def test_a_dataset_needs_its_three_parts():
    class NoShape(IndexableDataset):
        def __len__(self):
            return 1

        def __getitem__(self, idx):
            return [0]

    with pytest.raises(TypeError, match="shape"):
        NoShape()


# --- images


@pytest.fixture(scope="module")
def pixels():
    """Three colour images of 12 × 16 pixels that change slowly, so that JPEG keeps them nearly."""
    y, x = np.mgrid[:12, :16]
    return [np.stack([8 * y + i, 8 * x + i, 4 * (x + y)], axis=2).astype(np.uint8) for i in (5, 40, 80)]


@pytest.fixture(scope="module")
def files(pixels, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{i}.png")
    return [folder / f"{i}.png" for i in range(3)]


SIZE = (12, 16)


def test_images_of_their_size_are_the_pixels(files, pixels):
    images = ImageDataset(files, SIZE)
    assert images.shape == (3, 12, 16, 3)
    assert len(images) == 3
    assert images[1].dtype == np.float32
    np.testing.assert_array_equal(images[1], pixels[1])
    np.testing.assert_array_equal(images[:], pixels)
    np.testing.assert_array_equal(images[::-2], [pixels[2], pixels[0]])
    np.testing.assert_array_equal(images.get_batch(np.array([2, 0, 2])), [pixels[2], pixels[0], pixels[2]])
    np.testing.assert_array_equal(images[-1], pixels[2])
    assert images[3:].shape == (0, 12, 16, 3)
    with pytest.raises(IndexError):
        images[3]


def test_images_on_disk_equal_images_in_memory(files, pixels):
    np.testing.assert_array_equal(read_rows(ImageDataset(files, SIZE)), pixels)
    flat = read_rows(FlattenedImageDataset(map(str, files), SIZE))
    np.testing.assert_array_equal(flat, np.reshape(pixels, (3, -1)))


def test_flattened_images_are_rows(files, pixels):
    flat = FlattenedImageDataset(files, SIZE)
    assert flat.shape == (3, 12 * 16 * 3)
    np.testing.assert_array_equal(flat[2], pixels[2].ravel())
    np.testing.assert_array_equal(flat[1:], [pixels[1].ravel(), pixels[2].ravel()])


def test_jpeg_is_read(pixels, tmp_path):
    Image.fromarray(pixels[0]).save(tmp_path / "x.jpg", quality=100, subsampling=0)
    images = ImageDataset([tmp_path / "x.jpg"], SIZE)
    assert np.abs(images[0] - pixels[0]).max() <= 8
    with_alpha = ImageDataset([tmp_path / "x.jpg"], SIZE, "rgba")[0]
    np.testing.assert_array_equal(with_alpha[..., :3], images[0])
    assert (with_alpha[..., 3] == 255).all()


def test_color_modes(files, pixels, tmp_path):
    gray = ImageDataset(files, SIZE, color_mode="grayscale")
    assert gray.shape == (3, 12, 16, 1)
    luma = pixels[0] @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(gray[0][..., 0], luma, atol=2)
    see_through = np.dstack([pixels[0], np.full(SIZE, 77, np.uint8)])
    Image.fromarray(see_through).save(tmp_path / "x.png")
    np.testing.assert_array_equal(ImageDataset([tmp_path / "x.png"], SIZE, color_mode="rgba")[0], see_through)
    np.testing.assert_array_equal(ImageDataset([tmp_path / "x.png"], SIZE)[0], pixels[0])
    np.testing.assert_array_equal(ImageDataset(files, SIZE, "rgba")[0][..., 3], np.full(SIZE, 255))


def test_sixteen_bits_are_kept_on_request(pixels, tmp_path):
    deep = (np.arange(12 * 16).reshape(12, 16) * 300 + 7).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    images = ImageDataset([tmp_path / "deep.png"], SIZE, "grayscale", dtype=np.uint16)
    assert images.read_image(tmp_path / "deep.png").dtype == np.uint16
    np.testing.assert_array_equal(images[0][..., 0], deep)
    shallow = ImageDataset([tmp_path / "deep.png"], SIZE, "grayscale")
    assert shallow.read_image(tmp_path / "deep.png").dtype == np.uint8
    np.testing.assert_allclose(shallow[0][..., 0], deep / 257, atol=1)


def test_types_of_tensorflow_are_understood(files):
    import tensorflow as tf

    assert ImageDataset(files, SIZE, dtype=tf.uint16).dtype == np.uint16


def test_resizing_interpolates_as_its_method_says(files, pixels):
    halves = {
        method: ImageDataset(files, (6, 8), resize_method=method)[0] for method in ("area", "bilinear", "nearest")
    }
    blocks = pixels[0].reshape(6, 2, 8, 2, 3).astype(np.float32)
    np.testing.assert_allclose(halves["area"], blocks.mean(axis=(1, 3)), atol=1e-3)
    np.testing.assert_allclose(halves["bilinear"], blocks.mean(axis=(1, 3)), atol=1e-3)
    np.testing.assert_array_equal(halves["nearest"], pixels[0][1::2, 1::2])
    assert halves["nearest"].dtype == np.float32


def test_all_methods_of_ivis_resize_and_differ(files):
    methods = ["area", "bicubic", "bilinear", "gaussian", "lanczos3", "lanczos5", "mitchellcubic", "nearest"]
    results = [ImageDataset(files[:1], (7, 5), resize_method=method)[0] for method in methods]
    assert all(result.shape == (7, 5, 3) for result in results)
    assert all((a != b).any() for i, a in enumerate(results) for b in results[:i])


def test_the_aspect_ratio_is_kept_by_padding(files, pixels):
    images = ImageDataset(files, (16, 16), preserve_aspect_ratio=True)
    np.testing.assert_array_equal(images[0], np.pad(pixels[0], ((2, 2), (0, 0), (0, 0))))
    halved = ImageDataset(files, (6, 12), resize_method="nearest", preserve_aspect_ratio=True)[0]
    np.testing.assert_array_equal(halved, np.pad(pixels[0][1::2, 1::2], ((0, 0), (2, 2), (0, 0))))
    stretched = ImageDataset(files, (16, 16))[0]
    assert (stretched[:2] > 0).any()


def test_preprocessing_comes_last(files, pixels):
    shapes = []

    def preprocess(image):
        shapes.append(image.shape)
        return image / 255 - 1

    images = ImageDataset(files, (6, 8), "grayscale", preprocessing_function=preprocess)
    plain = ImageDataset(files, (6, 8), "grayscale")
    np.testing.assert_allclose(images[:], plain[:] / 255 - 1, atol=1e-6)
    assert shapes == 3 * [(6, 8, 1)]
    flat = FlattenedImageDataset(files, (6, 8), preprocessing_function=lambda image: image[::-1])
    np.testing.assert_array_equal(
        flat[0].reshape(6, 8, 3), FlattenedImageDataset(files, (6, 8))[0].reshape(6, 8, 3)[::-1]
    )


def test_preprocessing_must_keep_the_shape(files):
    with pytest.raises(ValueError, match=r"0\.png into shape \(36,\); \(3, 4, 3\) is needed"):
        ImageDataset(files, (3, 4), preprocessing_function=np.ravel)[0]


def test_as_many_threads_read_as_n_jobs_says(files):
    meeting = threading.Barrier(2, timeout=30)
    threads = set()

    def meet(image):
        meeting.wait()  # passes only if two threads come
        return image

    def note(image):
        threads.add(threading.get_ident())
        return image

    ImageDataset([*files, files[0]], SIZE, preprocessing_function=meet, n_jobs=2)[:]
    ImageDataset(10 * files, SIZE, preprocessing_function=note, n_jobs=1)[:]
    assert len(threads) == 1


def test_image_datasets_pickle(files, pixels):
    again = pickle.loads(pickle.dumps(ImageDataset(files, SIZE)))
    np.testing.assert_array_equal(again[0], pixels[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filepath_list": "cell.png"}, "one path; give a list"),
        ({"img_shape": 12}, "img_shape=12"),
        ({"img_shape": (12, 16, 3)}, r"img_shape=\(12, 16, 3\)"),
        ({"img_shape": (12, 0)}, r"img_shape\[1\]=0"),
        ({"color_mode": "cmyk"}, "color_mode='cmyk' is not one of"),
        ({"resize_method": "linear"}, "resize_method='linear' is not one of"),
        ({"dtype": "float32"}, "dtype='float32' is not one of"),
    ],
)
def test_arguments_of_images_are_checked_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        ImageDataset(**{"filepath_list": ["cell.png"], "img_shape": SIZE} | arguments)


def test_files_that_are_no_images_are_named(files, tmp_path):
    (tmp_path / "notes.png").write_text("no image")
    (tmp_path / "half.png").write_bytes(files[0].read_bytes()[:-60])
    Image.new("RGB", (4, 4)).save(tmp_path / "x.gif")
    for name in ("notes.png", "half.png"):
        with pytest.raises(ValueError, match=f"{name} cannot be read as an image, color_mode='rgb': "):
            ImageDataset([tmp_path / name], SIZE)[0]
    with pytest.raises(ValueError, match=r"x\.gif cannot be read as an image, color_mode='grayscale': .*GIF"):
        ImageDataset([tmp_path / "x.gif"], SIZE, "grayscale")[0]
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        ImageDataset([tmp_path / "nowhere.png"], SIZE)[0]
