"""The cells to train on: how many, which, and that rare ones are among them."""

import h5py
import numpy as np
import pytest
from scipy import sparse

from scivis.data import _sampling
from scivis.data._sampling import sample_rows


@pytest.fixture(scope="module")
def groups():
    """Groups of 9,000, 900, 90 and 10 rows, far from each other."""
    labels = np.repeat(np.arange(4), [9000, 900, 90, 10])
    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))
    x = rng.normal(size=(len(labels), 5)) + 20 * np.eye(4, 5)[labels]
    return x[order].astype(np.float32), labels[order]


def test_so_many_different_rows_in_order(groups):
    rows = sample_rows(groups[0], 500, np.random.default_rng(1))
    assert rows.shape == (500,)
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < 10_000


def test_small_groups_keep_more_than_their_share(groups):
    x, labels = groups
    counts = sum(np.bincount(labels[sample_rows(x, 500, np.random.default_rng(s))], minlength=4) for s in range(5)) / 5
    uniform = 500 * np.bincount(labels) / 10_000
    assert counts[3] > 2 * uniform[3]
    assert counts[2] > 1.5 * uniform[2]
    assert counts[0] > 0.6 * uniform[0]  # and the large one is not lost


def test_a_seed_repeats_the_sample(groups):
    first, again, other = (sample_rows(groups[0], 100, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_where_the_rows_lie_does_not_matter(groups, tmp_path):
    x = groups[0]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = x
        samples = [sample_rows(m, 200, np.random.default_rng(0)) for m in (x, sparse.csr_array(x), file["x"])]
    np.testing.assert_array_equal(samples[0], samples[1])
    np.testing.assert_array_equal(samples[0], samples[2])


def test_equal_rows_are_drawn_uniformly():
    """No centre is nearer than another, and all distances are 0."""
    rows = sample_rows(np.ones((1000, 2), np.float32), 100, np.random.default_rng(0))
    assert len(np.unique(rows)) == 100


def test_a_value_that_is_no_number_is_refused_with_its_row(groups):
    x = groups[0].copy()
    x[9_000, 2] = np.nan
    with pytest.raises(ValueError, match="cells holds NaN or infinite values"):
        sample_rows(x, 100, np.random.default_rng(0), "cells")


def test_the_nearest_centre_by_hand():
    codes, distances = _sampling._nearest(np.array([[0.0], [1.0], [7.0]]), np.array([[0.0], [5.0]], np.float32), "x")
    assert codes.tolist() == [0, 0, 1]
    np.testing.assert_allclose(distances, [0, 1, 4], atol=1e-5)


def test_rows_of_larger_weight_are_drawn_more_often():
    """Two rows of three, one of them with weight 8: it is missing in 1/10 · 1/9 · 2 of the draws."""
    rng = np.random.default_rng(0)
    drawn = [_sampling._draw(np.array([1.0, 8.0, 1.0]), 2, rng).tolist() for _ in range(4000)]
    assert drawn.count([0, 2]) / 4000 == pytest.approx(2 / 10 * 1 / 9, abs=0.008)
