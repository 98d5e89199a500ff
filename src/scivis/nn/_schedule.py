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
    """Loss, optimizer, and length of a training."""

    # `infonce`, the name of a triplet loss, or a callable with the signature of ivis; `None` if only labels are learned
    loss: str | IvisLoss | None
    batch_size: int  # anchors per step
    epochs: int  # maximum number of epochs
    optimizer: Optimizer
    learning_rate: float  # initial learning rate
    decay: bool  # whether the learning rate decays to zero along a cosine over the epochs
    patience: int | None  # epochs without a lower loss before training stops and the best weights are restored
    global_weight: float  # weight of the distance-correlation term
    noise: float = 0.0  # standard deviation of the noise that is added to the input, in the unit of the input
    shuffle: Shuffle = True  # order of the rows in an epoch; see `pairs.sample_anchors`


@dataclass(frozen=True, eq=False)
class TrainingState:
    """State of a training after an epoch, from which another training continues."""

    losses: list[float]  # mean loss of each epoch, including those of earlier trainings
    optimizer: list[NDArray[Any]]  # step and moments of the optimizer
    best: list[NDArray[Any]] = field(default_factory=list)  # weights that early stopping would restore
    interrupted: bool = False  # whether training ended before its last epoch, so that only the rest is to be run
