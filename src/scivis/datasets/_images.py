"""Images of handwritten digits and of clothes, 28 × 28 pixels."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import numpy as np

from ._assemble import assemble
from ._download import Source, fetch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

_MNIST = Source(
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)
_FASHION_AT = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
    "b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion/"
)
_FASHION = {
    "train-images-idx3-ubyte.gz": "git:e6ee0e37929b03937517cd45e65f4e8ca9de720d",
    "train-labels-idx1-ubyte.gz": "git:9c4aae27b27439210af73e0803a54a74af5c8756",
    "t10k-images-idx3-ubyte.gz": "git:667844f10bb92ae415eddb04e718f3e702547007",
    "t10k-labels-idx1-ubyte.gz": "git:abdddb89d6563f90ab89baf2970f67a1ffb9ad10",
}
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def mnist() -> AnnData:
    """Handwritten digits (MNIST; LeCun et al., Proc. IEEE 86, 2278, 1998), 11 MB.

    Returns
    -------
    70,000 images × 784 pixels from 0 to 1 (float32); `obs["label"]`, 10 digits, and `obs["split"]`, `train` (60,000) or `test`.

    Raises
    ------
    OSError
        If the file is not in the cache and cannot be downloaded.
    ValueError
        If the downloaded file has another checksum.

    Examples
    --------
    >>> mnist().shape  # doctest: +SKIP
    (70000, 784)
    """
    with np.load(fetch(_MNIST, "mnist.npz"), allow_pickle=False) as file:
        parts = {split: (file[f"x_{split}"], file[f"y_{split}"]) for split in ("train", "test")}
    return _images(parts, "0123456789")


def mnist_test() -> AnnData:
    """The test images of :func:`mnist`, which N2D uses as a smaller data set.

    Returns
    -------
    10,000 images × 784 pixels, with labels as in :func:`mnist`.

    Examples
    --------
    >>> mnist_test().shape  # doctest: +SKIP
    (10000, 784)
    """
    adata = mnist()
    return adata[(adata.obs["split"] == "test").to_numpy()].copy()


def fashion() -> AnnData:
    """Images of clothes (Fashion-MNIST; Xiao et al., arXiv 1708.07747), 31 MB.

    Returns
    -------
    70,000 images × 784 pixels from 0 to 1 (float32); `obs["label"]`, 10 kinds of clothes, and `obs["split"]`, as in
    :func:`mnist`.

    Examples
    --------
    >>> fashion().obs["label"].nunique()  # doctest: +SKIP
    10
    """
    train_x, train_y, test_x, test_y = (
        _idx(gzip.decompress(fetch(Source(_FASHION_AT + name, checksum), f"fashion-{name}").read_bytes()))
        for name, checksum in _FASHION.items()
    )
    return _images({"train": (train_x, train_y), "test": (test_x, test_y)}, _CLOTHES)


def _idx(content: bytes) -> NDArray[np.uint8]:
    """The array in a file of MNIST's format: two zeros, data type, number of axes, their lengths, and values."""
    n_axes = content[3]
    shape = np.frombuffer(content, ">u4", n_axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_axes).reshape(shape)


def _images(parts: Mapping[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]], names: Sequence[str]) -> AnnData:
    flat = {split: (x.reshape(len(x), -1).astype(np.float32) / 255, y) for split, (x, y) in parts.items()}
    return assemble(flat, names)
