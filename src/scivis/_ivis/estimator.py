"""`scivis.Ivis`: the engine of :func:`scivis.tl.ivis` as a scikit-learn estimator on arrays."""

from __future__ import annotations

import warnings
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from scivis._checks import check_callbacks, check_shape, is_integer
from scivis.data._reading import iter_rows, read_rows, shape_of
from scivis.data._validation import check_rows

from .attributes import FittedAttributes
from .fit import Streams, TrainingData, fit
from .predict import novelty_of_rows, place_rows, score_rows
from .save import SavedIvis, load_folder, pack_all, save_folder, unpack_all
from .search import given_neighbors, search_neighbors
from .settings import COORDINATES, Settings, check_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from scivis._random import RandomState
    from scivis.neighbors import LazyNeighbors, Neighbors
    from scivis.nn._optimizer import Optimizer
    from scivis.nn.losses import IvisLoss
    from scivis.nn.pairs import Shuffle
    from scivis.nn.supervision import Targets

    from .model import FittedIvis


class Ivis(FittedAttributes, TransformerMixin, BaseEstimator):
    """Siamese-network embedding that places neighboring rows close together and other rows apart.

    The defaults are those of ivis 2.0 (Szubert et al., Scientific Reports 9, 8914, 2019). :func:`scivis.tl.ivis` uses this
    estimator with settings that perform better on single-cell data.

    A second call of :meth:`fit` continues the training, also after :meth:`load_model`; use :func:`sklearn.base.clone` to
    start from scratch. Two fits of n and m epochs give the same result as one fit of n + m epochs, unless early stopping
    restores earlier weights in between, or the learning rate decays, which then restarts.

    Parameters
    ----------
    embedding_dims
        Number of dimensions of the embedding.
    k
        Number of neighbors per row, the row itself excluded.
    distance
        Loss: `infonce` or a triplet loss, which is `pn`, `euclidean`, `manhattan`, `chebyshev`, `cosine` or
        `softmax_ratio`, each also as `…_pn`; a name registered with :func:`scivis.nn.register_loss`; or a callable
        `(y_true, y_pred)`, where `y_pred` has shape (3, batch, embedding_dims).
    batch_size
        Number of anchors per training step, at most the number of rows.
    epochs
        Maximum number of epochs.
    n_epochs_without_progress
        Number of epochs without a lower loss after which training stops and the weights with the lowest loss are restored.
        `None` disables early stopping.
    n_trees
        Number of trees of the Annoy index. More trees find more of the true neighbors, but take longer.
    ntrees
        Deprecated name of `n_trees`.
    search_k
        Number of nodes that Annoy inspects per row; −1 means `n_trees × k`.
    knn_distance_metric
        Metric of the neighbor search: `angular`, `euclidean`, `manhattan`, `hamming` or `dot`.
    model
        Network: `szubert` (layers of 128, 128 and 128 units), `maaten` (500, 500, 2000), `hinton` (2000, 1000, 500),
        `residual` (three layers of 224 with layer normalization), a list of widths, or a Keras model without its last layer.
    supervision_metric
        Name of a Keras loss for labels `Y`: `sparse_categorical_crossentropy` (softmax classifier; `Y` holds integer codes),
        `categorical_hinge`, `hinge` or `squared_hinge` (linear support-vector machine), `binary_crossentropy` (several
        labels per row), `mae`, `mse`, `log_cosh` (regression), or any other.
    supervision_weight
        Weight of the loss of the labels relative to the total loss, between 0 and 1. At 0, labels are ignored and no
        predictions are available.
    input_noise
        Standard deviation of noise that is added to the input during training, relative to the overall standard deviation
        of the data. It reduces overfitting, so that new rows are placed better.
    annoy_index_path
        Path of an index from :func:`scivis.neighbors.build_annoy_index`, which is used instead of building a new one.
    build_index_on_disk
        Whether a new index is built in a temporary file instead of in memory.
    precompute
        Whether all neighbors are searched before training. If `False`, those of each batch are searched during training,
        which takes longer, but never holds all of them in memory. The result is the same.
    neighbour_matrix
        Precomputed neighbors, with which no search is performed: a :class:`scivis.neighbors.Neighbors`, an array or lists of
        row indices, or any sequence of such lists, for instance a :class:`scivis.neighbors.LabeledNeighbourMap`.
    anchors
        Indices of the rows that are used as anchors; all rows can be their neighbors. This shortens the training on data
        with more rows than needed. Default: all rows.
    callbacks
        Keras callbacks, or those of :mod:`scivis.nn.callbacks`. Copies of them are called during training.
    optimizer
        `adam`, as in ivis, or `muon`, which resolves more detail in the same number of epochs.
    learning_rate, learning_rate_decay
        Initial learning rate, at most 10, and whether it decays to zero along a cosine.
    global_weight
        Weight of a loss term that increases the correlation between distances in the input and in the embedding.
    linear_path
        Whether training starts at the principal components, to which the network adds a nonlinear part.
    standardize
        Whether the network centers the input and divides it by its overall standard deviation. Numeric labels are
        standardized as well, for losses that depend on differences only; predictions are in their original unit.
    verbose
        If above 0, a progress bar is shown.
    random_state
        Seed: an integer, or a NumPy generator or `RandomState`. `None` gives other results in each call. On one machine, the same
        seed and the same versions give identical results.

    Attributes
    ----------
    fitted_
        Networks, landmarks and state of the training, as one record.
    encoder_
        Keras model from rows to embeddings.
    model_
        Siamese network: a Keras model from anchors, positives and negatives to embeddings, shape (3, n, embedding_dims).
    supervised_model_
        Keras model from rows to predicted labels, after a fit with labels.
    classes_, n_classes_
        Codes of the classes and their number, after a fit with classes.
    loss_history_
        Mean loss of each epoch over all fits; empty for a model from an AnnData object.
    neighbour_matrix_
        Neighbors that were used for training.
    n_features_in_
        Number of features of the input.

    Examples
    --------
    >>> import numpy as np
    >>> from scivis import Ivis
    >>> x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    >>> model = Ivis(k=5, batch_size=20, epochs=2, verbose=0, random_state=0).fit(x)
    >>> model.transform(x[:3]).shape, len(model.loss_history_)
    ((3, 2), 2)
    """

    def __init__(  # noqa: PLR0913 (the parameters of ivis, which scripts pass by name)
        self,
        embedding_dims: int = 2,
        *,
        k: int = 150,
        distance: str | IvisLoss = "pn",
        batch_size: int = 128,
        epochs: int = 1000,
        n_epochs_without_progress: int | None = 20,
        n_trees: int = 50,
        ntrees: int | None = None,
        search_k: int = -1,
        knn_distance_metric: str = "angular",
        model: str | Sequence[int] | keras.Model = "szubert",
        supervision_metric: str = "sparse_categorical_crossentropy",
        supervision_weight: float = 0.5,
        input_noise: float = 0.0,
        annoy_index_path: str | Path | None = None,
        build_index_on_disk: bool = True,
        precompute: bool = True,
        neighbour_matrix: Neighbors | LazyNeighbors | NDArray[np.integer] | Sequence[Sequence[int]] | None = None,
        anchors: NDArray[np.integer] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        optimizer: Optimizer = "adam",
        learning_rate: float = 1e-3,
        learning_rate_decay: bool = False,
        global_weight: float = 0.0,
        linear_path: bool = False,
        standardize: bool = False,
        verbose: int = 1,
        random_state: RandomState = None,
    ) -> None:
        self.embedding_dims = embedding_dims
        self.k = k
        self.distance = distance
        self.batch_size = batch_size
        self.epochs = epochs
        self.n_epochs_without_progress = n_epochs_without_progress
        self.n_trees = n_trees
        self.ntrees = ntrees
        self.search_k = search_k
        self.knn_distance_metric = knn_distance_metric
        self.model = model
        self.supervision_metric = supervision_metric
        self.supervision_weight = supervision_weight
        self.input_noise = input_noise
        self.annoy_index_path = annoy_index_path
        self.build_index_on_disk = build_index_on_disk
        self.precompute = precompute
        self.neighbour_matrix = neighbour_matrix
        self.anchors = anchors
        self.callbacks = callbacks
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_decay = learning_rate_decay
        self.global_weight = global_weight
        self.linear_path = linear_path
        self.standardize = standardize
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, Y: Any = None, shuffle_mode: Shuffle = True) -> Self:  # noqa: N803, FBT002 (ivis's names)
        """Fit the model to rows, or continue the training of an earlier fit.

        Parameters
        ----------
        X
            Rows, shape (n, ...): a dense or sparse array, a memory map, an HDF5, zarr or dask array, or any object with
            `shape` and ``__getitem__``, such as a :class:`scivis.data.ImageDataset`. Rows that are larger than 1 GiB are
            copied to a temporary file first.
        Y
            Labels of the rows, as `supervision_metric` requires them; see :func:`scivis.nn.make_targets`. Missing labels
            are −1 or NaN.
        shuffle_mode
            Order of the rows in an epoch: random (`True`), random batches of consecutive rows (`"batch"`), or the order of
            the rows (`False`).

        Returns
        -------
        The fitted estimator.

        Raises
        ------
        ValueError
            If `X` contains NaN, infinite values, or only equal rows; if a parameter is invalid for these data; or if `X`
            or `Y` do not match those of an earlier fit.
        """
        x = read_rows(X)
        settings = self._settings()
        if settings.distance == COORDINATES:
            msg = "This network learned the coordinates of a map, by scivis.tl.adopt. It cannot be fitted to neighbors as well."
            raise ValueError(msg)
        check_settings(settings, len(x) if self.anchors is None else len(self.anchors))
        check_rows(x)
        targets = self._targets(Y, len(x))
        streams = Streams.of(self.random_state)
        neighbors = self._neighbors(x, settings, streams.search)
        callbacks, each_epoch = self._callbacks()
        self.fitted_ = fit(
            TrainingData(x, neighbors, targets, self.anchors),
            settings,
            streams,
            before=getattr(self, "fitted_", None),
            shuffle=shuffle_mode,
            callbacks=callbacks,
            report=partial(setattr, self, "fitted_"),
            each_epoch=each_epoch,
        )
        self.neighbour_matrix_ = neighbors
        return self

    def _settings(self) -> Settings:
        if self.ntrees is None:
            return Settings.of(self)
        warnings.warn("ntrees is deprecated; use n_trees instead.", FutureWarning, stacklevel=3)
        return Settings.of(self, n_trees=self.ntrees)

    def _targets(self, y: Any, n_rows: int) -> Targets | None:
        """Validated labels; none at weight 0, so that the fit is the same, bit for bit, as without labels."""
        from scivis.nn.supervision import make_targets

        targets = None if y is None else make_targets(y, self.supervision_metric, n_rows)
        return targets if self.supervision_weight else None

    def _neighbors(
        self, x: NDArray[np.float32], settings: Settings, rng: np.random.Generator
    ) -> Neighbors | LazyNeighbors:
        from scivis.nn.networks import check_backbone

        if settings.backbone is not None:
            check_backbone(settings.backbone, x.shape[1:])
        if self.neighbour_matrix is not None:
            return given_neighbors(self.neighbour_matrix, len(x))
        return search_neighbors(x.reshape(len(x), -1), settings, self.annoy_index_path, rng)

    def _callbacks(self) -> tuple[list[keras.callbacks.Callback], bool]:
        """Copies of the user's callbacks and a progress bar, and whether a callback reads the estimator after an epoch."""
        check_callbacks(self.callbacks)
        callbacks = [copy(callback) for callback in self.callbacks or ()]
        readers = [callback for callback in callbacks if hasattr(callback, "set_estimator")]
        for callback in readers:
            callback.set_estimator(self)
        if self.verbose:
            from scivis.nn._progress import EpochBar

            callbacks.append(EpochBar(self.epochs))
        return callbacks, bool(readers)

    def fit_transform(self, X: Any, Y: Any = None, shuffle_mode: Shuffle = True) -> NDArray[np.float32]:  # noqa: N803, FBT002
        """Fit the model to rows and return their embedding.

        Parameters
        ----------
        X, Y, shuffle_mode
            As for :meth:`fit`.

        Returns
        -------
        :class:`numpy.ndarray`
            Embedding, shape (n, embedding_dims).
        """
        return self.fit(X, Y, shuffle_mode).transform(X)

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Embed rows.

        Parameters
        ----------
        X
            Rows in any form that :meth:`fit` accepts. There may be none.

        Returns
        -------
        :class:`numpy.ndarray`
            Embedding, shape (n, embedding_dims).
        """
        return self._by_blocks(X, place_rows, self.embedding_dims)

    def score_samples(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Predict labels of rows, after a fit with labels.

        Parameters
        ----------
        X
            Rows in any form that :meth:`fit` accepts.

        Returns
        -------
        Predictions, shape (n, n_outputs). These are probabilities of the classes, in the order of `classes_`, for a
        cross-entropy; signed distances from the decision boundary for a hinge loss; and values for regression.
        """
        head = self._label_head()
        return self._by_blocks(X, lambda fitted, rows: score_rows(fitted, head, rows), head.n_outputs)

    def novelty(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Distance of rows from the fitted rows, relative to the distances of these there.

        Parameters
        ----------
        X
            Rows in any form that :meth:`fit` accepts.

        Returns
        -------
        Novelty, shape (n,). This is the mean distance to the 15 nearest landmarks, which are a sample of the fitted rows,
        relative to their own distances, in units of the score that 1 % of held-out rows exceed. Models of version 0.1.0 give
        the distance to the five nearest landmarks, divided by the 99th percentile of the fitted rows.
        """
        return self._by_blocks(X, novelty_of_rows)

    def _by_blocks(
        self, x: Any, function: Callable[[FittedIvis, NDArray[np.float32]], NDArray[np.float32]], *width: int
    ) -> NDArray[np.float32]:
        """Results of a function for all rows of `x`, shape (n, *width), computed on validated blocks."""
        fitted = self._fitted_model()
        check_shape(shape_of(x), fitted.encoder.input_shape[1:])
        return np.concatenate([np.empty((0, *width), np.float32), *(function(fitted, rows) for rows in iter_rows(x))])

    def save_model(self, folder_path: str | Path, save_format: str = "h5", overwrite: bool = False) -> None:  # noqa: FBT001, FBT002
        """Save the model to a folder, fitted or not, with the state of its training.

        :meth:`load_model` restores it. If saving is interrupted, a previous model in the folder remains intact.

        Parameters
        ----------
        folder_path
            Folder, which is created if it does not exist.
        save_format
            `h5` writes a single HDF5 file of names, numbers and arrays. `tf` also exports the encoder as a TensorFlow
            SavedModel for programs without scivis, which requires the TensorFlow backend.
        overwrite
            Whether an existing model is replaced.

        Raises
        ------
        FileExistsError
            If the folder exists and `overwrite` is `False`.
        """
        save_folder(self._saved(), folder_path, save_format, overwrite=overwrite)

    def load_model(self, folder_path: str | Path) -> Self:
        """Replace this model by one that :meth:`save_model` wrote, including its parameters.

        Folders contain no code: a Keras network or a loss function of your own must be passed to the constructor again, for
        instance ``Ivis(model=network).load_model(path)``. Callbacks and `neighbour_matrix` are kept.

        Parameters
        ----------
        folder_path
            Folder with the model.

        Returns
        -------
        The loaded estimator.

        Raises
        ------
        FileNotFoundError
            If the folder contains no model.
        ValueError
            If the model is damaged, or needs a network that is not given.
        """
        saved = load_folder(folder_path, backbone=Settings.of(self).backbone)
        kept: dict[str, Any] = {"callbacks": self.callbacks, "neighbour_matrix": self.neighbour_matrix}
        # Without the loss function, its name remains: the model embeds rows, but cannot be trained.
        if saved.settings.distance == "custom" and callable(self.distance):
            kept["distance"] = self.distance
        loaded = type(self)(**saved.settings.params() | kept, random_state=saved.random_state)
        self.__dict__ = dict(vars(loaded))
        if saved.fitted is not None:
            self.fitted_ = saved.fitted
        return self

    def _saved(self) -> SavedIvis:
        seed = int(self.random_state) if is_integer(self.random_state) else None  # type: ignore[arg-type]
        return SavedIvis(Settings.of(self), seed, getattr(self, "fitted_", None))

    def __getstate__(self) -> dict[str, Any]:
        # Networks are pickled as plain arrays.
        return {k: v for k, v in vars(self).items() if k != "fitted_"} | {"_saved": pack_all(self._saved())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        saved = state.pop("_saved")
        self.__dict__.update(state)
        if "model" in saved and (fitted := unpack_all(saved, backbone=Settings.of(self).backbone).fitted):
            self.fitted_ = fitted


def restored(settings: Settings, fitted: FittedIvis) -> Ivis:
    """An estimator with a fitted model."""
    model = Ivis(**settings.params())
    model.fitted_ = fitted
    return model
