"""Callbacks that save the model, embeddings or figures of embeddings during training.

:class:`scivis.Ivis` accepts any Keras callback. The callbacks of this module, which ivis has too, also use the
estimator. :meth:`scivis.Ivis.fit` passes it to a copy of each callback by `set_estimator`, so that the original object
does not change and can be used for another fit.

All of them write every `epoch_interval` epochs: with an interval of 5, after 5, 10, 15, … epochs. The number in a file
name is the number of epochs so far, including those of earlier fits that this fit continues. Embeddings and models are
those at that time: at the end of training, early stopping may restore better weights, and an embedding trained with
InfoNCE is scaled to its final size.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._quiet import load_quietly
from scivis._store.files import replacing

from ._periodic import Periodic, PeriodicEmbedding, check_filename
from ._picture import plot_embedding, read_labels, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ._picture import Labels

__all__ = ["EmbeddingsImage", "EmbeddingsLogging", "ModelCheckpoint", "TensorBoardEmbeddingsImage"]


class ModelCheckpoint(Periodic):
    """Save the model during training, so that an interrupted training can be resumed.

    :meth:`scivis.Ivis.load_model` reads such a folder, and `fit` then continues the training. A folder is written as a
    whole: if the process is killed while it saves, the previous checkpoint remains readable.

    Parameters
    ----------
    log_dir
        Folder of the checkpoints. It is created if necessary.
    filename
        Name of each checkpoint. `{}` stands for the number of epochs. Without it, only the latest checkpoint is kept.
    epoch_interval
        Number of epochs between two checkpoints.

    Raises
    ------
    ValueError
        If `epoch_interval` is not an integer of at least 1, or `filename` has a field other than `{}`.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from scivis import Ivis
    >>> x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = ModelCheckpoint(folder, epoch_interval=2)
    ...     model = Ivis(k=5, batch_size=20, model=[8], epochs=4, verbose=0, callbacks=[checkpoint]).fit(x)
    ...     sorted(os.listdir(folder))
    ['model-checkpoint_2.ivis', 'model-checkpoint_4.ivis']
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "./model_checkpoints",
        filename: str = "model-checkpoint_{}.ivis",
        epoch_interval: int = 1,
    ) -> None:
        super().__init__(log_dir, epoch_interval)
        self.filename = check_filename(filename)

    def _write(self, n_epochs: int) -> None:
        path = Path(self.log_dir, self.filename.format(n_epochs))
        path.parent.mkdir(parents=True, exist_ok=True)
        self.estimator.save_model(path, overwrite=True)


class EmbeddingsLogging(PeriodicEmbedding):
    """Save embeddings of the same rows during training, each as a NumPy file.

    Parameters
    ----------
    data
        Rows to embed, in any form that :meth:`scivis.Ivis.transform` accepts. They can be other rows than the training
        data.
    log_dir
        Folder of the files. It is created if necessary.
    filename
        Name of each file. `{}` stands for the number of epochs. Without it, only the latest file is kept.
    epoch_interval
        Number of epochs between two files.

    Raises
    ------
    ValueError
        If `epoch_interval` is not an integer of at least 1, or `filename` has a field other than `{}`. Before training:
        if `data` does not fit the network.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from scivis import Ivis
    >>> x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     logging = EmbeddingsLogging(x[:7], folder)
    ...     model = Ivis(k=5, batch_size=20, model=[8], epochs=2, verbose=0, callbacks=[logging]).fit(x)
    ...     [(path.name, np.load(path).shape) for path in sorted(Path(folder).iterdir())]
    [('1_embeddings.npy', (7, 2)), ('2_embeddings.npy', (7, 2))]
    """

    def __init__(
        self,
        data: Any,
        log_dir: str | os.PathLike[str] = "./embeddings_logs",
        filename: str = "{}_embeddings.npy",
        epoch_interval: int = 1,
    ) -> None:
        super().__init__(data, log_dir, epoch_interval)
        self.filename = check_filename(filename)

    def _write(self, n_epochs: int) -> None:
        with replacing(Path(self.log_dir, self.filename.format(n_epochs))) as path, path.open("wb") as file:
            np.save(file, self._embed())


class _EmbeddingFigure(PeriodicEmbedding):
    """A callback that plots embeddings of the same rows."""

    def __init__(
        self,
        data: Any,
        labels: Labels | None = None,
        log_dir: str | os.PathLike[str] = "./logs",
        epoch_interval: int = 1,
    ) -> None:
        super().__init__(data, log_dir, epoch_interval)
        self.labels = read_labels(labels, data.shape[0] if hasattr(data, "shape") else len(data))

    def _check(self, embedding: NDArray[np.float32]) -> None:
        if (n_axes := embedding.shape[1]) < 2:
            msg = f"{type(self).__name__} plots the first two axes, but embedding_dims={n_axes}: use at least 2."
            raise ValueError(msg)

    def _plot(self, n_epochs: int) -> Figure:
        return plot_embedding(self._embed(), self.labels, f"{n_epochs} epoch{'s' * (n_epochs > 1)}")


