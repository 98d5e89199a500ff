"""A model in a folder of its own, with all that training needs to go on; and the same for pickle."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from scivis._checks import is_whole
from scivis._store.digest import USER_BLOCK, is_undamaged, sign
from scivis.nn._training import Trained
from scivis.nn.networks import random_states

from .estimator import Ivis
from .pack import (
    FORMAT,
    UnusableModelError,
    check_format,
    fail,
    number,
    pack_model,
    pack_params,
    parse,
    to_json,
    unnumber,
    unpack_model,
    unpack_params,
)
from .plan import backbone, generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras


# In the folder: one file that is replaced as a whole, and perhaps the export for other programs.
_FILE, _EXPORT = "model.h5", "saved_model"
# Groups within groups: the file, the model, its weights.
_DEPTH = 2
# What a fit leaves in the estimator that pickle cannot take as it is, or that follows from the rest.
_FITTED = ("encoder_", "_head", "_scale", "_architecture", "_reference", "_trained", "_rng", "classes_", "n_classes_")


def save(model: Ivis, folder: str | Path, save_format: str, *, overwrite: bool) -> None:
    """Write the model; the old one is readable until the new one is complete."""
    if save_format not in ("h5", "tf"):
        msg = f"save_format={save_format!r} is not one of ('h5', 'tf')."
        raise ValueError(msg)
    folder = Path(folder)
    if folder.exists() and not overwrite:
        msg = f"{folder} exists. Choose another name, or pass overwrite=True."
        raise FileExistsError(msg)
    if save_format == "tf" and not model._is_fitted:
        msg = "save_format='tf' exports the fitted network, but this Ivis is not fitted. Take save_format='h5'."
        raise ValueError(msg)
    entry = pack_all(model)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as name:
        writing = Path(name)
        if save_format == "tf":
            model.encoder_.export(writing / _EXPORT, format="tf_saved_model", verbose=False)
        with h5py.File(writing / _FILE, "w", userblock_size=USER_BLOCK) as file:
            _write(file, entry)
        sign(writing / _FILE)
        _put(writing, folder)


def _put(writing: Path, folder: Path) -> None:
    """Renaming takes no time: what is there is the old or the new. An export of the old model must not stay."""
    (writing / _FILE).replace(folder / _FILE)
    if (folder / _EXPORT).exists():
        (folder / _EXPORT).replace(writing / "old")
    if (writing / _EXPORT).exists():
        (writing / _EXPORT).replace(folder / _EXPORT)


def load(folder: str | Path, like: Ivis) -> Ivis:
    """The model saved there; `like` lends the network or the loss of the user's own that the folder cannot hold."""
    path = Path(folder) / _FILE
    if not path.is_file():
        msg = f"{folder} holds no model: there is no {_FILE} in it."
        raise FileNotFoundError(msg)
    if not is_undamaged(path):
        fail(f"{path} is damaged, or no model of scivis")
    try:
        with h5py.File(path, "r") as file:
            entry = _read(file, path.stat().st_size)
    except UnusableModelError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        fail(f"{path} is not a whole HDF5 file", error)
    check_format(entry)
    return unpack_all(entry, like)


def pack_all(model: Ivis) -> dict[str, Any]:
    """The model and, if it is fitted, how its training ended."""
    network = None if backbone(model) is not None else model.model
    seed = int(model.random_state) if is_whole(model.random_state) else None  # type: ignore[arg-type]
    entry = {
        "format": FORMAT,
        "params": to_json(pack_params(model)),
        "settings": to_json({"network": network, "random_state": seed}),
    }
    if not model._is_fitted:
        return entry
    # A model out of AnnData has not kept how its training ended.
    trained, rng = model._trained or Trained([], []), getattr(model, "_rng", None)
    state = {"rng": rng and rng.bit_generator.state, "losses": trained.losses}
    return entry | {
        "model": pack_model(model),
        "training": to_json(state),
        "optimizer": number(trained.optimizer),
        "best": number(trained.best),
        "seeds": number([np.asarray(seed) for seed in random_states(model.encoder_)]),
    }


