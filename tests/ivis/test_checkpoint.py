"""An interrupted call of `scivis.tl.ivis` resumes from its checkpoint and gives the result of one without interruption."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import scanpy as sc

import scivis
from scivis._ivis import checkpoint

pytestmark = pytest.mark.usefixtures("op_by_op")

CALL = {"network": [8], "batch_size": 28, "n_neighbors": 5, "random_state": 3}


@pytest.fixture
def adata(adata):
    """140 cells, of which an epoch takes five batches."""
    return adata[:140].copy()


@pytest.fixture(autouse=True)
def save_every_epoch(monkeypatch):
    monkeypatch.setattr(checkpoint, "_SECONDS", 0.0)


class StoppedError(Exception):
    """In place of a kill."""


class StopAfter(keras.callbacks.Callback):
    """Raises in the epoch after the given number of epochs."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epochs:
            raise StoppedError


KILLED = """
import os, signal, sys
import keras, scanpy as sc, scivis, tensorflow as tf
from scivis._ivis import checkpoint

class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations >= 17:  # in the fourth epoch of five batches
            os.kill(os.getpid(), signal.SIGKILL)

checkpoint._SECONDS = 0.0
tf.config.run_functions_eagerly(True)
sc.settings.verbosity = 0
adata = sc.datasets.pbmc68k_reduced()[:140].copy()
scivis.tl.ivis(adata, network=[8], batch_size=28, n_neighbors=5, random_state=3, epochs=6, checkpoint=sys.argv[1],
               callbacks=[Kill()])
"""


@pytest.mark.slow
def test_a_killed_process_resumes_and_gives_the_same_bits(adata, tmp_path, monkeypatch):
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "point"], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (tmp_path / "point" / "model" / "model.h5").exists()
    whole = adata.copy()
    scivis.tl.ivis(whole, epochs=6, **CALL)

    monkeypatch.setattr("scivis._ivis.arguments.find_neighbors", lambda *_, **__: pytest.fail("searched again"))
    seen = []
    note = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    scivis.tl.ivis(adata, epochs=6, checkpoint=tmp_path / "point", callbacks=[note], **CALL)
    assert seen == [3, 4, 5]  # the remaining three epochs
    np.testing.assert_array_equal(adata.obsm["X_ivis"], whole.obsm["X_ivis"])
    np.testing.assert_array_equal(adata.uns["ivis"]["history"]["loss"], whole.uns["ivis"]["history"]["loss"])


KILLED_IN_THE_FIRST_SAVE = """
import os, pathlib, signal, sys
import scanpy as sc, scivis, tensorflow as tf
from scivis._ivis import checkpoint

replace = pathlib.Path.replace

def replace_or_kill(path, target):
    if pathlib.Path(target).name == "model.h5":
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)

pathlib.Path.replace = replace_or_kill
checkpoint._SECONDS = 0.0
tf.config.run_functions_eagerly(True)
sc.settings.verbosity = 0
adata = sc.datasets.pbmc68k_reduced()[:140].copy()
scivis.tl.ivis(adata, network=[8], batch_size=28, n_neighbors=5, random_state=3, epochs=2, checkpoint=sys.argv[1])
"""


@pytest.mark.slow
def test_a_process_killed_in_the_first_save_of_the_model_resumes(adata, tmp_path):
    """The call goes on with what was complete, gives the same bits, and clears what the killed process left."""
    point = tmp_path / "point"
    command = [sys.executable, "-c", KILLED_IN_THE_FIRST_SAVE, point]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [left] = (point / "model").iterdir()
    assert left.suffix == ".unfinished"

    whole = adata.copy()
    scivis.tl.ivis(whole, epochs=2, **CALL)
    scivis.tl.ivis(adata, epochs=2, checkpoint=point, **CALL)
    np.testing.assert_array_equal(adata.obsm["X_ivis"], whole.obsm["X_ivis"])
    files = sorted(path.name for path in point.rglob("*") if path.is_file())
    assert files == ["call.json", "model.h5", "neighbors.npz"]


def test_a_folder_whose_first_file_was_never_finished_is_a_new_checkpoint(tmp_path):
    """Also on another machine, which cannot know whether the process that left it is dead."""
    (tmp_path / ".call.json.0badcafe-4711-0123abcd.unfinished").write_text('{"epo')
    checkpoint.Checkpoint.open(tmp_path, {"epochs": 1})
    assert json.loads((tmp_path / "call.json").read_text()) == {"epochs": 1}


@pytest.mark.parametrize("file", ["call.json", "model.h5"])
def test_a_call_goes_on_after_a_full_disk_in_the_first_save(adata, tmp_path, monkeypatch, file):
    replace = Path.replace

    def replace_or_fail(path, target):
        if Path(target).name == file:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(path, target)

    call = CALL | {"epochs": 2, "checkpoint": tmp_path / "point"}
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace_or_fail)
        with pytest.raises(OSError, match=rf"{file} cannot be written: its disk is full.* then repeat the call"):
            scivis.tl.ivis(adata.copy(), **call)
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    scivis.tl.ivis(adata, **call)
    assert (tmp_path / "point" / "model" / "model.h5").exists()


