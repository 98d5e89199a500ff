"""Matrices of every kind with the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import dask.array as da
import h5py
import numpy as np
import pytest
import zarr
from scipy import sparse
from threadpoolctl import threadpool_limits

from scivis.data import _validation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def single_thread() -> Iterator[None]:
    """Linear algebra in one thread: for little data, several threads take longer, above all on a busy machine."""
    with threadpool_limits(1):
        yield


def _mapped(path: Path, values: np.ndarray) -> np.ndarray:
    np.save(path, values)
    return np.load(path, mmap_mode="r")


def _backed(path: Path, matrix: Any) -> Any:
    ad.AnnData(matrix).write_h5ad(path)
    return ad.read_h5ad(path, backed="r").X


def _hdf5(path: Path, values: np.ndarray, **options: Any) -> h5py.Dataset:
    return h5py.File(path, "w").create_dataset("x", data=values, **options)


MATRICES: dict[str, Callable[[np.ndarray, Path], Any]] = {
    "float64": lambda x, folder: x.astype(np.float64),
    "Fortran order": lambda x, folder: np.asfortranarray(x),
    "big-endian": lambda x, folder: x.astype(">f4"),
    "memory map": lambda x, folder: _mapped(folder / "x.npy", x),
    "memory map, float64": lambda x, folder: _mapped(folder / "x.npy", x.astype(np.float64)),
    "csr_matrix": lambda x, folder: sparse.csr_matrix(x),
    "csr_array": lambda x, folder: sparse.csr_array(x),
    "csc_matrix": lambda x, folder: sparse.csc_matrix(x),
    "csc_array": lambda x, folder: sparse.csc_array(x),
    "h5py": lambda x, folder: _hdf5(folder / "x.h5", x),
    "h5py in chunks": lambda x, folder: _hdf5(folder / "x.h5", x, chunks=(4, 2)),
    "h5ad, dense": lambda x, folder: _backed(folder / "x.h5ad", x),
    "h5ad, csr": lambda x, folder: _backed(folder / "x.h5ad", sparse.csr_matrix(x)),
    "zarr": lambda x, folder: zarr.array(x, chunks=(10, 9)),
    "dask": lambda x, folder: da.from_array(x, chunks=(10, 4)),
    "dask of csr": lambda x, folder: da.from_array(x, chunks=(10, -1)).map_blocks(sparse.csr_matrix),
}


@pytest.fixture(scope="session")
def values() -> np.ndarray:
    """57 rows of 9 numbers, of which 40 % are not zero; float32 in C order."""
    return sparse.random_array((57, 9), density=0.4, random_state=0).toarray().astype(np.float32)


@pytest.fixture(params=MATRICES)
def matrix(request: pytest.FixtureRequest, values: np.ndarray, tmp_path: Path) -> Iterator[Any]:
    """The values as a matrix of each kind."""
    matrix = MATRICES[request.param](values, tmp_path)
    yield matrix
    file = getattr(matrix, "file", None)
    if isinstance(file, h5py.File):
        file.close()


@pytest.fixture
def counted_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of rows of the blocks that are tested for NaN."""
    counts, is_usable = [], _validation._is_usable

    def spy(rows: np.ndarray) -> bool:
        counts.append(len(rows))
        return is_usable(rows)

    monkeypatch.setattr(_validation, "_is_usable", spy)
    return counts
