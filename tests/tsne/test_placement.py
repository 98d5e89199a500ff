"""Placement of new rows on arrays."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from scivis._tsne.placement import PlacementSettings, Placer
from scivis._tsne.settings import Settings, resolve


def test_affinities_of_new_cells_have_the_given_perplexity(points):
    placer = Placer(points[:300, :2].astype(float), resolve(Settings(), 300), PlacementSettings(perplexity=7))
    order = np.argsort(cdist(points[300:], points[:300]), axis=1)[:, :21]
    p = placer._affinities(order, np.take_along_axis(cdist(points[300:], points[:300]), order, axis=1))
    p = np.take_along_axis(p.toarray(), order, axis=1)
    assert_allclose(-(p * np.log(p)).sum(axis=1), np.log(7), atol=1e-4)


def test_the_given_coordinates_are_not_centered_in_place(points):
    coordinates = points[:300, :2].astype(float) + 5
    before = coordinates.copy()
    Placer(coordinates, resolve(Settings(), 300), PlacementSettings())
    assert_array_equal(coordinates, before)
