"""The manifold learners and clusterers that can be asked for by name."""

from __future__ import annotations

from typing import Any, Literal

Manifold = Literal["umap", "ivis", "tsne"]
Clusterer = Literal["gmm", "kmeans", "agglomerative"]

# As in the paper's experiments (umap), and the defaults of the methods themselves.
_NEIGHBORS = {"umap": 20, "ivis": 15, "tsne": 30}


def make_manifold(name: Manifold, n_rows: int, n_components: int, n_neighbors: int | None, seed: int) -> Any:
    """A manifold learner for so many rows.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in _NEIGHBORS:
        msg = f"manifold={name!r} is not one of {tuple(_NEIGHBORS)}, nor an object of scikit-learn's kind."
        raise ValueError(msg)
    wanted = _NEIGHBORS[name] if n_neighbors is None else n_neighbors
    match name:
        case "umap":
            return make_umap(
                n_components=n_components, n_neighbors=min(wanted, n_rows - 1), min_dist=0.0, metric="euclidean",
                random_state=seed,
            )  # fmt: skip
        case "ivis":
            return _ivis(n_rows, n_components, min(wanted, n_rows - 1), seed)
        case "tsne":
            return _tsne(n_components, min(wanted, (n_rows - 1) / 3), seed)


def make_umap(**params: Any) -> Any:
    """UMAP, which runs on one core wherever it has a seed, and otherwise warns that it does."""
    from scivis.nn import keras  # noqa: F401 (umap loads TensorFlow where it is installed; this does so quietly)

    from umap import UMAP  # isort: skip

    return UMAP(**params, n_jobs=1)


def _ivis(n_rows: int, n_components: int, k: int, seed: int) -> Any:
    from scivis._ivis.estimator import Ivis
    from scivis._ivis.presets import preset_params

    settings = preset_params("default", n_rows) | {"k": k}
    return Ivis(n_components, **settings, knn_distance_metric="euclidean", verbose=0, random_state=seed)


def _tsne(n_components: int, perplexity: float, seed: int) -> Any:
    from openTSNE.sklearn import TSNE

    return TSNE(n_components=n_components, perplexity=perplexity, random_state=seed, n_jobs=1)


def make_clusterer(name: Clusterer, n_clusters: int, seed: int) -> Any:
    """A clusterer for so many clusters.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    from sklearn.cluster import AgglomerativeClustering, KMeans
    from sklearn.mixture import GaussianMixture

    match name:
        case "gmm":
            return GaussianMixture(n_clusters, covariance_type="full", random_state=seed)
        case "kmeans":
            return KMeans(n_clusters, n_init=10, random_state=seed)
        case "agglomerative":
            return AgglomerativeClustering(n_clusters)
    msg = f"clusterer={name!r} is not one of ('gmm', 'kmeans', 'agglomerative'), nor an object of scikit-learn's kind."
    raise ValueError(msg)
