"""Damaged and forged models in folders: rejected with a reason; none runs code, reads other files or exhausts memory."""

from __future__ import annotations

import json
import pickle
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from scivis import Ivis
from scivis._store.hdf5 import sign

REJECTED = r"stored model cannot be used: .*\. Fit it again, or read the file again from its source"


@contextmanager
def forged(folder):
    """The saved file, to be altered on purpose: it gets a new digest, as a forger would write it."""
    with h5py.File(folder / "model.h5", "a") as file:
        yield file
    sign(folder / "model.h5")


def check_rejected(folder, reason=""):
    """The folder is rejected with a reason and a remedy, and the estimator is not changed."""
    model = Ivis(k=77)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=REJECTED) as caught:
        model.load_model(folder)
    assert reason in str(caught.value)
    assert vars(model) == before


@pytest.fixture
def no_network_is_built(monkeypatch):
    monkeypatch.setattr("scivis.nn.build_encoder", lambda *_, **__: pytest.fail("a network was built"))


# Damage


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_rejected(folder, share):
    content = (folder / "model.h5").read_bytes()
    (folder / "model.h5").write_bytes(content[: int(share * len(content))])
    check_rejected(folder, "is damaged, or no model of scivis")


@pytest.mark.parametrize("content", [b"\x80\x04N.", b"{}", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"], ids=repr)
def test_a_file_of_another_kind_is_rejected(folder, content):
    (folder / "model.h5").write_bytes(content)
    check_rejected(folder, "is damaged, or no model of scivis")
    (folder / "model.h5").write_bytes(bytes(512) + content)
    sign(folder / "model.h5")
    check_rejected(folder, "not a complete HDF5 file")


def test_random_damage_is_noticed_before_the_hdf5_library_reads_it(folder, fresh_process):
    """In a process of its own, which the HDF5 library could end, or never return from."""
    printed = fresh_process(f"""
        from pathlib import Path
        import numpy as np
        from scivis import Ivis

        file = Path({str(folder)!r}, "model.h5")
        whole = np.frombuffer(file.read_bytes(), np.uint8)
        for seed in range(200):
            rng, damaged = np.random.default_rng(seed), whole.copy()
            places = rng.choice(len(whole), rng.choice([1, 3, 10, 100]), replace=False)
            damaged[places] += rng.integers(1, 256, len(places), np.uint8)
            file.write_bytes(damaged.tobytes())
            try:
                Ivis().load_model(file.parent)
            except ValueError as error:
                print(type(error).__name__)
    """)
    assert printed.split() == ["UnusableModelError"] * 200


# Forged entries


def with_json(attributes, name, **changes):
    """Change values of a JSON object; `None` removes one."""
    values = json.loads(attributes[name]) | changes
    attributes[name] = json.dumps({key: value for key, value in values.items() if value is not None})


def attribute(name, **changes):
    return lambda file: with_json(file.attrs, name, **changes)


def attribute_is(name, value):
    return lambda file: file.attrs.__setitem__(name, value)


def config(part, **changes):
    """Change values of the architecture or the parameters of the model."""

    def forge(file):
        attributes = file["model"].attrs
        values = json.loads(attributes["config"])
        values[part] |= changes
        attributes["config"] = json.dumps(values)

    return forge


def replaced(path, value):
    def forge(file):
        if path in file:
            del file[path]
        file[path] = value

    return forge


def removed(path):
    return lambda file: file.__delitem__(path)


FORGERIES = {
    "no format": lambda file: file.attrs.pop("format"),
    "format 0": attribute_is("format", 0),
    "format is text": attribute_is("format", "1"),
    "no settings": lambda file: file.attrs.pop("settings"),
    "settings are no object": attribute_is("settings", "[]"),
    "settings are bytes": attribute_is("settings", np.frombuffer(b"\x80\x04N.", np.uint8)),
    "seed is text": attribute("settings", random_state="7"),
    "seed below 0": attribute("settings", random_state=-1),
    "seed is an object": attribute("settings", random_state={"class_name": "Lambda"}),
    "training is no JSON": attribute_is("training", "{"),
    "no generator": attribute("training", rng=None),
    "another generator": attribute("training", rng={"bit_generator": "MT19937"}),
    "generator out of range": attribute(
        "training",
        rng={"bit_generator": "PCG64", "state": {"state": -1, "inc": 10**60}, "has_uint32": 0, "uinteger": 0},
    ),
    "losses are no list": attribute("training", losses=5),
    "losses are no numbers": attribute("training", losses=["low"]),
    "no optimizer": removed("optimizer"),
    "optimizer of another model": replaced("optimizer/003", np.zeros((3, 3), np.float32)),
    "optimizer too short": removed("optimizer/013"),
    "optimizer is not a number": replaced("optimizer/001", np.float32(np.nan)),
    "no seeds": removed("seeds"),
    "missing seed": removed("seeds/000"),
    "seed of another shape": replaced("seeds/000", np.zeros(5, np.uint32)),
    "seeds are no integers": replaced("seeds/000", np.zeros(2, np.float32)),
    "no head": removed("model/head"),
    "incomplete head": removed("model/head/001"),
    "head of another width": replaced("model/head/000", np.zeros((2, 4), np.float32)),
    "head is infinite": replaced("model/head/001", np.full(3, np.inf, np.float32)),
    "too few classes": replaced("model/classes", np.arange(2)),
    "classes are no codes": replaced("model/classes", np.zeros(3)),
    "no weights": removed("model/weights"),
    "weights of another shape": replaced("model/weights/000", np.zeros(32, np.float32)),
    "a number in place of a group": replaced("model", 5),
    "a group in place of a number": lambda file: (
        removed("model/landmarks")(file),
        file.create_group("model/landmarks"),
    ),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_file_is_rejected(folder, forge):
    with forged(folder) as file:
        forge(file)
    check_rejected(folder)


@pytest.mark.usefixtures("no_network_is_built")
def test_a_newer_format_asks_for_an_update(folder):
    with forged(folder) as file:
        file.attrs["format"] = 2
    with pytest.raises(ValueError, match="Update scivis"):
        Ivis().load_model(folder)


@pytest.mark.parametrize("metric", ["accuracy", "Loss", "", "builtins.eval"])
def test_a_forged_supervision_metric_is_rejected(folder, metric):
    with forged(folder) as file:
        config("estimator", supervision_metric=metric)(file)
    check_rejected(folder, "supervision_metric")


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [
        ("sgd", "its optimizer is 'sgd'"),
        ("", "its optimizer is ''"),
        ("muon", "its optimizer variables have shapes"),
        (["adam"], "not plain values"),
    ],
)
def test_a_forged_optimizer_is_rejected(folder, optimizer, reason):
    """Also one that exists, but does not match the stored variables."""
    with forged(folder) as file:
        config("estimator", optimizer=optimizer)(file)
    check_rejected(folder, reason)


@pytest.mark.parametrize("network", ["resnet", [0], {"class_name": "Lambda"}, [[8]]], ids=str)
def test_a_forged_network_of_an_unfitted_model_is_rejected(tmp_path, network):
    Ivis().save_model(tmp_path / "model")
    with forged(tmp_path / "model") as file:
        attribute("settings", network=network)(file)
    with pytest.raises(ValueError, match="network"):
        Ivis().load_model(tmp_path / "model")


# Planted code


@pytest.fixture
def marker(tmp_path):
    """A file that planted code would create."""
    return tmp_path / "planted-code-ran"


def bomb(marker) -> bytes:
    class Bomb:
        def __reduce__(self):
            return Path.touch, (marker,)

    return pickle.dumps(Bomb())


def test_the_planted_pickle_would_run(marker):
    pickle.loads(bomb(marker))
    assert marker.exists()


@pytest.mark.usefixtures("no_network_is_built")
@pytest.mark.parametrize("place", ["model/weights/000", "optimizer/000", "seeds/000", "further"])
def test_a_pickle_in_place_of_an_array_does_not_run(folder, marker, place):
    with forged(folder) as file:
        replaced(place, np.void(bomb(marker)))(file)
    check_rejected(folder, "not an array of numbers")
    assert not marker.exists()


@pytest.mark.usefixtures("no_network_is_built")
@pytest.mark.parametrize("name", ["settings", "training", "params", "config"])
def test_a_pickle_in_place_of_text_does_not_run(folder, marker, name):
    with forged(folder) as file:
        (file["model"] if name == "config" else file).attrs[name] = np.void(bomb(marker))
        if name == "params":
            removed("model")(file)
    check_rejected(folder, f"its {name} is not JSON")
    assert not marker.exists()


@pytest.mark.parametrize("name", ["model.pkl", "ivis.pkl", "encoder.pkl"])
def test_a_pickle_beside_the_file_does_not_run(folder, marker, name):
    (folder / name).write_bytes(bomb(marker))
    Ivis().load_model(folder)
    assert not marker.exists()


def lambda_layer(marker):
    path = str(marker)
    return keras.layers.Lambda(lambda x: (open(path, "w").close(), x)[1])  # noqa: PTH123 (must run by itself)


@pytest.mark.parametrize("place", ["network", "n_features", "scale", "offset"])
def test_a_lambda_in_the_architecture_does_not_run(folder, marker, place):
    planted = keras.saving.serialize_keras_object(lambda_layer(marker))
    with forged(folder) as file:
        config("architecture", **{place: planted})(file)
    check_rejected(folder)
    assert not marker.exists()


def test_a_keras_model_with_a_lambda_does_not_run(folder, marker):
    inputs = keras.Input((4,))
    keras.Model(inputs, lambda_layer(marker)(inputs)).save(folder / "model.keras")
    marker.unlink(missing_ok=True)
    (folder / "model.h5").unlink()
    (folder / "model.keras").rename(folder / "model.h5")
    check_rejected(folder, "is damaged, or no model of scivis")
    assert not marker.exists()


# Other contents that HDF5 allows


def virtual(file, other):
    layout = h5py.VirtualLayout((4, 8), "f4")
    layout[:] = h5py.VirtualSource(other, "secret", (4, 8))
    file.create_virtual_dataset("model/weights/000", layout)


def planted(**arguments):
    return lambda file, other: file.create_dataset("model/weights/000", **arguments)


def item(value):
    return lambda file, other: file.__setitem__("model/weights/000", value)


HDF5 = {
    "external link": (lambda file, other: item(h5py.ExternalLink(other, "secret"))(file, other), "link"),
    "soft link": (item(h5py.SoftLink("/optimizer/002")), "link"),
    "dangling link": (item(h5py.SoftLink("/no/where")), "link"),
    "virtual array": (virtual, "not in the file"),
    "external storage": (
        lambda file, other: planted(shape=(4, 8), dtype="f4", external=[(other, 0, 128)])(file, other),
        "not in the file",
    ),
    "never written": (planted(shape=(1_000_000, 1_000_000), dtype="f4"), "not in the file"),
    "compressed": (
        planted(shape=(1_000_000, 1_000), dtype="f4", chunks=(1000, 1000), compression="gzip"),
        "not in the file",
    ),
    "texts": (planted(data=["a", "b"], dtype=h5py.string_dtype()), "not an array of numbers"),
    "references": (
        lambda file, other: planted(data=[file["model"].ref], dtype=h5py.ref_dtype)(file, other),
        "not an array of numbers",
    ),
    "records": (item(np.zeros(4, [("name", "S4"), ("value", "f4")])), "not an array of numbers"),
    "a type": (item(np.dtype("f4")), "not an array of numbers"),
    "a group within itself": (
        lambda file, other: item(file["model"])(file, other),
        "nested deeper than those of a model",
    ),
}


@pytest.mark.usefixtures("no_network_is_built")
@pytest.mark.parametrize(("plant", "reason"), HDF5.values(), ids=HDF5)
def test_hdf5_contents_other_than_arrays_are_rejected(folder, plant, reason):
    other = folder.parent / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.zeros((4, 8), np.float32)
    with forged(folder) as file:
        del file["model/weights/000"]
        plant(file, str(other))
    check_rejected(folder, reason)


# Checkpoints


def test_a_damaged_description_of_a_checkpoint_is_rejected(tmp_path):
    from scivis._ivis.checkpoint import Checkpoint

    (tmp_path / "call.json").write_text('{"epo')
    with pytest.raises(ValueError, match=r"cannot be read. Remove the folder"):
        Checkpoint.open(tmp_path, {"epochs": 1})
