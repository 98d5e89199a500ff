"""Who watches a fit: the user's callbacks, which may need the estimator, and the progress bar."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from ._estimator import Ivis
    from .nn._training import Trained


def watching(model: Ivis) -> list[keras.callbacks.Callback]:
    """Copies of the user's callbacks, which stay as they are, and a bar; those of scivis learn whose they are."""
    from .nn._training import Report

    callbacks = [copy(callback) for callback in model.callbacks or ()]
    knowing = [callback for callback in callbacks if hasattr(callback, "set_estimator")]
    for callback in knowing:
        callback.set_estimator(model)

    def reached(trained: Trained) -> None:
        """Where training is at the end of an epoch, for callbacks that save the model."""
        model._trained, model.loss_history_ = trained, trained.losses

    return [*([Report(reached, model._trained)] if knowing else []), *callbacks, *_progress(model)]


def _progress(model: Ivis) -> list[keras.callbacks.Callback]:
    from .nn._progress import EpochBar

    return [EpochBar(model.epochs)] if model.verbose else []
