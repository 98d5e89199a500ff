"""The rows of a batch, and the pairs of neighbors among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from . import pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scivis.neighbors import LazyNeighbors, Neighbors

    from .losses import IvisLoss

# Partners of each anchor if few neighbors would be in a batch by chance. They are often neighbors of each other, so
# that three partners give about two pairs per row. As they often have the same label, labels are learned better from
# more anchors with one partner each (benchmarks/supervised.py).
_PARTNERS, _PARTNERS_WITH_LABELS = 3, 1
# Largest number of pairs per row for anchors without partners. Up to here, all pairs are used.
_MAX_PAIRS = 4


@dataclass(frozen=True)
class Batch:
    """Number of rows and pairs in a batch."""

    n_anchors: int
    n_partners: int  # per anchor: neighbors, or a positive and a negative
    n_pairs: int = 0  # pairs of neighbors among all rows; 0 for triplets, which are defined by their positions

    @classmethod
    def of(
        cls,
        loss: str | IvisLoss | None,
        neighbors: Neighbors | LazyNeighbors | None,
        n_anchors: int,
        *,
        all_rows: bool = True,
        labels: bool = False,
    ) -> Self:
        """The batch of a loss.

        Anchors have no partners if all rows are anchors and a batch contains on average at least one neighbor of each
        row by chance. Then no row is embedded twice, and each step uses more of the pairs. Without neighbors there are
        only anchors.

        Examples
        --------
        >>> from scivis.neighbors import Neighbors
        >>> ring = Neighbors.from_indices((np.arange(20)[:, None] + np.arange(1, 5)) % 20)
        >>> Batch.of("pn", ring, 5), Batch.of("infonce", ring, 5)
        (Batch(n_anchors=5, n_partners=2, n_pairs=0), Batch(n_anchors=5, n_partners=0, n_pairs=5))
        >>> Batch.of("infonce", ring, 4)  # 4 neighbors · 4 / 20 rows: less than one neighbor by chance
        Batch(n_anchors=4, n_partners=3, n_pairs=32)
        """
        if neighbors is None:
            return cls(n_anchors, 0)
        if loss != "infonce":
            return cls(n_anchors, 2)
        if pairs.is_label_map(neighbors):
            return cls(n_anchors, 1, n_anchors)
        first = np.arange(min(neighbors.n_cells, n_anchors), dtype=np.int32)
        by_chance = neighbors.take(first)[1].mean() * n_anchors / neighbors.n_cells
        if all_rows and by_chance >= 1:
            return cls(n_anchors, 0, n_anchors * min(int(by_chance), _MAX_PAIRS))
        n_partners = _PARTNERS_WITH_LABELS if labels else _PARTNERS
        # Two pairs per row with three partners, one with one.
        return cls(n_anchors, n_partners, n_anchors * (1 + n_partners) * (1 + n_partners) // 2)

    @property
    def n_views(self) -> int:
        """Rows per anchor, including the anchor."""
        return 1 + self.n_partners

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.n_anchors * self.n_views

    def sample_rows(
        self, anchors: NDArray[np.int32], neighbors: Neighbors | LazyNeighbors | None, rng: np.random.Generator
    ) -> NDArray[np.int32]:
        """Indices of the anchors and their partners, shape (views, anchors)."""
        if neighbors is None or not self.n_partners:
            return anchors[None]
        positives = self.n_partners if self.n_pairs else 1
        partners = pairs.sample_partners(neighbors, anchors, rng, positives=positives, negatives=not self.n_pairs)
        return np.stack([anchors, *partners])

    def sample_pairs(
        self, rows: NDArray[np.int32], neighbors: Neighbors | LazyNeighbors, rng: np.random.Generator
    ) -> NDArray[np.int32]:
        """Positions of neighbors in the batch, shape (2, pairs); frequencies of pairs differ by at most 1."""
        if pairs.is_label_map(neighbors):
            return np.arange(self.n_rows, dtype=np.int32).reshape(2, -1)
        found = pairs.find_pairs(rows.ravel(), neighbors)
        if not found.shape[1]:
            return np.zeros((2, self.n_pairs), np.int32)  # pairs of a row with itself, which have no gradient
        return found[:, np.resize(rng.permutation(found.shape[1]), self.n_pairs)]
