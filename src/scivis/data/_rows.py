"""Rows of a matrix, whatever holds it: dense, sparse, HDF5- or zarr-backed, dask. Always read in blocks, in order."""

from __future__ import annotations

import mmap
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
        _release(matrix)


def _release(matrix: Any) -> None:
    """Let go of the pages of a memory map that were read: the system counts them as memory of the process.

    Not of a private map, whose pages hold what nobody else has.
    """
    if isinstance(matrix, np.memmap) and matrix.mode in ("r", "r+") and hasattr(mmap, "MADV_DONTNEED"):
        matrix._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]  # NumPy tells nobody


def in_memory(matrix: Any) -> bool:
    """Whether a matrix can be asked for any rows or columns: it is in memory, or mapped into it."""
    return isinstance(matrix, np.ndarray) or sparse.issparse(matrix)


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


def take_rows(matrix: Any, rows: NDArray[np.integer]) -> NDArray[np.float32]:
    """The rows of these numbers, ascending and each once, as one float32 array.

    What is in memory is asked for the rows; anything else is read in order, in whole blocks, and blocks without a row
    of these are skipped.

    Examples
    --------
    >>> take_rows(np.arange(8).reshape(4, 2), np.array([0, 3]))
    array([[0., 1.],
           [6., 7.]], dtype=float32)
    """
    matrix = _by_rows(matrix)
    if in_memory(matrix) and not isinstance(matrix, np.memmap):
        return dense(matrix[rows])
    taken = np.empty((len(rows), matrix.shape[1]), np.float32)
    for start in range(0, matrix.shape[0], BLOCK):
        first, last = np.searchsorted(rows, (start, start + BLOCK))
        if first < last:
            block = next(iter_blocks(matrix[start : start + BLOCK]))
            taken[first:last] = dense(block[rows[first:last] - start])
            _release(matrix)
    return taken


def spread_rows(matrix: Any, n_runs: int, length: int) -> Any:
    """Runs of consecutive rows from evenly spread places, in order, as one array or CSR matrix; all rows if there are few.

    Reading runs costs much less than reading as many single rows, and cells that lie together in a file are often of
    one sample, so that many short runs tell more than a few long ones.
    """
    n = matrix.shape[0]
    matrix = _by_rows(matrix)
    if n <= n_runs * length:
        parts = list(iter_blocks(matrix))
    else:
        starts = np.linspace(0, n - length, n_runs).astype(np.int64)
        parts = [next(iter_blocks(matrix[start : start + length])) for start in starts]
    return sparse.vstack(parts, format="csr") if sparse.issparse(parts[0]) else np.concatenate(parts)


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
