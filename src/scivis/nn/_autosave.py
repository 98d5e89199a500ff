"""Saving of the model at time intervals during training."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ._periodic import EstimatorCallback

if TYPE_CHECKING:
    from pathlib import Path


class Autosave(EstimatorCallback):
    """Saves the model after the last epoch, and after any epoch that ends `seconds` or more after the previous save.

    Parameters
    ----------
    folder
        Folder of the model. The previous model stays readable until the new one is complete.
    seconds
        Time between two saves.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        super().__init__()
        self.folder, self.seconds = folder, seconds

    def on_train_begin(self, logs: Any = None) -> None:
        self.saved = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if time.monotonic() - self.saved >= self.seconds or epoch + 1 == self.params["epochs"]:
            self.estimator.save_model(self.folder, overwrite=True)
            self.saved = time.monotonic()
