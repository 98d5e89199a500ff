"""Models saved to folders: what is restored, what an interrupted save leaves, and what a folder cannot hold."""

from __future__ import annotations

import copy
import errno
import json
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from scivis import Ivis
from scivis._store.unfinished import name_unfinished
from scivis.nn import register_network
from scivis.nn.networks import REGISTERED

pytestmark = pytest.mark.usefixtures("op_by_op")


def bits(model):
    return [weight.tobytes() for network in model.fitted_.trained_networks for weight in network.get_weights()]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# What is restored


def test_a_folder_contains_one_file_of_names_and_numbers(labeled, folder, tmp_path):
    labeled.save_model(tmp_path / "new" / "folder")
    assert names(tmp_path / "new" / "folder") == names(folder) == ["model.h5"]
    with h5py.File(folder / "model.h5") as file:
        assert set(file.attrs) == {"format", "params", "settings", "training"}
        assert set(file) == {"best", "model", "optimizer", "seeds"}
        kinds = set()
        file.visititems(lambda _, item: kinds.add(item.dtype.kind if isinstance(item, h5py.Dataset) else "group"))
    assert kinds <= {"f", "i", "u", "group"}


def test_a_loaded_model_is_equal_to_the_saved_one(labeled, folder, rows):
    model = Ivis()
    assert model.load_model(folder) is model
    assert bits(model) == bits(labeled)
    assert_array_equal(model.transform(rows), labeled.transform(rows))
    assert_array_equal(model.score_samples(rows), labeled.score_samples(rows))
    assert_array_equal(model.novelty(rows + 1), labeled.novelty(rows + 1))
    assert model.get_params() == labeled.get_params()
    assert model.classes_.tolist() == [0, 1, 2]
    assert (model.n_classes_, model.n_features_in_) == (3, 4)
    assert model.loss_history_ == labeled.loss_history_
    for mine, other in zip(model.fitted_.training.optimizer, labeled.fitted_.training.optimizer, strict=True):
        assert_array_equal(mine, other, strict=True)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_can_be_a_string_or_a_path(labeled, tmp_path, kind):
    labeled.save_model(kind(tmp_path / "model"))
    assert bits(Ivis().load_model(kind(tmp_path / "model"))) == bits(labeled)


@pytest.mark.slow
def test_another_process_continues_the_training(labeled, folder, rows, labels, tmp_path, fresh_process):
    continued = copy.deepcopy(labeled).fit(rows, labels)
    arrays = {"before": labeled.transform(rows), "after": continued.transform(rows)}
    np.savez(tmp_path / "data.npz", rows=rows, labels=labels, **arrays)
    out = fresh_process(f"""
        import json
        import numpy as np
        from scivis import Ivis

        data = np.load({str(tmp_path / "data.npz")!r})
        model = Ivis().load_model({str(folder)!r})
        before = model.transform(data["rows"])
        import tensorflow as tf
        tf.config.run_functions_eagerly(True)
        after = model.fit(data["rows"], data["labels"]).transform(data["rows"])
        print(json.dumps([float(np.abs(a - b).max()) for a, b in ((before, data["before"]), (after, data["after"]))]))
    """)
    before, after = json.loads(out.splitlines()[-1])
    assert before < 1e-6
    assert after < 1e-5


def test_muon_continues_after_a_folder_with_the_same_bits(rows, labels, settings, tmp_path):
    settings = settings | {"optimizer": "muon", "epochs": 1}
    whole = Ivis(**settings).fit(rows, labels).fit(rows, labels)
    Ivis(**settings).fit(rows, labels).save_model(tmp_path / "model")
    model = Ivis().load_model(tmp_path / "model")
    assert model.optimizer == "muon"
    assert bits(model.fit(rows, labels)) == bits(whole)


