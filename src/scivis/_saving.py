"""A model in a folder of its own, with all that training needs to go on; and the same for pickle."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ._checks import is_whole
from ._estimator import Ivis
from ._plan import backbone, generator
from ._storage import (
    FORMAT,
    check_format,
    fail,
    number,
    pack_model,
    pack_params,
    parse,
    unnumber,
    unpack_model,
    unpack_params,
)
from .nn._training import Trained

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras

# In the folder: one file that is replaced as a whole, and perhaps the export for other programs.
_FILE, _EXPORT = "model.h5", "saved_model"
# What a fit leaves in the estimator that pickle cannot take as it is, or that follows from the rest.
_FITTED = ("encoder_", "_head", "_architecture", "_reference", "_trained", "_rng", "classes_", "n_classes_")


def save(model: Ivis, folder: str | Path, save_format: str, *, overwrite: bool) -> None:
    """Write the model; the old one is readable until the new one is complete."""
    if save_format not in ("h5", "tf"):
        msg = f"save_format={save_format!r} is not one of ('h5', 'tf')."
        raise ValueError(msg)
    folder = Path(folder)
    if folder.exists() and not overwrite:
        msg = f"{folder} exists. Choose another name, or pass overwrite=True."
        raise FileExistsError(msg)
    entry = pack_all(model)
    folder.mkdir(parents=True, exist_ok=True)
    if save_format == "tf":
        _export(model, folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as writing:
        with h5py.File(Path(writing) / _FILE, "w") as file:
            _write(file, entry)
        (Path(writing) / _FILE).replace(folder / _FILE)


def _export(model: Ivis, folder: Path) -> None:
    if not model._is_fitted:
        msg = "save_format='tf' exports the fitted network, but this Ivis is not fitted. Take save_format='h5'."
        raise ValueError(msg)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as writing:
        model.encoder_.export(Path(writing) / _EXPORT, format="tf_saved_model", verbose=False)
        shutil.rmtree(folder / _EXPORT, ignore_errors=True)
        (Path(writing) / _EXPORT).replace(folder / _EXPORT)


def load(folder: str | Path, like: Ivis) -> Ivis:
    """The model saved there; `like` lends the network or the loss of the user's own that the folder cannot hold."""
    path = Path(folder) / _FILE
    if not path.is_file():
        msg = f"{folder} holds no model: there is no {_FILE} in it."
        raise FileNotFoundError(msg)
    try:
        with h5py.File(path, "r") as file:
            entry = _read(file)
    except (OSError, RuntimeError) as error:
        fail(f"{path} is not a whole HDF5 file", error)
    check_format(entry)
    return unpack_all(entry, like)


def pack_all(model: Ivis) -> dict[str, Any]:
    """The model and, if it is fitted, how its training ended."""
    network = None if backbone(model) is not None else model.model
    seed = model.random_state if is_whole(model.random_state) else None
    entry = {
        "format": FORMAT,
        "params": json.dumps(pack_params(model)),
        "settings": json.dumps({"network": network, "random_state": seed}),
    }
    if not model._is_fitted:
        return entry
    trained = model._trained or Trained([], [])
    state = {"rng": model._rng.bit_generator.state, "losses": trained.losses}
    return entry | {
        "model": pack_model(model),
        "training": json.dumps(state),
        "optimizer": number(trained.optimizer),
        "seeds": number([np.asarray(seed) for seed in seeds(model)]),
    }


def seeds(model: Ivis) -> list[keras.Variable]:
    """The states of the network's own random draws, such as dropout's: they are no weights."""
    weights = set(map(id, model.encoder_.weights))
    return [variable for variable in model.encoder_.variables if id(variable) not in weights]


def unpack_all(entry: Mapping[str, Any], like: Ivis) -> Ivis:
    """The estimator back from what :func:`pack_all` gave; `like` lends what is the user's own."""
    settings = parse(entry, "settings")
    if "model" in entry:
        custom = backbone(like) if settings.get("network") is None else None
        model = _trained(entry, unpack_model(entry["model"], backbone=custom))
    else:
        model = Ivis(**unpack_params(parse(entry, "params")), model=settings.get("network") or like.model)
    own: dict[str, Any] = {"callbacks": like.callbacks, "neighbour_matrix": like.neighbour_matrix}
    own |= {"distance": like.distance} if model.distance == "custom" else {}
    return model.set_params(**own, random_state=settings.get("random_state"))


def _trained(entry: Mapping[str, Any], model: Ivis) -> Ivis:
    """The fitted model, ready to go on."""
    state = parse(entry, "training")
    try:
        model._rng = generator(state["rng"])
        losses = [float(loss) for loss in state["losses"]]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        fail("its state of training has been altered", error)
    model._trained = Trained(losses, unnumber(entry.get("optimizer"), "optimizer variable", kinds="fiu"))
    model.loss_history_ = losses
    for variable, value in zip(seeds(model), unnumber(entry.get("seeds"), "seed", kinds="iu"), strict=True):
        variable.assign(value)
    return model


def _write(group: h5py.Group, entry: Mapping[str, Any]) -> None:
    for name, value in entry.items():
        if isinstance(value, dict):
            _write(group.create_group(name), value)
        elif isinstance(value, np.ndarray):
            group[name] = value
        else:
            group.attrs[name] = value


def _read(group: h5py.Group) -> dict[str, Any]:
    """Groups as dictionaries; links out of the file are not followed."""
    entry: dict[str, Any] = dict(group.attrs)
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            fail(f"{name} is a link")
        value = group[name]
        entry[name] = _read(value) if isinstance(value, h5py.Group) else value[()]
    return entry


def getstate(model: Ivis) -> dict[str, Any]:
    """The estimator for pickle and copy: parameters as they are, the networks as numbers."""
    state = {name: value for name, value in vars(model).items() if name not in _FITTED}
    return state | {"_saved": pack_all(model)}


def setstate(model: Ivis, state: dict[str, Any]) -> None:
    """Fill an estimator with what :func:`getstate` gave."""
    saved = state.pop("_saved")
    model.__dict__.update(state)
    if "model" in saved:
        fitted = vars(unpack_all(saved, model))
        model.__dict__.update({name: fitted[name] for name in _FITTED if name in fitted})
