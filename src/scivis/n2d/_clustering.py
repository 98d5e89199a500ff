"""Embedding and clustering of encoded rows, by any manifold learner and any clusterer with scikit-learn's interface."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from scivis._checks import check_positive_int

from ._learners import make_clusterer, make_umap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


# Largest distance between a row and its own copy, in standard deviations of the encoded rows. It exceeds rounding errors.
_SAME_ROW = 1e-4


class ManifoldClusterer(ClusterMixin, TransformerMixin, BaseEstimator):
    """A manifold learner, and a clusterer of its embedding.

    Parameters
    ----------
    manifold
        Manifold learner with `fit_transform`, and with `transform` if new rows are to be placed: `umap.UMAP`,
        :class:`scivis.Ivis`, `openTSNE.sklearn.TSNE`, `sklearn.manifold.Isomap`, …
    clusterer
        Clusterer with `fit_predict`, and with `predict` if new rows are to be clustered:
        `sklearn.mixture.GaussianMixture`, `sklearn.cluster.KMeans`, …; `HDBSCAN` and `AgglomerativeClustering` have no
        `predict`.

    Attributes
    ----------
    manifold_, clusterer_
        Fitted copies of the two.
    latent_
        The fitted rows, shape (n, features). A model from a file has them only if its manifold learner needs them.
    embedding_
        Coordinates of the fitted rows, shape (n, dims).
    labels_
        Cluster of each fitted row; −1 for noise.
    probabilities_
        Probability of each cluster for each fitted row, shape (n, clusters); `None` if the clusterer has none.
    classes_
        Numbers of the clusters.
    n_components_
        Number of dimensions of the embedding.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.decomposition import PCA
    >>> x = np.repeat(np.eye(2), 20, axis=0) + np.random.default_rng(0).normal(scale=0.1, size=(40, 2))
    >>> fitted = ManifoldClusterer(PCA(1), KMeans(2, random_state=0)).fit(x)
    >>> len(set(fitted.labels_[:20])), len(set(fitted.labels_[20:]))
    (1, 1)
    """

    def __init__(self, manifold: Any, clusterer: Any) -> None:
        self.manifold = manifold
        self.clusterer = clusterer

    def fit(self, X: NDArray[Any], y: Any = None) -> Self:  # noqa: N803 (scikit-learn's name)
        """Embed rows, shape (n, features), and cluster the embedding."""
        self.check_settings()
        self.manifold_, self.clusterer_ = self._new_learners()
        self.latent_ = X
        with warnings.catch_warnings():
            # UMAP's warning that clusters are separate, which is what is wanted here.
            warnings.filterwarnings("ignore", "Graph is not fully connected", UserWarning)
            self.embedding_ = np.asarray(self.manifold_.fit_transform(X), np.float32)
        self.labels_ = np.asarray(self.clusterer_.fit_predict(_float64(self.embedding_)))
        has_probabilities = hasattr(self.clusterer_, "predict_proba")
        self.probabilities_ = self.probabilities_of(self.embedding_) if has_probabilities else None
        found = np.unique(self.labels_[self.labels_ >= 0])
        self.classes_ = found if self.probabilities_ is None else np.arange(self.probabilities_.shape[1])
        self.n_components_ = self.embedding_.shape[1]
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[np.float32]:  # noqa: N803
        """Coordinates of rows, shape (n, dims), if the manifold learner can place new rows. Fitted rows keep theirs."""
        check_is_fitted(self, "manifold_")
        check_can(self.manifold_, "transform")
        if not len(X):
            return np.empty((0, self.n_components_), np.float32)
        return self._keep_fitted(np.asarray(X), np.asarray(self.manifold_.transform(X), np.float32))

    def _keep_fitted(self, rows: NDArray[Any], placed: NDArray[np.float32]) -> NDArray[np.float32]:
        """Coordinates with those of fitted rows restored: UMAP and t-SNE would place them anew, near the old ones."""
        from sklearn.neighbors import NearestNeighbors

        fitted = getattr(self, "latent_", None)
        if fitted is None:
            return placed
        distances, nearest = NearestNeighbors(n_neighbors=1).fit(fitted).kneighbors(rows)
        is_fitted = distances[:, 0] <= _SAME_ROW * fitted.std()
        return np.where(is_fitted[:, None], self.embedding_[nearest[:, 0]], placed)

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """Cluster of each row, shape (n,), if both learners can handle new rows."""
        check_is_fitted(self, "manifold_")
        check_can(self.clusterer_, "predict")
        return self.clusters_of(self.transform(X))

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        """Probability of each cluster for each row, shape (n, clusters), if the clusterer has probabilities."""
        check_is_fitted(self, "manifold_")
        check_can(self.clusterer_, "predict_proba")
        return self.probabilities_of(self.transform(X))

    def clusters_of(self, embedding: NDArray[np.float32]) -> NDArray[Any]:
        """Cluster at each point of the embedding, shape (n,)."""
        check_can(self.clusterer_, "predict")
        return self.clusterer_.predict(_float64(embedding)) if len(embedding) else np.empty(0, np.int64)

    def probabilities_of(self, embedding: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of each cluster at each point of the embedding, shape (n, clusters)."""
        check_can(self.clusterer_, "predict_proba")
        if len(embedding):
            return self.clusterer_.predict_proba(_float64(embedding))
        # Any point gives the number of clusters.
        return self.clusterer_.predict_proba(np.zeros((1, embedding.shape[1])))[:0]

    def check_settings(self) -> None:
        """Raise unless the two are objects with the methods of a manifold learner and of a clusterer."""
        check_interface("manifold", self.manifold)
        check_interface("clusterer", self.clusterer)

    def _new_learners(self) -> tuple[Any, Any]:
        """Unfitted copies of the two."""
        return clone(self.manifold, safe=False), clone(self.clusterer, safe=False)


