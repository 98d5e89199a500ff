"""Places with noise: covariances in closed form, ellipses and radii."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from scivis._quality.uncertainty import (
    covariances,
    draw_places,
    ellipses,
    gaussian_weights,
    leaving_shares,
    mahalanobis,
    nearby_radii,
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
    assert_allclose(ellipses(np.stack([covariance] * 2), np.array([2.0, 3.0])), [[6, 4, 30], [9, 6, 30]], rtol=1e-5)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_radii_cover_their_level_in_a_rare_population_with_a_distribution_of_its_own(level):
    rng, covered = np.random.default_rng(0), []
    places = np.repeat([[0.0, 0.0], [9.0, 0.0]], [400, 60], axis=0)
    for _ in range(100):
        one, other = np.concatenate([rng.pareto(2, size=(2, 400)), 5 + rng.uniform(size=(2, 60))], axis=1)
        radii = nearby_radii(one[None], places + rng.normal(size=places.shape), places, level)
        covered.append(other <= radii)
    expected = np.ceil(level * 51) / 51  # of 50 cells, the radius is that of a rank
    assert np.mean(covered) == pytest.approx(expected, abs=0.01)
    assert np.mean(covered, axis=0)[400:].mean() == pytest.approx(expected, abs=0.01)


def test_radii_of_several_measurements_and_fewer_cells_than_are_needed():
    distances = np.arange(1.0, 21.0).reshape(2, 10)  # ten cells, two measurements each
    radii = nearby_radii(distances, np.zeros((10, 2)), np.ones((9000, 2)), 0.5)
    assert_allclose(radii, np.full(9000, 11.0))  # the 11th of 20: half of 21, rounded up


def test_distances_do_not_depend_on_the_axes():
    rng = np.random.default_rng(0)
    x, matrix = rng.normal(size=(20, 2)), rng.normal(size=(2, 2))
    assert_allclose(
        mahalanobis(x @ matrix.T, np.tile(matrix @ matrix.T, (20, 1, 1))), np.linalg.norm(x, axis=1), rtol=1e-4
    )


def test_places_in_another_cluster_count_as_leaving():
    coordinates = np.concatenate([np.zeros((20, 2)), np.full((20, 2), 9.0)])
    known = np.repeat([0, 1], 20)
    places = np.array([[[0.0, 0], [9, 9]], [[0, 1], [9, 8]], [[8, 8], [9, 9]], [[9, 9], [9, 9]]])
    assert_allclose(leaving_shares(places, np.array([0, 1]), coordinates, known), [0.5, 0])


def test_stretch_of_a_linear_map_is_that_of_its_singular_values():
    jacobian = np.array([[[3.0, 0, 0], [0, 0.5, 0]]], np.float32)
    assert_allclose(stretch(jacobian), [[3, 0.5]], rtol=1e-6)
