"""Image files as rows, which are decoded and resized on demand."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from operator import index as as_int
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from scivis._checks import check_choice, check_positive_int
from scivis._quiet import load_quietly

from ._dataset import IndexableDataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import ArrayLike, DTypeLike, NDArray

ColorMode = Literal["rgb", "rgba", "grayscale"]
ResizeMethod = Literal[
    "area", "bicubic", "bilinear", "gaussian", "lanczos3", "lanczos5", "mitchellcubic", "nearest"
]  # fmt: skip
_CHANNELS = {"rgb": 3, "rgba": 4, "grayscale": 1}


class ImageDataset(IndexableDataset):
    """Image files as a dataset: each row is an image of shape (height, width, channels), float32.

    The files are decoded when their rows are read, by several threads. JPEG, PNG, BMP and the first frame of GIF files
    can be read. TensorFlow decodes and resizes them: it supports all interpolations of ivis and 16-bit PNG files.

    Parameters
    ----------
    filepath_list
        Paths of the image files, one per row.
    img_shape
        Height and width of the resized images, in pixels.
    color_mode
        `rgb`, `rgba` or `grayscale`: 3, 4 or 1 channels. With `rgba`, images without transparency get an opaque fourth
        channel; GIF files cannot be read then.
    resize_method
        Interpolation: `area`, `bicubic`, `bilinear`, `gaussian`, `lanczos3`, `lanczos5`, `mitchellcubic`, `nearest`.
    preserve_aspect_ratio
        Whether to keep the proportions and pad with zeros, equally on both sides. By default, images are stretched.
    dtype
        `uint8` gives values from 0 to 255, `uint16` from 0 to 65,535 with the full precision of 16-bit PNG files.
    preprocessing_function
        Function that is applied to every resized image and returns an array of the same shape.
    n_jobs
        Number of threads that read a batch. Default: −1, all cores.

    Raises
    ------
    ValueError
        If an argument is unknown or out of range.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.full((20, 30, 3), 9, np.uint8)).save(f"{folder}/cell.png")
    ...     images = ImageDataset([f"{folder}/cell.png"], (8, 12))
    ...     images.shape, images[0].mean()
    ((1, 8, 12, 3), np.float32(9.0))
    """

    def __init__(
        self,
        filepath_list: Iterable[str | os.PathLike[str]],
        img_shape: tuple[int, int],
        color_mode: ColorMode = "rgb",
        resize_method: ResizeMethod = "bilinear",
        *,
        preserve_aspect_ratio: bool = False,
        dtype: DTypeLike = "uint8",
        preprocessing_function: Callable[[NDArray[np.float32]], ArrayLike] | None = None,
        n_jobs: int = -1,
    ) -> None:
        if isinstance(filepath_list, str | os.PathLike):
            msg = f"filepath_list={filepath_list!r} must be a list of paths, not a single path."
            raise ValueError(msg)
        check_choice("color_mode", color_mode, get_args(ColorMode))
        check_choice("resize_method", resize_method, get_args(ResizeMethod))
        self.filepath_list = list(filepath_list)
        self.img_shape = _height_and_width(img_shape)
        self.color_mode, self.resize_method = color_mode, resize_method
        self.preserve_aspect_ratio = preserve_aspect_ratio
        self.dtype = np.dtype(getattr(dtype, "as_numpy_dtype", dtype))  # accepts TensorFlow's types, too
        check_choice("dtype", self.dtype.name, ("uint8", "uint16"))
        self.preprocessing_function = preprocessing_function
        self.n_jobs = n_jobs

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of each image."""
        return *self.img_shape, _CHANNELS[self.color_mode]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of images, then the shape of one."""
        return len(self), *self.image_shape

    def __len__(self) -> int:
        return len(self.filepath_list)

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return self.get_batch(range(len(self))[idx])
        return self.get_batch([idx])[0]

    def get_batch(self, idx_seq: Iterable[int]) -> NDArray[np.float32]:
        """The images with these indices, shape (images, …), read by several threads."""
        from joblib import effective_n_jobs

        load_quietly("tensorflow")  # before the threads start
        paths = [self.filepath_list[as_int(i)] for i in idx_seq]
        batch = np.empty((len(paths), *self.image_shape), np.float32)
        with ThreadPoolExecutor(effective_n_jobs(self.n_jobs)) as pool:
            for i, image in enumerate(pool.map(self._read, paths)):
                batch[i] = image
        return batch.reshape(len(paths), *self.shape[1:])

    def read_image(self, filepath: str | os.PathLike[str]) -> NDArray[np.integer]:
        """Decode a file, as an array of shape (its height, its width, channels) and type `dtype`.

        Raises
        ------
        ValueError
            If the file is not an image, or cannot be read in this `color_mode`.
        """
        tf = load_quietly("tensorflow")
        content = Path(filepath).read_bytes()
        # The JPEG decoder does not produce a fourth channel.
        adds_alpha = self.color_mode == "rgba" and content[:2] == b"\xff\xd8"
        channels = 3 if adds_alpha else _CHANNELS[self.color_mode]
        try:
            with tf.device("CPU"):
                image = tf.io.decode_image(content, channels, self.dtype.name, expand_animations=False).numpy()
        except tf.errors.InvalidArgumentError as error:
            reason = str(error.message).partition("}} ")[2] or error.message
            msg = f"{filepath} cannot be read as an image, color_mode={self.color_mode!r}: {reason}"
            raise ValueError(msg) from error
        opaque = np.iinfo(self.dtype).max
        return np.pad(image, ((0, 0), (0, 0), (0, 1)), constant_values=opaque) if adds_alpha else image

    def resize_image(self, img: NDArray[Any]) -> NDArray[np.float32]:
        """Resize an image, of shape (height, width, channels), to `img_shape`."""
        tf = load_quietly("tensorflow")
        height, width = self.img_shape
        with tf.device("CPU"):
            pixels = tf.cast(img, tf.float32)
            if self.preserve_aspect_ratio:
                return tf.image.resize_with_pad(pixels, height, width, self.resize_method).numpy()
            return tf.image.resize(pixels, (height, width), self.resize_method).numpy()

    def _read(self, path: str | os.PathLike[str]) -> NDArray[Any]:
        image = self.resize_image(self.read_image(path))
        if self.preprocessing_function is None:
            return image
        processed = np.asarray(self.preprocessing_function(image))
        if processed.shape != self.image_shape:
            msg = f"preprocessing_function turned {path} into shape {processed.shape}; {self.image_shape} is required."
            raise ValueError(msg)
        return processed


class FlattenedImageDataset(ImageDataset):
    """Image files as a dataset of flat rows: each row holds height × width × channels values, float32.

    Parameters
    ----------
    filepath_list, img_shape, color_mode, resize_method, preserve_aspect_ratio, dtype, preprocessing_function, n_jobs
        As for :class:`ImageDataset`. `preprocessing_function` is applied before the images are flattened.

    Examples
    --------
    >>> FlattenedImageDataset(["cell.png", "nucleus.png"], (8, 12), "grayscale").shape
    (2, 96)
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of images, and number of values per image."""
        return len(self), int(np.prod(self.image_shape))


def _height_and_width(img_shape: Any) -> tuple[int, int]:
    if np.shape(img_shape) != (2,):
        msg = f"img_shape={img_shape!r} must be a height and a width, in pixels."
        raise ValueError(msg)
    for i, length in enumerate(img_shape):
        check_positive_int(f"img_shape[{i}]", length)
    return int(img_shape[0]), int(img_shape[1])
