"""The error of probabilities by hand."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def probability(script):
    return script("probability")


def test_the_error_is_the_difference_of_probability_and_accuracy_in_bins(probability):
    p = np.array([0.92, 0.98, 0.98, 0.52, 0.58, 1.0])
    is_right = np.array([True, True, False, False, True, True])
    # Above 0.9: probabilities 3.88 of 4, three right. From 0.5 to 0.6: 1.1 of 2, one right.
    assert probability.expected_calibration_error(p, is_right) == pytest.approx((0.88 + 0.1) / 6)


def test_perfect_probabilities_have_an_error_by_chance_only(probability):
    p = np.full(10_000, 0.75)
    assert 0 < probability.chance(p) < 0.01
    assert probability.chance(p[:25]) > 0.05


def test_the_calibration_is_undone(probability):
    own = np.array([[0.7, 0.2, 0.1]])
    softened = np.sqrt(own) / np.sqrt(own).sum()
    calibrated = 0.9 * softened + 0.1 / 3
    params = {"label_temperature": 2.0, "label_doubt": 0.1}
    np.testing.assert_allclose(probability.uncalibrated(calibrated, params), own, rtol=1e-9)
