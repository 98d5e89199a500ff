"""The parts of stored models, and their validation."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from scivis._store.schema import (
    FORMAT,
    UnusableModelError,
    arrays_to_dict,
    check_entry,
    check_shapes,
    dict_to_arrays,
    finite_array,
    from_json,
    is_number,
    is_width,
    to_json,
)


@given(
    st.lists(npst.arrays(np.float32, npst.array_shapes(max_side=3), elements=st.floats(-9, 9, width=32)), max_size=12)
)
def test_lists_of_arrays_survive_a_dictionary_in_any_order(arrays: list[np.ndarray]) -> None:
    stored = arrays_to_dict(arrays)
    shuffled = {key: stored[key] for key in sorted(stored, reverse=True)}
    read = dict_to_arrays(shuffled, "weight")
    assert len(read) == len(arrays)
    for one, other in zip(read, arrays, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("entry", [{"000": np.ones(1), "002": np.ones(1)}, {"0": np.ones(1)}, [np.ones(1)], None])
def test_arrays_must_be_numbered_without_gaps(entry: Any) -> None:
    with pytest.raises(UnusableModelError, match="weights are not numbered 000, 001"):
        dict_to_arrays(entry, "weight")


@pytest.mark.parametrize("values", [[np.nan], [np.inf], [1e39], ["a"], [1 + 1j], [None]])
def test_arrays_must_be_finite_floating_point_numbers(values: Any) -> None:
    with pytest.raises(UnusableModelError, match="offset is not an array of finite floating-point numbers"):
        finite_array(values, "offset")


def test_integers_count_where_they_are_allowed() -> None:
    assert finite_array([1, 2], "seed", "iu").tolist() == [1, 2]
    with pytest.raises(UnusableModelError):
        finite_array([1, 2], "seed", "f")


def test_json_has_plain_numbers() -> None:
    text = to_json({"a": np.float64(1.5), "b": np.arange(2), "c": np.int8(3)})
    assert json.loads(text) == {"a": 1.5, "b": [0, 1], "c": 3}
    assert from_json({"config": text}, "config") == {"a": 1.5, "b": [0, 1], "c": 3}


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", None, 5, "[" * 100_000])
def test_what_is_not_a_json_object_is_rejected(text: Any) -> None:
    with pytest.raises(UnusableModelError, match=r"its config is not (JSON|a JSON object)"):
        from_json({"config": text}, "config")


def test_entries_need_their_keys_and_a_known_format() -> None:
    check_entry({"format": FORMAT, "config": "{}"}, ("config",))
    with pytest.raises(UnusableModelError, match=r"it lacks \['config'\]"):
        check_entry({"format": FORMAT}, ("config",))
    with pytest.raises(UnusableModelError, match="it is a list, not a dictionary"):
        check_entry([], ())
    for wrong in (0, -1, "1", 1.0, None, True):
        with pytest.raises(UnusableModelError, match="its format is"):
            check_entry({"format": wrong}, ())
    with pytest.raises(ValueError, match=f"has format {FORMAT + 1}, but this scivis reads up to {FORMAT}. Update"):
        check_entry({"format": FORMAT + 1}, ())


def test_shapes_must_agree() -> None:
    check_shapes("weights", [(2, 3)], [(2, 3)])
    with pytest.raises(
        UnusableModelError, match=r"its weights have shapes \[\(2, 3\)\], but its network needs \[\(3, 2\)\]"
    ):
        check_shapes("weights", [(2, 3)], [(3, 2)])


def test_widths_are_integers_from_one_to_a_million() -> None:
    assert all(map(is_width, (1, np.int64(7), 10**6)))
    assert not any(map(is_width, (0, 10**6 + 1, 2.0, True, "1", None)))


def test_numbers_lie_within_the_range_of_float32() -> None:
    assert all(map(is_number, (0, -1.5, np.float64(3e38))))
    assert not any(map(is_number, (1e39, np.inf, np.nan, "1", True, None, 1j, np.complex64(1), 10**400)))
    # Its absolute value is no 64-bit integer.
    assert is_number(np.int64(-(2**63)))
