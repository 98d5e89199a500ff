"""Trust in the neighbors of every single cell, fast enough for a million cells."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from .neighbors import nearest_neighbors, neighbor_ranks, trust_from_ranks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]

# The rank of one neighbor among so few is a coarse estimate, but trust is a mean over k neighbors.
_LANDMARKS = 500
_BLOCK = 2048


def per_cell_trust(
    x: Matrix, embeddings: Mapping[str, Matrix], k: int, rng: np.random.Generator
) -> dict[str, NDArray[np.float32]]:
    """Trust of every cell in its `k` neighbors in each embedding, shape (n,), by the name of the embedding.

    Ranks in the representation `x` are estimated among 500 cells, which `rng` samples. `k` is below n / 2.
    """
    n = len(x)
    landmarks = rng.choice(n, min(_LANDMARKS, n), replace=False)
    found = [nearest_neighbors(z, np.arange(n), k)[0].astype(np.int32) for z in embeddings.values()]
    trust = {name: np.empty(n, np.float32) for name in embeddings}

    def fill_block(start: int) -> None:
        cells = np.arange(start, min(start + _BLOCK, n))
        ranks = neighbor_ranks(x, cells, [neighbors[cells] for neighbors in found], landmarks)
        for values, rank in zip(trust.values(), ranks, strict=True):
            values[cells] = trust_from_ranks(rank, n)

    # NumPy sorts, multiplies and gathers without holding the lock of the interpreter.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(fill_block, range(0, n, _BLOCK)))
    return trust
