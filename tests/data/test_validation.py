"""Finite values, and rows that differ."""

from __future__ import annotations

import numpy as np
import pytest

from scivis.data._validation import check_finite, check_rows


def test_finite_rows_are_returned(values):
    assert check_finite(values, "it") is values


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_row_with_a_value_that_is_not_finite_is_named(values, value):
    rows = values.copy()
    rows[[23, 26], 4] = value
    with pytest.raises(ValueError, match=r"^it holds NaN or infinite.*2 of 57 cells read.*row 123\. Remove or impute"):
        check_finite(rows, "it", 100)
    with pytest.raises(ValueError, match=r"row 46\."):
        check_finite(rows, "it", 2 * np.arange(57))


def test_infinities_whose_sum_is_nan_are_found(values):
    rows = values.copy()
    rows[7, :2] = np.inf, -np.inf
    with pytest.raises(ValueError, match=r"row 7\."):
        check_finite(rows, "it")


@pytest.mark.parametrize("value", [3e38, -1e30, 1e19])
def test_values_whose_distances_overflow_are_rejected(value):
    rows = np.ones((10, 10), np.float32)
    rows[7, 2] = value
    message = r"^it holds values beyond ±1e\+15, whose distances overflow: 1 of 10 cells .* row 7\. Scale the data"
    with pytest.raises(ValueError, match=message):
        check_finite(rows, "it")


def test_variance_and_distances_of_the_largest_values_are_finite():
    rows = np.random.default_rng(0).choice(np.array([-1e15, 1e15], np.float32), (1000, 1000))
    assert check_finite(rows, "it") is rows
    assert np.isfinite(((rows[:1] - rows) ** 2).sum(axis=1)).all()
    assert np.isfinite(rows.var())


def test_no_rows_are_finite():
    assert check_finite(np.empty((0, 3), np.float32), "it").shape == (0, 3)


def test_images_are_validated_like_rows():
    images = np.zeros((5, 3, 3, 1), np.float32)
    check_finite(images, "it")
    images[2, 1, 1, 0] = np.nan
    with pytest.raises(ValueError, match=r"1 of 5 cells.*row 2\."):
        check_finite(images, "it")


@pytest.mark.parametrize("shape", [(2, 4), (0, 4), (5, 0), (9,)])
def test_rows_to_train_on_must_be_three_with_a_feature(shape):
    with pytest.raises(ValueError, match="at least 3 rows of features"):
        check_rows(np.zeros(shape, np.float32))


def test_rows_to_train_on_must_differ(monkeypatch):
    monkeypatch.setattr("scivis.data._validation.BLOCK", 10)
    rows = np.ones((25, 3), np.float32)
    with pytest.raises(ValueError, match="All 25 rows are equal"):
        check_rows(rows)
    rows[24, 1] = 0
    check_rows(rows)
