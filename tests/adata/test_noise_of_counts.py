"""What is expected of a cell that is measured again, and what its counts are replaced by."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from scivis._adata.noise import Network
from scivis._adata.noise_of_counts import NoiseOfCounts, _unseen_inputs


class Counts:
    """Counts in memory, whose logarithms are projected on loadings."""

    def __init__(self, counts, n_components):
        self.all = counts
        x = self.expression(counts)
        self.means = x.mean(axis=0)
        loadings = np.linalg.svd(x - self.means, full_matrices=False)[2][:n_components].T
        project = lambda rows: ((rows - self.means) @ loadings).astype(np.float32)
        self.source = SimpleNamespace(loadings=loadings, project=project)

    def blocks(self, size):
        return (self.all[start : start + size] for start in range(0, len(self.all), size))

    def expression(self, counts):
        return np.log1p(1e3 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(np.float32)

    def inputs(self, counts):
        return self.source.project(self.expression(counts))


def test_cells_are_expected_where_new_measurements_of_them_are():
    # 200 cells of one kind and 200 of another: one component is signal, and seven are noise of these cells.
    rng = np.random.default_rng(0)
    rates = np.repeat(rng.gamma(2, size=(2, 300)), 200, axis=0)
    first, again = rng.poisson(rates), rng.poisson(rates)
    counts = Counts(first, 8)
    unseen = _unseen_inputs(counts, 400)
    fitted, new, expected = ((x**2).mean(axis=0) for x in (counts.inputs(first), counts.inputs(again), unseen))
    assert_allclose(expected[0], new[0], rtol=0.02)
    assert (fitted[1:] > 2 * new[1:]).all()
    # Components of noise are others without the cell, so that little of it is left.
    assert (expected[1:] < new[1:]).all()


@pytest.mark.parametrize(("n", "n_components"), [(15, 8), (400, 0)])
def test_components_of_too_few_cells_or_none_are_not_computed_again(n, n_components):
    assert _unseen_inputs(Counts(np.ones((n, 20), int), n_components), n) is None


def test_profiles_do_not_share_the_noise_that_placed_the_cells():
    # One kind of cells, placed by their counts of the first two genes: only noise.
    rng = np.random.default_rng(0)
    counts = Counts(rng.poisson(np.full((2000, 12), 3.0)), 2)
    counts.inputs = lambda x: x[:, :2].astype(np.float32)
    network = Network(lambda rows: rows, lambda rows: rows)
    noise = NoiseOfCounts(counts, network, counts.inputs(counts.all))
    n_cells = np.bincount(noise._groups)
    placed = np.array([counts.all[noise._groups == group, 0].mean() for group in range(len(n_cells))])
    assert placed.max() - placed.min() > 3  # the groups differ by the counts that placed them
    # Poisson counts of mean 1.5 in halves of 18 per cell: in units of their standard error, standard normal.
    errors = (noise._profiles[:, 0] - 1 / 12) * np.sqrt(n_cells * 18 / (1 / 12 * 11 / 12))
    assert len(errors) == 22
    assert (errors**2).mean() == pytest.approx(1, abs=0.6)
