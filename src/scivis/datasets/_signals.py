"""Measurements of the sensors of a phone, and of a pen on a tablet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ._assemble import assemble
from ._download import Source, fetch

if TYPE_CHECKING:
    from anndata import AnnData

_AT = "https://raw.githubusercontent.com/josephsdavid/N2D/f55316fbd77dfc8300eb8eae94bd5ca3821be493/examples/data/"
_HAR = {
    "train/X_train.txt": "git:b06f3e4c7cddf435f2f2b102b4824f51ee8a6298",
    "train/y_train.txt": "git:6ff495a02c8d78aacf3ffade7c31846c5e5a3cac",
    "test/X_test.txt": "git:f3c01cbd355e0000229bce4e38156ee338fa6b08",
    "test/y_test.txt": "git:e314f2b7e646b13411a8b78b2aa25b92ef1349f1",
}
_PENDIGITS = {
    "train": Source(_AT + "pendigits/pendigits.tra", "git:15f839a0df95a622bf1ffb65aa0f654a453882c0"),
    "test": Source(_AT + "pendigits/pendigits.tes", "git:1328a79acff5ff5184179bd04ec82a75c39bedd3"),
}
# In the order of the codes.
_ACTIVITIES = ("Walking", "Upstairs", "Downstairs", "Sitting", "Standing", "Laying")


def pendigits() -> AnnData:
    """Digits written with a pen on a tablet: 8 points of each (UCI pendigits; Alpaydin & Alimoglu, 1996), 0.7 MB.

    Returns
    -------
    10,992 digits × 16 coordinates from 0 to 1 (float32); `obs["label"]`, 10 digits, and `obs["split"]`, `train` or `test`.

    Raises
    ------
    OSError
        If a file is not in the cache and cannot be downloaded.
    ValueError
        If a downloaded file has another checksum.

    Examples
    --------
    >>> pendigits().shape  # doctest: +SKIP
    (10992, 16)
    """
    tables = {
        split: np.loadtxt(fetch(source, Path(source.url).name), np.float32, delimiter=",", ndmin=2)
        for split, source in _PENDIGITS.items()
    }
    parts = {split: (table[:, :-1] / 100, table[:, -1]) for split, table in tables.items()}
    return assemble(parts, "0123456789")


def har() -> AnnData:
    """Activities of 30 people, measured by the accelerometer of a phone (UCI HAR; Anguita et al., ESANN 2013), 95 MB.

    Returns
    -------
    10,299 time windows × 561 features from −1 to 1 (float32); `obs["label"]`, 6 activities, and `obs["split"]`, `train`
    or `test`.

    Raises
    ------
    OSError
        If a file is not in the cache and cannot be downloaded.
    ValueError
        If a downloaded file has another checksum.

    Examples
    --------
    >>> har().obs["label"].nunique()  # doctest: +SKIP
    6
    """
    import pandas as pd

    train_x, train_y, test_x, test_y = (
        pd.read_csv(fetch(Source(_AT + f"har/{name}", checksum), f"har-{Path(name).name}"), sep=r"\s+", header=None)
        for name, checksum in _HAR.items()
    )
    parts = {"train": (train_x, train_y), "test": (test_x, test_y)}
    return assemble(
        {split: (x.to_numpy(np.float32), y[0].to_numpy() - 1) for split, (x, y) in parts.items()}, _ACTIVITIES
    )
