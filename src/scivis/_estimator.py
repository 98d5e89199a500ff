"""`scivis.Ivis`: the engine as a scikit-learn estimator on arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError

from ._checks import check_positive_int, check_rows, check_settings, check_width
from ._novelty import Reference, fit_reference, novelty
from .neighbors import Neighbors, find_neighbors

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras
    from numpy.typing import NDArray

    from .neighbors import Metric
    from .nn import Architecture
    from .nn.losses import IvisLoss

# Standard deviation of a map trained with InfoNCE, whose own unit (the width of its kernel) means nothing to a reader.
_MAP_SPREAD = 5.0
_METRICS: dict[str, Metric] = {"angular": "cosine", "euclidean": "euclidean", "manhattan": "manhattan"}


class Ivis(TransformerMixin, BaseEstimator):
    """Siamese-network embedding of rows: neighbours are drawn together, others pushed apart.

    The defaults are those of ivis 2.0 (Szubert et al., Scientific Reports 9, 8914, 2019);
    :func:`scivis.tl.ivis` uses the same estimator with settings that measure better on single cells.

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
    n_trees, search_k
        Annoy's settings, for the search of neighbours.
    knn_distance_metric
        `angular`, `euclidean` or `manhattan`.
    model
        `szubert` (128-128-128), `maaten` (500-500-2000), `hinton` (2000-1000-500), `residual` (three layers of 256
        with layer normalisation), a list of widths, or a Keras model without its last layer.
    neighbour_matrix
        Neighbours already known, as :class:`scivis.neighbors.Neighbors`, an index array, or lists of row numbers.
        No search is made then.
    callbacks
        Keras callbacks, called during training.
    learning_rate, learning_rate_decay
        Adam's rate, and whether it falls to zero along a cosine.
    global_weight
        Weight of the term that makes distances between random rows correlate with the input's.
    linear_path
        Start at the principal components and let the network bend them.
    standardize
        Centre the input and divide it by its overall standard deviation, inside the network.
    verbose
        0 is silent, above that shows a progress bar.
    random_state
        Seed (an integer or a NumPy generator): same seed, machine and versions give the same bits.

    Attributes
    ----------
    encoder_
        The Keras model that embeds rows.
    loss_history_
        Mean loss of each epoch.
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
        search_k: int = -1,
        knn_distance_metric: str = "angular",
        model: str | Sequence[int] | keras.Model = "szubert",
        neighbour_matrix: Neighbors | NDArray[np.integer] | Sequence[Sequence[int]] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
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
        self.search_k = search_k
        self.knn_distance_metric = knn_distance_metric
        self.model = model
        self.neighbour_matrix = neighbour_matrix
        self.callbacks = callbacks
        self.learning_rate = learning_rate
        self.learning_rate_decay = learning_rate_decay
        self.global_weight = global_weight
        self.linear_path = linear_path
        self.standardize = standardize
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: NDArray[Any], y: None = None) -> Self:  # noqa: N803 (scikit-learn's name)
        """Search neighbours, train the network, and remember where the rows lie.

        Raises
        ------
        ValueError
            If `X` holds NaN, infinite or only equal rows, or a parameter does not suit it.
        """
        from .nn import build_encoder
        from .nn._linear import start_at_pca
        from .nn._training import train

        x = np.ascontiguousarray(X, dtype=np.float32)
        self.check_settings(len(x))
        self.check_rows(x)
        rng = np.random.default_rng(self.random_state)
        search, weights, training, landmarks = rng.spawn(4)
        neighbors = self._neighbors(x, search)
        self._architecture = self._plan(x)
        encoder = build_encoder(self._architecture, _seed(weights), self._backbone)
        if self.linear_path:
            start_at_pca(encoder, x, self._architecture)
        callbacks = [*(self.callbacks or ()), *self._progress()]
        self.loss_history_ = train(encoder, x, neighbors, self._schedule(), rng=training, callbacks=callbacks)
        self.neighbour_matrix_ = neighbors
        self.n_features_in_ = self._architecture.n_features
        self._reference: Reference = fit_reference(x.reshape(len(x), -1), landmarks)
        self._finish(encoder, x)
        return self

    def check_settings(self, n_rows: int) -> None:
        """Refuse, before any work, parameters that could not be used on `n_rows` rows."""
        from .nn.losses import triplet_loss
        from .nn.networks import check_backbone, check_network

        if self.distance != "infonce":
            triplet_loss(self.distance)
        if self._backbone is None:
            check_network(self.model)
        else:
            check_backbone(self._backbone)
        if self.n_epochs_without_progress is not None:
            check_positive_int("n_epochs_without_progress", self.n_epochs_without_progress)
        self._metric()
        check_settings(
            n_rows,
            n_components=self.embedding_dims,
            batch_size=self.batch_size,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            global_weight=self.global_weight,
        )

    def check_rows(self, x: NDArray[np.float32]) -> None:
        """Refuse rows that cannot be embedded, or that the network given does not read."""
        from .nn.networks import check_backbone

        check_rows(x)
        if self._backbone is not None:
            check_backbone(self._backbone, x.shape[1:])

    def transform(self, X: NDArray[Any]) -> NDArray[np.float32]:  # noqa: N803
        """Embed rows, shape (n, embedding_dims); no row is fine."""
        from .nn._training import embed

        x = self._checked(X)
        return embed(self.encoder_, x)

    def novelty(self, X: NDArray[Any]) -> NDArray[np.float32]:  # noqa: N803
        """How far rows lie from the fitted ones: up to 1 for 99 % of these, 2 for twice that distance."""
        x = self._checked(X)
        return novelty(self._reference, x.reshape(len(x), self.n_features_in_))

    def _checked(self, X: NDArray[Any]) -> NDArray[np.float32]:  # noqa: N803
        if not hasattr(self, "encoder_"):
            msg = "This Ivis is not fitted yet. Call `fit` first."
            raise NotFittedError(msg)
        x = np.ascontiguousarray(X, dtype=np.float32)
        check_width(x, self.encoder_.input_shape[1:])
        return x

    def _neighbors(self, x: NDArray[np.float32], rng: np.random.Generator) -> Neighbors:
        given = self.neighbour_matrix
        if given is None:
            return find_neighbors(
                x.reshape(len(x), -1),
                self.k,
                backend="annoy",
                metric=self._metric(),
                n_trees=self.n_trees,
                search_k=self.search_k,
                random_state=_seed(rng),
            )
        neighbors = given if isinstance(given, Neighbors) else Neighbors.from_indices(given)
        if neighbors.n_cells != len(x):
            msg = f"neighbour_matrix has {neighbors.n_cells} rows, but X has {len(x)}: neighbours of other cells?"
            raise ValueError(msg)
        return neighbors

    @property
    def _backbone(self) -> keras.Model | None:
        return None if isinstance(self.model, str) or not hasattr(self.model, "layers") else self.model

    def _metric(self) -> Metric:
        if self.knn_distance_metric not in _METRICS:
            msg = f"knn_distance_metric={self.knn_distance_metric!r} is not one of {sorted(_METRICS)}."
            raise ValueError(msg)
        return _METRICS[self.knn_distance_metric]

    @property
    def _network(self) -> str | tuple[int, ...]:
        if isinstance(self.model, str):
            return self.model
        return "custom" if self._backbone is not None else tuple(self.model)

    def _plan(self, x: NDArray[np.float32]) -> Architecture:
        from .nn import Architecture

        return Architecture(
            network=self._network,
            n_features=int(np.prod(x.shape[1:])),
            n_components=self.embedding_dims,
            linear_path=self.linear_path,
            offset=tuple(x.mean(axis=0, dtype=np.float64).tolist()) if self.standardize else (),
            scale=float(1.0 / (x - x.mean(axis=0)).std()) if self.standardize else 1.0,
        )

    def _schedule(self) -> Any:
        from .nn._training import Schedule

        return Schedule(
            loss=self.distance,
            batch_size=self.batch_size,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            decay=self.learning_rate_decay,
            patience=self.n_epochs_without_progress,
            global_weight=self.global_weight,
        )

    def _progress(self) -> list[keras.callbacks.Callback]:
        from .nn._progress import EpochBar

        return [EpochBar(self.epochs)] if self.verbose else []

    def _finish(self, encoder: keras.Model, x: NDArray[np.float32]) -> None:
        """Keep the encoder; a map trained with InfoNCE is scaled to a fixed spread."""
        from .nn import build_encoder
        from .nn._training import embed

        self.encoder_ = encoder
        if self.distance == "infonce":
            spread = float(embed(encoder, x).std())
            self._architecture = replace(self._architecture, output_scale=_MAP_SPREAD / spread)
            self.encoder_ = build_encoder(self._architecture, backbone=self._backbone)
            self.encoder_.set_weights(encoder.get_weights())


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
