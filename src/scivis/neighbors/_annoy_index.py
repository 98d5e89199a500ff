"""Building and querying an Annoy index: a forest of random hyperplane trees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis.data._blocks import iter_blocks

from ._annoy_library import new_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from annoy import AnnoyIndex
    from numpy.typing import NDArray

    # Indices and distances of the neighbors of one row.
    Found = tuple[list[int], list[float]]

# Rows that are added to an index, or queried by one thread, at a time.
_BLOCK = 4096


def build_index(
    blocks: Iterable[NDArray[np.float32]],
    n_features: int,
    metric: str,
    n_trees: int,
    random_state: int | None,
    *,
    n_jobs: int = 1,
    path: Path | None = None,
) -> AnnoyIndex:
    """An Annoy index of all rows of the blocks, in memory or, if there is a path, in that file from the first row on.

    With a seed, a single thread builds it, because Annoy seeds its threads in the order in which they start.
    """
    index = new_index(n_features, annoy_metric(metric))
    if random_state is not None:
        index.set_seed(random_state)
    if path is not None:
        index.on_disk_build(str(path))
    # Lists, because Annoy reads the values of an array one by one, which takes twice the time; of few rows at a time,
    # because lists of numbers take eight times the memory.
    for i, row in enumerate(row for block in blocks for part in iter_blocks(block, _BLOCK) for row in part.tolist()):
        index.add_item(i, row)
    index.build(n_trees, n_jobs=n_jobs if random_state is None else 1)
    return index


def estimate_size(n_rows: int, n_features: int, metric: str, n_trees: int) -> int:
    """Number of bytes that the file of an index takes at most, by its number of nodes.

    A node holds a row, or as many indices as fit into its place. Measured for all metrics, for 1 to 300 features, and for
    equal rows, a tree has up to 3.8 times as many nodes as this needs if all are full.
    """
    width = 2 * -(-n_features // 64) if metric == "hamming" else n_features  # Hamming packs features as bits
    n_nodes = n_rows + n_trees * (4 * n_rows // (width + 2) + 1)
    return n_nodes * (16 + 4 * width)


def annoy_metric(metric: str) -> Any:
    """Annoy's name of a metric. Its angular distance orders rows as the cosine distance does."""
    return "angular" if metric == "cosine" else metric


def query_neighbors(index: AnnoyIndex, rows: Sequence[int], k: int, search_k: int, n_jobs: int) -> Iterator[Found]:
    """Indices of about the `k` nearest neighbors of each of the rows, itself excluded, and their distances."""
    from joblib import effective_n_jobs

    def query(part: Sequence[int]) -> list[Found]:
        return [_query(index, row, k, search_k) for row in part]

    n_threads = effective_n_jobs(n_jobs)
    size = min(max(-(-len(rows) // n_threads), 1), _BLOCK)
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    if len(parts) <= 1:  # no threads for a single row
        yield from (found for part in parts for found in query(part))
        return
    with ThreadPoolExecutor(n_threads) as pool:
        for found in pool.map(query, parts):
            yield from found


def _query(index: AnnoyIndex, row: int, k: int, search_k: int) -> Found:
    rows, distances = index.get_nns_by_item(row, k + 1, search_k, include_distances=True)
    # The row itself can be missing: among many duplicates, and where others have a larger dot product with it.
    surplus = rows.index(row) if row in rows else k
    del rows[surplus : surplus + 1], distances[surplus : surplus + 1]
    return rows, distances


class NeighborArrays:
    """Query results of `n_rows` rows as arrays, −1 where fewer than `k` neighbors were found.

    Lists of Python numbers would take nine times the memory.
    """

    def __init__(self, found: Iterable[Found], n_rows: int, k: int, *, with_distances: bool = False) -> None:
        self.counts = np.zeros(n_rows, np.int32)
        self.indices = np.full((n_rows, k), -1, np.int32)
        self.distances = np.zeros((n_rows, k if with_distances else 0), np.float32)
        for i, (rows, distances) in enumerate(found):
            self.counts[i] = len(rows)
            self.indices[i, : len(rows)] = rows
            if with_distances:
                self.distances[i, : len(rows)] = distances

    def __getitem__(self, row: int) -> Found:
        count = self.counts[row]
        return self.indices[row, :count].tolist(), self.distances[row, :count].tolist()
