"""Manifold learners and clusterers as dictionaries of numbers, names and arrays, and back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scivis._checks import is_integer, is_real
from scivis._ivis.estimator import restored
from scivis._ivis.pack import pack_model, unpack_model
from scivis._ivis.settings import Settings
from scivis._store.schema import fail, finite_array, float32_array, is_width

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Role = Literal["manifold", "clusterer"]
    # An unfitted learner, from which another fit starts, and the fitted one.
    Learner = tuple[Any, Any]

# Learners that can be stored, by the package and the name of their class: nothing has to be imported to recognize them.
_CLASSES = {
    "umap": ("umap", "UMAP"),
    "tsne": ("openTSNE", "TSNE"),
    "ivis": ("scivis", "Ivis"),
    "gmm": ("sklearn", "GaussianMixture"),
    "kmeans": ("sklearn", "KMeans"),
}
_KINDS = {"manifold": ("umap", "tsne", "ivis"), "clusterer": ("gmm", "kmeans")}
# The method that a learner needs for new rows.
_METHODS = {"manifold": "transform", "clusterer": "predict"}
_PARAMS = {
    "umap": ("n_components", "n_neighbors", "min_dist", "spread", "metric", "random_state", "transform_seed"),
    "tsne": ("n_components", "perplexity", "metric", "random_state"),
    "ivis": (),
    "gmm": ("n_components", "covariance_type"),
    "kmeans": ("n_clusters",),
}
_ARRAYS = {
    "gmm": ("weights_", "means_", "covariances_", "precisions_cholesky_"),
    "kmeans": ("cluster_centers_",),
}
_METRICS = ("euclidean", "manhattan", "cosine", "correlation", "chebyshev", "canberra", "braycurtis")
_COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")


def pack_learner(role: Role, learner: Any, rows: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A fitted learner as names and numbers, and arrays.

    UMAP and t-SNE place a new row among the fitted rows, which are therefore stored: n × (latent_dim + dims) numbers.
    `rows` holds them as `latent` and `embedding`. Other learners need no fitted rows.
    """
    kind = _kind(role, learner)
    if kind == "custom":
        params = {"name": type(learner).__name__, "answers": hasattr(learner, _METHODS[role])}
        return {"kind": kind, "params": params}, {}
    if kind == "ivis":
        return {"kind": kind, "params": {}}, pack_model(Settings.of(learner), learner.fitted_)
    arrays = {name: np.asarray(getattr(learner, name)) for name in _ARRAYS[kind]} if kind in _ARRAYS else dict(rows)
    values = {name: getattr(learner, name) for name in _PARAMS[kind]}
    # A seed that is not a plain value is not stored.
    params = {name: value if is_real(value) or isinstance(value, str) else None for name, value in values.items()}
    return {"kind": kind, "params": params}, arrays


def _kind(role: Role, learner: Any) -> str:
    name = type(learner).__module__.partition(".")[0], type(learner).__name__
    kind = next((kind for kind in _KINDS[role] if _CLASSES[kind] == name), "custom")
    is_storable = kind not in ("umap", "tsne") or learner.metric in _METRICS
    return kind if is_storable else "custom"


def unpack_learner(role: Role, config: Any, arrays: Any, own: Any) -> Learner:
    """The learner from :func:`pack_learner`, or the user's own fitted one."""
    kind = _check_config(config, arrays, (*_KINDS[role], "custom"))
    if kind == "custom":
        return _own_learner(role, config["params"], own)
    if own is not None:
        msg = f"{role} was given, but the stored model has its own ({_CLASSES[kind][1]}). Leave it out."
        raise ValueError(msg)
    params = config["params"]
    if set(params) != set(_PARAMS[kind]):
        fail(f"the parameters of its {kind} are not {sorted(_PARAMS[kind])}")
    for name, value in params.items():
        if not _is_valid(name, value):
            fail(f"the {name} of its {kind} is {str(value)[:80]!r}")
    return _REBUILD[kind](params, arrays)


def _check_config(config: Any, arrays: Any, kinds: tuple[str, ...]) -> str:
    if not isinstance(config, dict) or set(config) != {"kind", "params"} or not isinstance(config["params"], dict):
        fail("its manifold or its clusterer is not described")
    kind = config["kind"]
    if kind not in kinds:
        fail(f"its manifold or its clusterer is {str(kind)[:80]!r}, which is not one of {kinds}")
    if not hasattr(arrays, "keys"):
        fail(f"the arrays of its {kind} are a {type(arrays).__name__}, not a dictionary")
    return str(kind)


def _is_valid(name: str, value: Any) -> bool:
    match name:
        case "metric":
            return value in _METRICS
        case "covariance_type":
            return value in _COVARIANCE_TYPES
        case "min_dist" | "spread" | "perplexity":
            return is_real(value) and value >= 0
        case "random_state" | "transform_seed":
            return value is None or (is_integer(value) and 0 <= value < 2**32)
    return is_width(value)


