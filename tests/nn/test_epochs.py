"""The batches of an epoch, in memory and from a file, and early stopping."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers, ops

from scivis.neighbors import Neighbors
from scivis.nn import Architecture, _epochs, build_encoder
from scivis.nn._batches import Batch
from scivis.nn._epochs import EarlyStopping, EpochLayout, EpochSampler
from scivis.nn._schedule import Schedule
from scivis.nn._siamese import Siamese, Supervision
from scivis.nn.supervision import build_head, make_targets


def ring(n):
    """The neighbor of each row is the next row."""
    return Neighbors.from_indices((np.arange(n)[:, None] + 1) % n)


def zeros(*shape):
    return keras.Variable(np.zeros(shape, np.int32), dtype="int32")


def make_sampler(model, x, layout, batch, supervision=None, anchors=None, noise=0.0):
    rng = np.random.default_rng(0)
    schedule = Schedule("infonce", 4, 1, "adam", 1e-3, decay=False, patience=None, global_weight=0.0, noise=noise)
    sampler = EpochSampler(x, ring(len(x)), layout, batch, schedule, rng, supervision, anchors)
    sampler.set_model(model)
    return sampler


# --- layout


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "expected"),
    [
        (208, 4, (52, 26)),
        (2638, 527, (6, 6)),
        (10, 10, (1, 1)),
        (32, 1, (32, 32)),
        (33, 1, (34, 17)),
        (977, 1, (992, 32)),
        (10_000, 100, (100, 25)),
    ],
)
def test_an_epoch_is_rounded_up_to_calls_of_at_most_32_batches(n_rows, batch_size, expected, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    layout = EpochLayout.of(n_rows, batch_size, resident=True)
    assert (layout.n_batches, layout.per_call) == expected
    assert layout.n_rounds == 1


def test_torch_has_one_batch_per_call(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert EpochLayout.of(2638, 527, resident=True).per_call == 1


# --- sampling


@pytest.mark.parametrize(("loss", "views"), [("infonce", 2), ("pn", 3)])
def test_every_epoch_has_each_row_once_in_a_new_order_with_its_partners(loss, views):
    batch = Batch(4, 1, 8) if loss == "infonce" else Batch(4, 2)
    assert batch.n_views == views
    model = SimpleNamespace(rows=zeros(3, views, 4), pairs=zeros(3, 2, 8))
    sampler = make_sampler(model, np.zeros((10, 2)), EpochLayout(10, 1, 3, 3, resident=True), batch)
    epochs = []
    for epoch in range(3):
        sampler.on_epoch_begin(epoch)
        epochs.append(ops.convert_to_numpy(model.rows).swapaxes(0, 1).reshape(views, 12))
    for anchors, positives, *negatives in epochs:
        assert sorted(anchors[:10]) == list(range(10))
        assert anchors[10:].tolist() == anchors[:2].tolist()
        assert positives.tolist() == ((anchors + 1) % 10).tolist()
        assert len(negatives) == (loss == "pn")
        assert all((rows != anchors).all() and (rows != positives).all() for rows in negatives)
    assert (epochs[0][0] != epochs[1][0]).any()
    assert (epochs[1][0] != epochs[2][0]).any()


def test_anchors_can_be_some_rows_with_neighbors_among_all_rows():
    anchors = np.array([3, 11, 20, 39])
    model = SimpleNamespace(rows=zeros(2, 2, 2), pairs=zeros(2, 2, 2))
    layout = EpochLayout.of(4, 2, resident=True)
    make_sampler(model, np.zeros((40, 1)), layout, Batch(2, 1, 2), anchors=anchors).on_epoch_begin(0)
    first, second = ops.convert_to_numpy(model.rows).swapaxes(0, 1).reshape(2, 4)
    assert sorted(first) == anchors.tolist()
    assert second.tolist() == ((first + 1) % 40).tolist()


def test_rows_and_labels_in_a_file_are_loaded_for_each_round(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(270, 10)).astype(np.float32))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    monkeypatch.setattr(_epochs, "_ANCHORS_PER_ROUND", 100)
    layout, batch = EpochLayout.of(270, 20, resident=False), Batch(20, 1, 20)
    assert (layout.n_rounds, layout.n_batches) == (3, 5)
    # The label of each row is its index.
    targets = make_targets(np.arange(270, dtype=np.float32), "mae", 270)
    supervision = Supervision(targets, build_head(1, "mae", 2), "mae", 0.5)
    encoder = build_encoder(Architecture((4,), 10, 2))
    room = np.zeros((layout.n_batches * batch.n_rows, 10), np.float32)
    sizes = {"n_batches": 5, "batch": batch}
    model = Siamese(encoder, room, loss="infonce", global_weight=0.0, supervision=supervision, **sizes)
    sampler = make_sampler(model, x, layout, batch, supervision)
    sampler.on_epoch_begin(0)
    anchors = []
    for step in range(15):
        rows = ops.convert_to_numpy(model.rows)[step % 5]
        loaded, labels = (ops.convert_to_numpy(values)[rows] for values in (model.x, model.labels))
        indices = labels[..., 0].astype(int)
        np.testing.assert_array_equal(loaded, x[indices])
        np.testing.assert_array_equal(indices[1], (indices[0] + 1) % 270)
        anchors.extend(indices[0])
        sampler.on_train_batch_end(step)
    assert sorted(anchors[:270]) == list(range(270))


def test_noise_of_the_given_size_is_added_to_the_input_during_training_only():
    """The encoder is the identity, and all rows are zero."""
    x = np.zeros((40, 3), np.float32)
    encoder = keras.Sequential([layers.Input((3,)), layers.Identity()])
    sizes = {"n_batches": 2, "batch": Batch(20, 1, 40)}
    model = Siamese(encoder, x, loss="infonce", global_weight=0.0, noisy=True, **sizes)
    sampler = make_sampler(model, x, EpochLayout(40, 1, 2, 2, resident=True), sizes["batch"], noise=2.0)
    embeddings = []
    for epoch in range(2):
        sampler.on_epoch_begin(epoch)
        rows, embedding = model(np.array([0]), training=True)
        assert not ops.convert_to_numpy(rows).any()  # the distance correlation has no noise
        embeddings.append(ops.convert_to_numpy(embedding))
        assert not ops.convert_to_numpy(model(np.array([0]), training=False)[1]).any()
    assert (embeddings[0] != embeddings[1]).all()
    assert np.std(embeddings) == pytest.approx(2.0, rel=0.15)  # 240 numbers: a standard error of 5 %


# --- early stopping


class StubModel:
    """A model whose only weight is the number of the epoch."""

    weights = ("value",)
    stop_training = False
    value = None

    def get_weights(self):
        return [np.array(self.value)]

    def set_weights(self, weights):
        (self.value,) = weights


@pytest.mark.parametrize(
    ("losses", "patience", "n_epochs", "best"),
    [
        ([5, 4, 3, 2, 1], 2, 5, 4),
        ([5, 3, 4, 4, 1], 2, 4, 1),
        ([5, 3, 4, 2, 4, 4, 1], 2, 6, 3),  # counting restarts at each lower loss
        ([5, 3, 3, 3, 1], 2, 4, 1),  # an equal loss is not lower
        ([5, 3, 4, 4, 4], 9, 5, 1),  # the last epoch is reached before the end of patience
        ([5, 3, 4, 4, 4], None, 5, 1),
        ([2, float("nan"), float("nan")], 2, 3, 0),  # NaN is not lower
    ],
)
def test_early_stopping_ends_training_and_restores_the_best_weights(losses, patience, n_epochs, best):
    model = StubModel()
    callback = EarlyStopping(patience, [model])
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        model.value = epoch
        callback.on_epoch_end(epoch, {"loss": loss})
        if model.stop_training:
            break
    callback.on_train_end()
    assert (epoch + 1, int(model.value)) == (n_epochs, best)
