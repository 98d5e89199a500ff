"""Code that a stranger planted in a model: it never runs."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import h5py
import keras
import numpy as np
import pytest

import scivis
from scivis._store.digest import sealed
from scivis._store.hdf5 import signed
from scivis._store.packed import packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

REJECTED = "stored model cannot be used: "


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that planted code would create."""
    return tmp_path / "planted-code-ran"


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


def planted_pickle(marker: Path) -> bytes:
    return pickle.dumps(Bomb(marker))


def planted_layer(marker: Path) -> keras.Layer:
    """A Keras layer that creates a file when it is called."""
    path = str(marker)
    return keras.layers.Lambda(lambda x: (open(path, "w").close(), x)[1])  # noqa: PTH123 (must run by itself)


def planted_lambda(marker: Path) -> Any:
    """The layer, as Keras stores it."""
    return keras.saving.serialize_keras_object(planted_layer(marker))


def test_the_pickle_would_run(marker: Path) -> None:
    pickle.loads(planted_pickle(marker))
    assert marker.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_layer_would_run(marker: Path) -> None:
    layer = keras.saving.deserialize_keras_object(planted_lambda(marker), safe_mode=False)
    layer(np.zeros((1, 2), np.float32))
    assert marker.exists()


# In an AnnData file


def with_config(part: str, field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one field in a part of the JSON text."""

    def plant(model: dict[str, Any]) -> None:
        config = json.loads(model["config"])
        config[part][field] = value
        model["config"] = json.dumps(config)

    return plant


def plants(marker: Path) -> dict[str, Callable[[dict[str, Any]], None]]:
    """Places for the pickle and for the layer, by name."""
    code, array = planted_pickle(marker), np.frombuffer(planted_pickle(marker), np.uint8)
    layer = planted_lambda(marker)
    inputs = keras.Input((5,))
    network = keras.saving.serialize_keras_object(keras.Model(inputs, planted_layer(marker)(inputs)))
    marker.unlink(missing_ok=True)  # Keras calls the layer while the network is built here
    fields = ("network", "n_features", "n_components", "linear_path", "scale", "offset")
    return {
        "pickle as config": lambda model: model.update(config=array),
        "pickle as text of the config": lambda model: model.update(config=code.hex()),
        "pickle as weight": lambda model: model["weights"].update({"000": array}),
        "pickle as landmarks": lambda model: model.update(landmarks=array),
        **{f"layer as {field}": with_config("architecture", field, layer) for field in fields},
        "layer among the widths": with_config("architecture", "network", [4, layer]),
        "layer as loss": with_config("estimator", "distance", layer),
        "layer as number of neighbors": with_config("estimator", "k", layer),
        "network as config": lambda model: model.update(config=json.dumps({"architecture": network, "estimator": {}})),
    }


@pytest.mark.parametrize("name", plants(Path("planted-code-ran")))
def test_it_does_not_run_from_an_anndata_file(name: str, reference: AnnData, marker: Path, tmp_path: Path) -> None:
    stranger = reference.copy()
    entry = unpacked(stranger.uns["ivis"])
    plants(marker)[name](entry["model"])
    stranger.uns["ivis"] = sealed(entry)
    stranger.write_h5ad(tmp_path / "stranger.h5ad")
    read = ad.read_h5ad(tmp_path / "stranger.h5ad")
    with pytest.raises(ValueError, match=REJECTED):
        scivis.get.model(read)
    with pytest.raises(ValueError, match=REJECTED):
        scivis.tl.ingest(read[:5].copy(), read)
    assert not marker.exists()


@pytest.mark.parametrize("kind", ["pickle", "archive with a pickle", "object array"])
def test_a_pickle_among_the_bytes_of_the_model_does_not_run(kind: str, reference: AnnData, marker: Path) -> None:
    code, buffer = planted_pickle(marker), io.BytesIO()
    if kind == "archive with a pickle":
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("model/format.npy", code)
    elif kind == "object array":
        np.savez(buffer, **{"model/format": np.array([Bomb(marker)], dtype=object)})
    stranger = reference.copy()
    forged = dict(stranger.uns["ivis"]) | {"model": np.frombuffer(buffer.getvalue() or code, np.uint8)}
    stranger.uns["ivis"] = sealed(forged)
    with pytest.raises(ValueError, match=f"{REJECTED}its bytes are not an archive of arrays"):
        scivis.get.model(stranger)
    with pytest.raises(ValueError, match=REJECTED):
        scivis.tl.ingest(reference[:5].copy(), stranger)
    assert not marker.exists()


def test_a_layer_as_name_of_the_loss_is_only_a_name(reference: AnnData, marker: Path, tmp_path: Path) -> None:
    stranger = reference.copy()
    entry = unpacked(stranger.uns["ivis"])
    with_config("estimator", "distance", json.dumps(planted_lambda(marker)))(entry["model"])
    stranger.uns["ivis"] = sealed(packed(entry))
    stranger.write_h5ad(tmp_path / "stranger.h5ad")
    read = ad.read_h5ad(tmp_path / "stranger.h5ad")
    scivis.get.model(read).transform(read.X)
    assert not marker.exists()


# In a folder


@pytest.fixture
def altered(folder: Path, tmp_path: Path) -> Path:
    """A copy of the saved model, which a test may alter."""
    path = tmp_path / "model"
    path.mkdir()
    (path / "model.h5").write_bytes((folder / "model.h5").read_bytes())
    return path


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("place", ["model/weights/000", "optimizer/000", "seeds/000", "further"])
def test_a_pickle_in_place_of_an_array_does_not_run(altered: Path, marker: Path, place: str) -> None:
    with h5py.File(altered / "model.h5", "a") as file:
        if place in file:
            del file[place]
        file[place] = np.void(planted_pickle(marker))
    (altered / "model.h5").write_bytes(signed((altered / "model.h5").read_bytes()))
    with pytest.raises(ValueError, match=f"{REJECTED}.*not an array of numbers"):
        scivis.Ivis().load_model(altered)
    assert not marker.exists()


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("name", ["settings", "training", "params", "config"])
def test_a_pickle_in_place_of_text_does_not_run(altered: Path, marker: Path, name: str) -> None:
    with h5py.File(altered / "model.h5", "a") as file:
        (file["model"] if name == "config" else file).attrs[name] = np.void(planted_pickle(marker))
        if name == "params":  # which only a model without a network needs
            del file["model"]
    (altered / "model.h5").write_bytes(signed((altered / "model.h5").read_bytes()))
    with pytest.raises(ValueError, match=f"{REJECTED}its {name} is not JSON"):
        scivis.Ivis().load_model(altered)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["model.pkl", "ivis.pkl", "encoder.pkl"])
def test_a_pickle_beside_the_file_does_not_run(altered: Path, marker: Path, name: str) -> None:
    (altered / name).write_bytes(planted_pickle(marker))
    scivis.Ivis().load_model(altered)
    assert not marker.exists()


@pytest.mark.parametrize("network", ["resnet", [0], {"class_name": "Lambda"}, [[8]]], ids=str)
def test_a_network_of_a_model_that_is_not_fitted_is_rejected(tmp_path: Path, network: Any) -> None:
    scivis.Ivis().save_model(tmp_path / "model")
    with h5py.File(tmp_path / "model" / "model.h5", "a") as file:
        file.attrs["settings"] = json.dumps(json.loads(file.attrs["settings"]) | {"network": network})
    (tmp_path / "model" / "model.h5").write_bytes(signed((tmp_path / "model" / "model.h5").read_bytes()))
    with pytest.raises(ValueError, match="network"):
        scivis.Ivis().load_model(tmp_path / "model")


def test_a_network_in_place_of_the_file_does_not_run(altered: Path, marker: Path) -> None:
    inputs = keras.Input((4,))
    keras.Model(inputs, planted_layer(marker)(inputs)).save(altered / "model.keras")
    marker.unlink(missing_ok=True)
    (altered / "model.keras").replace(altered / "model.h5")
    with pytest.raises(ValueError, match="is damaged, or no model of scivis"):
        scivis.Ivis().load_model(altered)
    assert not marker.exists()