def width_of(learner: Any) -> int | None:
    """Number of dimensions of the embedding of a learner that was stored; `None` for a learner of the user."""
    embedding = getattr(learner, "embedding_", None)
    width = getattr(learner, "embedding_dims", None) if embedding is None else np.shape(embedding)[-1]
    return None if width is None else int(width)


def _own_learner(role: Role, params: dict[str, Any], own: Any) -> Learner:
    """The user's own fitted learner, or a placeholder for one that could do nothing with new rows."""
    name = str(params.get("name"))[:80]
    if own is None and params.get("answers") is True:
        msg = f"The model was fitted with {role} {name}, which is not stored with the data. Pass it, fitted: {role}=…"
        raise ValueError(msg)
    learner = SimpleNamespace(name=name) if own is None else own
    return learner, learner


def _fitted_rows(params: dict[str, Any], arrays: Mapping[str, Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    latent, embedding = (float32_array(arrays.get(name), name) for name in ("latent", "embedding"))
    if latent.ndim != 2 or embedding.ndim != 2 or len(latent) != len(embedding) or len(latent) < 3:
        fail(f"its latent and embedding have shapes {latent.shape} and {embedding.shape}")
    if params["n_components"] != embedding.shape[1]:
        fail(f"its embedding has {embedding.shape[1]} dimensions, but its learner {params['n_components']}")
    return latent, embedding


def _umap(params: dict[str, Any], arrays: Mapping[str, Any]) -> Learner:
    """UMAP with the stored embedding. Its neighbors are searched again."""
    from ._learners import make_umap

    latent, embedding = _fitted_rows(params, arrays)
    fitted = make_umap(**params, n_epochs=0, init=embedding)
    fitted.fit(latent)
    fitted.embedding_ = embedding
    fitted.n_epochs = None
    return make_umap(**params), fitted


def _tsne(params: dict[str, Any], arrays: Mapping[str, Any]) -> Learner:
    """t-SNE with the stored embedding. Its neighbors are searched again."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.sklearn import TSNE

    latent, embedding = _fitted_rows(params, arrays)
    names = ("perplexity", "metric", "random_state")
    affinities = PerplexityBasedNN(latent, **{name: params[name] for name in names}, n_jobs=1)
    fitted = TSNE(**params, n_jobs=1)
    fitted.embedding_ = TSNEEmbedding(embedding, affinities, random_state=params["random_state"], n_jobs=1)
    return TSNE(**params, n_jobs=1), fitted


def _ivis(params: dict[str, Any], arrays: Mapping[str, Any]) -> Learner:
    fitted = restored(*unpack_model(arrays))
    return fitted, fitted


def _gmm(params: dict[str, Any], arrays: Mapping[str, Any]) -> Learner:
    from sklearn.mixture import GaussianMixture

    values = {name: finite_array(arrays.get(name), name).astype(np.float64) for name in _ARRAYS["gmm"]}
    k, d = values["means_"].shape if values["means_"].ndim == 2 else (0, 0)
    matrix = {"full": (k, d, d), "tied": (d, d), "diag": (k, d), "spherical": (k,)}[params["covariance_type"]]
    expected = {"weights_": (k,), "means_": (k, d), "covariances_": matrix, "precisions_cholesky_": matrix}
    if k != params["n_components"] or {name: value.shape for name, value in values.items()} != expected:
        fail(f"its mixture has shapes {[value.shape for value in values.values()]}")
    if not (values["weights_"] > 0).all() or abs(values["weights_"].sum() - 1) > 1e-3:
        fail("the weights of its mixture are not positive numbers with a sum of 1")
    fitted = GaussianMixture(**params)
    vars(fitted).update(values, n_features_in_=d)
    return GaussianMixture(**params, random_state=0), fitted


def _kmeans(params: dict[str, Any], arrays: Mapping[str, Any]) -> Learner:
    from sklearn.cluster import KMeans

    centers = np.ascontiguousarray(finite_array(arrays.get("cluster_centers_"), "cluster_centers_"), np.float64)
    if centers.ndim != 2 or len(centers) != params["n_clusters"]:
        fail(f"its cluster_centers_ have shape {centers.shape}")
    # A fit to the centers themselves sets all private attributes of scikit-learn.
    fitted = KMeans(len(centers), init=centers, n_init=1, max_iter=1).fit(centers)
    fitted.cluster_centers_ = centers
    return KMeans(**params, n_init=10, random_state=0), fitted


_REBUILD: dict[str, Callable[..., Learner]] = {
    "umap": _umap, "tsne": _tsne, "ivis": _ivis, "gmm": _gmm, "kmeans": _kmeans
}  # fmt: skip
