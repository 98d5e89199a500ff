"""Saving the model while it is trained, by the clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from pathlib import Path

    from ._periodic import Estimator


class Autosave(keras.callbacks.Callback):
    """Saves the estimator at the end of an epoch if so many seconds have passed, and after the last.

    Parameters
    ----------
    folder
        Where to; the old model stays readable until the new one is complete.
    seconds
        From one save to the next.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        super().__init__()
        self.folder, self.seconds = folder, seconds

    def set_estimator(self, estimator: Estimator) -> None:
        """Say whose training this is."""
        self.estimator = estimator

    def on_train_begin(self, logs: Any = None) -> None:
        self.saved = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if time.monotonic() - self.saved >= self.seconds or epoch + 1 == self.params["epochs"]:
            self.estimator.save_model(self.folder, overwrite=True)
            self.saved = time.monotonic()
