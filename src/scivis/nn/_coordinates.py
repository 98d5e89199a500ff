"""Coordinates that the embedding has to take: labels of regression without a layer of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from ._siamese import Supervision
from .supervision import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The sum of absolute differences. A cell whose neighbors lie in two places of a map is placed in one of them, as by a median;
# squared differences place it between them.
_LOSS = "mae"


def supervise_coordinates(
    coordinates: NDArray[np.float32], *, known: NDArray[np.bool_] | None = None, weight: float = 1.0
) -> Supervision:
    """Supervision by coordinates, shape (n, dims), in the unit of the encoder.

    Parameters
    ----------
    coordinates
        Coordinates of the rows.
    known
        Which rows have coordinates, shape (n,). Default: all of them.
    weight
        Weight of the coordinates relative to that of the neighbors.
    """
    n, dims = coordinates.shape
    known = np.ones(n, bool) if known is None else known
    inputs = keras.layers.Input((dims,))
    head = keras.Model(inputs, keras.layers.Identity()(inputs), name=_LOSS)
    targets = Targets(coordinates, known, dims, np.empty(0, np.int64))
    return Supervision(targets, head, metric=_LOSS, weight=weight)
