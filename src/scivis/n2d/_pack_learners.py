"""Manifold learners and clusterers as arrays and numbers, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._checks import is_integer, is_real
from scivis._ivis.estimator import restored
from scivis._ivis.pack import pack_model, unpack_model
from scivis._ivis.settings import Settings
from scivis._store.schema import fail, finite_array, float32_array

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Packed = tuple[dict[str, Any], dict[str, Any]]
    # What another fit starts from, and the fitted one.
    Learner = tuple[Any, Any]

_UMAP = ("n_components", "n_neighbors", "min_dist", "spread", "metric", "random_state", "transform_seed")
_TSNE = ("n_components", "perplexity", "metric", "random_state")
_MIXTURE = ("weights_", "means_", "covariances_", "precisions_cholesky_")
_METRICS = ("euclidean", "manhattan", "cosine", "correlation", "chebyshev", "canberra", "braycurtis")


class Absent:
    """Stands for a learner that is not in the file and can do nothing with new rows."""

    def __init__(self, name: str) -> None:
        self.name = name


def pack_manifold(manifold: Any, latent: NDArray[np.float32], embedding: NDArray[np.float32]) -> Packed:
    """Name and numbers, and arrays.

    UMAP and t-SNE place a new row among the rows that were fitted, so these are stored: n × (latent_dim + dims) numbers.
    :class:`scivis.Ivis` is a function of its own; nothing of the rows is stored.
    """
    kind, rows = _kind(manifold), {"latent": latent, "embedding": embedding}
    match kind:
        case "umap":
            return {"kind": kind, "params": _plain(manifold, _UMAP)}, rows
        case "tsne":
            return {"kind": kind, "params": _plain(manifold, _TSNE)}, rows
        case "ivis":
            return {"kind": kind, "params": {}}, pack_model(Settings.of(manifold), manifold.fitted_)
    return _custom(manifold, "transform"), {}


def unpack_manifold(config: Any, arrays: Any, own: Any) -> Learner:
    """The manifold learner back, or the user's own."""
    kind = _checked(config, arrays, ("umap", "tsne", "ivis", "custom"))
    match kind:
        case "custom":
            return _own(config, own, "manifold")
        case "ivis":
            _refuse(own, "manifold", "scivis.Ivis")
            fitted = restored(*unpack_model(arrays))
            return fitted, fitted
    _refuse(own, "manifold", kind)
    latent, embedding = (float32_array(arrays.get(name), name) for name in ("latent", "embedding"))
    if latent.ndim != 2 or embedding.ndim != 2 or len(latent) != len(embedding) or len(latent) < 3:
        fail(f"its latent and embedding have shapes {latent.shape} and {embedding.shape}")
    params = _params(config, _UMAP if kind == "umap" else _TSNE)
    if params["n_components"] != embedding.shape[1]:
        fail(f"its map has {embedding.shape[1]} axes, but its learner {params['n_components']}")
    return _REBUILD[kind](params, latent, embedding)


def _umap(params: dict[str, Any], latent: NDArray[np.float32], embedding: NDArray[np.float32]) -> Learner:
    """UMAP with neighbours searched anew, no layout: the map is the stored one."""
    from ._learners import make_umap

    params = {"transform_seed": 42, **params}
    fitted = make_umap(**params, n_epochs=0, init=embedding)
    fitted.fit(latent)
    fitted.embedding_ = embedding
    fitted.n_epochs = None
    return make_umap(**params), fitted


def _tsne(params: dict[str, Any], latent: NDArray[np.float32], embedding: NDArray[np.float32]) -> Learner:
    """The same for t-SNE."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.sklearn import TSNE

    names = ("perplexity", "metric", "random_state")
    affinities = PerplexityBasedNN(latent, **{name: params[name] for name in names}, n_jobs=1)
    fitted = TSNE(**params, n_jobs=1)
    fitted.embedding_ = TSNEEmbedding(embedding, affinities, random_state=params["random_state"], n_jobs=1)
    return TSNE(**params, n_jobs=1), fitted


_REBUILD: dict[str, Callable[..., Learner]] = {"umap": _umap, "tsne": _tsne}


def pack_clusterer(clusterer: Any) -> Packed:
    """Name and numbers, and arrays."""
    kind = _kind(clusterer)
    match kind:
        case "gmm":
            params = {name: getattr(clusterer, name) for name in ("n_components", "covariance_type")}
            return {"kind": kind, "params": params}, {name: np.asarray(getattr(clusterer, name)) for name in _MIXTURE}
        case "kmeans":
            arrays = {"cluster_centers_": clusterer.cluster_centers_}
            return {"kind": kind, "params": {"n_clusters": clusterer.n_clusters}}, arrays
    return _custom(clusterer, "predict"), {}


def unpack_clusterer(config: Any, arrays: Any, own: Any) -> Learner:
    """The clusterer back, or the user's own."""
    kind = _checked(config, arrays, ("gmm", "kmeans", "custom"))
    match kind:
        case "custom":
            return _own(config, own, "clusterer")
        case "gmm":
            _refuse(own, "clusterer", "GaussianMixture")
            return _gmm(_params(config, ("n_components", "covariance_type")), arrays)
    _refuse(own, "clusterer", "KMeans")
    return _kmeans(_params(config, ("n_clusters",)), arrays)


