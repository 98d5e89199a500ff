"""One pass over all cells: a function of rows applied block by block, here or on a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ._rows import BLOCK, check_finite, dense, iter_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Function = Callable[[NDArray[np.float32]], NDArray[np.float32]]

# A block holds so many values (64 MiB), and so many rows at most.
_BLOCK_VALUES, _MAX_BLOCK = 2**24, 2**17


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows for a model, one block at a time.

    Parameters
    ----------
    matrix
        Cells × features, wherever they are.
    name
        What to call it in an error.
    prepare
        Makes the model's input, dense float32 rows, of a block of the matrix.
    """

    matrix: Any
    name: str
    prepare: Callable[[Any], NDArray[np.float32]] = dense

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """The blocks, prepared and checked."""
        done = 0
        width = self.matrix.shape[1]
        for block in iter_blocks(self.matrix, min(max(_BLOCK_VALUES // max(width, 1), BLOCK), _MAX_BLOCK)):
            rows = self.prepare(block)
            check_finite(rows, self.name, first_row=done)
            done += len(rows)
            yield rows

    @property
    def is_dask(self) -> bool:
        """Whether dask does the work, perhaps on other machines."""
        return hasattr(self.matrix, "map_blocks")

    def map(self, function: Function, n_columns: int, *, bar: str | None = None) -> NDArray[np.float32]:
        """What a function gives for all rows, shape (n, n_columns); in memory are its result and a block of rows.

        Parameters
        ----------
        function
            Takes a block of prepared rows. The blocks of a dask array are worked on where its scheduler puts them: in
            threads, or by the workers of the `dask.distributed` client that is active, each of which fetches the
            function once.
        n_columns
            Width of what it gives.
        bar
            Title of a progress bar with the time left; none without a title. Dask has its own.

        Raises
        ------
        ValueError
            If rows hold NaN or infinite values.
        """
        if self.is_dask:
            return self._map_dask(function, n_columns)
        from tqdm.auto import tqdm

        n = self.matrix.shape[0]
        result, done = np.empty((n, n_columns), np.float32), 0
        with tqdm(total=n, desc=bar, unit="cell", unit_scale=True, disable=bar is None or n <= BLOCK) as progress:
            for rows in self:
                result[done : done + len(rows)] = function(rows)
                done += len(rows)
                progress.update(len(rows))
        return result

    def _map_dask(self, function: Function, n_columns: int) -> NDArray[np.float32]:
        from dask.delayed import delayed

        rows = self.matrix.rechunk({1: -1})
        whole = partial(_on_block, prepare=self.prepare, name=self.name, function=function)
        mapped = rows.map_blocks(
            _call,
            # Delayed: a task of its own, whose result every worker fetches once, instead of a copy in each block's task.
            function=delayed(whole, pure=False, traverse=False),
            dtype=np.float32,
            chunks=(rows.chunks[0], (n_columns,)),
            meta=np.empty((0, 0), np.float32),
        )
        return np.asarray(mapped.compute())


def _call(block: Any, *, function: Callable[[Any], NDArray[np.float32]]) -> NDArray[np.float32]:
    return function(block)


def _on_block(
    block: Any, *, prepare: Callable[[Any], NDArray[np.float32]], name: str, function: Function
) -> NDArray[np.float32]:
    rows = prepare(block)
    check_finite(rows, name)
    return function(rows)
