"""The optimizers of training, and what has to be kept of them to go on later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import keras
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Optimizer = Literal["adam", "muon"]
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)

# Layers that lead to or from the map: a few narrow columns, in which Muon's equal steps in all directions mean nothing.
_NARROW = ["embedding", "linear_path", "labels"]
# What Adam takes of Muon's learning rate, for those layers and all vectors (benchmarks/compare.py).
_ADAM_RATIO = 2.0
# Newton-Schulz iterations: two fewer than usual, because they cost time that shows on two cores.
_ITERATIONS = 3


def build_optimizer(
    name: Optimizer, rate: float, variables: Sequence[keras.Variable], *, decay_steps: int | None = None
) -> keras.optimizers.Optimizer:
    """The optimizer of these variables, whose rate falls to zero along a cosine if `decay_steps` are given.

    `adam` is that of ivis. `muon` makes the update of each hidden layer's matrix orthogonal, so that directions with small
    gradients move as far as those with large ones; it reaches finer detail in the same number of steps. Sources: Kingma and
    Ba, Adam (ICLR 2015); Jordan et al., Muon (2024), with the scaling of Liu et al., Muon is scalable for LLM training (2025).

    Examples
    --------
    >>> kernel = keras.Variable(np.zeros((4, 3)), name="kernel")
    >>> [type(build_optimizer(name, 0.1, [kernel])).__name__ for name in OPTIMIZERS]
    ['Adam', 'Muon']
    >>> state_shapes("adam", [kernel])  # the step, and two moments
    [(), (4, 3), (4, 3)]
    """
    schedule: Any = rate if decay_steps is None else keras.optimizers.schedules.CosineDecay(rate, decay_steps)
    if name == "muon":
        optimizer = keras.optimizers.Muon(
            schedule,
            adam_lr_ratio=_ADAM_RATIO,
            exclude_layers=_NARROW,
            ns_steps=_ITERATIONS,
            weight_decay=None,
            adam_weight_decay=None,
        )
    else:
        optimizer = keras.optimizers.Adam(schedule)
    # Built here, or the first step would be traced twice: once to create the optimizer's variables.
    optimizer.build(variables)
    return optimizer


def state(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """The step and the moments of the weights. The rate is a setting: another fit may have another."""
    return [variable for variable in optimizer.variables if variable.name != "learning_rate"]


def state_values(optimizer: keras.optimizers.Optimizer) -> list[NDArray[Any]]:
    """A copy of the numbers of :func:`state`."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in state(optimizer)]


def state_shapes(name: Optimizer, variables: Sequence[keras.Variable]) -> list[tuple[int, ...]]:
    """The shapes that :func:`state` has for these variables."""
    return [tuple(variable.shape) for variable in state(build_optimizer(name, 1.0, variables))]


def restore(optimizer: keras.optimizers.Optimizer, values: list[NDArray[Any]], *, restart: bool) -> None:
    """Go on with the moments of an earlier training; with a falling learning rate, count its steps from zero."""
    for variable, value in zip(state(optimizer), values, strict=True):
        variable.assign(value)
    if restart:
        optimizer.iterations.assign(0)
