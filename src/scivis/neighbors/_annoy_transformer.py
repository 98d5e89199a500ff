"""Annoy as a neighbor search of scanpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from scivis.data._blocks import dense

from ._annoy_index import build_index

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse


class AnnoyTransformer(TransformerMixin, BaseEstimator):
    """Annoy for ``sc.pp.neighbors(adata, transformer=AnnoyTransformer(15))``.

    Parameters
    ----------
    n_neighbors
        Number of neighbors per cell, not counting the cell itself.
    metric
        Distance: `euclidean`, `manhattan` or `cosine`.
    n_trees
        Number of trees. More trees find more of the true neighbors, but take more time and memory.
    search_k
        Number of nodes to inspect per query. Default: −1, `n_trees × n_neighbors`.
    random_state
        Seed of the trees.

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
        """Build the index of the rows of `x`, shape (n, features)."""
        x = dense(x)
        self.n_samples_fit_ = len(x)
        # Not named `index_`: scanpy would import PyNNDescent, which takes half a minute, to test the type of that attribute.
        self.forest_ = build_index([x], x.shape[1], self.metric, self.n_trees, self.random_state)
        return self

    def transform(self, x: NDArray[np.floating]) -> sparse.csr_matrix:
        """Distances from each row of `x` to its neighbors among the fitted rows, shape (n, n_fitted)."""
        from scipy import sparse

        k = min(self.n_neighbors + 1, self.n_samples_fit_)
        found = [self.forest_.get_nns_by_vector(row, k, self.search_k, include_distances=True) for row in dense(x)]
        columns, distances = (np.concatenate([row[part] for row in found]) for part in (0, 1))
        starts = np.concatenate([[0], np.cumsum([len(indices) for indices, _ in found])])
        # Annoy's angular distance is √(2 (1 − cosine)).
        distances = distances**2 / 2 if self.metric == "cosine" else distances
        return sparse.csr_matrix((distances, columns, starts), shape=(len(found), self.n_samples_fit_))