_INTERFACES = {
    "manifold": ("fit_transform", "umap.UMAP()"),
    "clusterer": ("fit_predict", "sklearn.mixture.GaussianMixture(10)"),
}


def check_interface(role: str, given: Any) -> None:
    """Raise unless a value is an object with the method of its role: `manifold` or `clusterer`."""
    method, example = _INTERFACES[role]
    if isinstance(given, type) or not hasattr(given, method):
        msg = f"{role}={given!r} has no `{method}`: pass an object with scikit-learn's interface, such as {example}."
        raise ValueError(msg)


def _float64(embedding: NDArray[np.float32]) -> NDArray[np.float64]:
    """The embedding in double precision, in which mixtures can separate close points."""
    return np.asarray(embedding, np.float64)


# What learners without a method cannot do, and which ones can.
_PROBLEMS = {
    "transform": (
        "cannot place new rows. manifold='umap', 'ivis' or 'tsne' (or umap.UMAP, scivis.Ivis, openTSNE.sklearn.TSNE) can."
    ),
    "predict": "cannot predict clusters of new rows. clusterer='gmm' (sklearn.mixture.GaussianMixture) can.",
    "predict_proba": "has no probabilities of clusters. clusterer='gmm' (sklearn.mixture.GaussianMixture) has.",
}


def check_can(learner: Any, method: str) -> None:
    """Raise unless a fitted learner has a method for new rows: `transform`, `predict` or `predict_proba`."""
    if not hasattr(learner, method):
        msg = f"{getattr(learner, 'name', type(learner).__name__)} {_PROBLEMS[method]}"
        raise NotImplementedError(msg)


class UmapGMM(ManifoldClusterer):
    """UMAP, and a Gaussian mixture with full covariances on its embedding.

    Parameters
    ----------
    n_clusters
        Number of Gaussians.
    umap_dim
        Number of dimensions of the embedding. N2D's library uses 2, the experiments of its paper the number of clusters.
    umap_neighbors
        Number of neighbors per row. The default is small, because local structure is of interest. The experiments of the
        paper use 20.
    umap_min_distance
        Smallest distance between embedded rows. The default, 0, makes clusters dense.
    umap_metric
        Distance between encoded rows.
    random_state
        Seed of both.

    Attributes
    ----------
    manifold_, clusterer_, latent_, embedding_, labels_, probabilities_, classes_, n_components_
        As for :class:`ManifoldClusterer`.

    Examples
    --------
    >>> UmapGMM(10, umap_dim=10, umap_neighbors=20)  # as in the experiments of the paper
    UmapGMM(n_clusters=10, umap_dim=10, umap_neighbors=20)
    """

    def __init__(
        self,
        n_clusters: int,
        umap_dim: int = 2,
        umap_neighbors: int = 10,
        umap_min_distance: float = 0.0,
        umap_metric: str = "euclidean",
        random_state: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.umap_dim = umap_dim
        self.umap_neighbors = umap_neighbors
        self.umap_min_distance = umap_min_distance
        self.umap_metric = umap_metric
        self.random_state = random_state

    def check_settings(self) -> None:
        """Raise unless the numbers are positive integers."""
        for name in ("n_clusters", "umap_dim", "umap_neighbors"):
            check_positive_int(name, getattr(self, name))

    def _new_learners(self) -> tuple[Any, Any]:
        manifold = make_umap(
            n_components=self.umap_dim,
            n_neighbors=self.umap_neighbors,
            min_dist=self.umap_min_distance,
            metric=self.umap_metric,
            random_state=self.random_state,
        )
        return manifold, make_clusterer("gmm", self.n_clusters, self.random_state)


def manifold_cluster_generator(
    manifold_class: Any, manifold_args: Mapping[str, Any], cluster_class: Any, cluster_args: Mapping[str, Any]
) -> ManifoldClusterer:
    """:class:`ManifoldClusterer` from two classes and their arguments, as in N2D's documentation.

    Parameters
    ----------
    manifold_class, manifold_args
        Class of the manifold learner, and its keyword arguments.
    cluster_class, cluster_args
        Class of the clusterer, and its keyword arguments.

    Examples
    --------
    >>> from sklearn.cluster import HDBSCAN
    >>> from sklearn.decomposition import PCA
    >>> manifold_cluster_generator(PCA, {"n_components": 2}, HDBSCAN, {"min_cluster_size": 10, "copy": True})
    ManifoldClusterer(clusterer=HDBSCAN(copy=True, min_cluster_size=10), manifold=PCA(n_components=2))
    """
    return ManifoldClusterer(manifold_class(**manifold_args), cluster_class(**cluster_args))
