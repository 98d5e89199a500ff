"""A model in a folder of its own, with the state of its training; and the same for pickle."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._checks import check_choice, check_path, is_integer
from scivis._random import generator_from
from scivis._store.files import check_absent, check_writable, remove, replacing
from scivis._store.hdf5 import read_entry, write_entry
from scivis._store.schema import (
    FORMAT,
    arrays_to_dict,
    check_entry,
    check_shapes,
    dict_to_arrays,
    fail,
    from_json,
    to_json,
)
from scivis._store.unfinished import holds_nothing

from .pack import pack_model, unpack_model, unpack_params
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras

    from .model import FittedIvis

# Names in the folder: one file that is replaced as a whole, and perhaps an export for other programs.
_FILE, _EXPORT = "model.h5", "saved_model"


@dataclass(frozen=True, eq=False)
class SavedIvis:
    """An estimator as it is saved: its settings, its seed if that is an integer, and its model if it is fitted."""

    settings: Settings
    random_state: int | None = None
    fitted: FittedIvis | None = None


def is_saved(folder: str | Path) -> bool:
    """Whether a folder holds a complete model."""
    return (Path(folder) / _FILE).is_file()


def save_folder(saved: SavedIvis, folder: str | Path, save_format: str, *, overwrite: bool) -> None:
    """Write the model to a folder. A previous one remains readable until the new one is complete."""
    check_path("folder_path", folder)
    folder, fitted = Path(folder), saved.fitted
    check_choice("save_format", save_format, ("h5", "tf"))
    check_absent(folder, overwrite=overwrite or holds_nothing(folder))
    if save_format == "tf" and fitted is None:
        msg = "save_format='tf' exports the fitted network, but this Ivis is not fitted. Use save_format='h5'."
        raise ValueError(msg)
    check_writable("folder_path", folder)
    entry = pack_all(saved)
    with ExitStack() as stack:
        if save_format == "tf" and fitted is not None:
            export = stack.enter_context(replacing(folder / _EXPORT))
            fitted.encoder.export(export, format="tf_saved_model", verbose=False)
        write_entry(folder / _FILE, entry)
        remove(folder / _EXPORT)  # that of the previous model


def load_folder(folder: str | Path, *, backbone: keras.Model | None = None) -> SavedIvis:
    """Read the model of a folder; `backbone` is the user's network, which a folder cannot hold."""
    if not is_saved(folder):
        msg = f"{folder} holds no model: there is no {_FILE} in it."
        raise FileNotFoundError(msg)
    return unpack_all(read_entry(Path(folder) / _FILE), backbone=backbone)


def pack_all(saved: SavedIvis) -> dict[str, Any]:
    """The estimator as a dictionary and, if it is fitted, the state of its training."""
    settings, fitted = saved.settings, saved.fitted
    network = None if settings.backbone is not None else settings.model
    entry = {
        "format": FORMAT,
        "params": to_json(settings.plain()),
        "settings": to_json({"network": network, "random_state": saved.random_state}),
    }
    return entry if fitted is None else entry | {"model": pack_model(settings, fitted)} | _pack_training(fitted)


def _pack_training(fitted: FittedIvis) -> dict[str, Any]:
    from scivis.nn._schedule import TrainingState
    from scivis.nn.networks import random_states

    # A model from an AnnData object has no state of training.
    training = fitted.training or TrainingState([], [])
    return {
        "training": to_json({"rng": fitted.rng and fitted.rng.bit_generator.state, "losses": training.losses}),
        "optimizer": arrays_to_dict(training.optimizer),
        "best": arrays_to_dict(training.best),
        "seeds": arrays_to_dict(np.asarray(seed) for seed in random_states(fitted.encoder)),
    }


def unpack_all(entry: Mapping[str, Any], *, backbone: keras.Model | None = None) -> SavedIvis:
    """The estimator from the dictionary of :func:`pack_all`."""
    from scivis.nn.networks import check_network

    check_entry(entry, ("settings",))
    settings = from_json(entry, "settings")
    network, seed = settings.get("network"), settings.get("random_state")
    if network is None and backbone is None:
        msg = (
            "The model was saved with the user's own Keras network. Networks are not saved in the folder, so that no folder "
            "can contain code. Build the same network and pass it: Ivis(model=network).load_model(folder)."
        )
        raise ValueError(msg)
    if seed is not None and not (is_integer(seed) and seed >= 0):
        fail(f"its random_state is {str(seed)[:80]!r}")
    if "model" not in entry:
        if network is not None:
            check_network(network)
        params = unpack_params(from_json(entry, "params"))
        return SavedIvis(Settings(**params, model=backbone if network is None else network), seed)
    # JSON is validated before a network is built.
    training = from_json(entry, "training")
    unpacked, fitted = unpack_model(entry["model"], backbone=backbone if network is None else None)
    return SavedIvis(unpacked, seed, _with_training(fitted, unpacked.optimizer, training, entry))


def _with_training(
    fitted: FittedIvis, optimizer: Any, training: Mapping[str, Any], entry: Mapping[str, Any]
) -> FittedIvis:
    """The model with the validated state of its training, from which another fit continues."""
    from scivis.nn._schedule import TrainingState

    try:
        rng = None if training["rng"] is None else generator_from(training["rng"])
        losses = [float(loss) for loss in training["losses"]]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        fail("its state of training has been altered", error)
    _set_seeds(fitted.encoder, dict_to_arrays(entry.get("seeds"), "seed", kinds="iu"))
    variables = dict_to_arrays(entry.get("optimizer"), "optimizer variable", kinds="fiu")
    if not variables:
        return replace(fitted, rng=rng)
    _check_optimizer(variables, optimizer, fitted)
    # The weights that early stopping would restore, if there are any.
    best = dict_to_arrays(entry.get("best", {}), "best weight")
    if best:
        weights = [weight for network in fitted.trained_networks for weight in network.weights]
        check_shapes("best weights", _shapes(best), _shapes(weights))
    return replace(fitted, rng=rng, training=TrainingState(losses, variables, best))


def _check_optimizer(variables: list[np.ndarray], name: Any, fitted: FittedIvis) -> None:
    """Raise for an unknown optimizer, or variables that are not those of the optimizer."""
    from scivis.nn._optimizer import OPTIMIZERS, state_shapes

    if name not in OPTIMIZERS:
        fail(f"its optimizer is {str(name)[:80]!r}")
    weights = [weight for network in fitted.trained_networks for weight in network.trainable_weights]
    check_shapes("optimizer variables", _shapes(variables), state_shapes(name, weights))


def _set_seeds(encoder: keras.Model, values: list[np.ndarray]) -> None:
    from scivis.nn.networks import random_states

    variables = random_states(encoder)
    check_shapes("seeds", _shapes(values), _shapes(variables))
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _shapes(arrays: list[Any]) -> list[tuple[int, ...]]:
    return [tuple(array.shape) for array in arrays]
