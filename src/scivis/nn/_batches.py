"""Of which rows a batch consists, and which of them belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from . import pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scivis.neighbors import LazyNeighbors, Neighbors

    from .losses import IvisLoss

# Neighbours that come with each anchor where few of them would meet by chance. They are often neighbours of each other, so
# that three bring about two pairs for each row. They often share its label, too, so that labels are learned better from
# more anchors with one neighbour each (benchmarks/supervised.py).
_PARTNERS, _PARTNERS_WITH_LABELS = 3, 1
# Of rows that come alone, the loss compares about as many pairs as there are, but no more for each row than this.
_MOST_PAIRS = 4


@dataclass(frozen=True)
class Batch:
    """How many rows of which kind are embedded together.

    Parameters
    ----------
    n_anchors
        Rows that every epoch takes once.
    n_partners
        Rows that come with each anchor: neighbours, or a positive and a negative.
    n_pairs
        Pairs of neighbours among all these rows; none for triplets, whose places say what belongs together.
    """

    n_anchors: int
    n_partners: int
    n_pairs: int = 0

    @classmethod
    def of(
        cls,
        loss: str | IvisLoss,
        neighbors: Neighbors | LazyNeighbors,
        n_anchors: int,
        *,
        all_rows: bool = True,
        labels: bool = False,
    ) -> Self:
        """The batch of so many anchors for this loss.

        Where all rows are anchors, and a row meets one of its neighbours or more in a batch anyway, anchors come alone: no
        row is embedded twice, and the more of the pairs are seen at each step.

        Examples
        --------
        >>> from scivis.neighbors import Neighbors
        >>> ring = Neighbors.from_indices((np.arange(20)[:, None] + np.arange(1, 5)) % 20)
        >>> Batch.of("pn", ring, 5), Batch.of("infonce", ring, 5)
        (Batch(n_anchors=5, n_partners=2, n_pairs=0), Batch(n_anchors=5, n_partners=0, n_pairs=5))
        >>> Batch.of("infonce", ring, 4)  # four of nineteen others: less than one neighbour
        Batch(n_anchors=4, n_partners=3, n_pairs=32)
        """
        if loss != "infonce":
            return cls(n_anchors, 2)
        if pairs.are_classes(neighbors):
            return cls(n_anchors, 1, n_anchors)
        some = np.arange(min(neighbors.n_cells, n_anchors), dtype=np.int32)
        met = neighbors.take(some)[1].mean() * n_anchors / neighbors.n_cells
        if all_rows and met >= 1:
            return cls(n_anchors, 0, n_anchors * min(int(met), _MOST_PAIRS))
        n_partners = _PARTNERS_WITH_LABELS if labels else _PARTNERS
        # Two pairs for each row with three partners, one with one.
        return cls(n_anchors, n_partners, n_anchors * (1 + n_partners) * (1 + n_partners) // 2)

    @property
    def n_views(self) -> int:
        """Rows per anchor, itself among them."""
        return 1 + self.n_partners

    @property
    def n_rows(self) -> int:
        """Rows in all."""
        return self.n_anchors * self.n_views

    def draw_rows(
        self, anchors: NDArray[np.int32], neighbors: Neighbors | LazyNeighbors, rng: np.random.Generator
    ) -> NDArray[np.int32]:
        """The rows of a batch, shape (views, anchors), anchors first."""
        if not self.n_partners:
            return anchors[None]
        drawn = pairs.draw_partners(
            neighbors, anchors, rng, positives=self.n_partners if self.n_pairs else 1, negatives=not self.n_pairs
        )
        return np.stack([anchors, *drawn])

    def draw_pairs(
        self, rows: NDArray[np.int32], neighbors: Neighbors | LazyNeighbors, rng: np.random.Generator
    ) -> NDArray[np.int32]:
        """Places in the batch of neighbours, shape (2, pairs): each pair as often as any other, or once more."""
        if pairs.are_classes(neighbors):
            return np.arange(self.n_rows, dtype=np.int32).reshape(2, -1)
        found = pairs.pairs_within(rows.ravel(), neighbors)
        if not found.shape[1]:
            return np.zeros((2, self.n_pairs), np.int32)  # a row and itself: nothing pulls
        return found[:, np.resize(rng.permutation(found.shape[1]), self.n_pairs)]
