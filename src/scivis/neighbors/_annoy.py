"""Building and querying an Annoy index: a forest of random hyperplane trees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from annoy import AnnoyIndex
    from numpy.typing import NDArray

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

    index = AnnoyIndex(n_features, annoy_name(metric))
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


def build_dense(x: NDArray[np.float32], metric: str, n_trees: int, random_state: int) -> AnnoyIndex:
    blocks = (x[a : a + _BLOCK] for a in range(0, len(x), _BLOCK))
    return build_index(blocks, x.shape[1], metric=metric, n_trees=n_trees, random_state=random_state)


def annoy_name(metric: str) -> Any:
    return "angular" if metric == "cosine" else metric
