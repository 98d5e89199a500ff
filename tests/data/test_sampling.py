"""The cells to train on: their number, their order, and that rare ones are among them."""

from __future__ import annotations

import dask.array as da
import h5py
import numpy as np
import pytest
from scipy import sparse

from scivis.data import _sampling, _streaming
from scivis.data._streaming import Rows


def sample_rows(matrix, size, seed, name="x", **settings):
    return _sampling.sample_rows(Rows(matrix, name, **settings), size, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def groups():
    """Groups of 9,000, 900, 90 and 10 rows, far from each other."""
    labels = np.repeat(np.arange(4), [9000, 900, 90, 10])
    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))
    x = rng.normal(size=(len(labels), 5)) + 20 * np.eye(4, 5)[labels]
    return x[order].astype(np.float32), labels[order]


@pytest.fixture
def few_centers(monkeypatch):
    """k-means of 16 centers, which takes a tenth of the time."""
    monkeypatch.setattr(_sampling, "_CENTERS", 16)


def test_the_requested_number_of_different_rows_in_order(groups):
    rows = sample_rows(groups[0], 500, 1)
    assert rows.shape == (500,)
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < 10_000


def test_small_groups_are_overrepresented(groups):
    x, labels = groups
    counts = sum(np.bincount(labels[sample_rows(x, 500, seed)], minlength=4) for seed in range(5)) / 5
    uniform = 500 * np.bincount(labels) / 10_000
    assert counts[3] > 2 * uniform[3]
    assert counts[2] > 1.5 * uniform[2]
    assert counts[0] > 0.6 * uniform[0]  # and the large one is not lost


@pytest.mark.usefixtures("few_centers")
def test_a_seed_repeats_the_sample(groups):
    first, again, other = (sample_rows(groups[0][:1000], 100, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.usefixtures("few_centers")
def test_the_sample_does_not_depend_on_how_rows_are_stored(groups, tmp_path):
    x = groups[0][:1000]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = x
        samples = [sample_rows(matrix, 200, 0) for matrix in (x, sparse.csr_array(x), file["x"])]
    np.testing.assert_array_equal(samples[0], samples[1])
    np.testing.assert_array_equal(samples[0], samples[2])


@pytest.mark.usefixtures("few_centers")
def test_equal_rows_are_sampled_uniformly():
    """No center is nearer than another, and all distances are 0."""
    assert len(np.unique(sample_rows(np.ones((1000, 2), np.float32), 100, 0))) == 100


def test_nan_is_reported_with_its_row(groups, monkeypatch):
    x = groups[0].copy()
    x[9_000, 2] = np.nan
    with pytest.raises(ValueError, match=r"cells holds NaN or infinite values.* row 9000\."):
        sample_rows(x, 100, 0, "cells")
    monkeypatch.setattr(_sampling, "_PILOT", 5_000)
    x[np.arange(10_000) % 2 == 1] = np.nan
    x[9_000] = 0
    with pytest.raises(ValueError, match=r"of 5000 cells read, .* row \d*[13579]\."):
        sample_rows(x, 100, 0, "cells")


@pytest.mark.usefixtures("few_centers")
def test_validated_rows_are_not_tested_again(groups, monkeypatch):
    wanted = sample_rows(groups[0][:1000], 100, 3)
    monkeypatch.setattr(_sampling, "check_finite", lambda *_: pytest.fail("tested again"))
    np.testing.assert_array_equal(sample_rows(groups[0][:1000], 100, 3, is_validated=True), wanted)


def test_nearest_centers_by_hand():
    x, centers = np.array([[0.0], [1.0], [7.0]]), np.array([[0.0], [5.0]], np.float32)
    codes, distances = _sampling._nearest_centers(Rows(x, "x"), centers)
    assert codes.tolist() == [0, 0, 1]
    np.testing.assert_allclose(distances, [0, 1, 4], atol=1e-5)


def test_rows_of_larger_weight_are_sampled_more_often():
    """Two rows of three, one of them with weight 8: it is missing in 1/10 · 1/9 · 2 of the samples."""
    rng = np.random.default_rng(0)
    sampled = [_sampling._sample_weighted(np.array([1.0, 8.0, 1.0]), 2, rng).tolist() for _ in range(4000)]
    assert sampled.count([0, 2]) / 4000 == pytest.approx(2 / 10 * 1 / 9, abs=0.008)


@pytest.mark.usefixtures("bars_at_once")
def test_reading_of_several_blocks_has_a_progress_bar_on_request(groups, capsys, monkeypatch):
    monkeypatch.setattr(_streaming, "BLOCK", 500)
    rows = Rows(groups[0][:1000], "x")
    wanted = _sampling.sample_rows(rows, 100, np.random.default_rng(0))
    assert capsys.readouterr() == ("", "")
    sampled = _sampling.sample_rows(rows, 100, np.random.default_rng(0), bar="sampling")
    assert "sampling: 100%" in capsys.readouterr().err
    np.testing.assert_array_equal(sampled, wanted)


def test_the_same_cells_are_sampled_from_a_dask_array(groups):
    x = groups[0]
    sampled = [
        _sampling.sample_rows(Rows(matrix, "x"), 100, np.random.default_rng(0))
        for matrix in (x, da.from_array(x, chunks=(700, 3)))
    ]
    np.testing.assert_array_equal(*sampled)
