"""Image files as rows: decoded, resized and handed out when they are asked for."""

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
    """Image files, each a row of shape (height, width, channels), float32.

    The files are decoded when their rows are read, several at a time. JPEG, PNG, GIF (the first frame) and BMP can be
    read; `rgba` gives images without transparency an opaque fourth channel, except GIF.

    Decoding and resizing are TensorFlow's: it is there already, knows all of ivis's ways to resize, keeps the 16 bits
    of a PNG, and lets go of Python's lock, so that threads decode in parallel.

    Parameters
    ----------
    filepath_list
        Image files, one per row.
    img_shape
        Height and width to resize to, in pixels.
    color_mode
        `rgb`, `rgba` or `grayscale`: 3, 4 or 1 channels.
    resize_method
        Interpolation: `area`, `bicubic`, `bilinear`, `gaussian`, `lanczos3`, `lanczos5`, `mitchellcubic`, `nearest`.
    preserve_aspect_ratio
        Keep the proportions and pad with zeros, equally on both sides, instead of stretching.
    dtype
        `uint8` gives values from 0 to 255, `uint16` from 0 to 65,535, with the full precision of 16-bit PNG files.
    preprocessing_function
        Called with every resized image; returns an array of the same shape.
    n_jobs
        Threads that read a batch; −1 takes all cores.

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
            msg = f"filepath_list={filepath_list!r} is one path; give a list of them."
            raise ValueError(msg)
        check_choice("color_mode", color_mode, get_args(ColorMode))
        check_choice("resize_method", resize_method, get_args(ResizeMethod))
        self.filepath_list = list(filepath_list)
        self.img_shape = _height_and_width(img_shape)
        self.color_mode, self.resize_method = color_mode, resize_method
        self.preserve_aspect_ratio = preserve_aspect_ratio
        self.dtype = np.dtype(getattr(dtype, "as_numpy_dtype", dtype))  # TensorFlow's own types as well
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
        """These images, read by several threads."""
        from joblib import effective_n_jobs

        _tensorflow()  # before the threads start
        paths = [self.filepath_list[as_int(i)] for i in idx_seq]
        batch = np.empty((len(paths), *self.image_shape), np.float32)
        with ThreadPoolExecutor(effective_n_jobs(self.n_jobs)) as pool:
            for i, image in enumerate(pool.map(self._image, paths)):
                batch[i] = image
        return batch.reshape(len(paths), *self.shape[1:])

    def read_image(self, filepath: str | os.PathLike[str]) -> NDArray[np.integer]:
        """Decode a file, shape (its height, its width, channels), `dtype`.

        Raises
        ------
        ValueError
            If the file is no image that can be read in this `color_mode`.
        """
        tf = _tensorflow()
        content = Path(filepath).read_bytes()
        # The JPEG decoder has no fourth channel.
        opaque = self.color_mode == "rgba" and content[:2] == b"\xff\xd8"
        channels = 3 if opaque else _CHANNELS[self.color_mode]
        try:
            with tf.device("CPU"):
                image = tf.io.decode_image(content, channels, self.dtype.name, expand_animations=False).numpy()
        except tf.errors.InvalidArgumentError as error:
            reason = str(error.message).partition("}} ")[2] or error.message
            msg = f"{filepath} cannot be read as an image, color_mode={self.color_mode!r}: {reason}"
            raise ValueError(msg) from error
        full = np.iinfo(self.dtype).max
        return np.pad(image, ((0, 0), (0, 0), (0, 1)), constant_values=full) if opaque else image

    def resize_image(self, img: NDArray[Any]) -> NDArray[np.float32]:
        """Resize an image, of shape (height, width, channels), to `img_shape`."""
        tf = _tensorflow()
        height, width = self.img_shape
        with tf.device("CPU"):
            pixels = tf.cast(img, tf.float32)
            if self.preserve_aspect_ratio:
                return tf.image.resize_with_pad(pixels, height, width, self.resize_method).numpy()
            return tf.image.resize(pixels, (height, width), self.resize_method).numpy()

    def _image(self, path: str | os.PathLike[str]) -> NDArray[Any]:
        image = self.resize_image(self.read_image(path))
        if self.preprocessing_function is None:
            return image
        changed = np.asarray(self.preprocessing_function(image))
        if changed.shape != self.image_shape:
            msg = f"preprocessing_function turned {path} into shape {changed.shape}; {self.image_shape} is needed."
            raise ValueError(msg)
        return changed


class FlattenedImageDataset(ImageDataset):
    """Image files, each a row of height × width × channels numbers, float32, for networks that read flat rows.

    Parameters
    ----------
    filepath_list, img_shape, color_mode, resize_method, preserve_aspect_ratio, dtype, preprocessing_function, n_jobs
        As for :class:`ImageDataset`; `preprocessing_function` is called before images are flattened.

    Examples
    --------
    >>> FlattenedImageDataset(["cell.png", "nucleus.png"], (8, 12), "grayscale").shape
    (2, 96)
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of images, and of numbers in each."""
        return len(self), int(np.prod(self.image_shape))


def _height_and_width(img_shape: Any) -> tuple[int, int]:
    try:
        height, width = img_shape
    except (TypeError, ValueError):
        msg = f"img_shape={img_shape!r} must be a height and a width."
        raise ValueError(msg) from None
    check_positive_int("img_shape[0]", height)
    check_positive_int("img_shape[1]", width)
    return int(height), int(width)


def _tensorflow() -> Any:
    return load_quietly("tensorflow")
