"""Who watches a fit: the user's callbacks, which may need the estimator, and the progress bar."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from scivis.nn._training import Trained

    from .estimator import Ivis


def watching(model: Ivis) -> tuple[list[keras.callbacks.Callback], Callable[[Trained], None] | None]:
    """Copies of the user's callbacks, which stay as they are, and a bar; and whom to tell where training is.

    Callbacks that want to know learn whose they are. They may save the model, which must then be up to date.
    """
    callbacks = [copy(callback) for callback in model.callbacks or ()]
    knowing = [callback for callback in callbacks if hasattr(callback, "set_estimator")]
    for callback in knowing:
        callback.set_estimator(model)

    def reached(trained: Trained) -> None:
        model._trained, model.loss_history_ = trained, trained.losses

    return [*callbacks, *_progress(model)], reached if knowing else None


def _progress(model: Ivis) -> list[keras.callbacks.Callback]:
    from scivis.nn._progress import EpochBar

    return [EpochBar(model.epochs)] if model.verbose else []
