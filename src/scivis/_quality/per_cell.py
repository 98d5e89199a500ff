"""Trust in the place of every single cell, in a time that a million cells allow."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from .neighbors import nearest, ranks, trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]

# Ranks among so few are coarse for one neighbour, but a cell's trust is a mean over k of them, in units of n.
_LANDMARKS = 500
_BLOCK = 2048


def per_cell_trust(
    x: Matrix, maps: Mapping[str, Matrix], k: int, rng: np.random.Generator
) -> dict[str, NDArray[np.float32]]:
    """Every cell's trust in its `k` neighbours on each map, ranked in the representation among 500 random cells.

    Parameters
    ----------
    x
        The representation, cells × features.
    maps
        By name, cells × axes.
    k
        Below half of the number of cells.
    rng
        Draws the 500.
    """
    n = len(x)
    landmarks = rng.choice(n, min(_LANDMARKS, n), replace=False)
    found = {name: nearest(z, np.arange(n), k)[0].astype(np.int32) for name, z in maps.items()}
    values = {name: np.empty(n, np.float32) for name in maps}

    def judge_block(start: int) -> None:
        cells = np.arange(start, min(start + _BLOCK, n))
        for name, rank in zip(maps, ranks(x, cells, [some[cells] for some in found.values()], landmarks), strict=True):
            values[name][cells] = trust(rank, n)

    # NumPy sorts, multiplies and gathers without holding the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(judge_block, range(0, n, _BLOCK)))
    return values
