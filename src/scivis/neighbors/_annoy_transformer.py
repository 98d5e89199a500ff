"""Annoy as a neighbor search of scanpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from scivis.data._blocks import dense

from ._annoy import build_dense

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse


class AnnoyTransformer(TransformerMixin, BaseEstimator):
    """Annoy for `sc.pp.neighbors(adata, transformer=AnnoyTransformer(15))`.

    Parameters
    ----------
    n_neighbors
        Neighbours per cell, the cell itself not counted.
    metric
        `euclidean`, `manhattan` or `cosine`.
    n_trees
        More trees find more true neighbours and take more time and memory.
    search_k
        Nodes inspected per query; −1 means `n_trees × n_neighbors`.
    random_state
        Seed of the forest.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    >>> AnnoyTransformer(n_neighbors=4).fit_transform(x).shape
    (30, 30)
    """

    def __init__(
        self,
        n_neighbors: int = 15,
        *,
        metric: str = "euclidean",
        n_trees: int = 50,
        search_k: int = -1,
        random_state: int = 0,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.n_trees = n_trees
        self.search_k = search_k
        self.random_state = random_state

    def fit(self, x: NDArray[np.floating], y: object = None) -> Self:
        """Build the forest over the rows of `x`."""
        x = dense(x)
        self.n_samples_fit_ = len(x)
        # Not `index_`: scanpy would load PyNNDescent, for half a minute, to see whether it is one of its indices.
        self.forest_ = build_dense(x, self.metric, self.n_trees, self.random_state)
        return self

    def transform(self, x: NDArray[np.floating]) -> sparse.csr_matrix:
        """Distances from each row of `x` to its neighbours among the fitted rows, shape (n, n fitted)."""
        from scipy import sparse

        k = min(self.n_neighbors + 1, self.n_samples_fit_)
        found = [self.forest_.get_nns_by_vector(row, k, self.search_k, include_distances=True) for row in dense(x)]
        indices, distances = ([row[part] for row in found] for part in (0, 1))
        indptr = np.concatenate([[0], np.cumsum([len(row) for row in indices])])
        shape = (len(found), self.n_samples_fit_)
        values = np.concatenate(distances)
        # Annoy's angular distance is the chord, √(2 (1 − cos)).
        values = values**2 / 2 if self.metric == "cosine" else values
        return sparse.csr_matrix((values, np.concatenate(indices), indptr), shape=shape)
