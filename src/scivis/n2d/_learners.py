"""Manifold learners and clusterers that can be chosen by name."""

from __future__ import annotations

from typing import Any

from scivis import _progress

# Manifold learners by name, and their numbers of neighbors: as in the experiments of the paper (UMAP), otherwise the
# defaults of the methods.
_NEIGHBORS = {"umap": 20, "ivis": 15, "tsne": 30}
_CLUSTERERS = ("gmm", "kmeans", "agglomerative")


def make_manifold(
    name: str, n_rows: int, n_components: int, n_neighbors: int | None, seed: int, *, verbose: int
) -> Any:  # fmt: skip
    """The manifold learner of this name, for a number of rows; `verbose` shows a progress bar of UMAP and of ivis."""
    check_name("manifold", name)
    wanted = _NEIGHBORS[name] if n_neighbors is None else n_neighbors
    k = min(wanted, n_rows - 1)
    if name == "umap":
        bar = {"disable": not verbose, "delay": _progress.DELAY}
        # The spectral initialization computes one eigenvector more than dimensions, from twice as many and one Lanczos vectors.
        init = "spectral" if n_rows > 2 * n_components + 3 else "random"
        given = {"n_neighbors": k, "min_dist": 0.0, "metric": "euclidean", "random_state": seed}
        return make_umap(n_components=n_components, **given, init=init, tqdm_kwds=bar)
    if name == "tsne":
        from openTSNE.sklearn import TSNE

        return TSNE(n_components=n_components, perplexity=min(wanted, (n_rows - 1) / 3), random_state=seed, n_jobs=1)
    from scivis._ivis.estimator import Ivis
    from scivis._ivis.presets import preset_params

    settings = preset_params("default", n_rows) | {"k": k}
    return Ivis(n_components, **settings, knn_distance_metric="euclidean", verbose=verbose, random_state=seed)


def make_umap(**params: Any) -> Any:
    """UMAP on one core: with a seed it uses no more, and would warn about it."""
    from scivis.nn import keras  # noqa: F401 (umap loads TensorFlow if it is installed; this import does so quietly)

    from umap import UMAP  # isort: skip

    return UMAP(**params, n_jobs=1)


def make_clusterer(name: str, n_clusters: int, seed: int) -> Any:
    """The clusterer of this name, for a number of clusters."""
    from sklearn.cluster import AgglomerativeClustering, KMeans
    from sklearn.mixture import GaussianMixture

    check_name("clusterer", name)
    match name:
        case "gmm":
            return GaussianMixture(n_clusters, covariance_type="full", random_state=seed)
        case "kmeans":
            return KMeans(n_clusters, n_init=10, random_state=seed)
    return AgglomerativeClustering(n_clusters)


def check_name(role: str, name: str) -> None:
    """Raise unless learners of this role, `manifold` or `clusterer`, have this name."""
    known = tuple(_NEIGHBORS) if role == "manifold" else _CLUSTERERS
    if name not in known:
        msg = f"{role}={name!r} is not one of {known}, nor an object with scikit-learn's interface."
        raise ValueError(msg)
