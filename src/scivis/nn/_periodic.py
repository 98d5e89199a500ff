"""What the callbacks of :mod:`scivis.nn.callbacks` share: when they act, what they embed, and whole files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import keras

from scivis._checks import check_positive_int

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray


class Estimator(Protocol):
    """The estimator in training, as far as callbacks use it; see :class:`scivis.Ivis`."""

    @property
    def loss_history_(self) -> list[float]:
        """Mean loss of each epoch so far."""

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803 (scikit-learn's name)
        """Embeddings of rows."""

    def save_model(self, folder_path: Any, *, overwrite: bool = False) -> None:
        """Save the model to a folder."""


class Periodic(keras.callbacks.Callback):
    """Does something whenever `epoch_interval` more epochs are done."""

    def __init__(self, log_dir: str | os.PathLike[str], epoch_interval: int) -> None:
        super().__init__()
        check_positive_int("epoch_interval", epoch_interval)
        self.log_dir, self.epoch_interval = log_dir, epoch_interval
        self._estimator: Estimator | None = None
        self._n_epochs = 0

    def set_estimator(self, estimator: Estimator) -> None:
        """Say whose training this is."""
        self._estimator = estimator

    @property
    def estimator(self) -> Estimator:
        """The estimator in training."""
        if self._estimator is None:
            name = type(self).__name__
            msg = f"{name} does not know the estimator in training: use it as scivis.Ivis(callbacks=[{name}(...)])."
            raise RuntimeError(msg)
        return self._estimator

    def on_train_begin(self, logs: Any = None) -> None:
        # Keras counts from zero in every training.
        self._n_epochs = len(getattr(self.estimator, "loss_history_", ()))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._n_epochs += 1
        if self._n_epochs % self.epoch_interval == 0:
            self._act(self._n_epochs)

    def _act(self, n_epochs: int) -> None:
        """Do it."""
        raise NotImplementedError


class Embedding(Periodic):
    """Embeds the same rows time and again."""

    def __init__(self, data: Any, log_dir: str | os.PathLike[str], epoch_interval: int) -> None:
        super().__init__(log_dir, epoch_interval)
        self.data = data

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        # Rows that do not fit the network must fail now and not hours later.
        self._check(self._embed())

    def _check(self, embedding: NDArray[np.float32]) -> None:
        """Refuse embeddings that are of no use here."""

    def _embed(self) -> NDArray[np.float32]:
        return self.estimator.transform(self.data)


def check_filename(filename: str) -> str:
    """The name of a file per epoch, refused if it cannot be one."""
    try:
        filename.format(1)
    except (IndexError, KeyError, ValueError) as error:
        msg = f"filename={filename!r} has another field than {{}}, which stands for the number of epochs done."
        raise ValueError(msg) from error
    return filename
