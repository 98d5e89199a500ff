"""Neighbors computed by NumPy, to compare searches with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from scivis.neighbors import AnnoyKnnMatrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def single_thread() -> Iterator[None]:
    """Linear algebra in one thread: for little data, several threads take longer, above all on a busy machine."""
    with threadpool_limits(1):
        yield


def _distances(x: np.ndarray, metric: str = "euclidean") -> np.ndarray:
    x = x.astype(np.float64)
    difference = x[:, None] - x[None]
    directions = x / np.linalg.norm(x, axis=1, keepdims=True)
    return {
        "euclidean": lambda: np.sqrt((difference**2).sum(axis=2)),
        "manhattan": lambda: np.abs(difference).sum(axis=2),
        "cosine": lambda: 1 - directions @ directions.T,
        "angular": lambda: np.sqrt(np.maximum(2 - 2 * directions @ directions.T, 0)),
        "hamming": lambda: ((x[:, None] > 0.5) != (x[None] > 0.5)).sum(axis=2).astype(float),
        "dot": lambda: x @ x.T,
    }[metric]()


@pytest.fixture(scope="session")
def distances_by_hand() -> Callable[..., np.ndarray]:
    """Distances between all rows by a metric of scivis or Annoy."""
    return _distances


@pytest.fixture(scope="session")
def nearest_by_hand() -> Callable[..., np.ndarray]:
    """Indices of the `k` nearest rows of each row."""

    def nearest(x: np.ndarray, k: int, metric: str = "euclidean") -> np.ndarray:
        distances = _distances(x, metric)
        np.fill_diagonal(distances, np.inf)
        return np.argsort(distances, axis=1)[:, :k]

    return nearest


@pytest.fixture(scope="session")
def recall() -> Callable[..., float]:
    """Share of the wanted neighbors that were found."""

    def share(found: Iterable[np.ndarray], wanted: Iterable[np.ndarray]) -> float:
        return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, wanted, strict=True)]))

    return share


@pytest.fixture(scope="session")
def x() -> np.ndarray:
    """200 rows of 6 numbers; the first 30 are equal."""
    x = np.random.default_rng(3).normal(size=(200, 6)).astype(np.float32)
    x[:30] = x[0]
    return x


@pytest.fixture(scope="session")
def matrix(x: np.ndarray) -> AnnoyKnnMatrix:
    """Exact neighbors of `x`: `search_k` is so large that all rows are inspected in all trees."""
    settings = {"search_k": 100_000, "ntrees": 5, "verbose": 0, "random_state": 0, "n_jobs": 2}
    return AnnoyKnnMatrix.build(x, k=7, metric="euclidean", **settings)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder
