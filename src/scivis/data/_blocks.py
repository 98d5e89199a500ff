"""Blocks of consecutive rows, read from a matrix in memory, in an HDF5 or zarr file, or in a dask array."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# Rows per block.
BLOCK = 8192


def iter_blocks(matrix: Any, size: int = BLOCK) -> Iterator[NDArray[Any] | sparse.csr_array]:
    """Consecutive rows of a matrix, `size` at a time, as NumPy arrays or CSR arrays.

    Chunks of more than `size` rows, as zarr and dask have them, are read as a whole: each part would read all of its chunk.
    """
    matrix = by_rows(matrix)
    step = _rows_per_read(matrix, size)
    for start in range(0, matrix.shape[0], step):
        read = matrix[start : start + step]
        read = read.compute() if hasattr(read, "compute") else read
        read = sparse.csr_array(read) if sparse.issparse(read) else np.asarray(read)
        for first in range(0, read.shape[0], size):
            yield read[first : first + size]
        release(matrix)


def _rows_per_read(matrix: Any, size: int) -> int:
    """Rows to read at a time for blocks of `size` rows: as many blocks as a chunk holds, at least one."""
    rows = rows_per_chunk(matrix)
    return size * max((max(rows) if isinstance(rows, tuple) else rows) // size, 1)


def rows_per_chunk(matrix: Any) -> int | tuple[int, ...]:
    """Rows in a chunk of an array in an HDF5 or zarr file, in each chunk of a dask array, and 1 if there are no chunks."""
    chunks = getattr(matrix, "chunks", None)
    return chunks[0] if isinstance(chunks, tuple) and len(chunks) == len(matrix.shape) else 1


def release(matrix: Any) -> None:
    """Free the pages of a memory map that were read, which the system counts as memory of the process.

    Private (copy-on-write) maps are left alone: their pages may hold changes that exist nowhere else.
    """
    if isinstance(matrix, np.memmap) and matrix.mode in ("r", "r+") and hasattr(mmap, "MADV_DONTNEED"):
        matrix._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]  # NumPy has no public name for it


def in_memory(matrix: Any) -> bool:
    """Whether any rows or columns of a matrix can be indexed at once: it is in memory, or mapped into it."""
    return isinstance(matrix, np.ndarray) or sparse.issparse(matrix)


def by_rows(matrix: Any) -> Any:
    """The matrix in a form in which reading rows is cheap.

    Raises
    ------
    NotImplementedError
        If it is stored by columns on disk, where reading a block of rows would read the whole file.
    """
    if sparse.issparse(matrix):
        return matrix.tocsr()
    if getattr(matrix, "format", None) == "csc":
        msg = (
            "The matrix is stored by columns (CSC) on disk, so that reading a block of cells would read the whole file. "
            "Convert it once: adata = adata.to_memory(); adata.X = adata.X.tocsr(); adata.write_h5ad(...)."
        )
        raise NotImplementedError(msg)
    return matrix


def dense(block: Any) -> NDArray[np.float32]:
    """A block as a dense, C-ordered float32 array."""
    block = block.toarray() if sparse.issparse(block) else block
    with np.errstate(over="ignore"):  # values too large for float32 become infinite, which validation reports
        return np.ascontiguousarray(block, dtype=np.float32)


def take_rows(matrix: Any, rows: NDArray[np.integer]) -> NDArray[np.float32]:
    """The rows with the given indices, which must be ascending and unique, as one float32 array.

    A matrix in memory is indexed, and a dask array where its blocks are computed. Any other matrix is read in order in whole
    blocks, and blocks that hold none of the rows are skipped.

    Examples
    --------
    >>> take_rows(np.arange(8).reshape(4, 2), np.array([0, 3]))
    array([[0., 1.],
           [6., 7.]], dtype=float32)
    """
    matrix = by_rows(matrix)
    if in_memory(matrix) and not isinstance(matrix, np.memmap):
        return dense(matrix[rows])
    if hasattr(matrix, "compute"):
        return dense(matrix[rows].compute())
    taken = np.empty((len(rows), matrix.shape[1]), np.float32)
    step = _rows_per_read(matrix, BLOCK)
    for start in range(0, matrix.shape[0], step):
        first, last = np.searchsorted(rows, (start, start + step))
        if first < last:
            block = next(iter_blocks(matrix[start : start + step], step))
            taken[first:last] = dense(block[rows[first:last] - start])
            release(matrix)
    return taken


def sample_runs(matrix: Any, n_runs: int, length: int) -> Iterator[tuple[int, NDArray[Any] | sparse.csr_array]]:
    """Runs of consecutive rows at evenly spaced positions, each with the index of its first row.

    All rows of a small matrix are read. Reading runs costs much less than reading as many single rows. Cells that are
    adjacent in a file often belong to one sample, so that many short runs are more representative than a few long ones.
    """
    matrix, n = by_rows(matrix), matrix.shape[0]
    if n <= n_runs * length:
        starts, length = np.arange(0, n, BLOCK), BLOCK
    else:
        starts = np.linspace(0, n - length, n_runs).astype(np.int64)
    for start in starts.tolist():
        yield start, next(iter_blocks(matrix[start : start + length], length))
