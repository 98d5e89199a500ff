"""Reading rows from any source as validated float32 arrays: in order, block by block, each block of the source once."""

from __future__ import annotations

from math import prod
from operator import index as as_int
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from ._blocks import BLOCK, by_rows, dense, iter_blocks, release, rows_per_chunk
from ._spill import RowFile
from ._validation import ValidatedRows, check_finite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

# Bytes read at a time: large enough that the overhead of Python is negligible, small compared with the data.
_BLOCK_BYTES = 64 * 2**20
# Rows up to this size are kept in memory. Training holds a copy of them.
MAX_BYTES = 2**30


def read_rows(X: Any, name: str = "The data") -> NDArray[np.float32]:  # noqa: N803 (scikit-learn's name)
    """All rows as one validated float32 array, shape (n, ...); above 1 GiB as a read-only memory map.

    `X` is an array, a memory map, a data frame, a SciPy sparse matrix, an HDF5 dataset, a zarr or dask array, an
    :class:`scivis.data.IndexableDataset`, or any object with `shape` and ``__getitem__`` by slices or by single row
    indices. What has the form of the result already is returned as it is. Anything else is read in order, in whole chunks
    where it is stored in chunks, each chunk once. More than 1 GiB is written to an unnamed temporary file (in `TMPDIR`),
    which is removed with the array. `name` is the name of the data in the error for NaN and infinite values.

    Examples
    --------
    >>> read_rows(sparse.csr_array([[0, 2], [3, 0]]))
    array([[0., 2.],
           [3., 0.]], dtype=float32)
    """
    if isinstance(X, ValidatedRows):
        return X.x
    source = _check_source(X)
    shape = shape_of(source)
    is_large = 4 * prod(shape) > MAX_BYTES
    if is_large and isinstance(source, RowFile):
        source = source.mapped()
    if _is_float32(source) and isinstance(source, np.memmap) == is_large:
        for number, block in enumerate(iter_blocks(source)):
            check_finite(block, name, number * BLOCK)
        return source
    return collect_blocks(iter_rows(source, name), shape)


def collect_blocks(blocks: Iterable[NDArray[np.float32]], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Blocks of rows as one array; above 1 GiB as a read-only memory map of a temporary file."""
    if 4 * prod(shape) > MAX_BYTES:
        return RowFile.of(blocks, shape).mapped()
    rows, done = np.empty(shape, np.float32), 0
    for block in blocks:
        rows[done : done + len(block)] = block
        done += len(block)
    return rows


def iter_rows(X: Any, name: str = "The data") -> Iterator[NDArray[np.float32]]:  # noqa: N803
    """Consecutive rows of any source that :func:`read_rows` reads, in validated blocks."""
    is_validated = isinstance(X, ValidatedRows)
    source = _check_source(X.x if is_validated else X)
    shape = shape_of(source)
    by_slices = True
    for start, stop in _block_bounds(source, shape):
        block = _read_slice(source, start, stop) if by_slices else None
        if block is None or block.shape != (stop - start, *shape[1:]):
            by_slices = False
            block = np.stack([_read_row(source, i, shape[1:]) for i in range(start, stop)])
        yield block if is_validated else check_finite(block, name, start)
        release(source)


def shape_of(X: Any) -> tuple[int, ...]:  # noqa: N803
    """Number of rows, then the shape of one row."""
    shape = np.shape(X) if isinstance(X, list | tuple) else getattr(X, "shape", None)
    try:
        lengths = tuple(as_int(n) for n in shape)  # type: ignore[union-attr]  # `None` raises a TypeError, too
    except TypeError:
        hint = " Call `compute_chunk_sizes()` first." if hasattr(X, "compute_chunk_sizes") else ""
        msg = f"The data are of type {type(X).__name__} and have shape {shape!r}, but a tuple of integers is required.{hint}"
        raise TypeError(msg) from None
    if len(lengths) < 2:
        msg = f"The data have shape {lengths}; at least 3 rows of features are needed."
        raise ValueError(msg)
    return lengths


def _check_source(x: Any) -> Any:
    """The source in a form whose rows can be read, or an error that names what is required."""
    if hasattr(x, "obsm") and not _is_frame(x):
        msg = (
            "The data are an AnnData object: call scivis.tl.ivis(adata), or pass one of its matrices, such as adata.X."
        )
        raise TypeError(msg)
    if isinstance(x, np.ma.MaskedArray):
        msg = "The data are a masked array: replace the masked values first, with its method `filled`."
        raise TypeError(msg)
    if isinstance(x, list | tuple | np.ndarray) and not isinstance(x, np.memmap):
        x = np.asarray(x)
    if not hasattr(x, "shape") or not (hasattr(x, "__getitem__") or hasattr(x, "get_batch")):
        msg = f"The data are of type {type(x).__name__}; an array, or an object with `shape` and `__getitem__`, is required."
        raise TypeError(msg)
    shape_of(x)
    return x if _is_frame(x) else by_rows(x)


def _is_frame(x: Any) -> bool:
    return hasattr(x, "iloc")


def _is_float32(source: Any) -> bool:
    return isinstance(source, np.ndarray) and source.dtype == np.float32 and source.flags.c_contiguous


def _block_bounds(source: Any, shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """First row and end of each block: about `_BLOCK_BYTES`, and whole chunks if `source` has chunks."""
    size = max(_BLOCK_BYTES // (4 * max(prod(shape[1:]), 1)), 1)
    rows = rows_per_chunk(source)
    if isinstance(rows, tuple):  # dask: each chunk has a length of its own
        yield from _joined_chunks(rows, size)
        return
    step = max(size // rows, 1) * rows
    for start in range(0, shape[0], step):
        yield start, min(start + step, shape[0])


def _joined_chunks(lengths: tuple[int, ...], size: int) -> Iterator[tuple[int, int]]:
    """Blocks of consecutive chunks, of at most `size` rows unless one chunk alone has more."""
    start = stop = 0
    for length in lengths:
        if stop > start and stop + length - start > size:
            yield start, stop
            start = stop
        stop += length
    if stop > start:
        yield start, stop


def _read_slice(source: Any, start: int, stop: int) -> NDArray[np.float32] | None:
    """Consecutive rows, or `None` if the source does not support slices."""
    if _is_frame(source):
        return _frame_values(source.iloc[start:stop])
    if hasattr(source, "get_batch"):
        return _to_float32(source.get_batch(list(range(start, stop))))
    try:
        return _to_float32(source[start:stop])
    except Exception:  # noqa: BLE001 (a user's class may raise any error for a slice; reading single rows shows its own)
        return None


def _read_row(source: Any, i: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    row = _to_float32(source[i])
    if row.shape != shape:
        msg = f"Row {i} of the data has shape {row.shape}, but the shape of the data implies {shape}."
        raise ValueError(msg)
    return row


def _frame_values(frame: Any) -> NDArray[np.float32]:
    other = [str(name) for name, dtype in frame.dtypes.items() if dtype.kind not in "biuf"]
    if other:
        msg = f"The data frame has columns that are not numeric: {', '.join(other[:5])}. Drop or convert them."
        raise TypeError(msg)
    return dense(frame.to_numpy(np.float32, na_value=np.nan))


def _to_float32(values: Any) -> NDArray[np.float32]:
    values = values.compute() if hasattr(values, "compute") else values
    values = values if sparse.issparse(values) else np.asarray(values)
    try:
        if values.dtype.kind in "biufO":
            return dense(values)
    except (TypeError, ValueError):
        pass  # objects that are no numbers
    msg = f"The data hold values of type {values.dtype}, which are not real numbers. Convert them to float32 first."
    raise TypeError(msg)
