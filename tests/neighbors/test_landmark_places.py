"""Places on a map, drawn to landmarks nearby: values that were computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from scivis.neighbors._landmark_places import LandmarkPlaces
from scivis.neighbors._novelty import choose_rows


def line(coordinates: list[float], learned: list[float], spacing: float = 1.0) -> LandmarkPlaces:
    """Landmarks on a map with one axis."""
    known, by_network = (np.array(values, np.float32)[:, None] for values in (coordinates, learned))
    return LandmarkPlaces(known, known - by_network, spacing)


def test_the_place_is_the_mean_of_the_landmarks_by_a_gaussian_kernel_around_the_corrected_place() -> None:
    # Residuals are 2, 2 and 0; the place 1 moves by their median to 3, from which the landmarks are 1, 1 and 3 apart.
    landmarks = line([2.0, 4.0, 6.0], [0.0, 2.0, 6.0])
    weights = np.exp(-np.array([1, 1, 9]) / 2)
    expected = weights @ [2, 4, 6] / weights.sum()
    placed = landmarks.correct(np.array([[1.0]]), np.array([[0, 1, 2]]))
    assert_allclose(placed, [[expected]], rtol=1e-6)


@pytest.mark.parametrize(("belief", "share"), [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0)])
def test_belief_is_the_share_of_the_way_to_the_landmarks(belief: float, share: float) -> None:
    landmarks = line([4.0, 4.0], [4.0, 4.0])
    placed = landmarks.correct(np.array([[0.0]]), np.array([[0, 1]]), np.array([[belief]]))
    assert_allclose(placed, [[4 * share]], rtol=1e-6)


def test_the_network_decides_between_groups_of_neighbors_however_far_they_are() -> None:
    landmarks = line([0.0, 0.0, 1000.0, 1000.0, 1000.0], [0.0, 0.0, 1000.0, 1000.0, 1000.0], spacing=0.01)
    placed = landmarks.correct(np.array([[400.0], [600.0]]), np.tile(np.arange(5), (2, 1)))
    assert_allclose(placed, [[0.0], [1000.0]])


def test_spacing_is_the_distance_of_neighbors_on_the_map() -> None:
    square = np.array([[0.0, 0.0], [0.0, 3.0], [3.0, 0.0], [3.0, 3.0]])
    others = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
    # The network knows nothing of this map, so that others tell at least as much.
    learned = np.array([[9.0, 0.0], [0.0, 9.0], [-9.0, 0.0], [0.0, -9.0]])
    places = LandmarkPlaces.of(square, learned, others)
    assert places.spacing == pytest.approx((3 + 3 + 3 * np.sqrt(2)) / 3)
    assert_allclose(places.residuals, square - learned)


def test_on_a_smooth_map_places_are_moved_and_not_drawn() -> None:
    circle = np.arange(20) * np.pi / 10
    known = np.column_stack([np.cos(circle), np.sin(circle)])
    others = (np.arange(20)[:, None] + [-2, -1, 1, 2]) % 20
    smooth = LandmarkPlaces.of(known, known + 0.5, others)
    assert smooth.spacing == 0
    assert_allclose(smooth.correct(np.array([[3.0, 3.0]]), np.array([[0, 5, 9]])), [[2.5, 2.5]], rtol=1e-6)


@pytest.mark.parametrize("width", [2, 61, 100, 5000])
def test_landmarks_and_their_places_take_less_than_a_megabyte(width: int) -> None:
    rows, others = choose_rows(20_000, width, np.random.default_rng(0))
    assert rows.size * width * 4 <= 1e6
    assert rows.size >= 32
    assert not set(rows) & set(others)
