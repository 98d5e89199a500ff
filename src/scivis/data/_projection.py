"""Projection of very many genes to principal components: axes of a sample of the cells, applied to all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from ._blocks import dense, sample_runs
from ._spill import RowFile
from ._streaming import Rows, map_dask
from ._validation import check_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Cells that the axes are fitted to: 128 runs of 200 cells from all over the data, so that little is read.
_RUNS, _RUN = 128, 200
# scanpy's default number of components.
_N_COMPONENTS = 50


@dataclass(frozen=True, eq=False)
class Projection:
    """Principal components of some columns: ``rows @ loadings + offset``.

    `loadings` has shape (columns, components) and is zero for columns that are not used; `offset` is minus the projected
    mean, and `means` holds the mean of each column.
    """

    loadings: NDArray[np.float32]
    offset: NDArray[np.float32]
    means: NDArray[np.float32]

    def __call__(self, block: Any) -> NDArray[np.float32]:
        """The components of a block of rows, dense or sparse."""
        return np.asarray(block @ self.loadings + self.offset, dtype=np.float32)


def fit_projection(matrix: Any, columns: NDArray[np.bool_], random_state: int) -> Projection:
    """Principal axes of some columns, estimated from about 25,000 rows from all over the matrix.

    So many cells determine the leading axes well. What they miss is the variation within small populations, which the
    PCA of all cells also puts into late components. `matrix` has shape (cells, genes), in memory, on disk or as a dask
    array; `columns` is a mask of the genes to use, and `random_state` the seed of the solver.
    """
    from sklearn.decomposition import PCA

    used, runs = np.flatnonzero(columns), []
    for start, run in sample_runs(matrix, _RUNS, _RUN):
        check_finite(dense(run[:, used]), "The expression", start)
        runs.append(run)
    rows = sparse.vstack(runs, format="csr") if sparse.issparse(runs[0]) else np.concatenate(runs)
    sample = rows[:, used].astype(np.float32)
    solver = "arpack" if sparse.issparse(sample) else "randomized"
    n_components = min(_N_COMPONENTS, min(sample.shape) - 1)
    pca = PCA(n_components, svd_solver=solver, random_state=random_state).fit(sample)
    loadings = np.zeros((matrix.shape[1], n_components), np.float32)
    loadings[columns] = pca.components_.T
    means = np.asarray(rows.mean(axis=0), np.float32).ravel()
    return Projection(loadings, -(means @ loadings), means)


def project(matrix: Any, projection: Projection, name: str) -> Any:
    """The components of all rows: lazily for a dask array, otherwise validated in a temporary file, in one pass."""
    n_components = projection.loadings.shape[1]
    if hasattr(matrix, "map_blocks"):
        return map_dask(matrix, projection, n_components)
    return RowFile.of(Rows(matrix, name, projection).blocks(), (matrix.shape[0], n_components))