def test_an_unfitted_model_is_saved_with_its_parameters(rows, labels, settings, tmp_path):
    changes = {"distance": "cosine_pn", "model": (7, 5), "learning_rate": 0.01, "random_state": np.int64(3)}
    model = Ivis(3, **settings | changes)
    model.save_model(tmp_path / "model")
    again = Ivis().load_model(tmp_path / "model")
    before, after = model.get_params(), again.get_params()
    assert after.pop("model") == list(before.pop("model"))
    assert after == before
    assert_array_equal(again.fit_transform(rows, labels), model.fit_transform(rows, labels))


def test_numpy_numbers_are_saved_as_numbers(tmp_path):
    """A grid search passes them."""
    numbers = {"k": np.int64(8), "learning_rate": np.float32(0.5), "standardize": np.bool_(True)}  # noqa: FBT003
    Ivis(**numbers).save_model(tmp_path / "model")
    params = Ivis().load_model(tmp_path / "model").get_params()
    assert {name: params[name] for name in numbers} == {"k": 8, "learning_rate": 0.5, "standardize": True}


def test_callbacks_and_neighbors_of_the_estimator_are_kept(folder):
    callbacks, table = [keras.callbacks.Callback()], np.roll(np.arange(60), 1)[:, None]
    model = Ivis(callbacks=callbacks, neighbour_matrix=table, epochs=77).load_model(folder)
    assert model.callbacks is callbacks
    assert model.neighbour_matrix is table
    assert model.epochs == 2


def test_loading_replaces_an_earlier_fit(labeled, rows, settings, tmp_path):
    Ivis(**settings).fit(rows).save_model(tmp_path / "unlabeled")
    Ivis().save_model(tmp_path / "unfitted")
    model = copy.deepcopy(labeled).load_model(tmp_path / "unlabeled")
    assert not hasattr(model, "classes_")
    assert not hasattr(model, "supervised_model_")
    assert not hasattr(copy.deepcopy(labeled).load_model(tmp_path / "unfitted"), "encoder_")


def test_a_model_of_wide_rows_is_restored(settings, tmp_path):
    """The offset of each feature is text, which is larger than HDF5 allows for a small attribute."""
    wide = np.random.default_rng(0).normal(size=(30, 9000)).astype(np.float32)
    model = Ivis(**settings | {"model": [2], "batch_size": 10, "k": 3, "epochs": 1, "standardize": True}).fit(wide)
    model.save_model(tmp_path / "model")
    assert (tmp_path / "model" / "model.h5").stat().st_size > 64 * 1024
    assert_array_equal(Ivis().load_model(tmp_path / "model").transform(wide), model.transform(wide))


@pytest.mark.parametrize("bit_generator", [np.random.MT19937, np.random.Philox])
def test_the_state_of_any_generator_is_saved(bit_generator, rows, settings, tmp_path):
    model = Ivis(**settings | {"epochs": 1, "random_state": np.random.Generator(bit_generator(1))}).fit(rows)
    model.save_model(tmp_path / "model")
    assert bits(Ivis().load_model(tmp_path / "model")) == bits(pickle.loads(pickle.dumps(model))) == bits(model)


# Overwriting


def test_a_model_is_overwritten_only_on_request(folder):
    (folder / "notes.txt").write_text("mine")
    before = (folder / "model.h5").read_bytes()
    with pytest.raises(FileExistsError, match=r"model exists. Choose another name, or pass overwrite=True"):
        Ivis().save_model(folder)
    assert (folder / "model.h5").read_bytes() == before
    Ivis(k=33).save_model(folder, overwrite=True)
    assert Ivis().load_model(folder).k == 33
    assert names(folder) == ["model.h5", "notes.txt"]


def test_folders_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    message = (
        r"folder_path='.*model' cannot be written: .*file takes no new files \(it is a file\)\. Choose another folder"
    )
    with pytest.raises(OSError, match=message):
        Ivis().save_model(tmp_path / "file" / "model")
    with pytest.raises(ValueError, match="folder_path=5 must be a path"):
        Ivis().save_model(5)
    assert names(tmp_path) == ["file"]


def test_a_full_disk_leaves_no_folder_that_blocks_the_next_save(tmp_path, monkeypatch):
    folder = tmp_path / "models" / "model"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match=r"model\.h5 cannot be written: its disk is full.*Free some space"):
            Ivis(k=33).save_model(folder)
    assert names(tmp_path) == []
    Ivis(k=33).save_model(folder)
    assert Ivis().load_model(folder).k == 33


