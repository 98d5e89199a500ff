"""An embedding, and neighbors by sorting all distances."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist


@pytest.fixture
def plane(points):
    """An embedding that keeps something of the 8 columns and loses more."""
    return np.tanh(points[:, :2]) + 0.1 * points[:, 2:4]


@pytest.fixture(scope="session")
def sorted_neighbors():
    """Indices of the k nearest rows and their distances, from all pairwise distances."""

    def neighbors(x, k):
        distances = cdist(x, x)
        np.fill_diagonal(distances, np.inf)
        order = distances.argsort(axis=1)[:, :k]
        return order, np.take_along_axis(distances, order, axis=1)

    return neighbors
