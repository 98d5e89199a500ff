"""Training an autoencoder: batches in a new order each epoch, early stopping, the best weights kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._checks import check_positive_int
from scivis.nn import keras
from scivis.nn._epochs import EarlyStopping
from scivis.nn._feeding import feed
from scivis.nn._progress import EpochBar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Plan:
    """How to train.

    Parameters
    ----------
    batch_size, epochs
        Rows per step, and passes over the rows, at most.
    loss, optimizer
        Whatever Keras takes.
    patience
        Epochs without a lower loss before training stops; `None` never stops.
    callbacks
        Called by Keras.
    verbose
        Whether to show a progress bar.
    """

    batch_size: int
    epochs: int
    loss: Any
    optimizer: Any
    patience: int | None
    callbacks: Sequence[keras.callbacks.Callback]
    verbose: int


def train(
    model: keras.Model,
    x: NDArray[np.float32],
    transform: Callable[[NDArray[np.float32]], ArrayLike] | None,
    plan: Plan,
    rng: np.random.Generator,
) -> list[float]:
    """Teach `model` in place to give the rows of `x` back; returns the mean loss of each epoch.

    Raises
    ------
    ValueError
        If the loss is no longer finite.
    """
    # Compiling with XLA takes longer than it saves on matrix products of this size; JAX cannot do without.
    model.compile(_optimizer(plan.optimizer), plan.loss, jit_compile=keras.backend.backend() == "jax")
    stopping = EarlyStopping(plan.patience, [model])
    bar = [EpochBar(plan.epochs)] if plan.verbose else []
    history = model.fit(
        feed(_batches(x, transform, plan.batch_size, rng), like=(x, x)),
        epochs=plan.epochs,
        steps_per_epoch=-(-len(x) // plan.batch_size),
        shuffle=False,
        verbose=0,
        callbacks=[stopping, *plan.callbacks, *bar],
    )
    losses = [float(loss) for loss in history.history["loss"]]
    if not np.isfinite(losses).all():
        msg = f"Training diverged: the loss became {losses[-1]}. Scale the data, or take a slower optimizer than {plan.optimizer!r}."
        raise ValueError(msg)
    return losses


def _optimizer(given: Any) -> keras.optimizers.Optimizer:
    """A new optimizer: one that the user made may serve another network."""
    optimizer = keras.optimizers.get(given)
    return type(optimizer).from_config(optimizer.get_config())


def _batches(
    x: NDArray[np.float32],
    transform: Callable[[NDArray[np.float32]], ArrayLike] | None,
    batch_size: int,
    rng: np.random.Generator,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Rows, perhaps transformed, and the rows as they are for a target: each once, then each again in a new order.

    One stream for all epochs, because Keras takes longer to start one than to train a small epoch.
    """
    while True:
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            clean = x[order[start : start + batch_size]]
            yield clean if transform is None else np.asarray(transform(clean), np.float32), clean


def check_transform(transform: Callable[[NDArray[np.float32]], ArrayLike] | None, x: NDArray[np.float32]) -> None:
    """Refuse a transform of the input that changes its shape."""
    if transform is None:
        return
    if not callable(transform):
        msg = f"x_lambda={transform!r} must be a function of rows, or None."
        raise ValueError(msg)
    few = x[:2].copy()
    shape = np.shape(transform(few))
    if shape != few.shape:
        msg = f"x_lambda turned rows of shape {few.shape} into {shape}: the network reads rows of the same shape."
        raise ValueError(msg)


def check_plan(plan: Plan) -> None:
    """Refuse numbers that are none, and a loss or an optimizer that Keras does not know."""
    for number in ("batch_size", "epochs", "patience"):
        if number != "patience" or plan.patience is not None:
            check_positive_int(number, getattr(plan, number))
    for name, get, given in (
        ("loss", keras.losses.get, plan.loss),
        ("optimizer", keras.optimizers.get, plan.optimizer),
    ):
        try:
            known = given is not None and get(given) is not None
        except ValueError:
            known = False
        if not known:
            msg = f"{name}={given!r} is neither a name nor an object that Keras takes as {name}."
            raise ValueError(msg)
