"""The optimizers of training, and their state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import keras
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Optimizer = Literal["adam", "muon"]
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)

_MUON: dict[str, Any] = {
    # Layers to or from the embedding. Their weights have only a few columns, for which orthogonal updates are
    # meaningless, so that they are, like all vectors, updated by Adam.
    "exclude_layers": ["embedding", "linear_path", "labels"],
    "adam_lr_ratio": 2.0,  # learning rate of Adam relative to that of Muon (benchmarks/compare.py)
    "ns_steps": 3,  # Newton-Schulz iterations: two fewer than usual, because they take a noticeable time on two cores
    "weight_decay": None,
    "adam_weight_decay": None,
}


def build_optimizer(
    name: Optimizer, rate: float, variables: Sequence[keras.Variable], *, decay_steps: int | None = None
) -> keras.optimizers.Optimizer:
    """An optimizer of these variables, whose learning rate decays to zero along a cosine if `decay_steps` is given.

    `adam` is the optimizer of ivis. `muon` makes the update of the matrix of each hidden layer orthogonal, so that
    directions with small gradients move as far as those with large ones; it shows finer detail after the same number of
    steps. Sources: Kingma and Ba, Adam (ICLR 2015); Jordan et al., Muon (2024), with the scaling of Liu et al., Muon is
    scalable for LLM training (2025).
    """
    schedule: Any = rate if decay_steps is None else keras.optimizers.schedules.CosineDecay(rate, decay_steps)
    optimizer = keras.optimizers.Muon(schedule, **_MUON) if name == "muon" else keras.optimizers.Adam(schedule)
    # If Keras built it during the first step, it would trace that step twice.
    optimizer.build(variables)
    return optimizer


def state_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Step and moments. The learning rate is a setting, which the next fit may change."""
    return [variable for variable in optimizer.variables if variable.name != "learning_rate"]


def state_values(optimizer: keras.optimizers.Optimizer) -> list[NDArray[Any]]:
    """A copy of the values of :func:`state_variables`."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in state_variables(optimizer)]


def state_shapes(name: Optimizer, variables: Sequence[keras.Variable]) -> list[tuple[int, ...]]:
    """Shapes of :func:`state_variables` for an optimizer of these variables."""
    return [tuple(variable.shape) for variable in state_variables(build_optimizer(name, 1.0, variables))]


def restore_state(optimizer: keras.optimizers.Optimizer, values: list[NDArray[Any]], *, restart: bool) -> None:
    """Set step and moments to those of an earlier training; `restart` sets the step, and so a decaying rate, back."""
    for variable, value in zip(state_variables(optimizer), values, strict=True):
        variable.assign(value)
    if restart:
        optimizer.iterations.assign(0)