def unpack_all(entry: Mapping[str, Any], like: Ivis) -> Ivis:
    """The estimator back from what :func:`pack_all` gave; `like` lends what is the user's own."""
    settings = parse(entry, "settings")
    network, seed, custom = settings.get("network"), settings.get("random_state"), backbone(like)
    if network is None and custom is None:
        msg = (
            "The model was saved with a Keras network of the user's, which is not in the folder, so that no folder can "
            "bring code along. Build the same network and hand it in: Ivis(model=network).load_model(folder)."
        )
        raise ValueError(msg)
    if seed is not None and not (is_whole(seed) and seed >= 0):
        fail(f"its random_state is {str(seed)[:80]!r}")
    if "model" in entry:
        training = parse(entry, "training")
        model = unpack_model(entry["model"], backbone=custom if network is None else None)
        _set_training(model, training, entry)
    else:
        model = _untrained(entry, custom if network is None else network)
    own: dict[str, Any] = {"callbacks": like.callbacks, "neighbour_matrix": like.neighbour_matrix}
    # Without the user's loss the name stays, which embeds, but does not train.
    own |= {"distance": like.distance} if model.distance == "custom" and callable(like.distance) else {}
    return model.set_params(**own, random_state=seed)


def _untrained(entry: Mapping[str, Any], network: Any) -> Ivis:
    from scivis.nn.networks import check_network

    if isinstance(network, str | list | dict):
        check_network(network)
    return Ivis(**unpack_params(parse(entry, "params")), model=network)


def _set_training(model: Ivis, state: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
    """Make the fitted model ready to go on."""
    try:
        if state["rng"] is not None:
            model._rng = generator(state["rng"])
        losses = [float(loss) for loss in state["losses"]]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        fail("its state of training has been altered", error)
    optimizer = unnumber(entry.get("optimizer"), "optimizer variable", kinds="fiu")
    if optimizer:
        _check_optimizer(optimizer, model)
        model._trained = Trained(losses, optimizer, _best(entry, model))
    model.loss_history_ = losses
    _set_seeds(model, unnumber(entry.get("seeds"), "seed", kinds="iu"))


def _best(entry: Mapping[str, Any], model: Ivis) -> list[np.ndarray]:
    """The weights that early stopping would go back to, if there are any."""
    best = unnumber(entry.get("best", {}), "best weight")
    wanted = [tuple(weight.shape) for part in _learned(model) for weight in part.weights]
    if best and [weight.shape for weight in best] != wanted:
        fail(f"its best weights have shapes {[weight.shape for weight in best]}")
    return best


def _check_optimizer(values: list[np.ndarray], model: Ivis) -> None:
    """Refuse an optimizer that is not known, and a state that is not its own."""
    from scivis.nn._optimizer import OPTIMIZERS, state_shapes

    if model.optimizer not in OPTIMIZERS:
        fail(f"its optimizer is {str(model.optimizer)[:80]!r}")
    weights = [weight for part in _learned(model) for weight in part.trainable_weights]
    if [value.shape for value in values] != state_shapes(model.optimizer, weights):
        fail(f"its optimizer variables have shapes {[value.shape for value in values]}")


def _learned(model: Ivis) -> list[keras.Model]:
    """The parts that training changes."""
    return [model.encoder_] if model._head is None else [model.encoder_, model._head]


def _set_seeds(model: Ivis, values: list[np.ndarray]) -> None:
    variables = random_states(model.encoder_)
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        fail(f"its seeds have shapes {[value.shape for value in values]}")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _write(group: h5py.Group, entry: Mapping[str, Any]) -> None:
    for name, value in entry.items():
        if isinstance(value, dict):
            _write(group.create_group(name), value)
        elif isinstance(value, np.ndarray):
            group[name] = value
        else:
            group.attrs[name] = value


def _read(group: h5py.Group, size: int, depth: int = 0) -> dict[str, Any]:
    """Groups as dictionaries; nothing out of the file is followed, nothing larger than the file is read."""
    # A group may hold itself. Python's own limit would be too late: h5py then keeps its lock, and other threads wait.
    if depth > _DEPTH:
        fail("its groups are nested deeper than those of a model")
    entry: dict[str, Any] = dict(group.attrs)
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            fail(f"{name} is a link")
        value = group[name]
        entry[name] = _read(value, size, depth + 1) if isinstance(value, h5py.Group) else _array(value, name, size)
    return entry


def _array(value: Any, name: str, size: int) -> np.ndarray:
    if not isinstance(value, h5py.Dataset) or value.dtype.kind not in "fiu":
        fail(f"{name} is not an array of numbers")
    if value.is_virtual or value.external or value.nbytes > size:
        fail(f"the numbers of {name} are not in the file")
    return np.asarray(value[()])


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