def full(path, _):
    with path.open("wb") as file:
        file.write(b"half")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_folder_in_which_nothing_was_finished_is_no_model_to_overwrite(tmp_path):
    name_unfinished(tmp_path / "model.h5").write_bytes(b"half")
    Ivis(k=33).save_model(tmp_path)
    assert Ivis().load_model(tmp_path).k == 33


@pytest.mark.parametrize("save_format", ["keras", "H5", "", None])
def test_an_unknown_format_is_rejected(labeled, tmp_path, save_format):
    with pytest.raises(ValueError, match=r"save_format=.* is not one of \('h5', 'tf'\)"):
        labeled.save_model(tmp_path / "model", save_format)
    assert names(tmp_path) == []


# The export


def test_the_exported_encoder_does_not_need_scivis(labeled, rows, tmp_path):
    labeled.save_model(tmp_path / "model", "tf")
    assert names(tmp_path / "model") == ["model.h5", "saved_model"]
    served = tf.saved_model.load(tmp_path / "model" / "saved_model")
    assert_allclose(served.serve(rows).numpy(), labeled.transform(rows), atol=1e-6)
    assert bits(Ivis().load_model(tmp_path / "model")) == bits(labeled)


def test_an_unfitted_model_cannot_be_exported(tmp_path):
    with pytest.raises(ValueError, match=r"this Ivis is not fitted. Use save_format='h5'"):
        Ivis().save_model(tmp_path / "model", "tf")
    assert names(tmp_path) == []


@pytest.fixture
def quick_export(monkeypatch):
    """Writes a folder, as an export does, in little time."""

    def export(model, path, **_):
        path.mkdir()
        (path / "weights").write_text(str(len(model.weights)))

    monkeypatch.setattr(keras.Model, "export", export)


@pytest.mark.usefixtures("quick_export")
def test_the_export_of_a_previous_model_is_removed(labeled, rows, settings, tmp_path):
    one_layer = Ivis(**settings | {"model": [8]}).fit(rows)
    folder = tmp_path / "model"
    for model, wanted in ((labeled, "6"), (one_layer, "4")):
        model.save_model(folder, "tf", overwrite=True)
        assert (folder / "saved_model" / "weights").read_text() == wanted
        assert names(folder) == ["model.h5", "saved_model"]
    labeled.save_model(folder, overwrite=True)
    assert names(folder) == ["model.h5"]


# An interrupted save


