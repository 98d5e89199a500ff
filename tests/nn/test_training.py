"""The loss of a batch, training, and the embedding of rows."""

from __future__ import annotations

import gc
import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers, ops
from sklearn.neighbors import KNeighborsClassifier

from scivis.data import _streaming
from scivis.neighbors import Neighbors, find_neighbors
from scivis.nn import Architecture, build_encoder
from scivis.nn import _training as training
from scivis.nn._batches import Batch
from scivis.nn._contrastive import distance_correlation, infonce
from scivis.nn._schedule import Schedule
from scivis.nn._siamese import Siamese
from scivis.nn._training import _uses_xla, embed, train

SCHEDULE = {
    "loss": "infonce",
    "batch_size": 64,
    "epochs": 3,
    "optimizer": "adam",
    "learning_rate": 1e-2,
    "decay": False,
    "patience": None,
    "global_weight": 0.3,
}


@pytest.fixture(scope="module")
def blobs():
    """Three groups of 90 rows in 10 dimensions, ten standard deviations apart; two rows have no neighbors."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 90)
    x = (rng.normal(size=(270, 10)) + 10 * np.eye(3, 10)[labels]).astype(np.float32)
    lists = find_neighbors(x, 10, backend="exact").indices.tolist()
    lists[5] = lists[100] = []
    return x, labels, Neighbors.from_indices(lists)


def fit(x, neighbors, *, seed=0, network=(16,), start=None, callbacks=(), **changes):
    encoder = build_encoder(Architecture(network, x.shape[1], 2), seed=seed)
    if start is not None:
        encoder.set_weights(start)
    schedule = Schedule(**SCHEDULE | changes)
    trained = train(encoder, x, neighbors, schedule, rng=np.random.default_rng(seed), callbacks=callbacks)
    return encoder, trained.losses


class Recorder(keras.callbacks.Callback):
    """Records anchors, learning rates and weights during training."""

    def __init__(self):
        super().__init__()
        self.anchors, self.rates, self.weights = [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.anchors.append(ops.convert_to_numpy(self.model.rows)[:, 0].ravel())

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(ops.convert_to_numpy(self.model.optimizer.learning_rate)))
        self.weights.append(self.model.encoder.get_weights())


@pytest.fixture(scope="module")
def run(blobs, keeps_global_states):
    """Encoder, losses and records of a training, and whether the global random states are kept."""
    x, _, neighbors = blobs
    seen = Recorder()

    def training():
        run.encoder, run.losses = fit(x, neighbors, network=(16, 8), epochs=12, decay=True, callbacks=[seen])

    run = SimpleNamespace(seen=seen)
    run.keeps_states = keeps_global_states(training)
    return run


# --- one epoch


def test_every_row_is_an_anchor_once_per_epoch():
    """The encoder returns the index of a row, and the loss is its square."""
    n = 208  # 52 batches of 4: two calls of the compiled graph
    numbers = np.arange(n, dtype=np.float32)[:, None]
    encoder = keras.Sequential([layers.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    changes = {"loss": lambda _, rows: ops.square(rows[0]), "batch_size": 4, "epochs": 2, "global_weight": 0.0}
    schedule = Schedule(**SCHEDULE | changes | {"learning_rate": 1e-12})
    neighbors = Neighbors.from_indices(np.roll(np.arange(n), 1)[:, None])
    losses = train(encoder, numbers, neighbors, schedule, rng=np.random.default_rng(0)).losses
    np.testing.assert_allclose(losses, (numbers**2).mean(), rtol=1e-5)


@pytest.mark.parametrize(
    ("backend", "n_rows", "expected"),
    [("tensorflow", 299_999, False), ("tensorflow", 300_000, True), ("jax", 10, True), ("torch", 10**6, False)],
)
def test_xla_is_used_for_long_trainings_only(backend, n_rows, expected, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    assert _uses_xla(n_rows) is expected


@pytest.mark.slow
def test_training_with_xla_equals_training_without(blobs, monkeypatch):
    """Except for the order of summation."""
    x, _, neighbors = blobs
    plain, losses = fit(x, neighbors, epochs=2)
    monkeypatch.setattr(training, "_MIN_ROWS_XLA", 0)
    compiled, again = fit(x, neighbors, epochs=2)
    np.testing.assert_allclose(again, losses, rtol=1e-4)
    np.testing.assert_allclose(embed(compiled, x), embed(plain, x), atol=1e-2)


@pytest.mark.slow
def test_the_last_batch_is_filled_with_rows_from_the_start(run):
    assert len(run.seen.anchors) == 12
    for anchors in run.seen.anchors:
        assert len(anchors) == 320  # five batches of 64
        assert sorted(anchors[:270]) == list(range(270))
        assert anchors[270:].tolist() == anchors[:50].tolist()


@pytest.mark.backend
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_loss_of_a_batch_is_infonce_plus_the_weighted_distance_correlation(points, weight):
    neighbor = np.roll(np.arange(400, dtype=np.int32), 1)
    encoder = build_encoder(Architecture((5,), 8, 2))
    model = Siamese(encoder, points, loss="infonce", global_weight=weight, n_batches=8, batch=Batch(50, 1, 50))
    order = np.random.default_rng(0).permutation(400).astype(np.int32).reshape(8, 50)
    model.rows.assign(np.stack([order, neighbor[order]], axis=1))
    pairs = np.random.default_rng(1).integers(0, 100, (8, 2, 50)).astype(np.int32)
    model.pairs.assign(pairs)
    batch = np.array([2], np.int32)
    rows, embeddings = model(batch)
    given = points[np.concatenate([order[2], neighbor[order[2]]])]
    np.testing.assert_array_equal(ops.convert_to_numpy(rows), given)
    z = embed(encoder, given)
    expected = float(infonce(z, pairs[2])) + weight * float(distance_correlation(given[:50], z[:50]))
    found = float(ops.convert_to_numpy(model.compute_loss(x=batch, y_pred=(rows, embeddings))))
    assert found == pytest.approx(expected, rel=1e-5)


def test_penalties_of_layers_are_added_to_the_loss(points):
    inputs = layers.Input((8,))
    backbone = keras.Model(inputs, layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.5))(inputs))
    encoder = build_encoder(Architecture("custom", 8, 2), backbone=backbone)
    model = Siamese(encoder, points, loss="infonce", global_weight=0.0, n_batches=8, batch=Batch(50, 1, 50))
    batch = np.array([0], np.int32)
    rows, embeddings = model(batch)
    itself = np.zeros((2, 50), np.int32)
    expected = float(infonce(embeddings, itself)) + 0.5 * float((backbone.get_weights()[0] ** 2).sum())
    assert float(ops.convert_to_numpy(model.compute_loss(x=batch, y_pred=(rows, embeddings)))) == pytest.approx(
        expected, rel=1e-5
    )


# --- training


def test_the_loss_decreases(run):
    assert len(run.losses) == 12
    assert run.losses[-1] < run.losses[0] - 0.2
    assert run.losses[-1] < np.log(2 * 64 - 1)  # the loss of an embedding in a single point


@pytest.mark.backend
def test_the_embedding_separates_groups(run, blobs):
    assert accuracy(run.encoder, blobs) > 0.98


def test_a_training_that_diverges_ends_at_once_with_the_remedy(blobs):
    x, _, neighbors = blobs
    ended = []
    counter = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ended.append(epoch))
    with pytest.raises(
        ValueError, match=r"diverged: the loss of epoch [12] is nan. Use a smaller learning_rate than 1e\+30"
    ):
        fit(x, neighbors, learning_rate=1e30, epochs=9, callbacks=[counter])
    assert len(ended) < 2


@pytest.mark.backend
def test_a_triplet_loss_separates_groups(blobs):
    x, _, neighbors = blobs
    encoder, losses = fit(x, neighbors, loss="pn", epochs=12, start=mixing_weights(blobs))
    assert losses[-1] < 0.8 * losses[0]
    assert accuracy(encoder, blobs) > 0.98


def mixing_weights(blobs):
    """Initial weights with which the groups overlap. Weights of a seed would differ between backends."""
    rng = np.random.default_rng(5)
    weights = [0.3 * rng.normal(size=shape) for shape in [(10, 16), (16,), (16, 2), (2,)]]
    encoder = build_encoder(Architecture((16,), 10, 2))
    encoder.set_weights(weights)
    assert accuracy(encoder, blobs) < 0.9
    return weights


def accuracy(encoder, blobs):
    """Accuracy of nearest-neighbor classification of held-out rows by their embedding."""
    x, labels, _ = blobs
    embedding = embed(encoder, x)
    return KNeighborsClassifier(10).fit(embedding[::2], labels[::2]).score(embedding[1::2], labels[1::2])


@pytest.mark.backend
def test_the_same_seed_gives_the_same_bits(run, blobs):
    x, _, neighbors = blobs
    again, losses = fit(x, neighbors, network=(16, 8), epochs=12, decay=True)
    assert losses == run.losses
    assert embed(again, x).tobytes() == embed(run.encoder, x).tobytes()


def test_another_seed_of_the_batches_gives_another_embedding(run, blobs):
    x, _, neighbors = blobs
    other = build_encoder(Architecture((16, 8), 10, 2), seed=0)
    schedule = Schedule(**SCHEDULE | {"epochs": 12, "decay": True})
    losses = train(other, x, neighbors, schedule, rng=np.random.default_rng(1)).losses
    assert losses != run.losses
    assert (embed(other, x) != embed(run.encoder, x)).any()


def test_training_keeps_the_global_random_states(run):
    assert run.keeps_states


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_garbage_collector_pauses_for_the_first_step_only_and_is_left_as_found(blobs, is_enabled):
    x, _, neighbors = blobs
    during = []
    note = lambda *_, **__: during.append(gc.isenabled())
    watch = keras.callbacks.LambdaCallback(on_train_begin=note, on_train_batch_end=note, on_train_end=note)
    (gc.enable if is_enabled else gc.disable)()
    try:
        fit(x, neighbors, epochs=2, callbacks=[watch])
        assert gc.isenabled() is is_enabled
    finally:
        gc.enable()
    assert during[0] is False
    assert set(during[1:]) == {is_enabled}


def test_the_garbage_collector_is_enabled_after_a_training_that_fails(blobs):
    x, _, neighbors = blobs

    def fail(*_, **__):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(x, neighbors, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_begin=fail)])
    assert gc.isenabled()


def test_rows_without_neighbors_are_embedded(run, blobs):
    assert np.isfinite(embed(run.encoder, blobs[0])).all()


def test_neighbors_that_leave_no_negatives_raise_an_error_for_triplets_only(points):
    neighbors = find_neighbors(points[:6], 5)
    fit(points[:6], neighbors, batch_size=3, epochs=1)
    with pytest.raises(ValueError, match="leaves no negatives among 6 cells"):
        fit(points[:6], neighbors, loss="pn", batch_size=3, epochs=1)


def test_the_learning_rate_decays_along_a_cosine(run):
    expected = [0.01 * (1 + np.cos(np.pi * epoch / 12)) / 2 for epoch in range(1, 13)]
    np.testing.assert_allclose(run.seen.rates, expected, atol=1e-7)


# --- rows in a file


@pytest.fixture
def mapped(blobs, tmp_path):
    """The rows of `blobs` in a file."""
    np.save(tmp_path / "x.npy", blobs[0])
    return np.load(tmp_path / "x.npy", mmap_mode="r")


@pytest.mark.slow
def test_training_from_a_file_equals_training_in_memory(blobs, mapped):
    """One round contains all rows, so that the batches are the same."""
    x, _, neighbors = blobs
    encoder, losses = fit(x, neighbors, epochs=2)
    again, from_file = fit(mapped, neighbors, epochs=2)
    np.testing.assert_allclose(from_file, losses, rtol=1e-5)
    np.testing.assert_allclose(embed(again, x), embed(encoder, x), atol=1e-3)


# --- early stopping


def test_early_stopping_restores_the_best_weights(blobs):
    """With this learning rate, the loss rises again."""
    x, _, neighbors = blobs
    seen = Recorder()
    encoder, losses = fit(x, neighbors, learning_rate=1.0, epochs=40, patience=3, callbacks=[seen])
    best = int(np.argmin(losses))
    assert best == len(losses) - 4  # training stops after three epochs without a lower loss
    for weight, at_best, last in zip(encoder.get_weights(), seen.weights[best], seen.weights[-1], strict=True):
        np.testing.assert_array_equal(weight, at_best)
        assert (weight != last).any()
    np.testing.assert_allclose(seen.rates, 1.0)  # the learning rate is constant without decay


def test_without_patience_all_epochs_are_run_and_the_last_weights_remain(run):
    assert len(run.losses) == 12
    for weight, last in zip(run.encoder.get_weights(), run.seen.weights[-1], strict=True):
        np.testing.assert_array_equal(weight, last)


# --- embedding


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 40])
@pytest.mark.parametrize("min_rows", [9, 100_000])
def test_embeddings_in_blocks_equal_those_of_single_rows(points, monkeypatch, n, min_rows):
    monkeypatch.setattr(training, "_EMBED_BLOCK", 8)
    monkeypatch.setattr(training, "_MIN_ROWS_GRAPH", min_rows)
    encoder = build_encoder(Architecture("szubert", 8, 3))
    found = embed(encoder, points[:n])
    assert (found.shape, found.dtype) == ((n, 3), np.float32)
    for i in range(n):
        alone = ops.convert_to_numpy(encoder(points[i : i + 1]))[0]
        np.testing.assert_allclose(found[i], alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("network", ["szubert", "compact"])
def test_many_rows_are_embedded_by_xla_as_few_are_without(points, monkeypatch, network):
    monkeypatch.setattr(training, "_EMBED_BLOCK", 8)
    monkeypatch.setattr(training, "_MIN_ROWS_GRAPH", 9)
    monkeypatch.setattr(training, "_MIN_ROWS_XLA_GRAPH", 40)
    encoder = build_encoder(Architecture(network, 8, 3))
    before = embed(encoder, points[:39])
    compiled = [encoder.jit_compile]
    found = embed(encoder, points[:40])
    compiled.append(encoder.jit_compile)
    if keras.backend.backend() == "tensorflow":
        assert compiled == [False, True]
    np.testing.assert_allclose(found[:39], before, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(embed(encoder, points[:39]), before, rtol=1e-5, atol=1e-6)


def test_a_whole_block_of_rows_is_enough_for_xla():
    assert training._MIN_ROWS_XLA_GRAPH <= _streaming._MAX_BLOCK


def test_a_layer_that_xla_does_not_support_is_embedded_without_it(points, monkeypatch):
    monkeypatch.setattr(training, "_EMBED_BLOCK", 8)
    monkeypatch.setattr(training, "_MIN_ROWS_GRAPH", 9)
    encoder = build_encoder(Architecture("szubert", 8, 3))
    before = embed(encoder, points)
    monkeypatch.setattr(training, "_MIN_ROWS_XLA_GRAPH", 40)
    monkeypatch.setattr(encoder.layers[1], "supports_jit", False)
    if keras.backend.backend() == "tensorflow":
        with pytest.warns(UserWarning, match="Proceeding with `jit_compile=False`"):
            embed(encoder, points)
        assert not encoder.jit_compile
    with warnings.catch_warnings(action="ignore"):
        np.testing.assert_allclose(embed(encoder, points), before, rtol=1e-6, atol=1e-6)
