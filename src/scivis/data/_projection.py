"""From very many genes to a few components: axes learned on a part of the cells, applied to all of them in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from ._blocks import iter_blocks, spread_rows
from ._spill import RowFile
from ._validation import check_finite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# Cells that the axes are learned on: 128 runs of consecutive ones, so that little is read, from all over the data.
_RUNS, _RUN = 128, 200
# scanpy's default number of components.
_N_COMPONENTS = 50


@dataclass(frozen=True, eq=False)
class Projection:
    """Principal components of some columns: ``rows @ loadings + offset``.

    Parameters
    ----------
    loadings
        Columns of the matrix × components; zero for columns that are not used.
    offset
        Minus the projected mean.
    means
        Mean of each column.
    """

    loadings: NDArray[np.float32]
    offset: NDArray[np.float32]
    means: NDArray[np.float32]

    def __call__(self, block: Any) -> NDArray[np.float32]:
        """The components of a block of rows, dense or sparse; a sparse one stays so."""
        return np.asarray(block @ self.loadings + self.offset, dtype=np.float32)


def fit_projection(matrix: Any, columns: NDArray[np.bool_], random_state: int) -> Projection:
    """Principal axes of some columns, by about 25,000 rows from all over the matrix.

    The axes of a few leading components are known well from so many cells: what they miss is what few cells vary in,
    which PCA of all cells puts into late components, too.

    Parameters
    ----------
    matrix
        Cells × genes; dense, sparse, on disk or a dask array.
    columns
        Which genes to use, shape (genes,).
    random_state
        Seed of the solver.
    """
    from sklearn.decomposition import PCA

    rows = spread_rows(matrix, _RUNS, _RUN)
    pilot = rows[:, np.flatnonzero(columns)].astype(np.float32)
    check_finite(pilot.data if sparse.issparse(pilot) else pilot, "The expression")
    solver = "arpack" if sparse.issparse(pilot) else "randomized"
    n_components = min(_N_COMPONENTS, min(pilot.shape) - 1)
    pca = PCA(n_components, svd_solver=solver, random_state=random_state).fit(pilot)
    loadings = np.zeros((matrix.shape[1], n_components), np.float32)
    loadings[columns] = pca.components_.T
    means = np.asarray(rows.mean(axis=0), np.float32).ravel()
    return Projection(loadings, -(means @ loadings), means)


def project(matrix: Any, projection: Projection, name: str) -> Any:
    """The components of all rows: a dask array stays one, lazily; anything else is read once, into a temporary file."""
    n_components = projection.loadings.shape[1]
    if hasattr(matrix, "map_blocks"):
        rows = matrix.rechunk({1: -1})
        return rows.map_blocks(
            projection, dtype=np.float32, chunks=(rows.chunks[0], (n_components,)), meta=np.empty((0, 0), np.float32)
        )
    return RowFile.of(_components(matrix, projection, name), (matrix.shape[0], n_components))


def _components(matrix: Any, projection: Projection, name: str) -> Iterator[NDArray[np.float32]]:
    done = 0
    for block in iter_blocks(matrix):
        rows = projection(block)
        check_finite(rows, name, first_row=done)
        done += len(rows)
        yield rows
