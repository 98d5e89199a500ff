"""Placement of new rows on arrays."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from scivis._tsne.anchor import Anchor
from scivis._tsne.placement import AnchoredPlaces, PlacementSettings, Placer
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


def test_an_anchor_decides_between_groups_of_neighbors():
    reference = np.array([[0.0, 0], [0, 1], [1, 0], [20, 0], [20, 1], [21, 0], [10, 30], [10, 31]])
    anchor = Anchor.of(reference / 5 + 3, np.ones(8), 1.0)
    new = np.array([[2.0, 0.0], [18.0, 0.0]]) / 5 + 3
    places = AnchoredPlaces.of(anchor, reference, new)
    neighbors = np.tile(np.arange(6), (2, 1))  # three of each group
    near = places.among(slice(0, 2), neighbors, reference)
    assert_allclose(near[0], reference[:3].mean(axis=0), atol=0.15)
    assert_allclose(near[1], reference[3:6].mean(axis=0), atol=0.15)
