"""Base classes of the callbacks in :mod:`scivis.nn.callbacks`: access to the estimator, and the interval of epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import keras

from scivis._checks import check_positive_int

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray


class Estimator(Protocol):
    """The part of :class:`scivis.Ivis` that callbacks use."""

    @property
    def loss_history_(self) -> list[float]:
        """Mean loss of each epoch so far."""

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803 (scikit-learn's name)
        """Embeddings of rows."""

    def save_model(self, folder_path: Any, *, overwrite: bool = False) -> None:
        """Save the model to a folder."""


class EstimatorCallback(keras.callbacks.Callback):
    """A callback that uses the estimator in training. :meth:`scivis.Ivis.fit` sets the estimator."""

    _estimator: Estimator | None = None

    def set_estimator(self, estimator: Estimator) -> None:
        """Set the estimator in training."""
        self._estimator = estimator

    @property
    def estimator(self) -> Estimator:
        """The estimator in training."""
        if self._estimator is None:
            name = type(self).__name__
            msg = f"{name} does not know the estimator in training: use it as scivis.Ivis(callbacks=[{name}(...)])."
            raise RuntimeError(msg)
        return self._estimator


class Periodic(EstimatorCallback):
    """A callback that writes something every `epoch_interval` epochs."""

    def __init__(self, log_dir: str | os.PathLike[str], epoch_interval: int) -> None:
        super().__init__()
        check_positive_int("epoch_interval", epoch_interval)
        self.log_dir, self.epoch_interval = log_dir, epoch_interval
        self._n_epochs = 0

    def on_train_begin(self, logs: Any = None) -> None:
        # Keras counts the epochs of each fit from zero.
        self._n_epochs = len(getattr(self.estimator, "loss_history_", ()))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._n_epochs += 1
        if self._n_epochs % self.epoch_interval == 0:
            self._write(self._n_epochs)

    def _write(self, n_epochs: int) -> None:
        raise NotImplementedError


class PeriodicEmbedding(Periodic):
    """A callback that embeds the same rows every `epoch_interval` epochs."""

    def __init__(self, data: Any, log_dir: str | os.PathLike[str], epoch_interval: int) -> None:
        super().__init__(log_dir, epoch_interval)
        self.data = data

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        # Raise for unsuitable rows now rather than after hours of training.
        self._check(self._embed())

    def _check(self, embedding: NDArray[np.float32]) -> None:
        """Raise if the embedding cannot be used."""

    def _embed(self) -> NDArray[np.float32]:
        return self.estimator.transform(self.data)


def check_filename(filename: str) -> str:
    """The file name; an error if it has other fields than `{}`."""
    try:
        filename.format(1)
    except (IndexError, KeyError, ValueError) as error:
        msg = f"filename={filename!r} must have no field other than {{}}, which stands for the number of epochs."
        raise ValueError(msg) from error
    return filename
