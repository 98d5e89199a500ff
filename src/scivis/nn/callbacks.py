"""Callbacks that see the estimator while it is trained: they keep its model, its embeddings, or pictures of them.

:class:`scivis.Ivis` takes any Keras callback. The ones here, which ivis has too, need more than Keras hands them, namely
the estimator. :meth:`scivis.Ivis.fit` gives it to a copy of each, by `set_estimator`; the object of the user stays as
it was, and can be used for another fit.

All act exactly every `epoch_interval` epochs: with an interval of 5 after 5, 10, 15, … epochs. The number in the name of
a file is the number of epochs done until then, those of earlier fits included where a second fit continues a first.
Embeddings and models are those of that moment: early stopping may return to better weights in the end, and a map
trained with InfoNCE is scaled to its final size only then.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._store.files import replacing

from ._periodic import Embedding, Periodic, check_filename
from ._picture import draw_map, encode, picture_format, read_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ._picture import Labels

__all__ = ["EmbeddingsImage", "EmbeddingsLogging", "ModelCheckpoint", "TensorBoardEmbeddingsImage"]


class ModelCheckpoint(Periodic):
    """Save the model during training, so that an interrupted one can be resumed.

    :meth:`scivis.Ivis.load_model` reads such a folder, and `fit` then goes on from there. A folder is complete or not
    there at all: a training that is killed while it saves leaves the checkpoint before readable.

    Parameters
    ----------
    log_dir
        Folder for the checkpoints; it is made when needed.
    filename
        Name of each. `{}` stands for the number of epochs done; without it only the latest is kept.
    epoch_interval
        Epochs from one checkpoint to the next.

    Raises
    ------
    ValueError
        If `epoch_interval` is not a whole number of at least 1, or `filename` has other fields than `{}`.

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

    def _act(self, n_epochs: int) -> None:
        path = Path(self.log_dir, self.filename.format(n_epochs))
        path.parent.mkdir(parents=True, exist_ok=True)
        self.estimator.save_model(path, overwrite=True)


class EmbeddingsLogging(Embedding):
    """Save embeddings of the same rows during training, each as an array of NumPy's.

    Parameters
    ----------
    data
        Rows to embed: whatever :meth:`scivis.Ivis.transform` takes. They need not be those of the training.
    log_dir
        Folder for the files; it is made when needed.
    filename
        Name of each file. `{}` stands for the number of epochs done; without it only the latest is kept.
    epoch_interval
        Epochs from one file to the next.

    Raises
    ------
    ValueError
        If `epoch_interval` is not a whole number of at least 1, or `filename` has other fields than `{}`; before
        training, if `data` do not fit the network.

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

    def _act(self, n_epochs: int) -> None:
        with replacing(Path(self.log_dir, self.filename.format(n_epochs))) as path, path.open("wb") as file:
            np.save(file, self._embed())


class _Picture(Embedding):
    """Draws rows where they are on the map."""

    def __init__(self, data: Any, labels: Labels | None, log_dir: str | os.PathLike[str], epoch_interval: int) -> None:
        super().__init__(data, log_dir, epoch_interval)
        self.labels = read_labels(labels, data.shape[0] if hasattr(data, "shape") else len(data))

    def _check(self, embedding: NDArray[np.float32]) -> None:
        if embedding.shape[1] < 2:
            msg = f"{type(self).__name__} draws the first two axes, but embedding_dims={embedding.shape[1]}."
            raise ValueError(msg)

    def _draw(self, n_epochs: int) -> Figure:
        return draw_map(self._embed(), self.labels, f"{n_epochs} epoch{'s' * (n_epochs > 1)}")


class EmbeddingsImage(_Picture):
    """Draw embeddings of the same rows during training, each into a picture.

    Parameters
    ----------
    data
        Rows to embed: whatever :meth:`scivis.Ivis.transform` takes. They need not be those of the training. Of more
        than two axes the first two are drawn.
    labels
        Colours: one label for each row of `data`. Floating-point numbers get a colour bar, all others are classes with a
        legend. Missing labels and the class −1 are grey. By default all rows have one colour.
    log_dir
        Folder for the pictures; it is made when needed.
    filename
        Name of each picture. `{}` stands for the number of epochs done; without it only the latest is kept. The suffix
        says the format (`.png`, `.pdf`, `.svg`, …); it is PNG where that is no picture's.
    epoch_interval
        Epochs from one picture to the next.

    Raises
    ------
    ValueError
        If `labels` are not one per row, `epoch_interval` is not a whole number of at least 1, or `filename` has other
        fields than `{}`; before training, if `data` do not fit the network or the embedding has a single axis.

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

    def _act(self, n_epochs: int) -> None:
        figure = self._draw(n_epochs)
        with replacing(target := Path(self.log_dir, self.filename.format(n_epochs))) as path:
            path.write_bytes(encode(figure, picture_format(figure, target.suffix)))


class TensorBoardEmbeddingsImage(_Picture):
    """Draw embeddings of the same rows during training, for TensorBoard's page of images.

    The pictures are those of :class:`EmbeddingsImage`, all in one `events.out.tfevents.…` file under the tag
    `embeddings`, where TensorBoard (``tensorboard --logdir logs``) steps through them. Writing them does not need it.

    Parameters
    ----------
    data, labels
        As for :class:`EmbeddingsImage`.
    log_dir
        Folder for the event file; it is made when needed.
    epoch_interval
        Epochs from one picture to the next. The step of a picture is the number of epochs done.

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

    def __init__(
        self,
        data: Any,
        labels: Labels | None = None,
        log_dir: str | os.PathLike[str] = "./logs",
        epoch_interval: int = 1,
    ) -> None:
        super().__init__(data, labels, log_dir, epoch_interval)

    def on_train_begin(self, logs: Any = None) -> None:
        """Open the event file."""
        import tensorflow as tf  # noqa: TID251 (whichever backend trains: TensorBoard reads TensorFlow's files)

        super().on_train_begin(logs)
        self._writer = tf.summary.create_file_writer(os.fspath(self.log_dir))

    def on_train_end(self, logs: Any = None) -> None:
        """Close it."""
        self._writer.close()

    def _act(self, n_epochs: int) -> None:
        import tensorflow as tf  # noqa: TID251

        picture = encode(self._draw(n_epochs))
        height, width = tf.io.decode_png(picture).shape[:2]
        # As tf.summary.image stores a picture; that function itself is part of TensorBoard, which TensorFlow has not
        # brought along since version 2.21.
        metadata = tf.compat.v1.SummaryMetadata(
            plugin_data={"plugin_name": "images"}, data_class="DATA_CLASS_BLOB_SEQUENCE"
        )
        with self._writer.as_default(step=n_epochs):
            tf.summary.write("embeddings", tf.constant([f"{width}", f"{height}", picture]), metadata=metadata)
        self._writer.flush()  # what is drawn can be seen, and survives a kill
