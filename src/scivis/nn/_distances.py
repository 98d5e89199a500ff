"""Distances between embeddings, row by row, with gradients that stay finite where two embeddings coincide."""

from __future__ import annotations

from typing import Any

from keras import ops

Tensor = Any

# Keeps the gradient of a square root finite at zero.
_EPSILON = 1e-7


def euclidean(x: Tensor, y: Tensor) -> Tensor:
    """Length of the difference of each pair of rows."""
    return ops.sqrt(ops.maximum(ops.sum(ops.square(x - y), axis=-1), _EPSILON))


def manhattan(x: Tensor, y: Tensor) -> Tensor:
    """Sum of absolute differences of each pair of rows."""
    return ops.sum(ops.abs(x - y), axis=-1)


def chebyshev(x: Tensor, y: Tensor) -> Tensor:
    """Largest absolute difference of each pair of rows."""
    return ops.max(ops.abs(x - y), axis=-1)


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """One minus the cosine of the angle between each pair of rows."""
    return 1.0 - ops.sum(_unit(x) * _unit(y), axis=-1)


def _unit(x: Tensor) -> Tensor:
    # Not ops.normalize: its gradient at zero is not a number under JAX.
    return ops.divide(x, ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=-1, keepdims=True), _EPSILON**2)))
