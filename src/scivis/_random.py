"""Random generators and seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

_BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


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
