"""Random generators and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ._checks import is_integer

# The argument `random_state` of scanpy and scikit-learn, and the argument `rng` of scanpy 1.13.
RandomState: TypeAlias = int | np.random.Generator | np.random.RandomState | None
Rng: TypeAlias = int | Sequence[int] | np.random.SeedSequence | np.random.BitGenerator | np.random.Generator | None

# Larger integers cannot be stored in files.
_MAX_SEED = 2**63
_BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


def seed_from(random_state: RandomState, rng: Rng = None) -> int | np.random.Generator:
    """The seed that is named by `random_state`, or by `rng` in its place: an integer, or else a generator.

    A `RandomState` is drawn from, as in scikit-learn. `None` is unpredictable; NumPy's global random state is not read.

    Raises
    ------
    ValueError
        If a value is neither a seed nor a generator.
    TypeError
        If both are given.
    """
    if rng is not None:
        if not (is_integer(random_state) and random_state == 0):
            msg = f"random_state={random_state!r} and rng={rng!r} are two seeds: leave one out."
            raise TypeError(msg)
        return _from_rng(rng)
    if isinstance(random_state, np.random.RandomState):
        return _drawn_from(random_state)
    if random_state is None or isinstance(random_state, np.random.Generator):
        return np.random.default_rng(random_state)
    if not is_integer(random_state) or not 0 <= random_state < _MAX_SEED:
        msg = f"random_state={random_state!r} must be an integer of at least 0 and below 2⁶³, a NumPy Generator or RandomState, or None."
        raise ValueError(msg)
    return int(random_state)


def generator_of(random_state: RandomState) -> np.random.Generator:
    """The generator that a seed stands for."""
    return np.random.default_rng(seed_from(random_state))


def _drawn_from(state: np.random.RandomState) -> np.random.Generator:
    return np.random.default_rng(state.randint(2**32, size=4, dtype=np.uint32))


def _from_rng(rng: Rng | np.random.RandomState) -> int | np.random.Generator:
    if is_integer(rng) and 0 <= rng < _MAX_SEED:  # type: ignore[operator]  # an integer by then
        return int(rng)  # type: ignore[arg-type]
    if isinstance(rng, np.random.RandomState):  # NumPy's own conversion gives a generator that has no children
        return _drawn_from(rng)
    try:
        if isinstance(rng, bool):
            raise TypeError
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        msg = (
            f"rng={rng!r} must be what numpy.random.default_rng takes: an integer of at least 0, a Generator, or None."
        )
        raise ValueError(msg) from error


def seed_of(rng: np.random.Generator) -> int:
    """An integer seed, for libraries that take no generator."""
    return int(rng.integers(2**31))


def recorded_seed(random_state: int | np.random.Generator) -> dict[str, int]:
    """The seed as an entry of `params`; a generator leaves none."""
    return {} if isinstance(random_state, np.random.Generator) else {"random_state": int(random_state)}


def generator_from(state: dict[str, Any]) -> np.random.Generator:
    """A generator in a stored state.

    Raises
    ------
    ValueError
        If the state is not that of a bit generator of NumPy.
    """
    kind = state["bit_generator"]
    if kind not in _BIT_GENERATORS:
        msg = f"{kind!r} is no bit generator of NumPy."
        raise ValueError(msg)
    bits = getattr(np.random, kind)(0)
    bits.state = state
    return np.random.Generator(bits)
