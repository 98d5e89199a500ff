"""A fitted N2D as a dictionary of numbers, names and arrays, and back, with every entry validated."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._checks import is_real
from scivis._store.schema import (
    FORMAT,
    arrays_to_dict,
    check_entry,
    dict_to_arrays,
    fail,
    finite_array,
    float32_array,
    from_json,
    is_width,
    plain_array,
    to_json,
)
from scivis.neighbors._stored_reference import pack_reference, unpack_reference

from ._autoencoder import AutoEncoder, CustomAutoEncoder
from ._clustering import ManifoldClusterer
from ._estimator import N2D
from ._pack_learners import pack_learner, unpack_learner, width_of
from ._weights import set_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._network import Layout

_ENTRIES = ("config", "offset", "weights", "classes", "landmarks", "landmark_unit")


def pack(model: N2D) -> dict[str, Any]:
    """The fitted model as a dictionary that h5ad, zarr and HDF5 can store."""
    autoencoder, learners = model.autoencoder, model.manifold_clusterer
    rows = {name: getattr(learners, f"{name}_", None) for name in ("latent", "embedding")}
    manifold, manifold_arrays = pack_learner("manifold", learners.manifold_, rows)
    clusterer, clusterer_arrays = pack_learner("clusterer", learners.clusterer_, {})
    layout, offset = _pack_layout(autoencoder)
    config = {"layout": layout, "manifold": manifold, "clusterer": clusterer, "n_components": learners.n_components_}
    return {
        "format": FORMAT,
        "config": to_json(config),
        "offset": offset,
        "weights": arrays_to_dict(autoencoder.autoencoder_.get_weights()),
        "manifold": manifold_arrays,
        "clusterer": clusterer_arrays,
        "classes": learners.classes_,
        **pack_reference(model.reference_),
    }


def _pack_layout(autoencoder: AutoEncoder | CustomAutoEncoder) -> tuple[dict[str, Any] | str, np.ndarray]:
    """Names and sizes, and the offset as an array: one number per gene is too much for JSON."""
    if not isinstance(autoencoder, AutoEncoder):
        return "custom", np.empty(0)
    entry = asdict(autoencoder.layout_)
    return entry, np.asarray(entry.pop("offset"), np.float64)


def unpack(
    stored: Mapping[str, Any],
    *,
    autoencoder: CustomAutoEncoder | None = None,
    manifold: Any = None,
    clusterer: Any = None,
) -> N2D:
    """The fitted model from the dictionary of :func:`pack`, perhaps after a round trip through a file.

    Layers and learners that cannot be stored must be passed, and no others. `ValueError` says what is wrong with the
    dictionary or with the arguments.
    """
    check_entry(stored, _ENTRIES)
    # Empty dictionaries can be lost, for instance when data are concatenated.
    stored = {"manifold": {}, "clusterer": {}} | dict(stored)
    config = from_json(stored, "config")
    trained = _unpack_autoencoder(config.get("layout"), stored, autoencoder)
    learners = ManifoldClusterer(None, None)
    learners.manifold, learners.manifold_ = unpack_learner(
        "manifold", config.get("manifold"), stored["manifold"], manifold
    )  # fmt: skip
    learners.clusterer, learners.clusterer_ = unpack_learner(
        "clusterer", config.get("clusterer"), stored["clusterer"], clusterer
    )
    learners.n_components_, learners.classes_ = _unpack_sizes(config, stored)
    if "latent" in stored["manifold"]:  # validated with the manifold learner
        learners.latent_ = float32_array(stored["manifold"]["latent"], "latent")
        learners.embedding_ = float32_array(stored["manifold"]["embedding"], "embedding")
    _check_widths(trained, learners)
    model = N2D(trained, learners)
    model.reference_ = unpack_reference(stored, int(np.prod(trained.encoder_.input_shape[1:])))
    return model


def _check_widths(trained: AutoEncoder | CustomAutoEncoder, learners: ManifoldClusterer) -> None:
    """Raise unless each stage reads as many values as the stage before it gives, as far as the learners say."""
    latent_dim, n_components = int(np.prod(trained.encoder_.output_shape[1:])), learners.n_components_
    gives, reads = width_of(learners.manifold_), getattr(learners.clusterer_, "n_features_in_", n_components)
    if gives not in (None, n_components) or reads != n_components:
        fail(f"its embedding has {n_components} dimensions, but its learners give {gives} and read {reads}")
    latent = getattr(learners, "latent_", np.empty((0, latent_dim)))
    for read in (latent.shape[1], getattr(learners.manifold_, "n_features_in_", latent_dim)):
        if read != latent_dim:
            fail(f"its encoder gives {latent_dim} values, but its manifold learner reads {read}")


def _unpack_sizes(config: Mapping[str, Any], stored: Mapping[str, Any]) -> tuple[int, np.ndarray]:
    """Number of dimensions of the embedding, and numbers of the clusters."""
    n_components, classes = config.get("n_components"), plain_array(stored["classes"], "classes")
    if not is_width(n_components):
        fail(f"its n_components is {str(n_components)[:80]!r}")
    if classes.ndim != 1 or classes.dtype.kind != "i" or (np.diff(classes) <= 0).any():
        fail("its classes are not increasing integers")
    return int(n_components), classes  # type: ignore[arg-type]  # an integer by then


def _unpack_autoencoder(
    layout: Any, stored: Mapping[str, Any], custom: CustomAutoEncoder | None
) -> AutoEncoder | CustomAutoEncoder:
    from ._network import build, models

    weights = dict_to_arrays(stored["weights"], "weight")
    if layout == "custom" and custom is None:
        msg = (
            "The model was fitted with the user's own layers. Layers are not stored with the data, so that no file can "
            "contain code. Build the same layers and pass them: autoencoder=CustomAutoEncoder((inputs, encoded, outputs))."
        )
        raise ValueError(msg)
    if layout != "custom" and custom is not None:
        msg = "autoencoder was given, but the stored model has dense layers, which scivis builds. Leave it out."
        raise ValueError(msg)
    trained = custom or _dense(_unpack_layout(layout, stored["offset"]), weights)
    stages = trained.ae_stages if isinstance(trained, CustomAutoEncoder) else build(trained.layout_)
    trained.encoder_, trained.autoencoder_ = models(tuple(stages))
    set_weights(trained.autoencoder_, weights)
    trained.loss_history_ = []
    return trained


def _dense(layout: Layout, weights: list[np.ndarray]) -> AutoEncoder:
    """An autoencoder without its network. A forged size must fail here, not when memory for a layer is allocated."""
    from ._network import weight_shapes

    shapes = [weight.shape for weight in weights]
    # Layers that standardize have no weights.
    if len(weights) != 4 * (len(layout.architecture) + 1) or weight_shapes(layout) != shapes:
        fail(f"its weights have shapes {shapes}, which are not those of its network")
    trained = AutoEncoder(
        layout.input_dim, layout.latent_dim, layout.architecture, layout.act, standardize=bool(layout.offset)
    )
    trained.layout_ = layout
    return trained


def _unpack_layout(entry: Any, offset: Any) -> Layout:
    from ._network import Layout, check_activation

    names = {field.name for field in fields(Layout)} - {"offset"}
    if not isinstance(entry, dict) or set(entry) != names:
        fail(f"its layout does not hold exactly {sorted(names)}")
    widths, offset = entry["architecture"], finite_array(offset, "offset")
    if not isinstance(widths, list) or not all(map(is_width, (entry["input_dim"], entry["latent_dim"], *widths))):
        fail("its widths are not integers of at least 1")
    if offset.ndim != 1 or offset.size not in (0, entry["input_dim"]):
        fail("its offset does not hold one number per feature")
    if not is_real(entry["scale"]) or not 0 < entry["scale"] < np.finfo(np.float32).max:
        fail("its scale is not a number above 0")
    try:
        check_activation(entry["act"])
    except ValueError as error:
        fail(f"its activation is {str(entry['act'])[:80]!r}", error)
    sizes = {
        "architecture": tuple(widths),
        "scale": float(entry["scale"]),
        "offset": tuple(map(float, offset.tolist())),
    }
    return Layout(**{**entry, **sizes})
