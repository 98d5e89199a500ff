"""Counts drawn anew, to see how much of what follows from them is noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# Share of the counts of a cell that stay.
KEPT = 0.5
# Factor of the variance of redrawn counts. The variance of Poisson counts x ~ Poisson(λ) is λ. Kept counts have variance
# KEPT (1 − KEPT) x given x, and new counts (1 − KEPT) λ, together (1 − KEPT²) λ in expectation.
SCALE = 1 / (1 - KEPT**2)


def group_profiles(blocks: Iterable[NDArray[Any]], groups: NDArray[np.integer], n_groups: int) -> NDArray[np.float64]:
    """Share of each gene in the counts of each group of cells, shape (groups, genes).

    `blocks` are the counts of all cells in order, and `groups` the number of the group of each cell.

    Examples
    --------
    >>> group_profiles([np.array([[1.0, 3.0], [2.0, 0.0]])], np.array([0, 1]), 2)
    array([[0.25, 0.75],
           [1.  , 0.  ]])
    """
    sums, done = None, 0
    for counts in blocks:
        members = np.eye(n_groups)[groups[done : done + len(counts)]]
        done += len(counts)
        added = members.T @ counts.astype(np.float64)
        sums = added if sums is None else sums + added
    if sums is None:
        return np.empty((n_groups, 0))
    return sums / np.maximum(sums.sum(axis=1, keepdims=True), 1)


def measured_twice(
    counts: NDArray[np.int64], shares: NDArray[np.floating], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two independent measurements at the depth of the counts, shape (cells, genes), of cells that are half these and half similar.

    The counts are split binomially in halves, which are independent. Each half is filled up by Poisson counts with the total of
    the cell and `shares`, the shares of genes in similar cells, shape (cells, genes).

    Examples
    --------
    >>> counts, rng = np.full((1, 20_000), 4), np.random.default_rng(0)
    >>> one, other = measured_twice(counts, np.full((1, 20_000), 1 / 20_000), rng)
    >>> round(float(one.mean()), 1), round(float(other.mean()), 1)
    (4.0, 4.0)
    """
    half = rng.binomial(counts, KEPT)
    rates = (1 - KEPT) * counts.sum(axis=1, keepdims=True) * shares
    return half + rng.poisson(rates), counts - half + rng.poisson(rates)


def redraw(counts: NDArray[np.integer], shares: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float32]:
    """Counts of which half are kept at random, and the others replaced by new ones, shape (cells, genes).

    The kept counts are a binomial thinning (count splitting; Neufeld et al., Biostatistics 2022). The new ones are Poisson
    with the total of the cell and `shares`, the shares of genes in similar cells, shape (cells, genes). The depth therefore
    stays as it is, and a gene without counts in the cell can have some.

    Examples
    --------
    >>> counts, rng = np.full((1, 20_000), 3), np.random.default_rng(0)
    >>> new = redraw(counts, np.full((1, 20_000), 1 / 20_000), rng)
    >>> round(float(new.mean()), 1), round(float(SCALE * new.var()), 1)  # the variance of Poisson counts is their mean
    (3.0, 3.0)
    """
    totals = counts.sum(axis=1, keepdims=True)
    # One after the other, by cell: numbers of a cell do not depend on how the cells are divided into blocks.
    new = [
        rng.binomial(x, KEPT) + rng.poisson((1 - KEPT) * n * share)
        for x, n, share in zip(counts, totals, shares, strict=True)
    ]
    return np.asarray(new, np.float32).reshape(counts.shape)
