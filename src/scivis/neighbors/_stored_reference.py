"""The reference of novelty as entries of a stored model, and back, validated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._store.schema import fail, float32_array, is_positive

from ._novelty import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def pack_reference(reference: Reference) -> dict[str, Any]:
    """Arrays and numbers by the keys of a stored model."""
    entry = {"landmarks": reference.landmarks, "landmark_unit": reference.unit}
    later = {"landmark_scales": reference.scales, "calibration": reference.calibration}
    return entry | {key: array for key, array in later.items() if array is not None}


def unpack_reference(stored: Mapping[str, Any], width: int | None = None) -> Reference:
    """The reference from a stored model; its landmarks must have `width` columns, if that is known.

    Models of earlier versions have neither scales nor calibration.
    """
    landmarks, unit = float32_array(stored["landmarks"], "landmarks"), stored["landmark_unit"]
    if landmarks.ndim != 2 or len(landmarks) < 2 or width not in (None, landmarks.shape[1]):
        fail(f"its landmarks have shape {landmarks.shape}, but its input has width {width}")
    if not is_positive(unit):
        fail("its landmark_unit is not a positive number")
    if not {"landmark_scales", "calibration"} & set(stored):
        return Reference(landmarks, float(unit))
    scales, calibration = (_column(stored, name) for name in ("landmark_scales", "calibration"))
    if len(scales) != len(landmarks):
        fail(f"it has {len(scales)} landmark_scales for {len(landmarks)} landmarks")
    if (np.diff(calibration) < 0).any():
        fail("its calibration is not in increasing order")
    return Reference(landmarks, float(unit), scales, calibration)


def _column(stored: Mapping[str, Any], name: str) -> NDArray[np.float32]:
    """A stored array of at least one number of at least 0, shape (n,)."""
    values = float32_array(stored.get(name), name)
    if values.ndim != 1 or not len(values) or values.min() < 0:
        fail(f"its {name} is not a list of numbers of at least 0")
    return values