@pytest.mark.parametrize("file", ["neighbors.npz", "model/model.h5"])
def test_a_damaged_file_is_named_with_what_to_do(adata, tmp_path, file):
    call = CALL | {"epochs": 1, "checkpoint": tmp_path / "point"}
    scivis.tl.ivis(adata.copy(), **call)
    damaged = tmp_path / "point" / file
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"is damaged .* Remove it, and repeat the call"):
        scivis.tl.ivis(adata, **call)
    damaged.unlink()
    scivis.tl.ivis(adata, **call)
    assert "X_ivis" in adata.obsm


LABELED = {
    "network": [8, 4], "batch_size": 70, "n_neighbors": 5, "preset": "classic", "patience": 3, "epochs": 30,
    "learning_rate": 0.2, "labels": "bulk_labels",
}  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(_pbmc):
    """With a learning rate at which the loss soon rises, so that early stopping ends the training."""
    adata = _pbmc[:140].copy()
    scivis.tl.ivis(adata, **LABELED)
    assert 7 < len(adata.uns["ivis"]["history"]["loss"]) < 30
    return adata


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("stop", [2, 7])
def test_early_stopping_dropout_and_labels_resume(adata, uninterrupted, tmp_path, stop):
    with pytest.raises(StoppedError):
        scivis.tl.ivis(adata.copy(), checkpoint=tmp_path / "point", callbacks=[StopAfter(stop)], **LABELED)
    scivis.tl.ivis(adata, checkpoint=tmp_path / "point", **LABELED)
    np.testing.assert_array_equal(adata.obsm["X_ivis"], uninterrupted.obsm["X_ivis"])
    np.testing.assert_array_equal(adata.obsm["ivis_scores"], uninterrupted.obsm["ivis_scores"])


def test_a_completed_call_returns_its_result_without_training(adata, tmp_path, monkeypatch):
    first = adata.copy()
    scivis.tl.ivis(first, epochs=2, checkpoint=tmp_path / "point", **CALL)
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: pytest.fail("trained again"))
    scivis.tl.ivis(adata, epochs=2, checkpoint=tmp_path / "point", **CALL)
    np.testing.assert_array_equal(adata.obsm["X_ivis"], first.obsm["X_ivis"])


def test_the_folder_of_another_call_is_rejected(adata, tmp_path):
    call = CALL | {"epochs": 1, "checkpoint": tmp_path / "point"}
    scivis.tl.ivis(adata.copy(), **call)
    before = set(adata.obsm)
    other_rows = adata.copy()
    other_rows.obsm["X_pca"][0] += 1
    calls = {"epochs": (adata, {"epochs": 3}), "random_state": (adata, {"random_state": 4}), "rows": (other_rows, {})}
    for name, (cells, change) in calls.items():
        with pytest.raises(ValueError, match=rf"differs in \['{name}'\].*remove this one"):
            scivis.tl.ivis(cells, **call | change)
        assert set(cells.obsm) == before


def test_a_folder_with_other_files_is_rejected_and_not_changed(adata, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty, and is not a checkpoint"):
        scivis.tl.ivis(adata, epochs=1, checkpoint=tmp_path, **CALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_description_of_the_call_is_plain_json(tmp_path):
    checkpoint.Checkpoint.open(tmp_path / "point", {"epochs": 1, "network": [8, 4]})
    assert json.loads((tmp_path / "point" / "call.json").read_text()) == {"epochs": 1, "network": [8, 4]}
    assert os.listdir(tmp_path / "point") == ["call.json"]  # noqa: PTH208 (hidden ones too)


def test_a_generator_as_seed_is_rejected(adata, tmp_path):
    with pytest.raises(ValueError, match="needs an integer as random_state"):
        scivis.tl.ivis(adata, checkpoint=tmp_path / "point", random_state=np.random.default_rng(0))


@pytest.mark.slow
def test_the_model_is_saved_at_time_intervals_and_at_the_end(adata, tmp_path, monkeypatch):
    """Every 100 s, by a clock that advances by 40 s per reading: after the third of five epochs, and after the last."""
    times = iter(range(0, 10_000, 40))
    monkeypatch.setattr("scivis.nn._autosave.time.monotonic", lambda: next(times))
    monkeypatch.setattr(checkpoint, "_SECONDS", 100.0)
    saved = []
    monkeypatch.setattr(scivis.Ivis, "save_model", lambda model, *_, **__: saved.append(len(model.loss_history_)))
    sc.settings.verbosity = 0
    scivis.tl.ivis(adata, epochs=5, checkpoint=tmp_path / "point", **CALL)
    assert saved == [3, 5]
