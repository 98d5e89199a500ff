"""The reference of novelty in a stored model."""

from __future__ import annotations

import numpy as np
import pytest

from scivis._store.schema import UnusableModelError
from scivis.neighbors._novelty import fit_reference, novelty
from scivis.neighbors._stored_reference import pack_reference, unpack_reference


@pytest.fixture
def stored():
    return {
        "landmarks": np.ones((3, 2)),
        "landmark_unit": 0.5,
        "landmark_scales": np.ones(3),
        "calibration": np.array([0.1, 0.2]),
    }


def test_a_reference_survives_packing(points):
    reference = fit_reference(points, np.random.default_rng(0))
    again = unpack_reference(pack_reference(reference), 8)
    np.testing.assert_array_equal(novelty(again, points), novelty(reference, points))
    np.testing.assert_array_equal(again.calibration, reference.calibration)


def test_entries_of_earlier_versions_have_no_scales(stored):
    reference = unpack_reference({key: stored[key] for key in ("landmarks", "landmark_unit")}, 2)
    assert (reference.landmarks.dtype, reference.unit) == (np.float32, 0.5)
    assert reference.scales is reference.calibration is None
    assert set(pack_reference(reference)) == {"landmarks", "landmark_unit"}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(changes, id=name)
        for name, changes in {
            "one landmark": {"landmarks": np.ones((1, 2))},
            "a vector": {"landmarks": np.ones(3)},
            "too wide": {"landmarks": np.ones((3, 3))},
            "NaN": {"landmarks": np.full((3, 2), np.nan)},
            "unit 0": {"landmark_unit": 0.0},
            "infinite unit": {"landmark_unit": np.inf},
            "tiny unit": {"landmark_unit": 1e-99},
            "text as unit": {"landmark_unit": "1"},
            "too few scales": {"landmark_scales": np.ones(2)},
            "negative scale": {"landmark_scales": np.array([1, 1, -1.0])},
            "NaN as scale": {"landmark_scales": np.array([1, 1, np.nan])},
            "scales missing": {"landmark_scales": None},
            "no calibration": {"calibration": np.empty(0)},
            "calibration missing": {"calibration": None},
            "not in order": {"calibration": np.array([0.2, 0.1])},
            "text": {"calibration": np.array(["a"])},
        }.items()
    ],
)
def test_altered_entries_are_refused(stored, changes):
    with pytest.raises(UnusableModelError, match=r"landmark|calibration"):
        unpack_reference(stored | changes, 2)
