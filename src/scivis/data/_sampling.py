"""Which cells to train on when there are more than training needs: a sample in which small populations survive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._rows import BLOCK, check_finite, dense, iter_blocks, take_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Centres, and the rows that they are fitted to: enough to tell populations apart, one second of work.
_CENTRES, _PILOT = 256, 20_000


def sample_rows(matrix: Any, size: int, rng: np.random.Generator, name: str = "The data") -> NDArray[np.int64]:
    """Numbers of `size` rows, ascending, drawn without replacement so that small and distant groups keep their share.

    A row is drawn with a probability that is one third uniform, one third equal for all of 256 k-means clusters
    whatever their size, and one third proportional to the squared distance from the nearest centre: the sensitivities
    by which coresets for clustering are drawn (Bachem, Lucic and Krause, Practical coreset constructions for machine
    learning, 2017). Reads `matrix` twice, in blocks; a cluster number and a distance per row is all that it keeps.

    Parameters
    ----------
    matrix
        Shape (n, features), n > size.
    size
        Rows to draw.
    rng
        Where chance comes from.
    name
        What to call the matrix in an error.

    Raises
    ------
    ValueError
        If it holds NaN or infinite values.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(10_000, 3))
    >>> x[:20] += 50  # a group of 0.2 %
    >>> rows = sample_rows(x, 1000, rng)
    >>> len(rows), int((rows < 20).sum())  # 2 of its cells in a uniform sample, on average
    (1000, 7)
    """
    centres = _centres(matrix, rng, name)
    codes, distances = _nearest(matrix, centres, name)
    n_members = np.bincount(codes, minlength=len(centres))
    weight = 1.0 / len(codes) + 1.0 / (len(centres) * n_members[codes])
    if total := distances.sum(dtype=np.float64):
        weight += distances / total
    return _draw(weight, size, rng)


def _centres(matrix: Any, rng: np.random.Generator, name: str) -> NDArray[np.float32]:
    from sklearn.cluster import MiniBatchKMeans

    n = matrix.shape[0]
    pilot = take_rows(matrix, np.sort(rng.choice(n, min(n, _PILOT), replace=False)))
    check_finite(pilot, name)
    k_means = MiniBatchKMeans(
        min(_CENTRES, len(pilot)), n_init=1, batch_size=2048, random_state=int(rng.integers(2**31))
    )
    return k_means.fit(pilot).cluster_centers_.astype(np.float32)


def _nearest(matrix: Any, centres: NDArray[np.float32], name: str) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """The nearest centre of each row, and the squared distance to it."""
    n = matrix.shape[0]
    codes, distances = np.empty(n, np.int16), np.empty(n, np.float32)
    norms = np.square(centres).sum(axis=1)
    for number, block in enumerate(iter_blocks(matrix)):
        rows = dense(block)
        check_finite(rows, name, first_row=number * BLOCK)
        part = slice(number * BLOCK, number * BLOCK + len(rows))
        # Without |x|², which is the same for all centres.
        relative = rows @ (-2.0 * centres.T) + norms
        codes[part] = relative.argmin(axis=1)
        distances[part] = np.maximum(relative.min(axis=1) + np.square(rows).sum(axis=1), 0.0)
    return codes, distances


def _draw(weight: NDArray[np.float64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Weighted draws without replacement: the smallest of exponential waiting times (Efraimidis and Spirakis, 2006)."""
    waiting = rng.exponential(size=len(weight)) / weight
    return np.sort(np.argpartition(waiting, size - 1)[:size])