def _gmm(params: dict[str, Any], arrays: Mapping[str, Any]) -> Learner:
    from sklearn.mixture import GaussianMixture

    values = {name: finite_array(arrays.get(name), name).astype(np.float64) for name in _MIXTURE}
    k, d = values["means_"].shape if values["means_"].ndim == 2 else (0, 0)
    shapes = {"full": (k, d, d), "tied": (d, d), "diag": (k, d), "spherical": (k,)}
    matrix = shapes.get(params["covariance_type"])
    expected = {"weights_": (k,), "means_": (k, d), "covariances_": matrix, "precisions_cholesky_": matrix}
    if k != params["n_components"] or {name: value.shape for name, value in values.items()} != expected:
        fail(f"its mixture has shapes {[value.shape for value in values.values()]}")
    if not (values["weights_"] > 0).all() or abs(values["weights_"].sum() - 1) > 1e-3:
        fail("the weights of its mixture are not shares of 1")
    fitted = GaussianMixture(**params)
    for name, value in values.items():
        setattr(fitted, name, value)
    fitted.n_features_in_ = d
    return GaussianMixture(**params, random_state=0), fitted


def _kmeans(params: dict[str, Any], arrays: Mapping[str, Any]) -> Learner:
    from sklearn.cluster import KMeans

    centers = np.ascontiguousarray(finite_array(arrays.get("cluster_centers_"), "cluster_centers_"), np.float64)
    if centers.ndim != 2 or len(centers) != params["n_clusters"]:
        fail(f"its cluster_centers_ have shape {centers.shape}")
    # Fitted at its own centres, which are then exactly these: no attribute of scikit-learn's own has to be guessed.
    fitted = KMeans(len(centers), init=centers, n_init=1, max_iter=1).fit(centers)
    fitted.cluster_centers_ = centers
    return KMeans(**params, n_init=10, random_state=0), fitted


def _kind(learner: Any) -> str:
    """By module and name, so that nothing has to be imported to know that it is something else."""
    names = {
        ("umap", "UMAP"): "umap",
        ("openTSNE", "TSNE"): "tsne",
        ("scivis", "Ivis"): "ivis",
        ("sklearn", "GaussianMixture"): "gmm",
        ("sklearn", "KMeans"): "kmeans",
    }
    kind = names.get((type(learner).__module__.partition(".")[0], type(learner).__name__), "custom")
    storable = kind not in ("umap", "tsne") or learner.metric in _METRICS
    return kind if storable else "custom"


def _plain(learner: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Parameters that are plain values; a random state that is none is left behind."""
    params = {name: getattr(learner, name) for name in names}
    return {name: value for name, value in params.items() if is_real(value) or isinstance(value, str)} | (
        {} if is_integer(params["random_state"]) else {"random_state": None}
    )


def _custom(learner: Any, method: str) -> dict[str, Any]:
    name = type(learner).__name__
    return {"kind": "custom", "params": {"name": name, "answers": hasattr(learner, method)}}


def _checked(config: Any, arrays: Any, kinds: tuple[str, ...]) -> str:
    if not isinstance(config, dict) or set(config) != {"kind", "params"} or not isinstance(config["params"], dict):
        fail("its manifold or its clusterer is not described")
    if config["kind"] not in kinds:
        fail(f"its {str(config['kind'])[:80]!r} is not one of {kinds}")
    if not hasattr(arrays, "keys"):
        fail(f"the arrays of its {config['kind']} are a {type(arrays).__name__}, not a dictionary")
    return str(config["kind"])


def _params(config: Any, names: tuple[str, ...]) -> dict[str, Any]:
    params = config["params"]
    if set(params) != set(names):
        fail(f"the parameters of its {config['kind']} are not {sorted(names)}")
    for name, value in params.items():
        if name == "metric":
            good = value in _METRICS
        elif name == "covariance_type":
            good = value in ("full", "tied", "diag", "spherical")
        elif name in ("min_dist", "spread", "perplexity"):
            good = is_real(value) and value >= 0
        elif name in ("random_state", "transform_seed"):
            good = value is None or (is_integer(value) and 0 <= value < 2**32)
        else:
            good = is_integer(value) and 1 <= value <= 1_000_000
        if not good:
            fail(f"the {name} of its {config['kind']} is {str(value)[:80]!r}")
    return dict(params)


def _own(config: Any, own: Any, role: str) -> Learner:
    """The user's own fitted learner; where it could not answer anyway, none is needed."""
    params = config["params"]
    name, answers = str(params.get("name"))[:80], params.get("answers") is True
    if own is not None:
        return own, own
    if answers:
        msg = (
            f"The model was fitted with {role} {name}, which is not stored with the data. Hand the fitted one in: "
            f"{role}=…"
        )
        raise ValueError(msg)
    absent = Absent(name)
    return absent, absent


def _refuse(own: Any, role: str, kind: str) -> None:
    if own is not None:
        msg = f"{role} was given, but the stored model has its own ({kind}). Leave it out."
        raise ValueError(msg)
