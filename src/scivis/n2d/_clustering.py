"""A map of encoded rows, and clusters on the map: any manifold learner and any clusterer of scikit-learn's kind."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin, clone
from sklearn.exceptions import NotFittedError

from scivis._checks import check_positive_int

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


# Of the standard deviation of the encoded rows: what rounding does to a row on its way to the bottleneck, and more.
_SAME = 1e-4


class ManifoldClusterer(ClusterMixin, TransformerMixin, BaseEstimator):
    """A manifold learner and a clusterer of its map.

    Parameters
    ----------
    manifold
        Has `fit_transform`, and `transform` if new rows shall be placed: `umap.UMAP`, :class:`scivis.Ivis`,
        `openTSNE.sklearn.TSNE`, `sklearn.manifold.Isomap`, …
    clusterer
        Has `fit_predict`, and `predict` if new rows shall be clustered: `sklearn.mixture.GaussianMixture`,
        `sklearn.cluster.KMeans`, or without `predict` `HDBSCAN` and `AgglomerativeClustering`, …

    Attributes
    ----------
    manifold_, clusterer_
        The two, fitted; those given stay as they are.
    embedding_
        The map, shape (n, dims).
    labels_
        The cluster of each row; −1 for none.
    probabilities_
        Of each cluster for each row, shape (n, clusters), or `None` if the clusterer has none.
    classes_
        The numbers of the clusters.
    n_components_
        Axes of the map.

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
        """Draw the map of these rows and cluster it."""
        self.check_settings()
        self.manifold_, self.clusterer_ = self._learners()
        self._rows: NDArray[Any] | None = X
        with warnings.catch_warnings():
            # What UMAP's start from a spectral layout says of clusters that stand apart, which is what is wanted here.
            warnings.filterwarnings("ignore", "Graph is not fully connected", UserWarning)
            self.embedding_ = np.asarray(self.manifold_.fit_transform(X), np.float32)
        self.labels_ = np.asarray(self.clusterer_.fit_predict(_exact(self.embedding_)))
        proba = getattr(self.clusterer_, "predict_proba", None)
        self.probabilities_ = None if proba is None else np.asarray(proba(_exact(self.embedding_)))
        found = np.unique(self.labels_[self.labels_ >= 0])
        self.classes_ = found if self.probabilities_ is None else np.arange(self.probabilities_.shape[1])
        self.n_components_ = self.embedding_.shape[1]
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[np.float32]:  # noqa: N803
        """Places on the map, shape (n, dims). Rows that were fitted keep theirs.

        Raises
        ------
        NotImplementedError
            If the manifold learner cannot place new rows.
        """
        self._check_fitted()
        check_can_place(self.manifold_)
        if not len(X):
            return np.empty((0, self.n_components_), np.float32)
        return self._kept(np.asarray(X), np.asarray(self.manifold_.transform(X), np.float32))

    def _kept(self, rows: NDArray[Any], placed: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fitted rows where they were: UMAP and t-SNE would find a place for them anew, near the first, by chance."""
        from sklearn.neighbors import NearestNeighbors

        if self._rows is None:
            return placed
        distances, nearest = NearestNeighbors(n_neighbors=1).fit(self._rows).kneighbors(rows)
        fitted = distances[:, 0] <= _SAME * self._rows.std()
        return np.where(fitted[:, None], self.embedding_[nearest[:, 0]], placed)

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """The cluster of each row.

        Raises
        ------
        NotImplementedError
            If the manifold learner cannot place new rows, or the clusterer cannot predict.
        """
        self._check_fitted()
        check_can_predict(self.clusterer_)
        return self.clusters_of(self.transform(X))

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        """Probability of each cluster for each row, shape (n, clusters).

        Raises
        ------
        NotImplementedError
            If the manifold learner cannot place new rows, or the clusterer has no probabilities.
        """
        self._check_fitted()
        check_can_predict(self.clusterer_, "predict_proba")
        return self.probabilities_of(self.transform(X))

    def clusters_of(self, embedding: NDArray[np.float32]) -> NDArray[Any]:
        """The cluster at each place of the map."""
        check_can_predict(self.clusterer_)
        return self.clusterer_.predict(_exact(embedding)) if len(embedding) else np.empty(0, np.int64)

    def probabilities_of(self, embedding: NDArray[np.float32]) -> NDArray[np.float64]:
        """The probability of each cluster at each place of the map."""
        check_can_predict(self.clusterer_, "predict_proba")
        if len(embedding):
            return self.clusterer_.predict_proba(_exact(embedding))
        # A place where nothing is, for the number of clusters.
        return self.clusterer_.predict_proba(np.zeros((1, embedding.shape[1])))[:0]

    def check_settings(self) -> None:
        """Refuse, before any work, what is no manifold learner or no clusterer."""
        for name, given, needed in (
            ("manifold", self.manifold, "fit_transform"), ("clusterer", self.clusterer, "fit_predict"),
        ):  # fmt: skip
            if isinstance(given, type) or not hasattr(given, needed):
                msg = f"{name}={given!r} has no `{needed}`: give an object of scikit-learn's kind, such as {_EXAMPLES[name]}."
                raise ValueError(msg)

    def _learners(self) -> tuple[Any, Any]:
        """New copies of the two, not fitted."""
        return clone(self.manifold, safe=False), clone(self.clusterer, safe=False)

    def _check_fitted(self) -> None:
        if not hasattr(self, "manifold_"):
            msg = f"This {type(self).__name__} is not fitted yet. Call `fit` first."
            raise NotFittedError(msg)


_EXAMPLES = {"manifold": "umap.UMAP()", "clusterer": "sklearn.mixture.GaussianMixture(10)"}


def _exact(embedding: NDArray[np.float32]) -> NDArray[np.float64]:
    """In double precision, in which mixtures can tell near points apart."""
    return np.asarray(embedding, np.float64)


def check_can_place(manifold: Any) -> None:
    """Refuse to place new rows with a manifold learner that only draws those that it is given."""
    if not hasattr(manifold, "transform"):
        msg = (
            f"{_name(manifold)} cannot place new rows on its map. manifold='umap', 'ivis' or 'tsne' (or umap.UMAP, "
            "scivis.Ivis, openTSNE.sklearn.TSNE) can."
        )
        raise NotImplementedError(msg)


def check_can_predict(clusterer: Any, method: str = "predict") -> None:
    """Refuse to predict with a clusterer that only knows the rows that it is given."""
    if not hasattr(clusterer, method):
        what = (
            "has no probabilities of clusters" if method == "predict_proba" else "cannot tell the cluster of new rows"
        )
        msg = f"{_name(clusterer)} {what}. clusterer='gmm' (sklearn.mixture.GaussianMixture) can."
        raise NotImplementedError(msg)


def _name(learner: Any) -> str:
    return str(getattr(learner, "name", type(learner).__name__))


class UmapGMM(ManifoldClusterer):
    """UMAP, and a mixture of Gaussians with full covariances on its map.

    Parameters
    ----------
    n_clusters
        Gaussians of the mixture.
    umap_dim
        Axes of the map. The paper's experiments used the number of clusters, its library 2.
    umap_neighbors
        Neighbours per row: few, because the local manifold is wanted. The paper's experiments used 20.
    umap_min_distance
        Least distance on the map: 0 packs clusters tightly.
    umap_metric
        Distance between encoded rows.
    random_state
        Seed of both.

    Attributes
    ----------
    manifold_, clusterer_, embedding_, labels_, probabilities_, classes_, n_components_
        As for :class:`ManifoldClusterer`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.repeat(np.eye(3), 20, axis=0) + np.random.default_rng(0).normal(scale=0.1, size=(60, 3))
    >>> UmapGMM(3).fit(x).probabilities_.shape
    (60, 3)
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
        """Refuse, before any work, numbers that make no map or no clusters."""
        for name in ("n_clusters", "umap_dim", "umap_neighbors"):
            check_positive_int(name, getattr(self, name))

    def _learners(self) -> tuple[Any, Any]:
        from ._learners import make_clusterer, make_umap

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
    """:class:`ManifoldClusterer` out of two classes and their arguments, as the documents of N2D write it.

    Parameters
    ----------
    manifold_class, manifold_args
        The class of the manifold learner, and what to call it with.
    cluster_class, cluster_args
        The same of the clusterer.

    Examples
    --------
    >>> from sklearn.cluster import HDBSCAN
    >>> from sklearn.decomposition import PCA
    >>> manifold_cluster_generator(PCA, {"n_components": 2}, HDBSCAN, {"min_cluster_size": 10, "copy": True})
    ManifoldClusterer(clusterer=HDBSCAN(copy=True, min_cluster_size=10), manifold=PCA(n_components=2))
    """
    return ManifoldClusterer(manifold_class(**manifold_args), cluster_class(**cluster_args))
