"""`scivis.Ivis`: the engine as a scikit-learn estimator on arrays."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from scivis._checks import check_rows
from scivis.data._reading import read_rows
from scivis.neighbors._novelty import Reference, fit_reference

from .fit import finish, read_targets, resume, some_rows, start, supervision_of
from .plan import backbone, check_plan, neighbors_of, schedule_of
from .predict import embed_rows, novelty_of_rows, score_rows, siamese_model, supervised_model
from .watching import watching

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from scivis.neighbors import LazyNeighbors, Neighbors
    from scivis.nn import Architecture
    from scivis.nn._optimizer import Optimizer
    from scivis.nn._training import Trained
    from scivis.nn.losses import IvisLoss
    from scivis.nn.pairs import Shuffle


class Ivis(TransformerMixin, BaseEstimator):
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
    encoder_
        The Keras model that embeds rows.
    classes_, n_classes_
        The codes of the classes and their number, after a fit with classes.
    loss_history_
        Mean loss of each epoch, over all fits.
    neighbour_matrix_
        The neighbours that training used.
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
            2 GiB is first copied into a temporary file.
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
        from scivis.nn._training import train

        x = read_rows(X)
        self.check_settings(len(x) if self.anchors is None else len(self.anchors))
        self.check_rows(x)
        targets = read_targets(self, Y, len(x))
        search, weights, training, landmarks, labels = np.random.default_rng(self.random_state).spawn(5)
        neighbors = neighbors_of(self, x, search)
        sample = some_rows(x)
        if not self._is_fitted:
            start(self, sample, targets, weights, labels)
        elif not (self._trained and self._trained.interrupted):
            resume(self, sample, targets)
        # A model out of a data file does not say how its training ended.
        self._rng = self._rng or training
        self._reference: Reference = fit_reference(sample.reshape(len(sample), -1), landmarks)
        callbacks, tell = watching(self)
        self._trained = train(
            self.encoder_,
            x,
            neighbors,
            schedule_of(self, shuffle_mode),
            rng=self._rng,
            anchors=self.anchors,
            supervision=supervision_of(self, targets, sample),
            callbacks=callbacks,
            before=self._trained,
            tell=tell,
        )
        self.neighbour_matrix_, self.loss_history_ = neighbors, self._trained.losses
        finish(self, sample)
        return self

    def fit_transform(self, X: Any, Y: Any = None, shuffle_mode: Shuffle = True) -> NDArray[np.float32]:  # noqa: N803, FBT002
        """Fit, and embed the same rows."""
        return self.fit(X, Y, shuffle_mode).transform(X)

    def check_settings(self, n_rows: int) -> None:
        """Refuse, before any work, parameters that could not be used on `n_rows` rows."""
        if self.ntrees is not None:
            warnings.warn("ntrees is the old name of n_trees; use that.", FutureWarning, stacklevel=3)
        check_plan(self, n_rows)

    def check_rows(self, x: NDArray[np.float32]) -> None:
        """Refuse rows that cannot be embedded, or that the network given does not read."""
        from scivis.nn.networks import check_backbone

        check_rows(x)
        if (given := backbone(self)) is not None:
            check_backbone(given, x.shape[1:])

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Embed rows, shape (n, embedding_dims); no row is fine."""
        return embed_rows(self, X)

    def score_samples(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """What the supervised head predicts for rows, shape (n, n_outputs).

        Probabilities of the classes in the order of `classes_` for the cross-entropies, distances from the boundary for
        the hinge losses, values for regression.
        """
        return score_rows(self, X)

    def novelty(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """How far rows lie from the fitted ones: up to 1 for 99 % of these, 2 for twice that distance."""
        return novelty_of_rows(self, X)

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
        from .save import save

        save(self, folder_path, save_format, overwrite=overwrite)

    def load_model(self, folder_path: str | Path) -> Self:
        """Become the model that was saved there, parameters included.

        A Keras network or a loss function of your own is not in the folder, which can therefore bring no code along: give
        it to the constructor again, ``Ivis(model=network).load_model(path)``.
        """
        from .save import load

        loaded = vars(load(folder_path, self))
        self.__dict__.clear()
        self.__dict__.update(loaded)
        return self

    @property
    def supervised_model_(self) -> keras.Model:
        """The Keras model that predicts labels of rows."""
        return supervised_model(self)

    @property
    def model_(self) -> keras.Model:
        """The siamese network: anchors, positives and negatives in, their embeddings out, shape (3, n, dims)."""
        return siamese_model(self)

    @property
    def _is_fitted(self) -> bool:
        return hasattr(self, "encoder_")

    # What a fit sets; before it, and after one without labels, these are missing.
    _architecture: Architecture
    _head: keras.Model | None = None
    _scale: NDArray[np.float32]
    _rng: np.random.Generator | None = None
    _trained: Trained | None = None

    def __getstate__(self) -> dict[str, Any]:
        from .save import getstate

        return getstate(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        from .save import setstate

        setstate(self, state)
