"""A call that was killed goes on where it was, and ends where it would have ended."""

import json
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import scanpy as sc

import scivis
from scivis._ivis import checkpoint as _checkpoint

CALL = {"network": [8], "batch_size": 140, "n_neighbors": 5, "random_state": 3}


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    monkeypatch.setattr(_checkpoint, "_SECONDS", 0.0)


class StoppedError(Exception):
    """In place of a kill."""


class StopAfter(keras.callbacks.Callback):
    """Raises in the middle of an epoch, when so many are done."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epochs:
            raise StoppedError


KILLED = """
import os, signal, sys
import keras, scanpy as sc, scivis
from scivis._ivis import checkpoint as _checkpoint

class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations >= 17:  # in the fourth epoch of five batches
            os.kill(os.getpid(), signal.SIGKILL)

_checkpoint._SECONDS = 0.0
sc.settings.verbosity = 0
adata = sc.datasets.pbmc68k_reduced()
scivis.tl.ivis(adata, network=[8], batch_size=140, n_neighbors=5, random_state=3, epochs=6, checkpoint=sys.argv[1],
               callbacks=[Kill()])
"""


def test_a_killed_process_goes_on_and_ends_bit_for_bit_the_same(adata, tmp_path, monkeypatch):
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "point"], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (tmp_path / "point" / "model" / "model.h5").exists()
    whole = adata.copy()
    scivis.tl.ivis(whole, epochs=6, **CALL)

    monkeypatch.setattr("scivis.tl._ivis.find_neighbors", lambda *_, **__: pytest.fail("searched again"))
    seen = []
    note = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    scivis.tl.ivis(adata, epochs=6, checkpoint=tmp_path / "point", callbacks=[note], **CALL)
    assert seen == [3, 4, 5]  # the three epochs that were left
    np.testing.assert_array_equal(adata.obsm["X_ivis"], whole.obsm["X_ivis"])
    np.testing.assert_array_equal(adata.uns["ivis"]["history"]["loss"], whole.uns["ivis"]["history"]["loss"])


@pytest.mark.parametrize("stop", [2, 7])
def test_early_stopping_dropout_and_labels_go_on(adata, tmp_path, stop):
    """With a rate at which the loss soon rises: patience ends the training, before or after the stop."""
    call = {"network": [8, 4], "batch_size": 140, "n_neighbors": 5, "preset": "classic", "patience": 3, "epochs": 30}
    call |= {"learning_rate": 0.3, "labels": "bulk_labels"}
    whole = adata.copy()
    scivis.tl.ivis(whole, **call)
    assert 7 < len(whole.uns["ivis"]["history"]["loss"]) < 30
    with pytest.raises(StoppedError):
        scivis.tl.ivis(adata.copy(), checkpoint=tmp_path / "point", callbacks=[StopAfter(stop)], **call)
    scivis.tl.ivis(adata, checkpoint=tmp_path / "point", **call)
    np.testing.assert_array_equal(adata.obsm["X_ivis"], whole.obsm["X_ivis"])
    np.testing.assert_array_equal(adata.obsm["ivis_scores"], whole.obsm["ivis_scores"])


def test_a_call_that_was_done_gives_its_result_again(adata, tmp_path, monkeypatch):
    first = adata.copy()
    scivis.tl.ivis(first, epochs=2, checkpoint=tmp_path / "point", **CALL)
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: pytest.fail("trained again"))
    scivis.tl.ivis(adata, epochs=2, checkpoint=tmp_path / "point", **CALL)
    np.testing.assert_array_equal(adata.obsm["X_ivis"], first.obsm["X_ivis"])


@pytest.mark.parametrize(
    ("change", "named"), [({"epochs": 3}, "epochs"), ({"random_state": 4}, "random_state"), ({}, "rows")]
)
def test_the_folder_of_another_call_is_refused(adata, tmp_path, change, named):
    scivis.tl.ivis(adata.copy(), checkpoint=tmp_path / "point", **CALL | {"epochs": 2})
    if not change:
        adata.obsm["X_pca"][0] += 1
    before = set(adata.obsm)
    with pytest.raises(ValueError, match=rf"differs in \['{named}'\].*remove this one"):
        scivis.tl.ivis(adata, checkpoint=tmp_path / "point", **CALL | {"epochs": 2} | change)
    assert set(adata.obsm) == before


def test_a_folder_of_other_things_is_not_touched(adata, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty, and not a checkpoint"):
        scivis.tl.ivis(adata, epochs=1, checkpoint=tmp_path, **CALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_torn_description_is_refused(tmp_path):
    (tmp_path / "call.json").write_text('{"epo')
    with pytest.raises(ValueError, match=r"cannot be read: remove the folder"):
        _checkpoint.Checkpoint.open(tmp_path, {"epochs": 1})


def test_the_description_is_plain_json(tmp_path):
    _checkpoint.Checkpoint.open(tmp_path / "point", {"epochs": 1, "network": [8, 4]})
    assert json.loads((tmp_path / "point" / "call.json").read_text()) == {"epochs": 1, "network": [8, 4]}
    assert os.listdir(tmp_path / "point") == ["call.json"]  # noqa: PTH208 (hidden ones too)


def test_a_seed_is_needed(adata, tmp_path):
    with pytest.raises(ValueError, match="needs a whole number as random_state"):
        scivis.tl.ivis(adata, checkpoint=tmp_path / "point", random_state=np.random.default_rng(0))


def test_the_clock_rules_the_saves(adata, tmp_path, monkeypatch):
    """Every 100 s, by a clock that goes on 40 s per look: of five epochs the third, and the last."""
    times = iter(range(0, 10_000, 40))
    monkeypatch.setattr("scivis.nn._autosave.time.monotonic", lambda: next(times))
    monkeypatch.setattr(_checkpoint, "_SECONDS", 100.0)
    saved = []
    monkeypatch.setattr(scivis.Ivis, "save_model", lambda model, *_, **__: saved.append(len(model.loss_history_)))
    sc.settings.verbosity = 0
    scivis.tl.ivis(adata, epochs=5, checkpoint=tmp_path / "point", **CALL)
    assert saved == [3, 5]
