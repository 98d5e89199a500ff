"""A progress bar over epochs, in place of the output of Keras."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras

from scivis._progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class EpochBar(keras.callbacks.Callback):
    """A progress bar over epochs that shows the loss of the last epoch."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def on_train_begin(self, logs: Any = None) -> None:
        self.bar = progress_bar(total=self.epochs, desc="training", unit="epoch")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.bar.set_postfix(loss=f"{(logs or {}).get('loss', float('nan')):.4g}", refresh=False)
        self.bar.update()

    def on_train_end(self, logs: Any = None) -> None:
        self.bar.close()


@contextmanager
def closing_bars(callbacks: Iterable[keras.callbacks.Callback]) -> Iterator[None]:
    """Close the bars among callbacks also after an error or Ctrl-C, so that the next line begins on a new one."""
    try:
        yield
    finally:
        for bar in callbacks:
            if isinstance(bar, EpochBar) and hasattr(bar, "bar"):
                bar.bar.close()
