"""What a fitted model is in `.uns`: numbers and names. The only module that knows the schema and its version.

Nothing here is executable: an architecture is a set of checked names and sizes from which scivis builds the network
itself, and weights are arrays whose number and shapes must be those of that network. A file from a stranger
therefore cannot run code; at worst it is refused.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from scivis._adata.expression import ExpressionInput
from scivis.neighbors._novelty import Reference

from .estimator import Ivis

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras

    from scivis.nn import Architecture

FORMAT = 1
# Larger widths than any network in use; a forged one must not exhaust the memory.
_MAX_WIDTH = 1_000_000
_LARGEST = float(np.finfo(np.float32).max)
# Parameters of the estimator that are plain values; neighbours and callbacks stay behind.
_PLAIN = (
    "embedding_dims", "k", "distance", "batch_size", "epochs", "n_epochs_without_progress", "optimizer",
    "learning_rate", "learning_rate_decay", "global_weight", "linear_path", "standardize", "verbose", "n_trees", "search_k",
    "knn_distance_metric", "supervision_metric", "supervision_weight", "input_noise", "precompute", "build_index_on_disk",
)  # fmt: skip


def pack_model(model: Ivis) -> dict[str, Any]:
    """The fitted model as a dictionary that h5ad and zarr can hold."""
    config = {"estimator": pack_params(model), "architecture": asdict(model._architecture)}
    head = [] if model._head is None else model._head.get_weights()
    return {
        "format": FORMAT,
        "config": to_json(config),
        "weights": number(model.encoder_.get_weights()),
        "head": number(head),
        "classes": np.asarray(getattr(model, "classes_", []), np.int64),
        "scale": model._scale if head else np.empty((2, 0), np.float32),
        "landmarks": model._reference.landmarks,
        "landmark_unit": model._reference.unit,
    }


def pack_params(model: Ivis) -> dict[str, Any]:
    """Those parameters of the estimator that are plain values."""
    params = {name: getattr(model, name) for name in _PLAIN}
    return params | {"distance": model.distance if isinstance(model.distance, str) else "custom"}


def number(arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    """A list of arrays as a dictionary."""
    return {f"{i:03d}": array for i, array in enumerate(arrays)}


def unpack_model(stored: Mapping[str, Any], *, backbone: keras.Model | None = None) -> Ivis:
    """The fitted model back from its dictionary.

    Parameters
    ----------
    stored
        What :func:`pack_model` gave, perhaps after a round trip through a file.
    backbone
        The user's own network, if the model was fitted with one.

    Raises
    ------
    ValueError
        If the entry is incomplete, altered, of a newer format, or needs a `backbone` that is not given.
    """
    config = _config(stored)
    architecture = _architecture(config.get("architecture"))
    _check_backbone(architecture, backbone)
    reference = _reference(stored, architecture)
    encoder = _encoder(architecture, stored, backbone)
    params = unpack_params(config.get("estimator"))
    if params.get("embedding_dims") != architecture.n_components:
        fail("its embedding_dims is not the n_components of its architecture")
    model = Ivis(**params, model=_network(architecture, backbone))
    model._architecture, model.encoder_ = architecture, encoder
    model.n_features_in_ = architecture.n_features
    model._reference = reference
    _set_head(model, stored)
    return model


def _set_head(model: Ivis, stored: Mapping[str, Any]) -> None:
    from scivis.nn.supervision import CLASSIFICATION, build_head, check_metric

    # Empty dictionaries get lost, for instance when data are concatenated.
    weights = unnumber(stored.get("head", {}), "head weight")
    if not weights:
        return
    classes = np.asarray(stored.get("classes"))
    width = weights[-1].size
    if [weight.shape for weight in weights] != [(model.embedding_dims, width), (width,)]:
        fail(f"its head has shapes {[weight.shape for weight in weights]}")
    scale = _floats(stored.get("scale"), "scale")
    if scale.shape != (2, width) or not (scale[0] > 0).all():
        fail(f"its scale has shape {scale.shape}, or units that are not above 0, for {width} predictions")
    model._scale = scale
    try:
        check_metric(model.supervision_metric)
    except ValueError as error:
        fail(f"its supervision_metric is {str(model.supervision_metric)[:80]!r}", error)
    if model.supervision_metric in CLASSIFICATION:
        if classes.shape != (width,) or classes.dtype.kind != "i":
            fail(f"its classes have shape {classes.shape}, but its head predicts {width}")
        model.classes_, model.n_classes_ = classes, width
    model._head = build_head(width, model.supervision_metric, model.embedding_dims)
    model._head.set_weights(weights)


class UnusableModelError(ValueError):
    """A stored model that cannot be trusted."""


def fail(what: str, cause: Exception | None = None) -> NoReturn:
    """Refuse a model that cannot be trusted."""
    msg = f"The stored model cannot be used: {what}. Fit it again, or read the file again from its source."
    raise UnusableModelError(msg) from cause


def _config(stored: Mapping[str, Any]) -> dict[str, Any]:
    if not hasattr(stored, "get"):
        fail(f"it is a {type(stored).__name__}, not a dictionary")
    missing = {"format", "config", "weights", "landmarks", "landmark_unit"} - set(stored)
    if missing:
        fail(f"it lacks {sorted(missing)}")
    check_format(stored)
    return parse(stored, "config")


def check_format(stored: Mapping[str, Any]) -> None:
    """Refuse a format that this version does not know."""
    version = stored.get("format")
    if not isinstance(version, int | np.integer) or version < 1:
        fail(f"its format is {version!r}")
    if version > FORMAT:
        msg = f"The stored model has format {version}, but this scivis reads up to {FORMAT}. Update scivis."
        raise ValueError(msg)


def to_json(entry: dict[str, Any]) -> str:
    """JSON, in which NumPy's numbers and arrays are plain ones."""
    return json.dumps(entry, default=lambda value: value.tolist())


