"""Initial coordinates on arrays."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from scivis._tsne.affinities import make_affinities
from scivis._tsne.initialization import initial_coordinates
from scivis._tsne.settings import Settings, resolve


@pytest.mark.parametrize("how", ["pca", "spectral", "random"])
def test_initial_coordinates_are_small(x, how):
    settings = resolve(Settings(perplexity=10, initialization=how), 120)
    start = initial_coordinates(x, make_affinities(x, settings), settings)
    assert_allclose(start[:, 0].std(), 1e-4, rtol=0.2 if how == "random" else 0.01)
    if how == "pca":
        centered = x - x.mean(axis=0)
        pcs = centered @ np.linalg.svd(centered, full_matrices=False)[2][:2].T
        assert abs(np.corrcoef(pcs[:, 0], start[:, 0])[0, 1]) > 0.999
        assert_allclose(start[:, 1].std() / start[:, 0].std(), pcs[:, 1].std() / pcs[:, 0].std(), rtol=0.02)
