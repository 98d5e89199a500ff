"""Image files as rows."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest
from PIL import Image

from scivis.data import FlattenedImageDataset, ImageDataset
from scivis.data._reading import read_rows

SIZE = (12, 16)


@pytest.fixture(scope="module")
def pixels():
    """Three color images of 12 × 16 pixels without abrupt changes, so that JPEG nearly preserves them."""
    y, x = np.mgrid[:12, :16]
    return [np.stack([8 * y + i, 8 * x + i, 4 * (x + y)], axis=2).astype(np.uint8) for i in (5, 40, 80)]


@pytest.fixture(scope="module")
def files(pixels, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{i}.png")
    return [folder / f"{i}.png" for i in range(3)]


def test_images_that_are_not_resized_are_the_pixels(files, pixels):
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
    transparent = np.dstack([pixels[0], np.full(SIZE, 77, np.uint8)])
    Image.fromarray(transparent).save(tmp_path / "x.png")
    np.testing.assert_array_equal(ImageDataset([tmp_path / "x.png"], SIZE, color_mode="rgba")[0], transparent)
    np.testing.assert_array_equal(ImageDataset([tmp_path / "x.png"], SIZE)[0], pixels[0])
    np.testing.assert_array_equal(ImageDataset(files, SIZE, "rgba")[0][..., 3], np.full(SIZE, 255))


def test_uint16_preserves_16_bits(pixels, tmp_path):
    deep = (np.arange(12 * 16).reshape(12, 16) * 300 + 7).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    images = ImageDataset([tmp_path / "deep.png"], SIZE, "grayscale", dtype=np.uint16)
    assert images.read_image(tmp_path / "deep.png").dtype == np.uint16
    np.testing.assert_array_equal(images[0][..., 0], deep)
    shallow = ImageDataset([tmp_path / "deep.png"], SIZE, "grayscale")
    assert shallow.read_image(tmp_path / "deep.png").dtype == np.uint8
    np.testing.assert_allclose(shallow[0][..., 0], deep / 257, atol=1)


def test_types_of_tensorflow_are_accepted(files):
    import tensorflow as tf

    assert ImageDataset(files, SIZE, dtype=tf.uint16).dtype == np.uint16


def test_resize_methods_interpolate_as_documented(files, pixels):
    halves = {
        method: ImageDataset(files, (6, 8), resize_method=method)[0] for method in ("area", "bilinear", "nearest")
    }
    blocks = pixels[0].reshape(6, 2, 8, 2, 3).astype(np.float32)
    np.testing.assert_allclose(halves["area"], blocks.mean(axis=(1, 3)), atol=1e-3)
    np.testing.assert_allclose(halves["bilinear"], blocks.mean(axis=(1, 3)), atol=1e-3)
    np.testing.assert_array_equal(halves["nearest"], pixels[0][1::2, 1::2])
    assert halves["nearest"].dtype == np.float32


def test_all_resize_methods_of_ivis_are_supported_and_differ(files):
    methods = ["area", "bicubic", "bilinear", "gaussian", "lanczos3", "lanczos5", "mitchellcubic", "nearest"]
    results = [ImageDataset(files[:1], (7, 5), resize_method=method)[0] for method in methods]
    assert all(result.shape == (7, 5, 3) for result in results)
    assert all((a != b).any() for i, a in enumerate(results) for b in results[:i])


def test_padding_preserves_the_aspect_ratio(files, pixels):
    images = ImageDataset(files, (16, 16), preserve_aspect_ratio=True)
    np.testing.assert_array_equal(images[0], np.pad(pixels[0], ((2, 2), (0, 0), (0, 0))))
    halved = ImageDataset(files, (6, 12), resize_method="nearest", preserve_aspect_ratio=True)[0]
    np.testing.assert_array_equal(halved, np.pad(pixels[0][1::2, 1::2], ((0, 0), (2, 2), (0, 0))))
    stretched = ImageDataset(files, (16, 16))[0]
    assert (stretched[:2] > 0).any()


def test_preprocessing_is_applied_to_resized_images(files, pixels):
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


def test_preprocessing_must_not_change_the_shape(files):
    with pytest.raises(ValueError, match=r"0\.png into shape \(36,\); \(3, 4, 3\) is required"):
        ImageDataset(files, (3, 4), preprocessing_function=np.ravel)[0]


def test_n_jobs_threads_read_a_batch(files):
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
        ({"filepath_list": "cell.png"}, "must be a list of paths"),
        ({"img_shape": 12}, "img_shape=12"),
        ({"img_shape": (12, 16, 3)}, r"img_shape=\(12, 16, 3\)"),
        ({"img_shape": (12, 0)}, r"img_shape\[1\]=0"),
        ({"color_mode": "cmyk"}, "color_mode='cmyk' is not one of"),
        ({"resize_method": "linear"}, "resize_method='linear' is not one of"),
        ({"dtype": "float32"}, "dtype='float32' is not one of"),
    ],
)
def test_arguments_are_validated_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        ImageDataset(**{"filepath_list": ["cell.png"], "img_shape": SIZE} | arguments)


def test_errors_name_files_that_cannot_be_read(files, tmp_path):
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
