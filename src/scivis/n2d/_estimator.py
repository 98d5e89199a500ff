"""`scivis.N2D`: autoencoder, manifold learner and clusterer as one estimator on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import NotFittedError

from scivis._checks import check_seed
from scivis.data._reading import iter_rows, read_rows
from scivis.data._validation import check_rows
from scivis.neighbors._novelty import Reference, fit_reference, novelty

from ._assess import assess
from ._clustering import check_can_place, check_can_predict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import keras
    from numpy.typing import ArrayLike, NDArray

    from ._autoencoder import AutoEncoder, CustomAutoEncoder
    from ._clustering import ManifoldClusterer


class N2D(ClusterMixin, BaseEstimator):
    """Clusters of what an autoencoder encodes, drawn as a map first: "not too deep" clustering.

    An autoencoder learns a few numbers per row, a manifold learner draws their map, and a clusterer finds the clusters
    of the map (McConville et al., ICPR 2020, arXiv 1908.05968; the library N2D of D. Josephs). All three are kept, so
    that new rows get a cluster too. :func:`scivis.tl.n2d` does the same for AnnData.

    Parameters
    ----------
    autoencoder
        :class:`scivis.n2d.AutoEncoder`, or layers of your own as :class:`scivis.n2d.CustomAutoEncoder`.
    manifold_clusterer
        :class:`scivis.n2d.UmapGMM`, or any pair of learners as :class:`scivis.n2d.ManifoldClusterer`.
    random_state
        Seed of the autoencoder (an integer or a NumPy generator); map and clusters have their own.

    Attributes
    ----------
    latent_
        The fitted rows encoded, shape (n, latent_dim).

    Examples
    --------
    >>> import numpy as np
    >>> from scivis.n2d import AutoEncoder, UmapGMM
    >>> x = np.repeat(np.eye(3), 20, axis=0) + np.random.default_rng(0).normal(scale=0.1, size=(60, 3))
    >>> model = N2D(AutoEncoder(3, 2, architecture=[8]), UmapGMM(3)).fit(x, epochs=5)
    >>> model.predict(x[:5]).shape, model.predict_proba(x[:5]).shape
    ((5,), (5, 3))
    """

    def __init__(
        self,
        autoencoder: AutoEncoder | CustomAutoEncoder,
        manifold_clusterer: ManifoldClusterer,
        *,
        random_state: int | np.random.Generator = 0,
    ) -> None:
        self.autoencoder = autoencoder
        self.manifold_clusterer = manifold_clusterer
        self.random_state = random_state

    def fit(  # noqa: PLR0913 (the parameters of the documents of N2D)
        self,
        X: Any,  # noqa: N803 (scikit-learn's name)
        y: Any = None,
        *,
        batch_size: int = 256,
        epochs: int = 1000,
        loss: str | keras.losses.Loss = "mse",
        optimizer: str | keras.optimizers.Optimizer = "adam",
        weights: str | Path | None = None,
        weight_id: str | Path | None = None,
        patience: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: int = 0,
    ) -> Self:
        """Train the autoencoder, draw the map, find the clusters.

        Parameters
        ----------
        X, batch_size, epochs, loss, optimizer, weights, weight_id, patience, callbacks, verbose
            As for :meth:`scivis.n2d.AutoEncoder.fit`; with `weights` only map and clusters are made anew.
        y
            Ignored.
        """
        check_seed(self.random_state)
        self.autoencoder.check_settings()
        self.manifold_clusterer.check_settings()
        x = read_rows(X)
        check_rows(x)
        training, landmarks = np.random.default_rng(self.random_state).spawn(2)
        self.autoencoder.fit(
            x, batch_size=batch_size, epochs=epochs, loss=loss, optimizer=optimizer, weights=weights,
            weight_id=weight_id, patience=patience, callbacks=callbacks, verbose=verbose, random_state=training,
        )  # fmt: skip
        self.latent_ = self.autoencoder.transform(x)
        self.manifold_clusterer.fit(self.latent_)
        self.reference_: Reference = fit_reference(x.reshape(len(x), -1), landmarks)
        return self

    def fit_predict(self, X: Any, y: Any = None, **kwargs: Any) -> NDArray[Any]:  # noqa: N803
        """Fit, and the clusters of the same rows; further arguments are those of :meth:`fit`."""
        return self.fit(X, **kwargs).labels_

    def encode(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Rows encoded, shape (n, latent_dim)."""
        self._check_fitted()
        return self.autoencoder.transform(X)

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Places of rows on the map, shape (n, dims); no row is fine.

        Raises
        ------
        NotImplementedError
            If the manifold learner cannot place new rows.
        """
        self._check_fitted()
        check_can_place(self.manifold_)
        return self.manifold_clusterer.transform(self.encode(X))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The cluster of each row, shape (n,).

        Raises
        ------
        NotImplementedError
            If the manifold learner cannot place new rows, or the clusterer cannot predict.
        """
        self._check_fitted()
        check_can_predict(self.clusterer_)
        return self.manifold_clusterer.clusters_of(self.transform(X))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Probability of each cluster for each row, shape (n, clusters); every row sums to 1.

        Raises
        ------
        NotImplementedError
            If the manifold learner cannot place new rows, or the clusterer has no probabilities.
        """
        self._check_fitted()
        check_can_predict(self.clusterer_, "predict_proba")
        return self.manifold_clusterer.probabilities_of(self.transform(X))

    def assess(self, y: ArrayLike) -> tuple[float, float, float]:
        """How well the clusters of the fitted rows agree with labels.

        Parameters
        ----------
        y
            One label per fitted row, shape (n,): names or numbers.

        Returns
        -------
        The share of rows whose cluster is that of their label, clusters and labels matched as well as possible
        (:func:`scivis.n2d.cluster_accuracy`), the normalised mutual information, and the adjusted Rand index; to five
        places.
        """
        return assess(y, self.labels_)

    def novelty(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """How far rows lie from the fitted ones: up to 1 for 99 % of these, 2 for twice that distance."""
        self._check_fitted()
        parts = [novelty(self.reference_, block.reshape(len(block), -1)) for block in iter_rows(X)]
        return np.concatenate([np.empty(0, np.float32), *parts])

    @property
    def encoder_(self) -> keras.Model:
        """The Keras model that encodes."""
        self._check_fitted()
        return self.autoencoder.encoder_

    @property
    def manifold_(self) -> Any:
        """The fitted manifold learner."""
        return self._fitted("manifold_")

    @property
    def clusterer_(self) -> Any:
        """The fitted clusterer."""
        return self._fitted("clusterer_")

    @property
    def embedding_(self) -> NDArray[np.float32]:
        """The map of the fitted rows, shape (n, dims)."""
        return self._fitted("embedding_")

    @property
    def labels_(self) -> NDArray[Any]:
        """The clusters of the fitted rows; −1 for none."""
        return self._fitted("labels_")

    @property
    def probabilities_(self) -> NDArray[np.float64] | None:
        """The probability of each cluster for the fitted rows, shape (n, clusters); `None` if the clusterer has none."""
        return self._fitted("probabilities_")

    @property
    def loss_history_(self) -> list[float]:
        """Mean loss of the autoencoder in each epoch."""
        self._check_fitted()
        return self.autoencoder.loss_history_

    def _fitted(self, name: str) -> Any:
        self._check_fitted()
        return getattr(self.manifold_clusterer, name)

    def _check_fitted(self) -> None:
        if not hasattr(self, "reference_"):
            msg = "This N2D is not fitted yet. Call `fit` first."
            raise NotFittedError(msg)
