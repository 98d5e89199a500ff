"""Parts that all dense networks of scivis share: standardization of the input, and the shapes of the weights."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from keras import layers

if TYPE_CHECKING:
    from collections.abc import Sequence


def standardize(x: Any, offset: Sequence[float], scale: float) -> Any:
    """``(x − offset) × scale`` as a Keras layer; `x` itself if the offset is empty."""
    return layers.Rescaling(scale, offset=[-value * scale for value in offset])(x) if offset else x


def unstandardize(x: Any, offset: Sequence[float], scale: float) -> Any:
    """``x / scale + offset`` as a Keras layer; `x` itself if the offset is empty."""
    return layers.Rescaling(1.0 / scale, offset=list(offset))(x) if offset else x


def dense_shapes(widths: Sequence[int]) -> list[tuple[int, ...]]:
    """Shapes of the kernels and biases of dense layers, computed without building a network.

    Parameters
    ----------
    widths
        Width of the input, then of each layer.

    Examples
    --------
    >>> dense_shapes([50, 8, 2])
    [(50, 8), (8,), (8, 2), (2,)]
    """
    return [shape for one, other in pairwise(widths) for shape in ((one, other), (other,))]
