"""Signals of a phone's sensors, and of a pen on a tablet."""

from __future__ import annotations

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
# As the data set's own list orders them.
_ACTIVITIES = ("Walking", "Upstairs", "Downstairs", "Sitting", "Standing", "Laying")


def pendigits() -> AnnData:
    """Digits written with a pen on a tablet: 8 points of each stroke (UCI pendigits; Alpaydin & Alimoglu, 1996), 0.7 MB.

    Returns
    -------
    10,992 × 16 coordinates from 0 to 1 (float32); `obs["label"]`, 10 digits, and `obs["split"]`, `train` or `test`.

    Raises
    ------
    OSError
        If a file is not in the cache and cannot be downloaded.
    ValueError
        If what was downloaded has another checksum.

    Examples
    --------
    >>> pendigits().shape  # doctest: +SKIP
    (10992, 16)
    """
    tables = {
        split: np.loadtxt(fetch(source, source.url.rpartition("/")[2]), np.float32, delimiter=",", ndmin=2)
        for split, source in _PENDIGITS.items()
    }
    parts = {split: (table[:, :-1] / 100, table[:, -1]) for split, table in tables.items()}
    return assemble(parts, tuple("0123456789"))


def har() -> AnnData:
    """What 30 people did, by the accelerometer in their phone (UCI HAR; Anguita et al., ESANN 2013), 95 MB.

    Returns
    -------
    10,299 × 561 features from −1 to 1 (float32); `obs["label"]`, 6 activities by name, and `obs["split"]`, `train` or
    `test`.

    Raises
    ------
    OSError
        If a file is not in the cache and cannot be downloaded.
    ValueError
        If what was downloaded has another checksum.

    Examples
    --------
    >>> har().obs["label"].nunique()  # doctest: +SKIP
    6
    """
    import pandas as pd

    paths = {
        name: fetch(Source(_AT + f"har/{name}", checksum), f"har-{name[name.rindex('/') + 1 :]}")
        for name, checksum in _HAR.items()
    }
    tables = {name: pd.read_csv(path, sep=r"\s+", header=None) for name, path in paths.items()}
    parts = {
        split: (
            tables[f"{split}/X_{split}.txt"].to_numpy(np.float32),
            tables[f"{split}/y_{split}.txt"][0].to_numpy() - 1,
        )
        for split in ("train", "test")
    }
    return assemble(parts, _ACTIVITIES)