class EmbeddingsImage(_EmbeddingFigure):
    """Plot embeddings of the same rows during training, each into a file.

    Parameters
    ----------
    data
        Rows to embed, in any form that :meth:`scivis.Ivis.transform` accepts. They can be other rows than the training
        data. The first two axes of the embedding are plotted.
    labels
        Values for the colors, one per row of `data`. Floating-point numbers get a color bar; all other labels are
        classes and get a legend. Missing labels and the class −1 are gray. Default: one color for all rows.
    log_dir
        Folder of the figures. It is created if necessary.
    filename
        Name of each figure. `{}` stands for the number of epochs. Without it, only the latest figure is kept. The
        suffix sets the format (`.png`, `.pdf`, `.svg`, …); the format is PNG if the suffix is not that of a figure.
    epoch_interval
        Number of epochs between two figures.

    Raises
    ------
    ValueError
        If the number of `labels` is not that of the rows, `epoch_interval` is not an integer of at least 1, or
        `filename` has a field other than `{}`. Before training: if `data` does not fit the network, or the embedding
        has a single axis.

    Examples
    --------
    >>> import os, tempfile
    >>> from scivis import Ivis
    >>> x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     image = EmbeddingsImage(x, np.arange(60) // 20, folder, epoch_interval=2)
    ...     model = Ivis(k=5, batch_size=20, model=[8], epochs=2, verbose=0, callbacks=[image]).fit(x)
    ...     os.listdir(folder)
    ['2_embeddings.png']
    """

    def __init__(
        self,
        data: Any,
        labels: Labels | None = None,
        log_dir: str | os.PathLike[str] = "./logs",
        filename: str = "{}_embeddings.png",
        epoch_interval: int = 1,
    ) -> None:
        super().__init__(data, labels, log_dir, epoch_interval)
        self.filename = check_filename(filename)

    def _write(self, n_epochs: int) -> None:
        target = Path(self.log_dir, self.filename.format(n_epochs))
        image = render(self._plot(n_epochs), target.suffix)
        with replacing(target) as path:
            path.write_bytes(image)


class TensorBoardEmbeddingsImage(_EmbeddingFigure):
    """Plot embeddings of the same rows during training, for the images page of TensorBoard.

    The figures are those of :class:`EmbeddingsImage`, all in one `events.out.tfevents.…` file under the tag
    `embeddings`. TensorBoard (``tensorboard --logdir logs``) shows them step by step. It is not needed to write them.

    Parameters
    ----------
    data, labels
        As for :class:`EmbeddingsImage`.
    log_dir
        Folder of the event file. It is created if necessary.
    epoch_interval
        Number of epochs between two figures. The step of a figure is the number of epochs.

    Raises
    ------
    ValueError
        As :class:`EmbeddingsImage`.

    Examples
    --------
    >>> import os, tempfile
    >>> from scivis import Ivis
    >>> x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     image = TensorBoardEmbeddingsImage(x, log_dir=folder, epoch_interval=2)
    ...     model = Ivis(k=5, batch_size=20, model=[8], epochs=2, verbose=0, callbacks=[image]).fit(x)
    ...     os.listdir(folder)
    ['events.out.tfevents...']
    """

    def on_train_begin(self, logs: Any = None) -> None:
        """Open the event file."""
        tf = load_quietly("tensorflow")  # under any backend, because TensorBoard reads the files of TensorFlow
        super().on_train_begin(logs)
        self._writer = tf.summary.create_file_writer(os.fspath(self.log_dir))

    def on_train_end(self, logs: Any = None) -> None:
        """Close the event file."""
        self._writer.close()

    def _write(self, n_epochs: int) -> None:
        tf = load_quietly("tensorflow")
        image = render(self._plot(n_epochs))
        height, width = tf.io.decode_png(image).shape[:2]
        # The format of tf.summary.image, which needs TensorBoard. TensorFlow does not install that since version 2.21.
        metadata = tf.compat.v1.SummaryMetadata(
            plugin_data={"plugin_name": "images"}, data_class="DATA_CLASS_BLOB_SEQUENCE"
        )
        with self._writer.as_default(step=n_epochs):
            tf.summary.write("embeddings", tf.constant([f"{width}", f"{height}", image]), metadata=metadata)
        self._writer.flush()  # so that the figure is visible at once and not lost if the process is killed