@pytest.mark.slow
def test_a_killed_process_leaves_the_previous_model(labeled, folder):
    """The process is killed when everything is written and nothing renamed."""
    code = f"""
        import os, signal
        from pathlib import Path
        from scivis import Ivis

        Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        Ivis(k=33).save_model({str(folder)!r}, overwrite=True)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [unfinished] = [path for path in folder.iterdir() if path.name != "model.h5"]
    assert unfinished.name.startswith(".model.h5.")
    assert bits(Ivis().load_model(folder)) == bits(labeled)
    (folder / "model.h5").write_bytes(unfinished.read_bytes())  # it was complete
    assert Ivis().load_model(folder).k == 33
    Ivis(k=44).save_model(folder, overwrite=True)
    assert Ivis().load_model(folder).k == 44
    assert names(folder) == ["model.h5"]  # what the killed process left is cleared


class PowerCutError(BaseException):
    """An error that no code may catch."""


@pytest.mark.usefixtures("quick_export")
@pytest.mark.parametrize("step", ["export", "sign", 0, 1, 2])
def test_an_interruption_at_any_step_leaves_a_complete_model(labeled, tmp_path, monkeypatch, step):
    """The steps with numbers are renamings: of the new file, of the previous export, and of the new export."""
    folder = tmp_path / "model"
    labeled.save_model(folder, "tf")
    new = copy.deepcopy(labeled).set_params(k=33)
    calls = []

    def interrupted(function):
        def rename(path, target):
            calls.append(path)
            if len(calls) == 1 + step:
                raise PowerCutError
            return function(path, target)

        return rename

    def cut(*_, **__):
        raise PowerCutError

    if step == "export":
        monkeypatch.setattr(keras.Model, "export", cut)
    elif step == "sign":
        monkeypatch.setattr("scivis._store.hdf5.signed", cut)
    else:
        for name in ("replace", "rename"):
            monkeypatch.setattr(Path, name, interrupted(getattr(Path, name)))
    with pytest.raises(PowerCutError):
        new.save_model(folder, "tf", overwrite=True)
    assert Ivis().load_model(folder).k == (33 if step in (1, 2) else 8)
    assert set(names(folder)) <= {"model.h5", "saved_model"}


# Networks and losses of the user


def user_network(width=6):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(width, activation="tanh")])


def test_a_network_of_the_user_is_passed_again(rows, labels, settings, tmp_path):
    model = Ivis(**settings | {"model": user_network()}).fit(rows, labels)
    model.save_model(tmp_path / "model")
    with pytest.raises(ValueError, match=r"Build the same network and pass it: Ivis\(model=network\).load_model"):
        Ivis().load_model(tmp_path / "model")
    with pytest.raises(ValueError, match=r"its weights have shapes .* but its network needs"):
        Ivis(model=user_network(7)).load_model(tmp_path / "model")
    same = user_network()
    again = Ivis(model=same).load_model(tmp_path / "model")
    assert again.model is same
    assert_array_equal(again.transform(rows), model.transform(rows))
    assert bits(again.fit(rows, labels)) == bits(model.fit(rows, labels))


def test_an_unfitted_model_with_a_network_of_the_user(tmp_path):
    network = user_network()
    Ivis(k=9, model=network).save_model(tmp_path / "model")
    with pytest.raises(ValueError, match="pass it"):
        Ivis().load_model(tmp_path / "model")
    again = Ivis(model=network).load_model(tmp_path / "model")
    assert (again.k, again.model) == (9, network)


@pytest.mark.parametrize("is_fitted", [False, True], ids=["not fitted", "fitted"])
def test_a_registered_network_is_found_by_name(rows, settings, tmp_path, monkeypatch, is_fitted):
    register_network(lambda shape: keras.Sequential([keras.Input(shape), keras.layers.Dense(6)]), name="mine")
    monkeypatch.setitem(REGISTERED, "mine", REGISTERED.pop("mine"))  # removed after the test
    model = Ivis(**settings | {"model": "mine"})
    if is_fitted:
        model.fit(rows)
    model.save_model(tmp_path / "model")
    again = Ivis().load_model(tmp_path / "model")
    assert again.model == "mine"
    if is_fitted:
        assert_array_equal(again.transform(rows), model.transform(rows))
    monkeypatch.delitem(REGISTERED, "mine")
    with pytest.raises(ValueError, match="mine"):
        Ivis().load_model(tmp_path / "model")


def pull(y_true, y_pred):
    return keras.ops.sum(keras.ops.square(y_pred[0] - y_pred[1]), axis=-1)


def test_a_loss_of_the_user_is_needed_to_train_but_not_to_embed(rows, settings, tmp_path):
    model = Ivis(**settings | {"distance": pull, "epochs": 1}).fit(rows)
    model.save_model(tmp_path / "model")
    again = Ivis().load_model(tmp_path / "model")
    assert_array_equal(again.transform(rows), model.transform(rows))
    with pytest.raises(ValueError, match=r"loss='custom' is not one of.*register_loss"):
        again.fit(rows)
    again = Ivis(distance=pull).load_model(tmp_path / "model")
    assert again.distance is pull
    assert bits(again.fit(rows)) == bits(model.fit(rows))


@pytest.mark.parametrize("name", ["nothing", "model.h5"])
def test_a_folder_without_a_model_is_rejected(folder, name):
    with pytest.raises(FileNotFoundError, match=r"holds no model: there is no model.h5 in it"):
        Ivis().load_model(folder / name)
