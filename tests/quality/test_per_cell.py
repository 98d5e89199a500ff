"""Trust of single cells."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.manifold import trustworthiness

from scivis._quality.per_cell import per_cell_trust


def test_a_cell_among_cells_of_another_group_has_no_trust():
    x = np.array([[0.0], [1], [2], [3], [100], [101], [102], [103]])
    z = x.copy()
    z[0] = 102.5  # in the other group
    trust = per_cell_trust(x, {"map": z}, 3, np.random.default_rng(0))["map"]
    assert trust.argmin() == 0
    # Its three neighbors have the ranks 5, 6 and 7 of 7, the worst possible ones.
    assert trust[0] == pytest.approx(1 - 2 * (3 + 4 + 2) / (3 * (16 - 9 - 1)), abs=1e-6)
    assert_array_equal(trust[1:4] > 0.7, [True] * 3)


def test_trust_is_exact_up_to_500_cells_and_estimated_above(points, plane):
    exact = per_cell_trust(points, {"map": plane}, 15, np.random.default_rng(0))["map"]
    assert exact.dtype == np.float32
    assert exact.mean() == pytest.approx(trustworthiness(points, plane, n_neighbors=15), abs=1e-5)
    many = np.random.default_rng(5).normal(size=(1500, 6)).astype(np.float32)
    rough = per_cell_trust(many, {"map": many[:, :2]}, 15, np.random.default_rng(0))["map"]
    assert rough.mean() == pytest.approx(trustworthiness(many, many[:, :2], n_neighbors=15), abs=0.015)
