"""Distances between corresponding rows of two arrays, with finite gradients where the rows coincide."""

from __future__ import annotations

from typing import Any

from keras import ops

Tensor = Any

# Lower bound below square roots, whose gradient is infinite at zero.
_EPSILON = 1e-7


def euclidean(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distance of each pair of rows."""
    return ops.sqrt(ops.maximum(ops.sum(ops.square(x - y), axis=-1), _EPSILON))


def manhattan(x: Tensor, y: Tensor) -> Tensor:
    """Sum of the absolute differences of each pair of rows."""
    return ops.sum(ops.abs(x - y), axis=-1)


def chebyshev(x: Tensor, y: Tensor) -> Tensor:
    """Largest absolute difference of each pair of rows."""
    return ops.max(ops.abs(x - y), axis=-1)


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """One minus the cosine of the angle between each pair of rows."""
    return 1.0 - ops.sum(_normalize(x) * _normalize(y), axis=-1)


def _normalize(x: Tensor) -> Tensor:
    # The gradient of ops.normalize at zero is NaN under JAX.
    return ops.divide(x, ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=-1, keepdims=True), _EPSILON**2)))
