"""The encoder in NumPy, for a few rows: Keras takes longer to start its operations than such rows need."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import erf

from ._normalization import EPSILON
from .networks import BUILT_IN, RESIDUAL_WIDTHS, hidden_widths, weight_shapes

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from .networks import Architecture

    Rows = NDArray[np.float64]

# Largest number of products of a value and a weight. More take NumPy longer than Keras.
_MAX_PRODUCTS = 2**21
# Klambauer et al., Self-normalizing neural networks (NeurIPS 2017).
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def are_few(architecture: Architecture, n_rows: int) -> bool:
    """Whether :func:`embed_few_rows` is faster for so many rows. It does not compute networks that users have written."""
    is_known = isinstance(architecture.network, tuple) or architecture.network in BUILT_IN
    return is_known and n_rows * sum(map(math.prod, weight_shapes(architecture))) <= _MAX_PRODUCTS


def embed_few_rows(encoder: keras.Model, architecture: Architecture, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings of rows by the weights that the encoder has now, shape (n, n_components).

    They are computed in float64, and differ from those of Keras by its rounding. A row has the same embedding, bit for bit,
    whatever the other rows.

    Examples
    --------
    >>> from scivis.nn import Architecture, build_encoder
    >>> architecture = Architecture("szubert", n_features=5, n_components=2)
    >>> encoder, rows = build_encoder(architecture), np.ones((1, 5), np.float32)
    >>> np.allclose(embed_few_rows(encoder, architecture, rows), encoder(rows), atol=1e-5)
    True
    """
    with np.errstate(all="ignore"):  # Keras does not warn, either
        x = rows.astype(np.float64)
        if architecture.offset:
            x = (x - architecture.offset) * architecture.scale
        embedding = _affine(encoder, "embedding", _hidden(encoder, architecture, x))
        if architecture.linear_path:
            embedding += _affine(encoder, "linear_path", x)
        return (embedding * architecture.output_scale).astype(np.float32)


def _hidden(encoder: keras.Model, architecture: Architecture, x: Rows) -> Rows:
    """Activations of the last hidden layer."""
    is_residual = architecture.network in RESIDUAL_WIDTHS
    for i, _ in enumerate(hidden_widths(architecture.network)):
        y = _affine(encoder, f"hidden_{i}", x)
        y = _normalized_gelu(y, *encoder.get_layer(f"normalization_{i}").get_weights()) if is_residual else _selu(y)
        x = x + y if is_residual and i else y
    return x


def _affine(encoder: keras.Model, name: str, x: Rows) -> Rows:
    """Output of a dense layer before its activation."""
    kernel, *biases = encoder.get_layer(name).get_weights()
    # Not `@`: the sums of BLAS depend on the number of rows, and its threads take milliseconds to start where cores are busy.
    return sum(biases, np.einsum("ij,jk->ik", x, kernel.astype(np.float64)))


def _normalized_gelu(x: Rows, gamma: NDArray[np.float32], beta: NDArray[np.float32]) -> Rows:
    """See :func:`scivis.nn._normalization.normalized_gelu`."""
    centered = x - x.mean(axis=1, keepdims=True)
    a = centered / np.sqrt(np.square(centered).mean(axis=1, keepdims=True) + EPSILON) * gamma + beta
    return a * (0.5 + 0.5 * erf(a * np.sqrt(0.5)))


def _selu(x: Rows) -> Rows:
    return _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(x))
