"""A model in a folder of its own, with the state of its training; and the same for pickle."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._checks import check_choice, is_integer
from scivis._random import generator_from
from scivis._store.files import check_absent, remove, replacing
from scivis._store.hdf5 import read_entry, write_entry
from scivis._store.schema import FORMAT, arrays_to_dict, check_entry, dict_to_arrays, fail, from_json, to_json

from .pack import pack_model, unpack_model, unpack_params
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras

    from .model import FittedIvis

# In the folder: one file that is replaced as a whole, and perhaps an export for other programs.
_FILE, _EXPORT = "model.h5", "saved_model"


@dataclass(frozen=True, eq=False)
class SavedIvis:
    """An estimator as it is saved.

    Parameters
    ----------
    settings
        Its settings.
    random_state
        Its seed, if that is an integer.
    fitted
        Its fitted model, if it is fitted.
    """

    settings: Settings
    random_state: int | None = None
    fitted: FittedIvis | None = None


def is_saved(folder: str | Path) -> bool:
    """Whether a folder holds a complete model."""
    return (Path(folder) / _FILE).is_file()


def save_folder(saved: SavedIvis, folder: str | Path, save_format: str, *, overwrite: bool) -> None:
    """Write the model to a folder. An old one remains readable until the new one is complete."""
    folder = Path(folder)
    check_choice("save_format", save_format, ("h5", "tf"))
    check_absent(folder, overwrite=overwrite)
    if save_format == "tf" and saved.fitted is None:
        msg = "save_format='tf' exports the fitted network, but this Ivis is not fitted. Use save_format='h5'."
        raise ValueError(msg)
    entry = pack_all(saved)
    with ExitStack() as stack:
        if save_format == "tf" and saved.fitted is not None:
            export = stack.enter_context(replacing(folder / _EXPORT))
            saved.fitted.encoder.export(export, format="tf_saved_model", verbose=False)
        write_entry(folder / _FILE, entry)
        remove(folder / _EXPORT)  # that of an old model


def load_folder(folder: str | Path, *, backbone: keras.Model | None = None) -> SavedIvis:
    """Read the model of a folder.

    Parameters
    ----------
    folder
        Written by :func:`save_folder`.
    backbone
        The user's network, which a folder cannot hold.
    """
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
    return entry if fitted is None else entry | _pack_fitted(settings, fitted)


def _pack_fitted(settings: Settings, fitted: FittedIvis) -> dict[str, Any]:
    from scivis.nn._schedule import TrainingState
    from scivis.nn.networks import random_states

    # A model from an AnnData object has no state of training.
    training = fitted.training or TrainingState([], [])
    state = {"rng": fitted.rng and fitted.rng.bit_generator.state, "losses": training.losses}
    return {
        "model": pack_model(settings, fitted),
        "training": to_json(state),
        "optimizer": arrays_to_dict(training.optimizer),
        "best": arrays_to_dict(training.best),
        "seeds": arrays_to_dict(np.asarray(seed) for seed in random_states(fitted.encoder)),
    }


def unpack_all(entry: Mapping[str, Any], *, backbone: keras.Model | None = None) -> SavedIvis:
    """The estimator from the dictionary of :func:`pack_all`."""
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
    own = backbone if network is None else None
    if "model" not in entry:
        return SavedIvis(_unfitted(entry, own if network is None else network), seed)
    unpacked, fitted = unpack_model(entry["model"], backbone=own)
    return SavedIvis(unpacked, seed, _with_training(fitted, unpacked, from_json(entry, "training"), entry))


def _unfitted(entry: Mapping[str, Any], network: Any) -> Settings:
    from scivis.nn.networks import check_network

    if isinstance(network, str | list | dict):
        check_network(network)
    return Settings(**unpack_params(from_json(entry, "params")), model=network)


def _with_training(
    fitted: FittedIvis, settings: Settings, state: Mapping[str, Any], entry: Mapping[str, Any]
) -> FittedIvis:
    """The model with the state of its training, so that another fit continues it."""
    from scivis.nn._schedule import TrainingState

    try:
        rng = None if state["rng"] is None else generator_from(state["rng"])
        losses = [float(loss) for loss in state["losses"]]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        fail("its state of training has been altered", error)
    _set_seeds(fitted.encoder, dict_to_arrays(entry.get("seeds"), "seed", kinds="iu"))
    optimizer = dict_to_arrays(entry.get("optimizer"), "optimizer variable", kinds="fiu")
    if not optimizer:
        return replace(fitted, rng=rng)
    _check_optimizer(optimizer, settings.optimizer, fitted)
    return replace(fitted, rng=rng, training=TrainingState(losses, optimizer, _best(entry, fitted)))


def _best(entry: Mapping[str, Any], fitted: FittedIvis) -> list[np.ndarray]:
    """The weights that early stopping would restore, if there are any."""
    best = dict_to_arrays(entry.get("best", {}), "best weight")
    wanted = [tuple(weight.shape) for part in fitted.learned for weight in part.weights]
    if best and [weight.shape for weight in best] != wanted:
        fail(f"its best weights have shapes {[weight.shape for weight in best]}")
    return best


def _check_optimizer(values: list[np.ndarray], name: Any, fitted: FittedIvis) -> None:
    """Raise for an unknown optimizer, or a state that is not that of the optimizer."""
    from scivis.nn._optimizer import OPTIMIZERS, state_shapes

    if name not in OPTIMIZERS:
        fail(f"its optimizer is {str(name)[:80]!r}")
    weights = [weight for part in fitted.learned for weight in part.trainable_weights]
    if [value.shape for value in values] != state_shapes(name, weights):
        fail(f"its optimizer variables have shapes {[value.shape for value in values]}")


def _set_seeds(encoder: keras.Model, values: list[np.ndarray]) -> None:
    from scivis.nn.networks import random_states

    variables = random_states(encoder)
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        fail(f"its seeds have shapes {[value.shape for value in values]}")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
