"""Random samples of cells, the same for all embeddings that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.integer]
    Codes = NDArray[np.integer]

# Ranks are exact up to the number of landmarks.
_LANDMARKS, _TRIPLETS, _CLASSIFIED, _PERMUTATIONS = 10_000, 20_000, 40_000, 999


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples on which the measures are computed.

    Parameters
    ----------
    cells
        Rows whose neighbors among all cells, and whose pairwise distances, are compared.
    landmarks
        Rows among which neighbors are ranked.
    triplets
        Indices of rows, shape (3, n).
    labeled
        Labeled rows in random order, for the classifier.
    permutations
        Permutations of the classes, one per row, for the Mantel test.
    """

    cells: Rows
    landmarks: Rows
    triplets: Rows
    labeled: Rows
    permutations: Rows


def sample_cells(codes: Codes, n_cells: int, rng: np.random.Generator) -> Samples:
    """Random samples of cells with the classes `codes`, −1 if unlabeled, at most `n_cells` for neighbors."""
    n, n_classes = len(codes), codes.max(initial=-1) + 1
    return Samples(
        cells=rng.choice(n, min(n_cells, n), replace=False),
        landmarks=rng.choice(n, min(_LANDMARKS, n), replace=False),
        triplets=rng.integers(0, n, (3, _TRIPLETS)),
        labeled=rng.permutation(np.flatnonzero(codes >= 0))[:_CLASSIFIED],
        permutations=np.array([rng.permutation(n_classes) for _ in range(_PERMUTATIONS)]),
    )
