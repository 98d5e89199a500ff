"""Models in folders of their own: what comes back, what a kill leaves behind, and that no folder can run code."""

from __future__ import annotations

import copy
import json
import pickle
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from scivis import Ivis
from scivis._ivis import save as saving
from scivis._store.digest import sign
from scivis.nn import register_network
from scivis.nn.networks import REGISTERED

SMALL = {
    "k": 8, "batch_size": 30, "epochs": 1, "model": [8, 8], "verbose": 0, "random_state": 0,
    "n_epochs_without_progress": None,
}  # fmt: skip
ROWS, LABELS = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32), np.arange(60) % 3


@pytest.fixture(scope="module", autouse=True)
def op_by_op():
    """Runs training without compiling it, which takes longer than the training of so little."""
    tf.config.run_functions_eagerly(run_eagerly=True)
    yield
    tf.config.run_functions_eagerly(run_eagerly=False)


@pytest.fixture(scope="module")
def fitted():
    return Ivis(**SMALL, learning_rate=0.01).fit(ROWS, LABELS)


@pytest.fixture(scope="module")
def _saved(fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "model"
    fitted.save_model(folder)
    return (folder / "model.h5").read_bytes()


@pytest.fixture
def folder(_saved, tmp_path):
    """A folder with the saved model, to be read or spoiled."""
    path = tmp_path / "model"
    path.mkdir()
    (path / "model.h5").write_bytes(_saved)
    return path


def bits(model):
    parts = [model.encoder_] if model._head is None else [model.encoder_, model._head]
    return [weight.tobytes() for part in parts for weight in part.get_weights()]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def altered_on_purpose(folder):
    """The saved file, to be forged: with a new digest, as who forges it would write one."""
    with h5py.File(folder / "model.h5", "a") as file:
        yield file
    sign(folder / "model.h5")


# What comes back


def test_a_folder_holds_one_file_of_names_and_numbers(fitted, folder, tmp_path):
    fitted.save_model(tmp_path / "deep" / "er")
    assert names(tmp_path / "deep" / "er") == names(folder) == ["model.h5"]
    with h5py.File(folder / "model.h5") as file:
        assert set(file.attrs) == {"format", "params", "settings", "training"}
        assert set(file) == {"best", "model", "optimizer", "seeds"}
        kinds = set()
        file.visititems(lambda _, item: kinds.add(item.dtype.kind if isinstance(item, h5py.Dataset) else "group"))
    assert kinds <= {"f", "i", "u", "group"}


def test_everything_comes_back(fitted, folder):
    model = Ivis().load_model(folder)
    assert bits(model) == bits(fitted)
    assert_array_equal(model.transform(ROWS), fitted.transform(ROWS))
    assert_array_equal(model.score_samples(ROWS), fitted.score_samples(ROWS))
    assert_array_equal(model.novelty(ROWS + 1), fitted.novelty(ROWS + 1))
    assert model.get_params() == fitted.get_params()
    assert model.classes_.tolist() == [0, 1, 2]
    assert (model.n_classes_, model.n_features_in_) == (3, 4)
    assert model.loss_history_ == fitted.loss_history_
    for mine, other in zip(model._trained.optimizer, fitted._trained.optimizer, strict=True):
        assert_array_equal(mine, other, strict=True)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_may_be_a_text_or_a_path(fitted, tmp_path, kind):
    fitted.save_model(kind(tmp_path / "model"))
    assert bits(Ivis().load_model(kind(tmp_path / "model"))) == bits(fitted)


def test_loading_returns_the_estimator_itself(folder):
    model = Ivis()
    assert model.load_model(folder) is model


def test_a_fresh_process_goes_on(fitted, folder, tmp_path, fresh_process):
    whole = copy.deepcopy(fitted).fit(ROWS, LABELS)
    np.savez(tmp_path / "data.npz", rows=ROWS, labels=LABELS, map=fitted.transform(ROWS), more=whole.transform(ROWS))
    out = fresh_process(f"""
        import json, sys
        import numpy as np
        from scivis import Ivis

        data = np.load({str(tmp_path / "data.npz")!r})
        model = Ivis().load_model({str(folder)!r})
        here = model.transform(data["rows"])
        import tensorflow as tf
        tf.config.run_functions_eagerly(True)
        more = model.fit(data["rows"], data["labels"]).transform(data["rows"])
        print(json.dumps([float(np.abs(a - b).max()) for a, b in ((here, data["map"]), (more, data["more"]))]))
    """)
    here, more = json.loads(out.splitlines()[-1])
    assert here < 1e-6
    assert more < 1e-5


def test_an_untrained_model_is_its_parameters(tmp_path):
    model = Ivis(3, **SMALL | {"distance": "cosine_pn", "model": (7, 5), "random_state": np.int64(3)})
    model.save_model(tmp_path / "model")
    again = Ivis().load_model(tmp_path / "model")
    before, after = model.get_params(), again.get_params()
    assert after.pop("model") == list(before.pop("model"))
    assert after == before
    assert_array_equal(again.fit_transform(ROWS, LABELS), model.fit_transform(ROWS, LABELS))


def test_numbers_of_numpy_are_numbers(tmp_path):
    """As a grid search hands them over."""
    numbers = {"k": np.int64(8), "learning_rate": np.float32(0.5), "standardize": np.bool_(True)}  # noqa: FBT003
    Ivis(**SMALL | numbers).save_model(tmp_path / "model")
    params = Ivis().load_model(tmp_path / "model").get_params()
    assert {name: params[name] for name in numbers} == {"k": 8, "learning_rate": 0.5, "standardize": True}


def test_what_is_not_in_the_folder_stays_with_the_estimator(folder):
    callbacks, table = [keras.callbacks.Callback()], np.roll(np.arange(60), 1)[:, None]
    model = Ivis(callbacks=callbacks, neighbour_matrix=table, epochs=77).load_model(folder)
    assert model.callbacks is callbacks
    assert model.neighbour_matrix is table
    assert model.epochs == 1


def test_loading_forgets_what_was_there(fitted, tmp_path):
    Ivis(**SMALL).fit(ROWS).save_model(tmp_path / "alone")
    Ivis().save_model(tmp_path / "untrained")
    model = copy.deepcopy(fitted).load_model(tmp_path / "alone")
    assert not hasattr(model, "classes_")
    assert not hasattr(model, "supervised_model_")
    assert not hasattr(copy.deepcopy(fitted).load_model(tmp_path / "untrained"), "encoder_")


def test_a_large_input_is_saved_too(tmp_path):
    """The offset of each feature is text, more of it than HDF5 takes for a small attribute."""
    wide = np.random.default_rng(0).normal(size=(30, 9000)).astype(np.float32)
    model = Ivis(**SMALL | {"model": [2], "batch_size": 10, "k": 3, "standardize": True}).fit(wide)
    model.save_model(tmp_path / "model")
    assert (tmp_path / "model" / "model.h5").stat().st_size > 64 * 1024
    assert_array_equal(Ivis().load_model(tmp_path / "model").transform(wide), model.transform(wide))


@pytest.mark.parametrize("bit_generator", [np.random.MT19937, np.random.Philox])
def test_any_generator_may_be_the_seed(bit_generator, tmp_path):
    model = Ivis(**SMALL | {"random_state": np.random.Generator(bit_generator(1))}).fit(ROWS)
    model.save_model(tmp_path / "model")
    assert bits(Ivis().load_model(tmp_path / "model")) == bits(pickle.loads(pickle.dumps(model))) == bits(model)


# Overwriting


def test_nothing_is_replaced_without_permission(folder):
    before = (folder / "model.h5").read_bytes()
    with pytest.raises(FileExistsError, match=r"model exists. Choose another name, or pass overwrite=True"):
        Ivis().save_model(folder)
    assert (folder / "model.h5").read_bytes() == before
    Ivis(k=33).save_model(folder, overwrite=True)
    assert Ivis().load_model(folder).k == 33
    assert names(folder) == ["model.h5"]


def test_other_files_in_the_folder_stay(folder):
    (folder / "notes.txt").write_text("mine")
    Ivis().save_model(folder, overwrite=True)
    assert names(folder) == ["model.h5", "notes.txt"]


@pytest.mark.parametrize("save_format", ["keras", "H5", "", None])
def test_an_unknown_format_is_refused(fitted, tmp_path, save_format):
    with pytest.raises(ValueError, match=r"save_format=.* is not one of \('h5', 'tf'\)"):
        fitted.save_model(tmp_path / "model", save_format)
    assert names(tmp_path) == []


# The export


def test_the_export_needs_no_scivis(fitted, tmp_path):
    fitted.save_model(tmp_path / "model", "tf")
    assert names(tmp_path / "model") == ["model.h5", "saved_model"]
    served = tf.saved_model.load(tmp_path / "model" / "saved_model")
    assert_allclose(served.serve(ROWS).numpy(), fitted.transform(ROWS), atol=1e-6)
    assert bits(Ivis().load_model(tmp_path / "model")) == bits(fitted)


def test_an_untrained_model_cannot_be_exported(tmp_path):
    with pytest.raises(ValueError, match=r"this Ivis is not fitted. Take save_format='h5'"):
        Ivis().save_model(tmp_path / "model", "tf")
    assert names(tmp_path) == []


@pytest.fixture
def quick_export(monkeypatch):
    """Writes what counts here, a folder, in no time."""

    def export(model, path, **_):
        path.mkdir()
        (path / "weights").write_text(str(len(model.weights)))

    monkeypatch.setattr(keras.Model, "export", export)


@pytest.mark.usefixtures("quick_export")
def test_no_export_of_an_older_model_stays(fitted, tmp_path):
    one = Ivis(**SMALL | {"model": [8]}).fit(ROWS)
    folder = tmp_path / "model"
    for model, wanted in ((fitted, "6"), (one, "4")):
        model.save_model(folder, "tf", overwrite=True)
        assert (folder / "saved_model" / "weights").read_text() == wanted
        assert names(folder) == ["model.h5", "saved_model"]
    fitted.save_model(folder, overwrite=True)
    assert names(folder) == ["model.h5"]


# A kill in the middle


def test_a_killed_process_leaves_the_old_model(fitted, folder):
    """The process dies when all is written and nothing renamed."""
    code = f"""
        import os, signal
        from pathlib import Path
        from scivis import Ivis

        Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        Ivis(k=33).save_model({str(folder)!r}, overwrite=True)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [remains] = [path for path in folder.iterdir() if path.name != "model.h5"]
    assert names(remains) == ["model.h5"]  # it did come that far
    assert bits(Ivis().load_model(folder)) == bits(fitted)
    Ivis(k=44).save_model(folder, overwrite=True)
    assert Ivis().load_model(folder).k == 44


class PowerCutError(BaseException):
    """Not an error that anything may catch."""


@pytest.mark.usefixtures("quick_export")
@pytest.mark.parametrize("when", ["export", "write", 0, 1, 2])
def test_an_end_at_any_step_leaves_a_whole_model(fitted, tmp_path, monkeypatch, when):
    folder = tmp_path / "model"
    fitted.save_model(folder, "tf")
    new = copy.deepcopy(fitted).set_params(k=33)
    renamed, replace = [], Path.replace

    def rename(path, target):
        if len(renamed) == when:
            raise PowerCutError
        renamed.append(target)
        return replace(path, target)

    def cut(*_, **__):
        raise PowerCutError

    monkeypatch.setattr(Path, "replace", rename)
    if when == "export":
        monkeypatch.setattr(keras.Model, "export", cut)
    if when == "write":
        monkeypatch.setattr(saving, "_write", cut)
    with pytest.raises(PowerCutError):
        new.save_model(folder, "tf", overwrite=True)
    assert Ivis().load_model(folder).k == (33 if when in (1, 2) else 8)
    assert set(names(folder)) <= {"model.h5", "saved_model"}


# What is the user's own


@pytest.fixture
def network():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(6, activation="tanh")])


def test_a_network_of_ones_own_is_handed_in_again(network, tmp_path):
    model = Ivis(**SMALL | {"model": network}).fit(ROWS, LABELS)
    model.save_model(tmp_path / "model")
    with pytest.raises(ValueError, match=r"Build the same network and hand it in: Ivis\(model=network\).load_model"):
        Ivis().load_model(tmp_path / "model")
    same = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6, activation="tanh")])
    again = Ivis(model=same).load_model(tmp_path / "model")
    assert again.model is same
    assert_array_equal(again.transform(ROWS), model.transform(ROWS))
    assert bits(again.fit(ROWS, LABELS)) == bits(model.fit(ROWS, LABELS))


def test_another_network_is_refused(network, tmp_path):
    Ivis(**SMALL | {"model": network}).fit(ROWS).save_model(tmp_path / "model")
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(7)])
    with pytest.raises(ValueError, match=r"its weights have shapes .* but its network needs"):
        Ivis(model=other).load_model(tmp_path / "model")


def test_an_untrained_model_with_a_network_of_ones_own(network, tmp_path):
    Ivis(k=9, model=network).save_model(tmp_path / "model")
    with pytest.raises(ValueError, match="hand it in"):
        Ivis().load_model(tmp_path / "model")
    again = Ivis(model=network).load_model(tmp_path / "model")
    assert (again.k, again.model) == (9, network)


@pytest.mark.parametrize("trained", [False, True])
def test_a_registered_network_is_found_by_name(tmp_path, monkeypatch, trained):
    register_network(lambda shape: keras.Sequential([keras.Input(shape), keras.layers.Dense(6)]), name="of-mine")
    monkeypatch.setitem(REGISTERED, "of-mine", REGISTERED.pop("of-mine"))  # and gone after the test
    model = Ivis(**SMALL | {"model": "of-mine"})
    if trained:
        model.fit(ROWS)
    model.save_model(tmp_path / "model")
    again = Ivis().load_model(tmp_path / "model")
    assert again.model == "of-mine"
    if trained:
        assert_array_equal(again.transform(ROWS), model.transform(ROWS))
    monkeypatch.delitem(REGISTERED, "of-mine")
    with pytest.raises(ValueError, match="of-mine"):
        Ivis().load_model(tmp_path / "model")


def pull(y_true, y_pred):
    return keras.ops.sum(keras.ops.square(y_pred[0] - y_pred[1]), axis=-1)


def test_a_loss_of_ones_own_is_needed_to_train_and_not_to_embed(tmp_path):
    model = Ivis(**SMALL | {"distance": pull}).fit(ROWS)
    model.save_model(tmp_path / "model")
    again = Ivis().load_model(tmp_path / "model")
    assert_array_equal(again.transform(ROWS), model.transform(ROWS))
    with pytest.raises(ValueError, match=r"loss='custom' is not one of.*register_loss"):
        again.fit(ROWS)
    again = Ivis(distance=pull).load_model(tmp_path / "model")
    assert again.distance is pull
    assert bits(again.fit(ROWS)) == bits(model.fit(ROWS))


# What is truncated or altered is refused


@pytest.mark.parametrize("name", ["nothing", "model.h5"])
def test_a_folder_without_a_model_says_so(folder, name):
    with pytest.raises(FileNotFoundError, match=r"holds no model: there is no model.h5 in it"):
        Ivis().load_model(folder / name)


REFUSED = r"stored model cannot be used: .*\. Fit it again, or read the file again from its source"


def refused(folder, what="", like=None):
    """The folder is refused, with a reason and a remedy, and the estimator stays as it was."""
    model = like or Ivis(k=77)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=REFUSED) as caught:
        model.load_model(folder)
    assert what in str(caught.value)
    assert vars(model) == before


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_refused(folder, share):
    content = (folder / "model.h5").read_bytes()
    (folder / "model.h5").write_bytes(content[: int(share * len(content))])
    refused(folder, "is damaged, or no model of scivis")


@pytest.mark.parametrize("content", [b"\x80\x04N.", b"{}", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"], ids=repr)
def test_a_file_of_another_kind_is_refused(folder, content):
    (folder / "model.h5").write_bytes(content)
    refused(folder, "is damaged, or no model of scivis")
    (folder / "model.h5").write_bytes(bytes(512) + content)
    sign(folder / "model.h5")
    refused(folder, "not a whole HDF5 file")


def test_damage_anywhere_is_noticed_and_ends_neither_the_process_nor_its_time(folder):
    """In a process of its own: the HDF5 library, given such files, ends it or never returns."""
    code = f"""
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
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["UnusableModelError"] * 200


@pytest.fixture
def nothing_is_built(monkeypatch):
    monkeypatch.setattr("scivis.nn.build_encoder", lambda *_, **__: pytest.fail("a network was built"))


def altered(json_text, **changes):
    """An object with other values; `None` removes a name."""
    return json.dumps({k: v for k, v in (json.loads(json_text) | changes).items() if v is not None})


def attribute(name, **changes):
    def forge(file):
        file.attrs[name] = altered(file.attrs[name], **changes)

    return forge


def replaced(path, value):
    def forge(file):
        if path in file:
            del file[path]
        file[path] = value

    return forge


def removed(path):
    def forge(file):
        del file[path]

    return forge


def attribute_is(name, value):
    def forge(file):
        file.attrs[name] = value

    return forge


FORGED = {
    "no format": lambda file: file.attrs.pop("format"),
    "format 0": attribute_is("format", 0),
    "format a text": attribute_is("format", "1"),
    "no settings": lambda file: file.attrs.pop("settings"),
    "settings no object": attribute_is("settings", "[]"),
    "settings bytes": attribute_is("settings", np.frombuffer(b"\x80\x04N.", np.uint8)),
    "seed a text": attribute("settings", random_state="7"),
    "seed below 0": attribute("settings", random_state=-1),
    "seed an object": attribute("settings", random_state={"class_name": "Lambda"}),
    "training no JSON": attribute_is("training", "{"),
    "no rng": attribute("training", rng=None),
    "rng of another kind": attribute("training", rng={"bit_generator": "MT19937"}),
    "rng out of range": attribute(
        "training",
        rng={"bit_generator": "PCG64", "state": {"state": -1, "inc": 10**60}, "has_uint32": 0, "uinteger": 0},
    ),
    "losses no list": attribute("training", losses=5),
    "losses no numbers": attribute("training", losses=["low"]),
    "no optimizer": removed("optimizer"),
    "optimizer of another model": replaced("optimizer/003", np.zeros((3, 3), np.float32)),
    "optimizer too short": removed("optimizer/013"),
    "optimizer not a number": replaced("optimizer/001", np.float32(np.nan)),
    "no seeds": removed("seeds"),
    "a seed too few": removed("seeds/000"),
    "a seed of another shape": replaced("seeds/000", np.zeros(5, np.uint32)),
    "seeds not whole": replaced("seeds/000", np.zeros(2, np.float32)),
    "no head": removed("model/head"),
    "half a head": removed("model/head/001"),
    "head of another width": replaced("model/head/000", np.zeros((2, 4), np.float32)),
    "head infinite": replaced("model/head/001", np.full(3, np.inf, np.float32)),
    "classes too few": replaced("model/classes", np.arange(2)),
    "classes no codes": replaced("model/classes", np.zeros(3)),
    "no weights": removed("model/weights"),
    "weights flat": replaced("model/weights/000", np.zeros(32, np.float32)),
    "a number where a group was": lambda file: (removed("model")(file), replaced("model", 5)(file)),
    "a group where a number was": lambda file: (removed("model/landmarks")(file), file.create_group("model/landmarks")),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_file_is_refused(folder, kind):
    with altered_on_purpose(folder) as file:
        FORGED[kind](file)
    refused(folder)


@pytest.mark.usefixtures("nothing_is_built")
def test_a_newer_format_asks_for_an_update(folder):
    with altered_on_purpose(folder) as file:
        file.attrs["format"] = 2
    with pytest.raises(ValueError, match="Update scivis"):
        Ivis().load_model(folder)


@pytest.mark.parametrize("metric", ["accuracy", "Loss", "", "builtins.eval"])
def test_a_forged_name_of_the_loss_of_labels(folder, metric):
    with altered_on_purpose(folder) as file:
        config = json.loads(file["model"].attrs["config"])
        config["estimator"]["supervision_metric"] = metric
        file["model"].attrs["config"] = json.dumps(config)
    refused(folder, "supervision_metric")


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [
        ("sgd", "its optimizer is 'sgd'"),
        ("", "its optimizer is ''"),
        ("muon", "its optimizer variables have shapes"),
        (["adam"], "not plain values"),
    ],
)
def test_a_forged_optimizer(folder, optimizer, reason):
    """Also one that is known, but not that of the state in the folder."""
    with altered_on_purpose(folder) as file:
        config = json.loads(file["model"].attrs["config"])
        config["estimator"]["optimizer"] = optimizer
        file["model"].attrs["config"] = json.dumps(config)
    refused(folder, reason)


def test_muon_goes_on_after_a_folder_as_if_it_had_never_stopped(tmp_path):
    settings = SMALL | {"optimizer": "muon", "random_state": 0}
    whole = Ivis(**settings).fit(ROWS, LABELS).fit(ROWS, LABELS)
    Ivis(**settings).fit(ROWS, LABELS).save_model(tmp_path / "model")
    model = Ivis().load_model(tmp_path / "model")
    assert model.optimizer == "muon"
    assert bits(model.fit(ROWS, LABELS)) == bits(whole)


@pytest.mark.parametrize("network", ["resnet", [0], {"class_name": "Lambda"}, [[8]]], ids=str)
def test_a_forged_network_of_an_untrained_model(tmp_path, network):
    Ivis().save_model(tmp_path / "model")
    with altered_on_purpose(tmp_path / "model") as file:
        attribute("settings", network=network)(file)
    with pytest.raises(ValueError, match="network"):
        Ivis().load_model(tmp_path / "model")


# A folder from a stranger runs no code, reads no other file, and exhausts no memory


@pytest.fixture
def marker(tmp_path):
    """A file that planted code would create."""
    return tmp_path / "planted-code-ran"


def bomb(marker) -> bytes:
    class Bomb:
        def __reduce__(self):
            return Path.touch, (marker,)

    return pickle.dumps(Bomb())


def test_the_planted_pickle_would_work(marker):
    pickle.loads(bomb(marker))
    assert marker.exists()


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("place", ["model/weights/000", "optimizer/000", "seeds/000", "further"])
def test_a_pickle_as_bytes_of_an_array(folder, marker, place):
    with altered_on_purpose(folder) as file:
        replaced(place, np.void(bomb(marker)))(file)
    refused(folder, "not an array of numbers")
    assert not marker.exists()


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("name", ["settings", "training", "params", "config"])
def test_a_pickle_as_attribute(folder, marker, name):
    with altered_on_purpose(folder) as file:
        (file["model"] if name == "config" else file).attrs[name] = np.void(bomb(marker))
        if name == "params":
            removed("model")(file)
    refused(folder, f"its {name} is not JSON")
    assert not marker.exists()


@pytest.mark.parametrize("name", ["model.pkl", "ivis.pkl", "encoder.pkl"])
def test_a_pickle_beside_the_file(folder, marker, name):
    (folder / name).write_bytes(bomb(marker))
    Ivis().load_model(folder)
    assert not marker.exists()


def lambda_layer(marker):
    path = str(marker)
    return keras.layers.Lambda(lambda x: (open(path, "w").close(), x)[1])  # noqa: PTH123 (must run by itself)


@pytest.mark.parametrize("place", ["network", "n_features", "scale", "offset"])
def test_a_lambda_in_the_architecture(folder, marker, place):
    planted = keras.saving.serialize_keras_object(lambda_layer(marker))
    with altered_on_purpose(folder) as file:
        config = json.loads(file["model"].attrs["config"])
        config["architecture"][place] = planted
        file["model"].attrs["config"] = json.dumps(config)
    refused(folder)
    assert not marker.exists()


def test_a_keras_model_with_a_lambda_is_no_model_of_ours(folder, marker):
    inputs = keras.Input((4,))
    keras.Model(inputs, lambda_layer(marker)(inputs)).save(folder / "model.keras")
    marker.unlink(missing_ok=True)
    (folder / "model.h5").unlink()
    (folder / "model.keras").rename(folder / "model.h5")
    refused(folder, "is damaged, or no model of scivis")
    assert not marker.exists()


def other_file(folder):
    """Numbers of somebody else's that a file should not be able to fetch."""
    path = folder.parent / "other.h5"
    with h5py.File(path, "w") as file:
        file["secret"] = np.zeros((4, 8), np.float32)
    return str(path)


def virtual(file, other):
    layout = h5py.VirtualLayout((4, 8), "f4")
    layout[:] = h5py.VirtualSource(other, "secret", (4, 8))
    file.create_virtual_dataset("model/weights/000", layout)


def external(file, other):
    file.create_dataset("model/weights/000", (4, 8), "f4", external=[(other, 0, 128)])


def unallocated(file, other):
    file.create_dataset("model/weights/000", (1_000_000, 1_000_000), "f4")


def compressed(file, other):
    file.create_dataset("model/weights/000", (1_000_000, 1_000), "f4", chunks=(1000, 1000), compression="gzip")


def texts(file, other):
    file.create_dataset("model/weights/000", data=["a", "b"], dtype=h5py.string_dtype())


def references(file, other):
    file.create_dataset("model/weights/000", data=[file["model"].ref], dtype=h5py.ref_dtype)


def records(file, other):
    file["model/weights/000"] = np.zeros(4, [("name", "S4"), ("value", "f4")])


def cycle(file, other):
    file["model/weights/000"] = file["model"]


PLANTED = {
    "external link": (
        lambda file, other: replaced("model/weights/000", h5py.ExternalLink(other, "secret"))(file),
        "link",
    ),
    "soft link": (lambda file, other: replaced("model/weights/000", h5py.SoftLink("/optimizer/002"))(file), "link"),
    "dangling link": (lambda file, other: replaced("model/weights/000", h5py.SoftLink("/no/where"))(file), "link"),
    "virtual array": (virtual, "not in the file"),
    "external storage": (external, "not in the file"),
    "never written": (unallocated, "not in the file"),
    "compressed": (compressed, "not in the file"),
    "texts": (texts, "not an array of numbers"),
    "references": (references, "not an array of numbers"),
    "records": (records, "not an array of numbers"),
    "a type": (lambda file, other: replaced("model/weights/000", np.dtype("f4"))(file), "not an array of numbers"),
    "a group within itself": (cycle, "nested deeper than those of a model"),
}


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("kind", PLANTED)
def test_what_hdf5_can_do_beyond_arrays_is_refused(folder, kind):
    plant, message = PLANTED[kind]
    with altered_on_purpose(folder) as file:
        del file["model/weights/000"]
        plant(file, other_file(folder))
    refused(folder, message)
