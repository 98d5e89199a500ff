"""Layer normalization and GELU as one layer, with its gradient."""

from __future__ import annotations

from functools import partial
from math import pi, sqrt
from typing import TYPE_CHECKING

from keras import layers, ops

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._distances import Tensor

# Added to the variance of a row: the default of Keras.
EPSILON = 1e-3


class NormalizedGelu(layers.LayerNormalization):
    """``gelu(layer_normalization(x))``. The weights are those of :class:`keras.layers.LayerNormalization`."""

    def __init__(self, name: str) -> None:
        super().__init__(epsilon=EPSILON, name=name)

    def call(self, inputs: Tensor) -> Tensor:
        """Activations, shape (rows, units)."""
        # `ravel` gives tensors: TensorFlow accepts no variables as arguments of a function with a gradient of its own.
        return normalized_gelu(inputs, ops.ravel(self.gamma), ops.ravel(self.beta))


@ops.custom_gradient  # type: ignore[untyped-decorator]  # Keras has no types
def normalized_gelu(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
    """GELU of the normalized rows of `x`, shape (rows, units), scaled by `gamma` and shifted by `beta`, shape (units,).

    With the mean ``m`` and the variance ``v`` of a row, ``z = (x − m) / √(v + ε)``, ``a = γ z + β`` and the distribution
    function ``Φ`` of the standard normal distribution, the result is ``a Φ(a)``. Its derivative by ``a`` is
    ``Φ(a) + a φ(a)``. Automatic differentiation computes the same in twice the time, as most of the time of small matrices is
    that of starting operations, and it needs more of them.

    Sources: Ba, Kiros and Hinton, Layer normalization (2016); Hendrycks and Gimpel, Gaussian error linear units (2016).

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones(2, "float32")
    >>> rows = np.array([[-3.0, 3.0]], "float32")  # normalized: −1 and 1, and Φ(1) = 0.8413
    >>> np.asarray(normalized_gelu(rows, ones, 0 * ones)).round(3)
    array([[-0.159,  0.841]], dtype=float32)
    """
    # Means of rows as a product: XLA adds the values of a row one after the other.
    weights = ops.full((x.shape[-1], 1), 1.0 / x.shape[-1], dtype="float32")
    average = partial(ops.matmul, x2=weights)
    centered = x - average(x)
    inverse_std = ops.rsqrt(average(ops.square(centered)) + EPSILON)
    z = centered * inverse_std
    a = z * gamma + beta
    cdf = 0.5 + 0.5 * ops.erf(a * sqrt(0.5))

    def gradient(*arguments: Tensor, upstream: Tensor = None) -> tuple[Tensor, Tensor, Tensor]:
        u = arguments[0] if upstream is None else upstream  # torch passes it by name
        to_a = u * (cdf + a * (1.0 / sqrt(2.0 * pi) * ops.exp(-0.5 * ops.square(a))))
        to_z = to_a * gamma
        return (
            inverse_std * (to_z - average(to_z) - z * average(to_z * z)),
            ops.sum(to_a * z, axis=0),
            ops.sum(to_a, axis=0),
        )

    return a * cdf, gradient
