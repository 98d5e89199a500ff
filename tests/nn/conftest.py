"""What the tests of scivis.nn share."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def _global_states() -> tuple[Any, ...]:
    """States of NumPy and Python, and the next numbers of Keras, whose generator has no state that can be read."""
    numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
    return numpy_state, random.getstate(), keras.ops.convert_to_numpy(keras.random.normal((2,))).tolist()


@pytest.fixture(scope="session")
def keeps_global_states() -> Callable[[Callable[[], object]], bool]:
    """Whether a function leaves the global random generators of Python, NumPy and Keras as they are."""

    def keeps(function: Callable[[], object]) -> bool:
        states = []
        for call in (lambda: None, function):
            keras.utils.set_random_seed(11)
            keras.random.normal((2,))
            call()
            states.append(_global_states())
        return states[0] == states[1]

    return keeps
