"""`scivis.N2D`: autoencoder, manifold learner and clusterer as one scikit-learn estimator on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted

from scivis._random import generator_of
from scivis.data._reading import iter_rows, read_rows
from scivis.data._validation import ValidatedRows
from scivis.neighbors._novelty import fit_reference, novelty

from ._assess import assess
from ._clustering import check_can

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import keras
    from numpy.typing import ArrayLike, NDArray

    from scivis._random import RandomState

    from ._autoencoder import AutoEncoder, CustomAutoEncoder
    from ._clustering import ManifoldClusterer


def _fitted_attribute(part: str, name: str, doc: str) -> Any:
    """A read-only attribute of a fitted part of the estimator."""

    def get(model: N2D) -> Any:
        check_is_fitted(model, "reference_")
        return getattr(getattr(model, part), name)

    return property(get, doc=doc)


class N2D(ClusterMixin, BaseEstimator):
    """Clusters in an embedding of autoencoded rows: "not too deep" clustering.

    An autoencoder encodes each row as a few values, a manifold learner embeds them in two dimensions, and a clusterer finds
    the clusters of the embedding (McConville et al., ICPR 2020, arXiv 1908.05968; D. Josephs' library N2D). All three are
    kept, so that clusters of new rows can be predicted. :func:`scivis.tl.n2d` does the same for AnnData objects.

    Parameters
    ----------
    autoencoder
        :class:`scivis.n2d.AutoEncoder`, or :class:`scivis.n2d.CustomAutoEncoder` for layers of your own.
    manifold_clusterer
        :class:`scivis.n2d.UmapGMM`, or :class:`scivis.n2d.ManifoldClusterer` for any other pair of learners.
    random_state
        Seed of the autoencoder: an integer, or a NumPy generator or `RandomState`. The learners have their own seeds.

    Examples
    --------
    >>> import numpy as np
    >>> from scivis.n2d import AutoEncoder, ManifoldClusterer
    >>> from sklearn.manifold import Isomap
    >>> from sklearn.mixture import GaussianMixture
    >>> x = np.repeat(np.eye(3), 20, axis=0) + np.random.default_rng(0).normal(scale=0.1, size=(60, 3))
    >>> learners = ManifoldClusterer(Isomap(n_neighbors=30), GaussianMixture(3, random_state=0))
    >>> model = N2D(AutoEncoder(3, 2, architecture=[8]), learners).fit(x, epochs=5)
    >>> model.predict(x[:5]).shape, model.predict_proba(x[:5]).shape
    ((5,), (5, 3))
    """

    encoder_ = _fitted_attribute("autoencoder", "encoder_", "Keras model that encodes rows.")
    loss_history_ = _fitted_attribute("autoencoder", "loss_history_", "Mean loss of the autoencoder in each epoch.")
    latent_ = _fitted_attribute("manifold_clusterer", "latent_", "Encoding of the fitted rows, shape (n, latent_dim).")
    manifold_ = _fitted_attribute("manifold_clusterer", "manifold_", "Fitted manifold learner.")
    clusterer_ = _fitted_attribute("manifold_clusterer", "clusterer_", "Fitted clusterer.")
    embedding_ = _fitted_attribute(
        "manifold_clusterer", "embedding_", "Coordinates of the fitted rows, shape (n, dims)."
    )
    labels_ = _fitted_attribute(
        "manifold_clusterer", "labels_", "Clusters of the fitted rows, shape (n,); −1 for noise."
    )
    probabilities_ = _fitted_attribute(
        "manifold_clusterer", "probabilities_", "Probability of each cluster for the fitted rows; `None` without any."
    )

    def __init__(
        self,
        autoencoder: AutoEncoder | CustomAutoEncoder,
        manifold_clusterer: ManifoldClusterer,
        *,
        random_state: RandomState = 0,
    ) -> None:
        self.autoencoder = autoencoder
        self.manifold_clusterer = manifold_clusterer
        self.random_state = random_state

    def fit(  # noqa: PLR0913 (the parameters of N2D's documentation)
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
        """Train the autoencoder, embed the encoded rows, and cluster the embedding.

        Parameters
        ----------
        X, batch_size, epochs, loss, optimizer, weights, weight_id, patience, callbacks, verbose
            As for :meth:`scivis.n2d.AutoEncoder.fit`. With `weights`, only embedding and clusters are computed.
        y
            Ignored.
        """
        generator = generator_of(self.random_state)
        self.autoencoder.check_settings()
        self.manifold_clusterer.check_settings()
        rows = ValidatedRows(read_rows(X))
        training, landmarks = generator.spawn(2)
        self.autoencoder.fit(
            rows, batch_size=batch_size, epochs=epochs, loss=loss, optimizer=optimizer, weights=weights,
            weight_id=weight_id, patience=patience, callbacks=callbacks, verbose=verbose, random_state=training,
        )  # fmt: skip
        self.manifold_clusterer.fit(self.autoencoder.transform(rows))
        self.reference_ = fit_reference(rows.x.reshape(len(rows.x), -1), landmarks)
        return self

    def fit_predict(self, X: Any, y: Any = None, **kwargs: Any) -> NDArray[Any]:  # noqa: N803
        """Fit, and return the clusters of the same rows. Keyword arguments are those of :meth:`fit`."""
        return self.fit(X, **kwargs).labels_

    def encode(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Encode rows with the autoencoder, shape (n, latent_dim)."""
        check_is_fitted(self, "reference_")
        return self.autoencoder.transform(X)

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Coordinates of rows in the embedding, shape (n, dims). `X` may have no rows.

        `NotImplementedError` if the manifold learner cannot place new rows.
        """
        check_can(self.manifold_, "transform")
        return self.manifold_clusterer.transform(self.encode(X))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Cluster of each row, shape (n,).

        `NotImplementedError` if the manifold learner cannot place new rows, or the clusterer cannot predict.
        """
        check_can(self.clusterer_, "predict")
        return self.manifold_clusterer.clusters_of(self.transform(X))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Probability of each cluster for each row, shape (n, clusters). The probabilities of a row sum to 1.

        `NotImplementedError` if the manifold learner cannot place new rows, or the clusterer has no probabilities.
        """
        check_can(self.clusterer_, "predict_proba")
        return self.manifold_clusterer.probabilities_of(self.transform(X))

    def assess(self, y: ArrayLike) -> tuple[float, float, float]:
        """Agreement of the clusters of the fitted rows with labels.

        Parameters
        ----------
        y
            One label per fitted row, shape (n,): names or numbers.

        Returns
        -------
        Accuracy for the best matching of clusters and labels (:func:`scivis.n2d.cluster_accuracy`), normalized mutual
        information, and adjusted Rand index, rounded to five digits.
        """
        return assess(y, self.labels_)

    def novelty(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Distance of rows from the fitted ones, relative to the distances of these there, shape (n,): above 1 for 1 % of these."""
        check_is_fitted(self, "reference_")
        parts = [novelty(self.reference_, block.reshape(len(block), -1)) for block in iter_rows(X)]
        return np.concatenate([np.empty(0, np.float32), *parts])
