"""Small data for N2D, and a model that was fitted on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from scivis import N2D
from scivis.n2d import AutoEncoder, ManifoldClusterer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


@pytest.fixture(scope="session")
def _blobs() -> tuple[np.ndarray, np.ndarray]:
    x, groups = make_blobs(240, n_features=12, centers=4, random_state=0)
    return (x / 10).astype(np.float32), groups


@pytest.fixture
def rows(_blobs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """240 rows of 12 numbers in four well separated groups, float32."""
    return _blobs[0].copy()


@pytest.fixture
def groups(_blobs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The group of each row."""
    return _blobs[1].copy()


@pytest.fixture(scope="session")
def small() -> Callable[..., AutoEncoder]:
    """Makes an autoencoder that is trained quickly."""
    return lambda **kwargs: AutoEncoder(12, 3, architecture=[16, 8], **kwargs)


@pytest.fixture(scope="session")
def linear() -> Callable[[], ManifoldClusterer]:
    """Makes a PCA and a mixture of four Gaussians, which take less time than UMAP."""
    return lambda: ManifoldClusterer(PCA(2), GaussianMixture(4, random_state=0))


@pytest.fixture(scope="session")
def fitted(
    _blobs: tuple[np.ndarray, np.ndarray],
    small: Callable[..., AutoEncoder],
    linear: Callable[[], ManifoldClusterer],
    eagerly: Callable[[], AbstractContextManager[None]],
) -> N2D:
    """A model of the rows. Tests do not change it."""
    with eagerly():
        return N2D(small(), linear()).fit(_blobs[0], epochs=10)
