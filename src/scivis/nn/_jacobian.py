"""Derivatives of an embedding with respect to the input of its network, by the automatic differentiation of each backend."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ._backend import check_process

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 4096


def jacobian(encoder: keras.Model, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Derivative of each coordinate by each feature, shape (n, n_components, n_features).

    Each row is embedded by itself, so that the gradient of the sum of a coordinate over rows holds the derivatives of
    each row.

    Parameters
    ----------
    encoder
        Keras model from rows to embeddings.
    x
        Rows, shape (n, n_features).
    """
    check_process()
    by = {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}[keras.backend.backend()]
    n_components = int(encoder.output_shape[-1])
    result = np.empty((len(x), n_components, x.shape[1]), np.float32)
    for start in range(0, len(x), _BLOCK):
        rows = x[start : start + _BLOCK]
        for axis in range(n_components):
            result[start : start + _BLOCK, axis] = by(encoder, rows, axis)
    return result


def _by_tensorflow(encoder: keras.Model, rows: NDArray[np.float32], axis: int) -> Any:
    tape_of = import_module("tensorflow").GradientTape
    tensor = keras.ops.convert_to_tensor(rows)
    with tape_of() as tape:
        tape.watch(tensor)
        total = keras.ops.sum(encoder(tensor, training=False)[:, axis])
    return keras.ops.convert_to_numpy(tape.gradient(total, tensor))


def _by_jax(encoder: keras.Model, rows: NDArray[np.float32], axis: int) -> Any:
    total = lambda tensor: keras.ops.sum(encoder(tensor, training=False)[:, axis])
    return np.asarray(import_module("jax").grad(total)(rows))


def _by_torch(encoder: keras.Model, rows: NDArray[np.float32], axis: int) -> Any:
    tensor = keras.ops.convert_to_tensor(rows).requires_grad_(requires_grad=True)
    total = keras.ops.sum(encoder(tensor, training=False)[:, axis])
    return import_module("torch").autograd.grad(total, tensor)[0].detach().cpu().numpy()