def parse(stored: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The JSON object stored under a name."""
    try:
        entry = json.loads(stored[name])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        fail(f"its {name} is not JSON", error)
    if not isinstance(entry, dict):
        fail(f"its {name} is not a JSON object")
    return entry


def _architecture(entry: Any) -> Architecture:
    from scivis.nn.networks import BUILT_IN, REGISTERED, Architecture

    fields = {"network", "n_features", "n_components", "linear_path", "offset", "scale", "output_scale"}
    if not isinstance(entry, dict) or set(entry) != fields:
        fail(f"its architecture does not hold exactly {sorted(fields)}")
    network = entry["network"]
    if isinstance(network, list) and network and all(map(_is_width, network)):
        network = tuple(network)
    elif not isinstance(network, str) or network not in ("custom", *BUILT_IN, *REGISTERED):
        fail(f"its network is {str(network)[:80]!r}, which is not known here; if it is yours, register it first")
    if not (_is_width(entry["n_features"]) and _is_width(entry["n_components"])):
        fail("its sizes are not whole numbers of at least 1")
    if not (isinstance(entry["linear_path"], bool) and all(map(_is_real, (entry["scale"], entry["output_scale"])))):
        fail("its linear_path or its scales have the wrong type")
    offset = entry["offset"]
    if not isinstance(offset, list) or len(offset) not in (0, entry["n_features"]) or not all(map(_is_real, offset)):
        fail("its offset does not hold one number per feature")
    return Architecture(**{**entry, "network": network, "offset": tuple(offset)})


def _is_width(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MAX_WIDTH


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _check_backbone(architecture: Architecture, backbone: keras.Model | None) -> None:
    if architecture.network == "custom" and backbone is None:
        msg = (
            "The model was fitted with a Keras network of the user's, which is not stored with the data, so that no "
            "file can bring code along. Build the same network and hand it in: backbone=network."
        )
        raise ValueError(msg)
    if architecture.network != "custom" and backbone is not None:
        msg = f"backbone was given, but the stored model's network is {architecture.network!r}. Leave it out."
        raise ValueError(msg)


def _encoder(architecture: Architecture, stored: Mapping[str, Any], backbone: keras.Model | None) -> keras.Model:
    from scivis.nn import build_encoder
    from scivis.nn.networks import REGISTERED

    weights = unnumber(stored["weights"], "weight")
    if backbone is None and architecture.network not in REGISTERED:
        _check_shapes(architecture, [weight.shape for weight in weights])
    encoder = build_encoder(architecture, backbone=backbone)
    expected = [tuple(weight.shape) for weight in encoder.weights]
    given = [weight.shape for weight in weights]
    if given != expected:
        fail(f"its weights have shapes {given}, but its network needs {expected}")
    encoder.set_weights(weights)
    return encoder


def _check_shapes(architecture: Architecture, given: list[tuple[int, ...]]) -> None:
    """Before anything is built: a forged size must fail here, and not in the allocation of its layer."""
    from scivis.nn.networks import weight_shapes

    n_layers = len(architecture.network) if isinstance(architecture.network, tuple) else 0
    if n_layers > len(given) or sorted(weight_shapes(architecture)) != sorted(given):
        fail(f"its weights have shapes {given}, which are not those of its network")


def unnumber(entry: Any, name: str, kinds: str = "f") -> list[np.ndarray]:
    """The list of arrays back that :func:`number` took."""
    if not hasattr(entry, "keys") or sorted(entry) != [f"{i:03d}" for i in range(len(entry))]:
        fail(f"its {name}s are not numbered 000, 001, …")
    return [_finite(entry[key], f"{name} {key}", kinds) for key in sorted(entry)]


def _floats(values: Any, name: str) -> np.ndarray:
    return _finite(values, name, "f").astype(np.float32)


def _finite(values: Any, name: str, kinds: str) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in kinds or not float(np.abs(array).max(initial=0)) <= _LARGEST:
        fail(f"{name} is not an array of finite floating-point numbers")
    return array


def unpack_params(entry: Any) -> dict[str, Any]:
    """The parameters back that :func:`pack_params` gave."""
    if not isinstance(entry, dict) or not set(entry) <= set(_PLAIN):
        fail("its estimator's parameters are not those of scivis.Ivis")
    if not all(value is None or isinstance(value, str | int | float) for value in entry.values()):
        fail("its estimator's parameters are not plain values")
    return entry


def _network(architecture: Architecture, backbone: keras.Model | None) -> Any:
    network = architecture.network
    return backbone if network == "custom" else list(network) if isinstance(network, tuple) else network


def _reference(stored: Mapping[str, Any], architecture: Architecture) -> Reference:
    landmarks, unit = _floats(stored["landmarks"], "landmarks"), stored["landmark_unit"]
    if landmarks.ndim != 2 or landmarks.shape[1] != architecture.n_features or len(landmarks) < 2:
        fail(f"its landmarks have shape {landmarks.shape}, but its input has width {architecture.n_features}")
    if not isinstance(unit, float | np.floating) or not np.isfinite(unit) or unit <= 0:
        fail("its landmark_unit is not a positive number")
    return Reference(landmarks, float(unit))


def pack_input(source: ExpressionInput | None) -> dict[str, Any]:
    """How expression becomes the model's input, as a dictionary; empty if there is no known way."""
    return {} if source is None else asdict(source)


def unpack_input(stored: Any) -> ExpressionInput | None:
    """The way from expression to the model's input back from its dictionary."""
    if not hasattr(stored, "keys"):
        fail(f"its expression entry is a {type(stored).__name__}, not a dictionary")
    if not stored:
        return None
    missing = set(ExpressionInput.__dataclass_fields__) - set(stored)
    if missing:
        fail(f"its expression entry lacks {sorted(missing)}")
    genes = np.asarray(stored["genes"], dtype=object)
    means, loadings, offset = (_floats(stored[name], name) for name in ("means", "loadings", "offset"))
    fits = not loadings.size or (loadings.shape == (genes.size, offset.size) and offset.ndim == 1)
    if genes.ndim != 1 or genes.shape != means.shape or not fits:
        fail("its genes, means, loadings and offset differ in length")
    return ExpressionInput(genes, means, str(stored["layer"]), loadings, offset)


def fitted_on(params: Any, use_rep: str | None) -> tuple[str, int]:
    """The key of `.obsm` that the model reads, or the one asked for, and how many of its columns."""
    if not hasattr(params, "keys") or not {"representation", "use_rep", "n_features"} <= set(params):
        fail("its params do not say what it was fitted on")
    if use_rep is None and params["representation"] != "obsm":
        fail("it does not say which genes it reads")
    return use_rep or str(params["use_rep"]), int(params["n_features"])
