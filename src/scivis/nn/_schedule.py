"""Settings of a training, and its state between two epochs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._optimizer import Optimizer
    from .losses import IvisLoss
    from .pairs import Shuffle


@dataclass(frozen=True)
class Schedule:
    """Loss, optimizer, and length of a training.

    Parameters
    ----------
    loss
        `infonce`, the name of a triplet loss, or a callable with ivis's signature.
    batch_size
        Anchors per step.
    epochs
        Maximum number of epochs.
    optimizer
        Name of an optimizer; see :func:`scivis.nn._optimizer.build_optimizer`.
    learning_rate
        Initial learning rate.
    decay
        Whether the learning rate decays to zero along a cosine over the epochs.
    patience
        Epochs without a lower loss before training stops and the best weights are restored; `None` never stops.
    global_weight
        Weight of the distance-correlation term.
    shuffle
        Order of the rows in an epoch; see :func:`scivis.nn.pairs.draw_anchors`.
    """

    loss: str | IvisLoss
    batch_size: int
    epochs: int
    optimizer: Optimizer
    learning_rate: float
    decay: bool
    patience: int | None
    global_weight: float
    shuffle: Shuffle = True


@dataclass(frozen=True, eq=False)
class TrainingState:
    """State of a training after an epoch, from which another training continues.

    Parameters
    ----------
    losses
        Mean loss of each epoch, including those of earlier trainings.
    optimizer
        Step and moments of the optimizer.
    best
        Weights of the epoch with the lowest loss, which early stopping would restore.
    interrupted
        Whether training ended before its last epoch, so that only the remaining epochs are to be run.
    """

    losses: list[float]
    optimizer: list[NDArray[Any]]
    best: list[NDArray[Any]] = field(default_factory=list)
    interrupted: bool = False
