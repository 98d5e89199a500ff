"""What `random_state` and `rng` stand for: as in scanpy, and the same for all tools."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import scivis
from scivis._random import generator_of, seed_from

TOOLS = [scivis.tl.ivis, scivis.tl.tsne, scivis.tl.n2d, scivis.tl.quality, scivis.tl.feature_importance]


def draws(seed) -> list[int]:
    """The first numbers of the generator of a seed."""
    return np.random.default_rng(seed).integers(2**31, size=4).tolist()


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_an_integer_is_the_same_seed_by_both_names(value):
    assert seed_from(value) == seed_from(0, value) == 3
    assert type(seed_from(value)) is type(seed_from(0, value)) is int


def test_a_generator_is_used_itself():
    rng = np.random.default_rng(1)
    assert seed_from(rng) is rng
    assert seed_from(0, rng) is rng


def test_a_random_state_is_drawn_from():
    state = np.random.RandomState(5)
    first, second = draws(seed_from(state)), draws(seed_from(0, state))
    assert first != second
    again = np.random.RandomState(5)
    assert [draws(seed_from(again)), draws(seed_from(again))] == [first, second]
    seed_from(0, again).spawn(2)


@pytest.mark.parametrize("arguments", [(None,), (None, None)])
def test_none_is_unpredictable_and_leaves_the_global_state(arguments):
    np.random.seed(0)  # noqa: NPY002 (a script that scivis must not disturb)
    before = np.random.get_state()  # noqa: NPY002
    assert draws(seed_from(*arguments)) != draws(seed_from(*arguments))
    for one, other in zip(before, np.random.get_state(), strict=True):  # noqa: NPY002
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "make",
    [lambda: [1, 2], lambda: np.random.SeedSequence(4), lambda: np.random.PCG64(4)],
    ids=["list", "SeedSequence", "PCG64"],
)
def test_rng_is_whatever_numpy_takes(make):
    assert draws(seed_from(0, make())) == draws(np.random.default_rng(make()))


@pytest.mark.parametrize(
    "value",
    [-1, 2**63, 0.5, "a", True, [1, 2], np.random.PCG64(1)],
    ids=["-1", "2**63", "0.5", "a", "True", "list", "PCG64"],
)
def test_another_random_state_is_an_error(value):
    with pytest.raises(
        ValueError, match=r"random_state=.* must be an integer of at least 0 and below 2⁶³, a NumPy Generator or Rand"
    ):
        seed_from(value)


@pytest.mark.parametrize("value", [-1, 0.5, "a", True])
def test_another_rng_is_an_error(value):
    with pytest.raises(ValueError, match=r"rng=.* must be what numpy.random.default_rng takes"):
        seed_from(0, value)


def test_two_seeds_are_an_error():
    with pytest.raises(TypeError, match="random_state=1 and rng=2 are two seeds: leave one out"):
        seed_from(1, 2)


def test_the_generator_of_a_seed_is_that_of_numpy():
    assert draws(generator_of(7)) == draws(7)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.__name__)
def test_tools_take_both(tool):
    given = {name: parameter.default for name, parameter in inspect.signature(tool).parameters.items()}
    assert (given["random_state"], given["rng"]) == (0, None)
