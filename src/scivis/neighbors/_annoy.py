"""Approximate neighbours by Annoy's forests of random hyperplanes, and the same for scanpy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from scivis.data._rows import dense

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from annoy import AnnoyIndex
    from numpy.typing import NDArray
    from scipy import sparse

# Rows handed to Annoy, or asked for by one thread, at a time.
_BLOCK = 4096


def build_index(
    blocks: Iterable[NDArray[np.float32]],
    n_features: int,
    *,
    metric: str,
    n_trees: int,
    random_state: int | None,
    n_jobs: int = 1,
    path: Path | None = None,
) -> AnnoyIndex:
    """An Annoy index of all rows of the blocks, in memory or, with a path, in that file from the first row on.

    With a seed, one thread builds it: Annoy seeds its threads in the order in which they start.
    """
    from annoy import AnnoyIndex

    index = AnnoyIndex(n_features, _annoy_name(metric))
    if random_state is not None:
        index.set_seed(random_state)
    if path is not None:
        index.on_disk_build(str(path))
    # Lists, as Annoy takes the numbers of an array one by one and twice as slowly.
    for i, row in enumerate(row for block in blocks for row in block.tolist()):
        index.add_item(i, row)
    index.build(n_trees, n_jobs=n_jobs if random_state is None else 1)
    return index


def nearest_of(
    index: AnnoyIndex, rows: Sequence[int], k: int, search_k: int, n_jobs: int
) -> Iterator[tuple[list[int], list[float]]]:
    """Row numbers of about the `k` nearest to each of `rows`, itself excluded, and their distances."""
    from joblib import effective_n_jobs

    def search(part: Sequence[int]) -> list[tuple[list[int], list[float]]]:
        return [_nearest(index, row, k, search_k) for row in part]

    n_threads = effective_n_jobs(n_jobs)
    size = min(max(-(-len(rows) // n_threads), 1), _BLOCK)
    parts = [rows[a : a + size] for a in range(0, len(rows), size)]
    if len(parts) <= 1:  # no threads for a single row
        yield from (found for part in parts for found in search(part))
        return
    with ThreadPoolExecutor(n_threads) as pool:
        for found in pool.map(search, parts):
            yield from found


def _nearest(index: AnnoyIndex, row: int, k: int, search_k: int) -> tuple[list[int], list[float]]:
    rows, distances = index.get_nns_by_item(row, k + 1, search_k, include_distances=True)
    # The row itself may be missing: among many duplicates, and where others have a larger dot product with it.
    surplus = rows.index(row) if row in rows else k
    del rows[surplus : surplus + 1], distances[surplus : surplus + 1]
    return rows, distances


def _build_dense(x: NDArray[np.float32], metric: str, n_trees: int, random_state: int) -> AnnoyIndex:
    blocks = (x[a : a + _BLOCK] for a in range(0, len(x), _BLOCK))
    return build_index(blocks, x.shape[1], metric=metric, n_trees=n_trees, random_state=random_state)


def _annoy_name(metric: str) -> Any:
    return "angular" if metric == "cosine" else metric


def search_annoy(
    x: NDArray[np.float32],
    n_neighbors: int,
    metric: str,
    n_trees: int,
    search_k: int,
    random_state: int,
    n_jobs: int,
    path: Path | None = None,
) -> NDArray[np.int32]:
    """About the `n_neighbors` nearest rows, itself excluded; Annoy may find fewer, then −1 follows."""
    if path is None:
        index = _build_dense(x, metric, n_trees, random_state)
    else:
        from ._annoy_file import index_in

        index = index_in(path, x, _annoy_name(metric), n_trees, random_state)
    table = np.full((len(x), n_neighbors), -1, np.int32)
    for row, (found, _) in enumerate(nearest_of(index, range(len(x)), n_neighbors, search_k, n_jobs)):
        table[row, : len(found)] = found
    return table


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
        self.forest_ = _build_dense(x, self.metric, self.n_trees, self.random_state)
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
