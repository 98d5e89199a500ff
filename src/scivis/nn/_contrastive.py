"""Losses over all pairs of a batch: InfoNCE with Cauchy similarities, and the correlation of distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import ops

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._distances import Tensor

# Added to squared distances before the logarithm, so that coinciding rows have a finite one.
_FLOOR = 1e-4
# Squared distance of a row to itself, so that its similarity is 0. Masking the similarities takes twice as long.
_FAR = 1e30
# Pairs per row in the correlation of distances. More of them make its gradient less noisy, at a negligible cost.
_PAIRS_PER_ROW = 4


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distance of every row of `x` to every row of `y`, shape (len(x), len(y)).

    Computed one axis at a time, which is faster than a matrix product for two or three axes, and exact for close rows.
    """
    return sum(ops.square(x[:, None, axis] - y[None, :, axis]) for axis in range(x.shape[1]))


def infonce(rows: Tensor, pairs: Tensor) -> Tensor:
    """The InfoNCE loss of embeddings, shape (batch, dims), with pairs of neighbors as row indices, shape (2, pairs).

    With ``q(x, y) = 1 / (1 + |x − y|²)``, pairs of neighbors ``P`` and rows ``R``, it is the mean over pairs of
    ``−log q(x, y)`` plus the mean over rows of ``log Σ_{y ∈ R∖x} q(x, y)``. If all rows are in equally many pairs, this
    is the cross-entropy of identifying a neighbor of a row among all other rows.

    Sources: Damrich et al., From t-SNE to UMAP with contrastive learning (ICLR 2023); Böhm et al., Unsupervised
    visualization of image datasets using contrastive learning (ICLR 2023). They use one pair per row; here all pairs of
    neighbors in the batch are used, which makes the gradient less noisy.

    Examples
    --------
    >>> import numpy as np
    >>> rows, pairs = np.array([[0.0], [1.0], [3.0]], "float32"), np.array([[0, 1], [1, 2]])
    >>> # Similarities: 1/2 between the first two, 1/5 between the last two, 1/10 between first and last.
    >>> by_hand = (np.log(2) + np.log(5)) / 2 + (np.log(0.6) + np.log(0.7) + np.log(0.3)) / 3
    >>> bool(np.isclose(infonce(rows, pairs), by_hand))
    True
    """
    differences = ops.take(rows, pairs[0], axis=0) - ops.take(rows, pairs[1], axis=0)
    inverse_similarities = 1.0 + ops.sum(ops.square(differences), axis=1)
    return ops.mean(ops.log(inverse_similarities)) + ops.mean(ops.log(similarity_sums(rows)))


@ops.custom_gradient  # type: ignore[untyped-decorator]  # Keras has no types
def similarity_sums(rows: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
    """Sum of the similarities of each row to all other rows, shape (batch,).

    As ``∂q(x, y)/∂x = −2 q² (x − y)``, the gradient with respect to row x is ``−2 Σ_y (u_x + u_y) q(x, y)² (x − y)``
    for a gradient ``u`` of the sums: with the weights ``w = (u_x + u_y) q²``, one product of ``w`` with a column of ones and
    the rows. Automatic differentiation would compute many matrices of all pairs, which takes longer.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[0.0], [1.0], [3.0]], "float32")
    >>> np.asarray(similarity_sums(rows)).round(2)  # 1/2 + 1/10, 1/2 + 1/5, 1/10 + 1/5
    array([0.6, 0.7, 0.3], dtype=float32)
    """
    to_itself = _FAR * ops.eye(rows.shape[0], dtype=rows.dtype)
    similarities = 1.0 / (1.0 + to_itself + squared_distances(rows, rows))

    def gradient(*arguments: Tensor, upstream: Tensor = None) -> Tensor:
        u = arguments[0] if upstream is None else upstream  # torch passes it by name
        weights = (u[:, None] + u[None, :]) * ops.square(similarities)
        columns = ops.concatenate([ops.ones_like(rows[:, :1]), rows], axis=1)
        sums, weighted = ops.split(ops.matmul(weights, columns), [1], axis=1)
        return -2.0 * (rows * sums - weighted)

    # Similarities are symmetric, and XLA sums columns faster than rows.
    return ops.sum(similarities, axis=0), gradient


def distance_correlation(inputs: Tensor, embeddings: Tensor) -> Tensor:
    """One minus Pearson's r between the logarithms of input and embedding distances of pairs of rows.

    Each row is paired with the four rows after it, cyclically, so that the pairs are as random as the order of the
    rows. Without logarithms, a few outlying cells would determine r. The idea of a global term beside a local loss is
    that of Parametric UMAP: Sainburg, McInnes and Gentner, Neural Computation 33 (2021).
    """
    x, y = _log_distances(inputs), _log_distances(embeddings)
    x, y = x - ops.mean(x), y - ops.mean(y)
    scale = ops.sqrt(ops.sum(x * x) * ops.sum(y * y) + 1e-9)
    return 1.0 - ops.sum(x * y) / scale


def _log_distances(rows: Tensor) -> Tensor:
    """Logarithms of the squared distances of each row to the next few rows, shape (shifts, batch)."""
    rows = ops.convert_to_tensor(rows)  # PyTorch subtracts no tensor from an array
    shifts = range(1, min(_PAIRS_PER_ROW, rows.shape[0] - 1) + 1)
    # One operation on all shifts is traced and compiled in half the time of one for each.
    others = ops.stack([ops.roll(rows, -shift, axis=0) for shift in shifts])
    return ops.log(ops.sum(ops.square(rows - others), axis=tuple(range(2, len(others.shape)))) + _FLOOR)
