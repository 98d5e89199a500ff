"""Places with noise: covariances in closed form, ellipses, radii, and the shrinkage of principal components."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from scivis._quality.uncertainty import (
    calibrated_radius,
    component_shrinkage,
    covariances,
    draw_places,
    ellipses,
    gaussian_weights,
    leaving_shares,
    mahalanobis,
    noise_weights,
    stretch,
)


def test_places_of_a_linear_map_have_the_covariance_of_the_noise():
    rng = np.random.default_rng(0)
    matrix, rows = rng.normal(size=(5, 2)).astype(np.float32), rng.normal(size=(3, 5)).astype(np.float32)
    deviations = rng.normal(size=(40, 3, 5)).astype(np.float32)
    deviations -= deviations.mean(axis=0)
    places = draw_places(lambda x: x @ matrix, rows, deviations, noise_weights(40, rng))
    assert_allclose(places.mean(axis=0), rows @ matrix, atol=1e-4)
    for i in range(3):
        expected = matrix.T @ np.cov(deviations[:, i].T) @ matrix
        assert_allclose(covariances(places)[i], expected, atol=0.3 * np.trace(expected))


def test_gaussian_weights_are_standard_normal_and_sum_to_zero():
    weights = gaussian_weights(500, np.random.default_rng(0))
    assert_allclose(weights.sum(axis=0), 0, atol=1e-4)
    assert stats.kstest(weights[:100].ravel(), "norm").pvalue > 0.01


def test_an_ellipse_has_the_axes_of_its_covariance():
    angle = np.radians(30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    covariance = turn @ np.diag([9.0, 4.0]) @ turn.T
    assert_allclose(ellipses(covariance[None], 2.0), [[6, 4, 30]], rtol=1e-5)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_a_calibrated_radius_covers_its_level_whatever_the_distribution(level):
    distances = np.random.default_rng(0).pareto(2, size=(400, 200))
    covered = [np.mean(further[100:] <= calibrated_radius(further[:100], level)) for further in distances]
    assert np.mean(covered) == pytest.approx(level, abs=0.01)


def test_distances_do_not_depend_on_the_axes():
    rng = np.random.default_rng(0)
    x, matrix = rng.normal(size=(20, 2)), rng.normal(size=(2, 2))
    assert_allclose(
        mahalanobis(x @ matrix.T, np.tile(matrix @ matrix.T, (20, 1, 1))), np.linalg.norm(x, axis=1), rtol=1e-4
    )


def test_components_shrink_to_those_of_a_new_measurement():
    # 300 cells, 400 genes with noise of different variances, and two axes along which the cells differ.
    rng, deviations = np.random.default_rng(0), np.random.default_rng(1).uniform(0.2, 2, 400)
    strengths, axes = np.array([200.0, 50.0]), np.linalg.qr(rng.normal(size=(400, 2)))[0]
    truth = np.linalg.qr(rng.normal(size=(300, 2)))[0] * strengths @ axes.T
    first, again, other = (deviations * rng.normal(size=truth.shape) for _ in range(3))
    _, d, v = np.linalg.svd(truth + first, full_matrices=False)
    fitted, new = (truth + first) @ v[:4].T, (truth + again) @ v[:4].T
    slopes = (new * fitted).sum(axis=0) / (fitted**2).sum(axis=0)
    left = component_shrinkage(d[:4], np.linalg.svd(other, compute_uv=False), truth.shape)
    assert_allclose(left, slopes, atol=0.1)
    assert left[0] > 0.9
    assert left[3] < 0.1
    assert 0.1 < left[1] < 0.8


def test_places_in_another_cluster_count_as_leaving():
    coordinates = np.concatenate([np.zeros((20, 2)), np.full((20, 2), 9.0)])
    known = np.repeat([0, 1], 20)
    places = np.array([[[0.0, 0], [9, 9]], [[0, 1], [9, 8]], [[8, 8], [9, 9]], [[9, 9], [9, 9]]])
    assert_allclose(leaving_shares(places, np.array([0, 1]), coordinates, known), [0.5, 0])


def test_stretch_of_a_linear_map_is_that_of_its_singular_values():
    jacobian = np.array([[[3.0, 0, 0], [0, 0.5, 0]]], np.float32)
    assert_allclose(stretch(jacobian), [[3, 0.5]], rtol=1e-6)
