"""Rows of a matrix, whatever holds it: dense, sparse, HDF5- or zarr-backed, dask. Always read in blocks, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BLOCK = 8192


def iter_blocks(matrix: Any, size: int = BLOCK) -> Iterator[NDArray[Any] | sparse.csr_array]:
    """Consecutive rows of `matrix`, `size` at a time, as NumPy arrays or CSR.

    Raises
    ------
    NotImplementedError
        If the matrix is stored by columns on disk: one block of rows would read all of it.
    """
    matrix = _by_rows(matrix)
    for start in range(0, matrix.shape[0], size):
        block = matrix[start : start + size]
        block = block.compute() if hasattr(block, "compute") else block
        yield sparse.csr_array(block) if sparse.issparse(block) else np.asarray(block)


def _by_rows(matrix: Any) -> Any:
    if sparse.issparse(matrix):
        return matrix.tocsr()
    if getattr(matrix, "format", None) == "csc":
        msg = (
            "The matrix is stored by columns (CSC) on disk, so that each block of cells would read the whole file. "
            "Convert it once: adata = adata.to_memory(); adata.X = adata.X.tocsr(); adata.write_h5ad(...)."
        )
        raise NotImplementedError(msg)
    return matrix


def dense(block: Any) -> NDArray[np.float32]:
    """A block as a dense, C-ordered float32 array."""
    block = block.toarray() if sparse.issparse(block) else block
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is then refused by name
        return np.ascontiguousarray(block, dtype=np.float32)


def read_dense(matrix: Any, name: str) -> NDArray[np.float32]:
    """All rows as one float32 array.

    Parameters
    ----------
    matrix
        Shape (n, features).
    name
        What to call it in an error.

    Raises
    ------
    ValueError
        If it holds NaN or infinite values.
    """
    rows = np.empty(matrix.shape, np.float32)
    filled = 0
    for block in iter_blocks(matrix):
        rows[filled : filled + block.shape[0]] = dense(block)
        check_finite(rows[filled : filled + block.shape[0]], name, first_row=filled)
        filled += block.shape[0]
    return rows


def check_finite(rows: NDArray[np.float32], name: str, first_row: int = 0) -> None:
    """Refuse NaN and infinite values, naming the first cell that has one."""
    if np.isfinite(rows).all():
        return
    bad = np.flatnonzero(~np.isfinite(rows.reshape(len(rows), -1)).all(axis=1))
    msg = (
        f"{name} holds NaN or infinite values: {len(bad)} of {len(rows)} cells read, the first of them row "
        f"{first_row + bad[0]}. Remove or impute them first."
    )
    raise ValueError(msg)
