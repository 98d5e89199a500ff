"""Losses over all pairs of a batch: InfoNCE with Cauchy similarities, and the correlation of distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import ops

if TYPE_CHECKING:
    from collections.abc import Callable

    from .losses import Tensor

# Added to squared distances before the logarithm, so that coinciding rows weigh like very near ones.
_FLOOR = 1e-4
_FAR = 1e30
# Pairs per row for the correlation of distances: more of them steady its gradient, and cost nothing beside the network.
_PARTNERS = 4


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distance of every row of `x` to every row of `y`, shape (len(x), len(y)).

    One axis at a time: for the few axes of a map this is faster than the product of matrices, and exact for near rows.
    """
    return sum(ops.square(x[:, None, axis] - y[None, :, axis]) for axis in range(x.shape[1]))


def infonce(rows: Tensor, pairs: Tensor) -> Tensor:
    """How well rows are told from the other rows of a batch by their neighbours among them.

    With ``q(x, y) = 1 / (1 + |x − y|²)``, pairs of neighbours ``P`` and rows ``R``, the mean over pairs of ``−log q(x, y)``
    plus the mean over rows of ``log Σ_{y ∈ R∖x} q(x, y)``. Where each row is in as many pairs as any other, that is the
    cross-entropy of finding a row's neighbour among all others.

    Sources: Damrich et al., From t-SNE to UMAP with contrastive learning (ICLR 2023); Böhm et al., Unsupervised
    visualization of image datasets using contrastive learning (ICLR 2023). There a batch has one pair for each row; here it
    has all pairs of neighbours that meet in it, so that a step's gradient is less a matter of chance.

    Parameters
    ----------
    rows
        Embeddings, shape (batch, dims).
    pairs
        Row numbers of neighbours, shape (2, pairs).

    Examples
    --------
    >>> import numpy as np
    >>> rows, pairs = np.array([[0.0], [1.0], [3.0]], "float32"), np.array([[0, 1], [1, 2]])
    >>> # Similarities: 1/2 between the first two, 1/5 between the last two, 1/10 between first and last.
    >>> by_hand = (np.log(2) + np.log(5)) / 2 + (np.log(0.6) + np.log(0.7) + np.log(0.3)) / 3
    >>> bool(np.isclose(infonce(rows, pairs), by_hand))
    True
    """
    between = ops.take(rows, pairs[0], axis=0) - ops.take(rows, pairs[1], axis=0)
    near = 1.0 + ops.sum(ops.square(between), axis=1)
    return ops.mean(ops.log(near)) + ops.mean(ops.log(similarity_sums(rows)))


@ops.custom_gradient  # type: ignore[untyped-decorator]  # Keras has no types
def similarity_sums(rows: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
    """Sum of the similarities of each row to all other rows.

    As ``∂q(x, y)/∂x = −2 q² (x − y)``, with a gradient ``u`` of the sums that of row x is
    ``−2 Σ_y (u_x + u_y) q(x, y)² (x − y)``: one product of ``q²`` with a few columns, in place of the many matrices of all
    pairs that automatic differentiation would write, which takes up to twice as long.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[0.0], [1.0], [3.0]], "float32")
    >>> np.asarray(similarity_sums(rows)).round(2)  # 1/2 + 1/10, 1/2 + 1/5, 1/10 + 1/5
    array([0.6, 0.7, 0.3], dtype=float32)
    """
    # A row itself is infinitely far, rather than masked out afterwards, which takes twice as long.
    itself = _FAR * ops.eye(rows.shape[0], dtype=rows.dtype)
    similarities = 1.0 / (1.0 + itself + squared_distances(rows, rows))

    def gradient(*arguments: Tensor, upstream: Tensor = None) -> Tensor:
        of_sums = ops.reshape(arguments[0] if upstream is None else upstream, (-1, 1))  # torch names it
        weighted = of_sums * rows
        columns = ops.concatenate([ops.ones_like(of_sums), of_sums, rows, weighted], axis=1)
        # Sums over y of q² times 1, u_y, y and u_y·y.
        ones, u, y, uy = ops.split(ops.matmul(ops.square(similarities), columns), [1, 2, 2 + rows.shape[1]], axis=1)
        return -2.0 * (weighted * ones + rows * u - of_sums * y - uy)

    return ops.sum(similarities, axis=1), gradient


def distance_correlation(inputs: Tensor, embeddings: Tensor) -> Tensor:
    """One minus Pearson's r between the logarithms of input and embedding distances of pairs of rows.

    Each row is paired with the four after it, the first following the last: pairs are as random as the order of the rows.
    Logarithms, because on plain distances a few outlying cells decide r alone.

    The idea of a global term beside a local loss is that of Parametric UMAP: Sainburg, McInnes and Gentner,
    Neural Computation 33 (2021).

    Parameters
    ----------
    inputs, embeddings
        Shapes (batch, features) and (batch, dims).
    """
    x, y = _log_distances(inputs), _log_distances(embeddings)
    x, y = x - ops.mean(x), y - ops.mean(y)
    scale = ops.sqrt(ops.sum(x * x) * ops.sum(y * y) + 1e-9)
    return 1.0 - ops.sum(x * y) / scale


def _log_distances(rows: Tensor) -> Tensor:
    axes = tuple(range(1, len(rows.shape)))
    steps = range(1, min(_PARTNERS, rows.shape[0] - 1) + 1)
    squares = [ops.sum(ops.square(ops.subtract(rows, ops.roll(rows, -step, axis=0))), axis=axes) for step in steps]
    return ops.log(ops.concatenate(squares) + _FLOOR)
