"""What measures give for a map that knows nothing of the cells: one whose rows are in random order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .neighbors import trust_from_ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Share of cells at random places whose trust is not larger than the limit, and simulated cells.
_LEVEL, _SIMULATED = 0.95, 2000


def chance_recall(k: int, n: int) -> float:
    """Expected share of the `k` nearest neighbors among `n` cells that are also among `k` random cells.

    Examples
    --------
    >>> chance_recall(15, n=1501)
    0.01
    """
    return k / (n - 1)


def chance_trust(k: int, n: int) -> float:
    """Expected trust in `k` random cells, whose ranks are uniform from 1 to n − 1: about 0.5.

    The mean of max(0, rank − k) is (n − 1 − k) (n − k) / (2 (n − 1)); see `trust_from_ranks`.

    Examples
    --------
    >>> chance_trust(1, n=4)  # ranks 1, 2, 3: trust 1, 0.5, 0
    0.5
    """
    return 1 - (n - 1 - k) * (n - k) / ((n - 1) * (2 * n - 3 * k - 1))


def trust_limit(k: int, n: int, rng: np.random.Generator) -> float:
    """The trust that 95 % of cells with `k` random neighbors among `n` cells do not exceed.

    It is the same for all cells, because random neighbors have uniform ranks. scDEED (Xia, Lee and Li, Nature Communications
    15, 1753, 2024) compares with permuted data as well, but asks for a score below 95 % of those by chance.
    """
    ranks = [1 + rng.choice(n - 1, k, replace=False) for _ in range(_SIMULATED)]
    return float(np.quantile(trust_from_ranks(np.array(ranks, np.float64), n), _LEVEL))


def no_better_than_chance(trust: NDArray[np.floating], limit: float) -> NDArray[np.bool_]:
    """Whether the trust of each cell is at most the limit of :func:`trust_limit`, shape (n,)."""
    return trust <= limit
