"""A fitted model as a dictionary of numbers and arrays, and back, with every entry validated."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._store.schema import (
    FORMAT,
    arrays_to_dict,
    check_entry,
    check_shapes,
    dict_to_arrays,
    fail,
    float32_array,
    from_json,
    is_number,
    is_positive,
    is_width,
    plain_array,
    to_json,
)
from scivis.neighbors._landmark_places import LandmarkPlaces
from scivis.neighbors._stored_reference import pack_reference, unpack_reference

from .model import FittedIvis, LabelHead
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras

    from scivis.nn import Architecture

_ENTRIES = ("config", "weights", "landmarks", "landmark_unit")
_PLAIN = {field.name for field in fields(Settings)} - {"model"}


def pack_model(settings: Settings, fitted: FittedIvis) -> dict[str, Any]:
    """The model as a dictionary that h5ad, zarr and HDF5 can store."""
    head = fitted.head
    return {
        "format": FORMAT,
        "config": to_json({"estimator": settings.plain(), "architecture": asdict(fitted.architecture)}),
        "weights": arrays_to_dict(fitted.encoder.get_weights()),
        "head": arrays_to_dict(head.network.get_weights() if head else []),
        "classes": np.asarray(head.classes if head else [], np.int64),
        "scale": head.scale if head else np.empty((2, 0), np.float32),
        **pack_reference(fitted.reference),
        **_pack_places(fitted.places),
    }


def unpack_model(stored: Mapping[str, Any], *, backbone: keras.Model | None = None) -> tuple[Settings, FittedIvis]:
    """Settings and fitted model from the dictionary of :func:`pack_model`.

    A model that was fitted with the user's own network needs the same network as `backbone`.

    Raises
    ------
    ValueError
        If the dictionary is incomplete, altered, of a newer format, or needs a `backbone` that is not given.
    """
    check_entry(stored, _ENTRIES)
    config = from_json(stored, "config")
    architecture = _architecture(config.get("architecture"))
    _check_backbone(architecture, backbone)
    reference = unpack_reference(stored, architecture.n_features)
    encoder = _encoder(architecture, stored, backbone)
    params = unpack_params(config.get("estimator"))
    if params.get("embedding_dims") != architecture.n_components:
        fail("its embedding_dims is not the n_components of its architecture")
    network = architecture.network
    model = backbone if network == "custom" else list(network) if isinstance(network, tuple) else network
    settings = Settings(**params, model=model)
    head, places = _label_head(stored, settings), _places(stored, len(reference.landmarks), architecture.n_components)
    return settings, FittedIvis(architecture, encoder, reference, head, places=places)


def _pack_places(places: LandmarkPlaces | None) -> dict[str, Any]:
    if places is None:
        return {}
    return {
        "landmark_places": places.coordinates,
        "landmark_residuals": places.residuals,
        "landmark_spacing": places.spacing,
    }


def _places(stored: Mapping[str, Any], n_landmarks: int, n_components: int) -> LandmarkPlaces | None:
    """Places of the landmarks; `None` unless a map was learned, or if it was by an earlier version."""
    if "landmark_places" not in stored:
        return None
    names = ("landmark_places", "landmark_residuals")
    places, residuals = (float32_array(stored.get(name), name) for name in names)
    check_shapes("landmark_places", [places.shape, residuals.shape], [(n_landmarks, n_components)] * 2)
    spacing: Any = stored.get("landmark_spacing")
    if not is_positive(spacing) and spacing != 0:
        fail("its landmark_spacing is not a number of at least 0")
    return LandmarkPlaces(places, residuals, float(spacing))


def unpack_params(entry: Any) -> dict[str, Any]:
    """Settings that were stored as plain values."""
    if not isinstance(entry, dict) or not set(entry) <= _PLAIN:
        fail("its estimator's parameters are not those of scivis.Ivis")
    if not all(value is None or isinstance(value, str | int | float) for value in entry.values()):
        fail("its estimator's parameters are not plain values")
    return entry


def _architecture(entry: Any) -> Architecture:
    from scivis.nn.networks import BUILT_IN, REGISTERED, Architecture

    names = {field.name for field in fields(Architecture)}
    if not isinstance(entry, dict) or set(entry) != names:
        fail(f"its architecture does not hold exactly {sorted(names)}")
    network = entry["network"]
    if isinstance(network, list) and network and all(map(is_width, network)):
        network = tuple(network)
    elif not isinstance(network, str) or network not in ("custom", *BUILT_IN, *REGISTERED):
        fail(f"its network is {str(network)[:80]!r}, which is not known here; if it is your own, register it first")
    if not (is_width(entry["n_features"]) and is_width(entry["n_components"])):
        fail("its sizes are not integers of at least 1")
    if not (isinstance(entry["linear_path"], bool) and is_number(entry["scale"]) and is_number(entry["output_scale"])):
        fail("its linear_path or its scales have the wrong type")
    offset = entry["offset"]
    if not isinstance(offset, list) or len(offset) not in (0, entry["n_features"]) or not all(map(is_number, offset)):
        fail("its offset does not hold one number per feature")
    # Integers beyond 64 bits are numbers in JSON, but not in a network.
    scales = {name: float(entry[name]) for name in ("scale", "output_scale")}
    return Architecture(**{**entry, **scales, "network": network, "offset": tuple(map(float, offset))})


def _check_backbone(architecture: Architecture, backbone: keras.Model | None) -> None:
    if architecture.network == "custom" and backbone is None:
        msg = (
            "The model was fitted with the user's own Keras network. Networks are not stored with the data, so that no "
            "file can contain code. Build the same network and pass it: backbone=network."
        )
        raise ValueError(msg)
    if architecture.network != "custom" and backbone is not None:
        msg = f"backbone was given, but the stored model's network is {architecture.network!r}. Leave it out."
        raise ValueError(msg)


def _encoder(architecture: Architecture, stored: Mapping[str, Any], backbone: keras.Model | None) -> keras.Model:
    from scivis.nn import build_encoder
    from scivis.nn.networks import REGISTERED, weight_shapes

    weights = dict_to_arrays(stored["weights"], "weight")
    shapes = [weight.shape for weight in weights]
    if backbone is None and architecture.network not in REGISTERED:
        # Before the network is built, which would allocate memory for layers of any forged width.
        n_layers = len(architecture.network) if isinstance(architecture.network, tuple) else 0
        if n_layers > len(weights) or sorted(weight_shapes(architecture)) != sorted(shapes):
            fail(f"its weights have shapes {shapes}, which are not those of its network")
    encoder = build_encoder(architecture, backbone=backbone)
    check_shapes("weights", shapes, [tuple(weight.shape) for weight in encoder.weights])
    encoder.set_weights(weights)
    return encoder


def _label_head(stored: Mapping[str, Any], settings: Settings) -> LabelHead | None:
    from scivis.nn.supervision import CLASSIFICATION, build_head, check_metric

    # Empty dictionaries can be lost, for instance when data are concatenated.
    weights = dict_to_arrays(stored.get("head", {}), "head weight")
    if not weights:
        return None
    width, dims, metric = weights[-1].size, settings.embedding_dims, settings.supervision_metric
    check_shapes("head weights", [weight.shape for weight in weights], [(dims, width), (width,)])
    scale = float32_array(stored.get("scale"), "scale")
    if scale.shape != (2, width) or not (scale[0] > 0).all():
        fail(f"its scale has shape {scale.shape}, or units that are not above 0, for {width} predictions")
    try:
        check_metric(metric)
    except ValueError as error:
        fail(f"its supervision_metric is {str(metric)[:80]!r}", error)
    classes = plain_array(stored.get("classes"), "classes") if metric in CLASSIFICATION else np.empty(0, np.int64)
    if metric in CLASSIFICATION and (classes.shape != (width,) or classes.dtype.kind != "i"):
        fail(f"its classes have shape {classes.shape}, but its head predicts {width}")
    network = build_head(width, metric, dims)
    network.set_weights(weights)
    return LabelHead(network, scale, classes)
