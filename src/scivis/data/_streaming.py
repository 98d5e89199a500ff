"""Application of a function to all rows, block by block, in this process or on a cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._progress import progress_bar

from ._blocks import BLOCK, dense, iter_blocks
from ._validation import check_finite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Function = Callable[[NDArray[np.float32]], NDArray[np.float32]]

# Values per block (64 MiB), and the largest number of rows.
_BLOCK_VALUES, _MAX_BLOCK = 2**24, 2**17


@dataclass(frozen=True, eq=False)
class Rows:
    """The input of a model, one row per cell, which is read one block at a time.

    Parameters
    ----------
    matrix
        Cells × features: in memory, on disk, or a dask array.
    name
        Name of the data in messages.
    prepare
        Turns a block of the matrix into the model's input: dense float32 rows.
    is_validated
        Whether all rows are known to be finite. Otherwise every block is validated when it is read.
    """

    matrix: Any
    name: str
    prepare: Callable[[Any], NDArray[np.float32]] = dense
    is_validated: bool = False

    def __len__(self) -> int:
        """Number of rows."""
        return int(self.matrix.shape[0])

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """All rows, in blocks of about 64 MiB."""
        return self.blocks(_rows_per_block(self.matrix.shape[1]))

    def collected(self) -> Iterator[NDArray[np.float32]]:
        """All rows, in blocks of about 64 MiB after preparation: many blocks of a matrix whose rows become shorter are one."""
        parts: list[NDArray[np.float32]] = []
        for rows in self:
            parts.append(rows)
            if sum(len(part) for part in parts) >= _rows_per_block(rows[0].size):
                yield parts[0] if len(parts) == 1 else np.concatenate(parts)
                parts = []
        if parts:
            yield np.concatenate(parts)

    def blocks(self, size: int = BLOCK) -> Iterator[NDArray[np.float32]]:
        """All rows, `size` at a time, prepared and validated."""
        done = 0
        for block in iter_blocks(self.matrix, size):
            yield self.prepared(block, done)
            done += block.shape[0]

    def prepared(self, block: Any, start: int = 0) -> NDArray[np.float32]:
        """A block of the matrix that begins at row `start`, prepared and validated."""
        rows = self.prepare(block)
        return rows if self.is_validated else check_finite(rows, self.name, start)

    @property
    def is_dask(self) -> bool:
        """Whether dask schedules the computation, perhaps on other machines."""
        return hasattr(self.matrix, "map_blocks")

    def map(self, function: Function, n_columns: int, *, bar: str | None = None) -> NDArray[np.float32]:
        """Results of a function for all rows, shape (n, n_columns). Memory holds the results and one block of rows.

        The function takes a block of prepared rows. Blocks of a dask array are processed where its scheduler places
        them: in threads, or by the workers of the active `dask.distributed` client, each of which fetches the function
        once. `bar` is the title of a progress bar, which dask arrays do not have.
        """
        if self.is_dask:
            from dask.delayed import delayed

            on_block = partial(_on_block, rows=replace(self, matrix=None), function=function)
            # Delayed, so that it is a task whose result each worker fetches once, instead of a copy in the task of each block.
            shared = delayed(on_block, pure=False, traverse=False)
            return np.asarray(map_dask(self.matrix, _call, n_columns, function=shared).compute())
        n = len(self)
        result, done = np.empty((n, n_columns), np.float32), 0
        with progress_bar(
            total=n, desc=bar, unit="cell", unit_scale=True, disable=bar is None or n <= BLOCK
        ) as progress:
            for rows in self.collected():
                result[done : done + len(rows)] = function(rows)
                done += len(rows)
                progress.update(len(rows))
        return result


def _rows_per_block(width: int) -> int:
    """How many rows of `width` values make a block of about 64 MiB."""
    return min(max(_BLOCK_VALUES // max(width, 1), BLOCK), _MAX_BLOCK)


def map_dask(matrix: Any, block_function: Callable[..., NDArray[np.float32]], n_columns: int, **arguments: Any) -> Any:
    """A lazy dask array of a function of blocks of whole rows, shape (n, n_columns)."""
    rows = matrix.rechunk({1: -1})
    chunks, like = (rows.chunks[0], (n_columns,)), np.empty((0, 0), np.float32)
    return rows.map_blocks(block_function, dtype=np.float32, chunks=chunks, meta=like, **arguments)


def _call(block: Any, *, function: Callable[[Any, int], NDArray[np.float32]], block_info: Any) -> NDArray[np.float32]:
    return function(block, block_info[0]["array-location"][0][0])


def _on_block(block: Any, start: int, *, rows: Rows, function: Function) -> NDArray[np.float32]:
    """The function of a block that begins at row `start`."""
    return function(rows.prepared(block, start))
