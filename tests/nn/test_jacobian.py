"""Derivatives of the network against finite differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from scivis.nn._jacobian import jacobian
from scivis.nn._training import embed
from scivis.nn.networks import Architecture, build_encoder

pytestmark = pytest.mark.backend


@pytest.mark.parametrize("network", ["compact", (4,)], ids=str)  # few units: SELU has a kink
def test_derivatives_are_those_of_finite_differences(network):
    encoder = build_encoder(Architecture(network, n_features=6, n_components=2, linear_path=False), seed=1)
    rows, step = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32), 1e-3
    found = jacobian(encoder, rows)
    assert found.shape == (4, 2, 6)
    for feature in range(6):
        change = np.zeros(6, np.float32)
        change[feature] = step
        differences = (embed(encoder, rows + change) - embed(encoder, rows - change)) / (2 * step)
        assert_allclose(found[:, :, feature], differences, atol=5e-3)
