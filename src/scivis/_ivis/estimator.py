"""`scivis.Ivis`: the engine of :func:`scivis.tl.ivis` as a scikit-learn estimator on arrays."""

from __future__ import annotations

import warnings
from copy import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError

from scivis._checks import check_shape, is_integer
from scivis.data._reading import iter_rows, read_rows, shape_of
from scivis.data._validation import check_rows

from .attributes import FittedAttributes
from .fit import Streams, TrainingData, fit
from .predict import embed_rows, novelty_of_rows, score_rows
from .save import SavedIvis, load_folder, pack_all, save_folder, unpack_all
from .search import given_neighbors, search_neighbors
from .settings import Settings, check_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from scivis.neighbors import LazyNeighbors, Neighbors
    from scivis.nn._optimizer import Optimizer
    from scivis.nn.losses import IvisLoss
    from scivis.nn.pairs import Shuffle
    from scivis.nn.supervision import Targets

    from .model import FittedIvis


class Ivis(FittedAttributes, TransformerMixin, BaseEstimator):
    """Siamese-network embedding of rows: neighbours are drawn together, others pushed apart.

    The defaults are those of ivis 2.0 (Szubert et al., Scientific Reports 9, 8914, 2019);
    :func:`scivis.tl.ivis` uses the same estimator with settings that measure better on single cells.

    Another `fit` goes on training where the last one ended, also after :meth:`load_model`; take
    `sklearn.base.clone(model)` to begin anew. Two fits of n and m epochs end where one of n + m epochs does, unless
    early stopping went back to better weights between them or the learning rate falls (it then starts anew).

    Parameters
    ----------
    embedding_dims
        Axes of the embedding.
    k
        Neighbours per row, the row itself not counted.
    distance
        `infonce` or a triplet loss: `pn`, `euclidean`, `manhattan`, `chebyshev`, `cosine`, `softmax_ratio`, each
        also as `…_pn`; a name given to :func:`scivis.nn.register_loss`; or a callable `(y_true, y_pred)`, `y_pred`
        of shape (3, batch, dims).
    batch_size
        Anchors per step; at most the number of rows.
    epochs
        Passes over the rows, at most.
    n_epochs_without_progress
        Epochs without a lower loss before training stops; the weights of the lowest are kept. `None` never stops.
    n_trees
        Trees of Annoy's forest: more find more true neighbours, slower.
    ntrees
        Old name of `n_trees`.
    search_k
        Nodes that Annoy inspects per row; −1 means `n_trees × k`.
    knn_distance_metric
        `angular`, `euclidean`, `manhattan`, `hamming` or `dot`.
    model
        `szubert` (128-128-128), `maaten` (500-500-2000), `hinton` (2000-1000-500), `residual` (three layers of 224
        with layer normalisation), a list of widths, or a Keras model without its last layer.
    supervision_metric
        The name of a Keras loss, for `fit(X, Y)`: `sparse_categorical_crossentropy` (a softmax classifier; `Y` holds
        codes), `categorical_hinge`, `hinge` or `squared_hinge` (a linear support-vector machine), `binary_crossentropy`
        (several labels per row), `mae`, `mse`, `log_cosh` (regression), or any other.
    supervision_weight
        Share of that loss in the whole, from 0 to 1. At 0 labels change nothing, and nothing is predicted.
    input_noise
        Noise on the input while labels are learned, as a share of the data's overall standard deviation, so that they
        are not learned by heart.
    annoy_index_path
        An index that is on disk already, from :func:`scivis.neighbors.build_annoy_index`: it is used, not built.
    build_index_on_disk
        Whether a new index is built in a temporary file, removed afterwards, or in memory.
    precompute
        Whether all neighbours are looked up before training, or each batch's when it is needed: slower, but never all
        in memory. The result is the same.
    neighbour_matrix
        Neighbours already known, as :class:`scivis.neighbors.Neighbors`, an index array, lists of row numbers, or any
        sequence of them, such as :class:`scivis.neighbors.LabeledNeighbourMap`. No search is made then.
    anchors
        Numbers of the rows that training starts from, each with a neighbour of its own among all rows: where there are more
        rows than training needs. By default all.
    callbacks
        Keras callbacks, called during training.
    optimizer
        `adam`, as in ivis, or `muon`, which reaches finer detail in as many epochs.
    learning_rate, learning_rate_decay
        The optimizer's rate, and whether it falls to zero along a cosine.
    global_weight
        Weight of the term that makes distances between random rows correlate with the input's.
    linear_path
        Start at the principal components and let the network bend them.
    standardize
        Centre the input and divide it by its overall standard deviation, inside the network. Values to be predicted are
        standardised likewise, for losses that depend on differences only; predictions are in their own unit.
    verbose
        0 is silent, above that shows a progress bar.
    random_state
        Seed (an integer or a NumPy generator): same seed, machine and versions give the same bits.

    Attributes
    ----------
    fitted_
        Networks, landmarks and state of the training, as one record.
    encoder_
        The Keras model that embeds rows.
    classes_, n_classes_
        The codes of the classes and their number, after a fit with classes.
    loss_history_
        Mean loss of each epoch, over all fits.
    neighbour_matrix_
        The neighbors that training used.
    n_features_in_
        Width of the input.

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
        random_state: int | np.random.Generator | None = None,
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
        """Search neighbours, train the network, and remember where the rows lie.

        Parameters
        ----------
        X
            Rows of numbers, shape (n, ...): an array, sparse or not, a memory map, an HDF5, zarr or dask array, or any
            object with `shape` and ``__getitem__``, such as a :class:`scivis.data.ImageDataset`. What is larger than
            1 GiB is first copied into a temporary file.
        Y
            Labels, for `supervision_metric`: see :func:`scivis.nn.make_targets`. Missing ones are −1 or NaN.
        shuffle_mode
            `True` takes the rows in a new order each epoch, `"batch"` whole batches of neighbouring rows, `False` the
            order given.

        Raises
        ------
        ValueError
            If `X` holds NaN, infinite or only equal rows, a parameter does not suit it, or `X` or `Y` have another
            width than in the fit before.
        """
        x = read_rows(X)
        settings = self._settings()
        check_settings(settings, len(x) if self.anchors is None else len(self.anchors))
        check_rows(x)
        targets = self._targets(Y, len(x))
        streams = Streams.of(self.random_state)
        self.neighbour_matrix_ = self._neighbors(x, settings, streams.search)
        callbacks, is_watched = self._callbacks()
        self._set(
            fit(
                TrainingData(x, self.neighbour_matrix_, targets, self.anchors),
                settings,
                streams,
                before=getattr(self, "fitted_", None),
                shuffle=shuffle_mode,
                callbacks=callbacks,
                report=self._set,
                each_epoch=is_watched,
            )
        )
        return self

    def _settings(self) -> Settings:
        if self.ntrees is not None:
            warnings.warn("ntrees is the old name of n_trees; use that.", FutureWarning, stacklevel=3)
        return Settings.of(self, n_trees=self.n_trees if self.ntrees is None else self.ntrees)

    def _targets(self, y: Any, n_rows: int) -> Targets | None:
        """Labels as training reads them; none at weight 0, where the fit must be that without labels, bit for bit."""
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
        """Copies of the user's callbacks and a progress bar, and whether a callback asks for the estimator.

        Such callbacks may save the model after each epoch, so that it must be up to date then.
        """
        callbacks = [copy(callback) for callback in self.callbacks or ()]
        watching = [callback for callback in callbacks if hasattr(callback, "set_estimator")]
        for callback in watching:
            callback.set_estimator(self)
        if self.verbose:
            from scivis.nn._progress import EpochBar

            callbacks.append(EpochBar(self.epochs))
        return callbacks, bool(watching)

    def _set(self, fitted: FittedIvis) -> None:
        self.fitted_ = fitted

    def fit_transform(self, X: Any, Y: Any = None, shuffle_mode: Shuffle = True) -> NDArray[np.float32]:  # noqa: N803, FBT002
        """Fit, and embed the same rows."""
        return self.fit(X, Y, shuffle_mode).transform(X)

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Embed rows, shape (n, embedding_dims); no row is fine."""
        return self._by_blocks(X, embed_rows, self.embedding_dims)

    def score_samples(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """What the supervised head predicts for rows, shape (n, n_outputs).

        Probabilities of the classes in the order of `classes_` for the cross-entropies, distances from the boundary for
        the hinge losses, values for regression.
        """
        head = self._fitted_model().head
        if head is None:
            msg = "This Ivis was not fitted with labels. Call fit(X, Y), with supervision_weight above 0."
            raise NotFittedError(msg)
        return self._by_blocks(X, lambda fitted, rows: score_rows(fitted, head, rows), head.n_outputs)

    def novelty(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """How far rows lie from the fitted ones: up to 1 for 99 % of these, 2 for twice that distance."""
        return self._by_blocks(X, novelty_of_rows)

    def _by_blocks(
        self, x: Any, function: Callable[[FittedIvis, NDArray[np.float32]], NDArray[np.float32]], *width: int
    ) -> NDArray[np.float32]:
        """A function of validated rows for all rows of `x`, shape (n, *width)."""
        fitted = self._fitted_model()
        check_shape(shape_of(x), fitted.encoder.input_shape[1:])
        return np.concatenate([np.empty((0, *width), np.float32), *(function(fitted, rows) for rows in iter_rows(x))])

    def save_model(self, folder_path: str | Path, save_format: str = "h5", overwrite: bool = False) -> None:  # noqa: FBT001, FBT002
        """Save the model, fitted or not, with all that another fit needs to go on; see :func:`load_model`.

        The folder is complete at every moment: a kill in the middle leaves what was there before.

        Parameters
        ----------
        folder_path
            Where to; it is made.
        save_format
            `h5`: a single HDF5 file of names, numbers and arrays. `tf`: the same, and beside it the encoder as a
            TensorFlow SavedModel, for programs that do not know scivis (this needs the TensorFlow backend).
        overwrite
            Whether a model that is there already may be replaced.

        Raises
        ------
        FileExistsError
            If there is something under that name and `overwrite` is false.
        """
        save_folder(self._saved(), folder_path, save_format, overwrite=overwrite)

    def load_model(self, folder_path: str | Path) -> Self:
        """Become the model that was saved there, parameters included.

        A Keras network or a loss function of your own is not in the folder, which can therefore bring no code along: give
        it to the constructor again, ``Ivis(model=network).load_model(path)``.
        """
        saved = load_folder(folder_path, backbone=Settings.of(self).backbone)
        own: dict[str, Any] = {"callbacks": self.callbacks, "neighbour_matrix": self.neighbour_matrix}
        # A loss function is not saved: without it the name remains, with which the model embeds, but cannot be trained.
        if saved.settings.distance == "custom" and callable(self.distance):
            own["distance"] = self.distance
        loaded = type(self)(**saved.settings.params() | own, random_state=saved.random_state)
        self.__dict__ = dict(vars(loaded))
        if saved.fitted is not None:
            self._set(saved.fitted)
        return self

    def _saved(self) -> SavedIvis:
        seed = int(self.random_state) if is_integer(self.random_state) else None  # type: ignore[arg-type]
        return SavedIvis(Settings.of(self), seed, getattr(self, "fitted_", None))

    def __getstate__(self) -> dict[str, Any]:
        # Networks as plain arrays.
        return {name: value for name, value in vars(self).items() if name != "fitted_"} | {
            "_saved": pack_all(self._saved())
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        saved = state.pop("_saved")
        self.__dict__.update(state)
        fitted = unpack_all(saved, backbone=Settings.of(self).backbone).fitted if "model" in saved else None
        if fitted is not None:
            self._set(fitted)


def restored(settings: Settings, fitted: FittedIvis) -> Ivis:
    """An estimator with a model that was fitted before."""
    model = Ivis(**settings.params())
    model.fitted_ = fitted
    return model
