"""Bootstrap of measures that are means over cells, triplets or pairs of cells, or behave like means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]

# Resamples, and the percentiles of the interval: a twentieth of 500 resamples lies outside.
N_RESAMPLES, _PERCENTILES = 500, (0.025, 0.975)
_BLOCK = 20


def resampled_means(terms: Matrix, rng: np.random.Generator) -> Matrix:
    """Means of each column of `terms`, shape (n, columns), over rows drawn with replacement, shape (resamples, columns).

    All columns are resampled alike, so that differences between them can be compared with their error (paired bootstrap;
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993).
    """
    return np.vstack([counts @ terms / len(terms) for counts in resampled_counts(len(terms), rng)])


def resampled_medians(values: Matrix, rng: np.random.Generator) -> Matrix:
    """Medians of values drawn with replacement, the lower one of an even number of values, shape (resamples,)."""
    order = np.argsort(values)
    below = (np.cumsum(counts[:, order], axis=1) for counts in resampled_counts(len(values), rng))
    return values[order][np.vstack([2 * some >= len(values) for some in below]).argmax(axis=1)]


def resampled_counts(n: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """How often each of `n` rows is drawn, in blocks of shape (resamples of the block, n)."""
    offsets = n * np.arange(_BLOCK)[:, None]
    for _ in range(N_RESAMPLES // _BLOCK):
        drawn = rng.integers(0, n, (_BLOCK, n)) + offsets
        yield np.bincount(drawn.ravel(), minlength=_BLOCK * n).reshape(_BLOCK, n).astype(np.float64)


def interval(value: float, resampled: Matrix) -> tuple[float, float]:
    """95 % interval of a measure between −1 and 1, from its values in the resamples.

    The values are shifted to have the mean `value`: drawing cells twice adds noise, which lowers some measures.

    Examples
    --------
    >>> np.round(interval(0.5, np.linspace(0, 0.4, 41)), 2)
    array([0.31, 0.69])
    """
    low, high = np.quantile(resampled - np.mean(resampled), _PERCENTILES)
    return float(max(value + low, -1.0)), float(min(value + high, 1.0))


def pearson_terms(a: Matrix, b: Matrix) -> tuple[float, Matrix]:
    """Pearson correlation r of two vectors, and how much each pair of values moves it.

    With standardized values u and v, a pair moves it by u v − r (u² + v²) / 2. The mean of these terms is zero, and r plus their
    mean over a resample is the correlation in this resample, up to terms of second order. Source: Devlin, Gnanadesikan and
    Kettenring, Biometrika 62, 531, 1975.
    """
    u, v = _standardize(a), _standardize(b)
    products = u * v
    r = float(products.mean())
    u *= u
    v *= v
    u += v
    u *= r / 2
    products -= u
    return r, products


def spearman_terms(ranks_a: Matrix, ranks_b: Matrix) -> tuple[float, Matrix]:
    """Spearman correlation ρ of two vectors from their ranks, and how much each pair of values moves it.

    With F and G the shares of values below one of a and b, a pair moves it by
    12 (F(a) G(b) + E[G(B); A ≥ a] + E[F(A); B ≥ b]) − 9 − 3 ρ: the last two terms are by how much the ranks of other pairs
    change. Source: Croux and Dehon, Statistical Methods & Applications 19, 497, 2010.
    """
    n = len(ranks_a)
    rho = float(np.mean(_standardize(ranks_a) * _standardize(ranks_b)))
    f, g = (ranks_a - 0.5) / n, (ranks_b - 0.5) / n
    terms = f * g
    terms += _mean_above(f, g)
    terms += _mean_above(g, f)
    terms -= terms.mean()
    # Without variation there is no correlation.
    return rho, 12 * terms if np.isfinite(rho) else terms * np.nan


def _mean_above(f: Matrix, g: Matrix) -> Matrix:
    """Mean of `g`, with zero where `f` is smaller, for each value of `f`: sums over a thousand bins of shares `f`."""
    bins = (f * 1000).astype(np.int16)
    sums = np.bincount(bins, weights=g, minlength=1000)
    above = (np.cumsum(sums[::-1])[::-1] - sums / 2) / len(f)
    return above[bins]


def pair_terms(terms: Matrix, n: int) -> Matrix:
    """How much each of `n` cells moves a mean over pairs of them, from how much each pair moves it, in the order of `pdist`.

    Twice the mean over the pairs of a cell (Hájek projection; Hoeffding, Annals of Mathematical Statistics 19, 293, 1948).

    Examples
    --------
    >>> pair_terms(np.array([1.0, 2.0, -3.0]), 3)  # pairs 0–1, 0–2, 1–2
    array([ 3., -2., -1.])
    """
    sums, start = np.zeros(n), 0
    for i in range(n - 1):
        row = terms[start : start + n - 1 - i]
        sums[i] += row.sum()
        sums[i + 1 :] += row
        start += len(row)
    return 2 * sums / (n - 1)


def _standardize(values: Matrix) -> Matrix:
    centered = np.asarray(values, np.float64) - np.mean(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # the correlation of constant values is NaN
        return centered / centered.std()
