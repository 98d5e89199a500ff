"""Advice from values and resamples that are given by hand."""

import numpy as np
import pytest

from scivis._quality.advice import advise
from scivis._quality.estimates import Estimate

# Resamples that vary by ±0.01 and by ±0.1 around the value: their 95 % intervals are as wide.
NARROW, WIDE = np.tile([-0.01, 0.01], 250), np.tile([-0.1, 0.1], 250)


def estimate(basis, measure, value, noise=NARROW, **more):
    return Estimate(basis, measure, value, value + noise, **more)


def test_the_best_map_is_recommended_with_the_error_of_its_difference():
    measured = [
        estimate("PCA", "triplets", 0.8, -NARROW, chance=0.5),
        estimate("X_a", "triplets", 0.85, chance=0.5),
        estimate("X_b", "triplets", 0.7, chance=0.5),
    ]
    advice = advise(measured, "layout")
    assert (advice.show, advice.other, advice.sure) == ("X_a", "PCA", True)
    # The resamples have opposite signs, so that the difference varies by ±0.02.
    assert (advice.difference, advice.low, advice.high) == pytest.approx((0.05, 0.03, 0.07))
    assert advice.text == (
        "For the arrangement of cells and groups, show a: it shows for 85.0 % of triplets which cell is nearer "
        "(95 % interval 84.0 % to 86.0 %), PCA 80.0 %. The difference, 5.0 % (3.0 % to 7.0 %), is larger than its error."
    )
    assert advice.cautions == ()


def test_errors_that_two_maps_share_do_not_blur_their_difference():
    measured = [estimate("X_a", "density", 0.50, WIDE), estimate("X_b", "density", 0.47, WIDE)]
    advice = advise(measured, "density")
    assert advice.sure
    assert (advice.low, advice.high) == pytest.approx((0.03, 0.03))
    apart = [measured[0], estimate("X_b", "density", 0.47, -WIDE)]
    advice = advise(apart, "density")
    assert not advice.sure
    assert (advice.low, advice.high) == pytest.approx((-0.17, 0.23))
    assert advice.text.endswith("0.03 (-0.17 to 0.23), is not larger than its error: either can be shown.")


def test_the_smallest_number_of_neighbors_decides():
    measured = [
        estimate(basis, "recall", value, k=k)
        for basis, k, value in (("X_a", 15, 0.3), ("X_a", 50, 0.4), ("X_b", 15, 0.2), ("X_b", 50, 0.6))
    ]
    advice = advise(measured, "neighbors")
    assert advice.show == "X_a"
    assert "keeps 30.0 % of the 15 nearest neighbors of a cell" in advice.text


def test_no_map_is_recommended_if_all_could_be_chance():
    measured = [estimate("X_a", "accuracy", 0.3, WIDE, chance=0.25), estimate("X_b", "accuracy", 0.2, chance=0.25)]
    advice = advise(measured, "labels")
    assert (advice.show, advice.sure, advice.cautions) == ("", False, ())
    assert advice.text == (
        "For the separation of classes, show none of the maps: a has the class of 30.0 % of cells right, "
        "by their neighbors, which is no better than chance (25.0 %)."
    )


def test_cautions_name_what_is_less_than_halfway_from_chance_to_perfect():
    best = [
        estimate("X_a", "recall", 0.2, k=15, chance=0.01),
        estimate("X_a", "recall", 0.3, k=50, chance=0.02),
        estimate("X_a", "trustworthiness", 0.76, k=15, chance=0.5),
        estimate("X_a", "continuity", 0.74, k=15, chance=0.5),
        estimate("X_a", "density", 0.49, k=15),
        estimate("X_a", "triplets", 0.76, chance=0.5),
        estimate("X_a", "spearman", 0.51),
        estimate("X_a", "centroids_spearman", 0.7, chance=0.5),
    ]
    others = [estimate("X_b", "recall", 0.1, k=15), estimate("X_b", "spearman", 0.1)]
    advice = advise([*best, *others], "neighbors", {"X_a": 0.0125, "X_b": 0.5})
    assert advice.cautions == (
        "Do not read off which cells are nearest: 20.0 % of the 15 nearest neighbors are right.",
        "Do not take cells that lie apart for different: the continuity is 0.74, by chance 0.50.",
        "Do not read off where cells are dense: the correlation with the density in the data is 0.49.",
        "Do not read off which classes are alike: the rank correlation of the distances between them is 0.70, by chance 0.50.",
        "Do not read the places of 1.2 % of the cells, which are no better than chance.",
    )


def test_a_measure_that_is_missing_or_undefined_gives_no_advice():
    measured = [estimate("X_a", "density", np.nan), estimate("X_b", "density", 0.3), estimate("X_a", "recall", 0.3)]
    assert advise(measured, "density") is None
    assert advise(measured, "labels") is None
