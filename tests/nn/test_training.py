"""Training: what an epoch is, how it ends, what it leaves behind, and that it separates what is separate."""

from __future__ import annotations

import random
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers, ops
from sklearn.neighbors import KNeighborsClassifier

from scivis.neighbors import Neighbors, find_neighbors
from scivis.nn import Architecture, build_encoder
from scivis.nn import _epochs as epochs_module
from scivis.nn import _training as training
from scivis.nn._batches import Batch
from scivis.nn._contrastive import distance_correlation, infonce
from scivis.nn._epochs import EarlyStopping, EpochLayout, EpochSampler
from scivis.nn._siamese import Siamese, Supervision
from scivis.nn._schedule import Schedule
from scivis.nn._training import _xla, embed, train
from scivis.nn.supervision import build_head, make_targets

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
    """Three groups of 90 rows in 10 dimensions, ten standard deviations apart; two rows without neighbours."""
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
    """Notes what the model looks like during training."""

    def __init__(self):
        super().__init__()
        self.anchors, self.rates, self.weights = [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.anchors.append(ops.convert_to_numpy(self.model.rows)[:, 0].ravel())

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(ops.convert_to_numpy(self.model.optimizer.learning_rate)))
        self.weights.append(self.model.encoder.get_weights())


@pytest.fixture(scope="module")
def run(blobs):
    """One training for many questions: what came out, what was seen, and the global random states around it."""
    x, _, neighbors = blobs
    seen, states = Recorder(), []
    set_global_states()
    states.append(global_states())
    set_global_states()
    encoder, losses = fit(x, neighbors, network=(16, 8), epochs=12, decay=True, callbacks=[seen])
    states.append(global_states())
    return SimpleNamespace(encoder=encoder, losses=losses, seen=seen, states=states)


def set_global_states():
    keras.utils.set_random_seed(11)
    keras.random.normal((2,))


def global_states():
    """NumPy's, Python's, and what Keras draws next: its generator has no state to read."""
    numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
    return numpy_state, random.getstate(), ops.convert_to_numpy(keras.random.normal((2,))).tolist()


def zeros(*shape):
    return keras.Variable(np.zeros(shape, np.int32), dtype="int32")


# --- one epoch


@pytest.mark.parametrize(("loss", "views"), [("infonce", 2), ("pn", 3)])
def test_every_epoch_has_each_row_once_in_a_new_order_with_partners_of_its_own(loss, views):
    """Of ten cells in a ring, each has the next one as neighbour."""
    neighbors = Neighbors.from_indices((np.arange(10)[:, None] + 1) % 10)
    batch = Batch(4, 1, 8) if loss == "infonce" else Batch(4, 2)
    assert batch.n_views == views
    model = SimpleNamespace(rows=zeros(3, views, 4), pairs=zeros(3, 2, 8))
    plan = EpochLayout(10, 4, 1, 3, 3, resident=True)
    draw = EpochSampler(np.zeros((10, 2)), neighbors, plan, batch, True, np.random.default_rng(0), None)  # noqa: FBT003
    draw.set_model(model)
    epochs = []
    for epoch in range(3):
        draw.on_epoch_begin(epoch)
        epochs.append(ops.convert_to_numpy(model.rows).swapaxes(0, 1).reshape(views, 12))
    for anchors, positives, *negatives in epochs:
        assert sorted(anchors[:10]) == list(range(10))
        assert anchors[10:].tolist() == anchors[:2].tolist()
        assert positives.tolist() == ((anchors + 1) % 10).tolist()
        assert len(negatives) == (loss == "pn")
        assert all((drawn != anchors).all() and (drawn != positives).all() for drawn in negatives)
    assert (epochs[0][0] != epochs[1][0]).any()
    assert (epochs[1][0] != epochs[2][0]).any()


def test_every_row_is_an_anchor_once_per_epoch():
    """An encoder that passes row numbers through, and their squares as loss: its mean over an epoch tells."""
    n = 208  # 52 batches of 4: two calls of the compiled graph
    numbers = np.arange(n, dtype=np.float32)[:, None]
    encoder = keras.Sequential([layers.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    changes = {"loss": lambda _, rows: ops.square(rows[0]), "batch_size": 4, "epochs": 2, "global_weight": 0.0}
    schedule = Schedule(**SCHEDULE | changes | {"learning_rate": 1e-12})
    neighbors = Neighbors.from_indices(np.roll(np.arange(n), 1)[:, None])
    losses = train(encoder, numbers, neighbors, schedule, rng=np.random.default_rng(0)).losses
    np.testing.assert_allclose(losses, (numbers**2).mean(), rtol=1e-5)


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "wanted"),
    [
        (208, 4, (52, 26)),
        (2638, 527, (6, 6)),
        (10, 10, (1, 1)),
        (32, 1, (32, 32)),
        (33, 1, (34, 17)),
        (977, 1, (992, 32)),
    ],
)
def test_an_epoch_is_rounded_up_to_whole_calls_of_at_most_32_steps(n_rows, batch_size, wanted, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    plan = EpochLayout.of(n_rows, batch_size, resident=True)
    assert (plan.n_batches, plan.per_call) == wanted
    assert plan.n_rounds == 1


@pytest.mark.parametrize(
    ("backend", "n_rows", "wanted"),
    [("tensorflow", 299_999, False), ("tensorflow", 300_000, True), ("jax", 10, True), ("torch", 10**6, False)],
)
def test_xla_compiles_long_trainings_only(backend, n_rows, wanted, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    assert _xla(n_rows) == {"jit_compile": wanted}


def test_xla_trains_as_the_plain_graph_does(blobs, monkeypatch):
    """The same draws and the same arithmetic, but for the order of sums."""
    x, _, neighbors = blobs
    plain, losses = fit(x, neighbors, epochs=2)
    monkeypatch.setattr(training, "_XLA_REPAYS", 0)
    compiled, again = fit(x, neighbors, epochs=2)
    np.testing.assert_allclose(again, losses, rtol=1e-4)
    np.testing.assert_allclose(embed(compiled, x), embed(plain, x), atol=1e-2)


def test_torch_takes_one_step_per_call(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert EpochLayout.of(2638, 527, resident=True).per_call == 1


def test_the_last_batch_is_filled_up_with_rows_from_the_front(run):
    assert len(run.seen.anchors) == 12
    for anchors in run.seen.anchors:
        assert len(anchors) == 320  # five batches of 64
        assert sorted(anchors[:270]) == list(range(270))
        assert anchors[270:].tolist() == anchors[:50].tolist()


@pytest.mark.backend
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_loss_of_a_batch_is_infonce_plus_the_weighted_distance_correlation(points, weight):
    only = np.roll(np.arange(400, dtype=np.int32), 1)
    encoder = build_encoder(Architecture((5,), 8, 2))
    model = Siamese(encoder, points, loss="infonce", global_weight=weight, n_batches=8, batch=Batch(50, 1, 50))
    order = np.random.default_rng(0).permutation(400).astype(np.int32).reshape(8, 50)
    model.rows.assign(np.stack([order, only[order]], axis=1))
    pairs = np.random.default_rng(1).integers(0, 100, (8, 2, 50)).astype(np.int32)
    model.pairs.assign(pairs)
    batch = np.array([2], np.int32)
    rows, embeddings = model(batch)
    given = points[np.concatenate([order[2], only[order[2]]])]
    np.testing.assert_array_equal(ops.convert_to_numpy(rows), given)
    z = embed(encoder, given)
    wanted = float(infonce(z, pairs[2])) + weight * float(distance_correlation(given[:50], z[:50]))
    found = float(ops.convert_to_numpy(model.compute_loss(x=batch, y_pred=(rows, embeddings))))
    assert found == pytest.approx(wanted, rel=1e-5)


def test_penalties_of_the_users_layers_are_added_to_the_loss(points):
    inputs = layers.Input((8,))
    backbone = keras.Model(inputs, layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.5))(inputs))
    encoder = build_encoder(Architecture("custom", 8, 2), backbone=backbone)
    model = Siamese(encoder, points, loss="infonce", global_weight=0.0, n_batches=8, batch=Batch(50, 1, 50))
    batch = np.array([0], np.int32)
    rows, embeddings = model(batch)
    itself = np.zeros((2, 50), np.int32)
    wanted = float(infonce(embeddings, itself)) + 0.5 * float((backbone.get_weights()[0] ** 2).sum())
    assert float(ops.convert_to_numpy(model.compute_loss(x=batch, y_pred=(rows, embeddings)))) == pytest.approx(
        wanted, rel=1e-5
    )


# --- what training does


def test_the_loss_falls(run):
    assert len(run.losses) == 12
    assert run.losses[-1] < run.losses[0] - 0.2
    assert run.losses[-1] < np.log(2 * 64 - 1)  # what a map of a single point would give


@pytest.mark.backend
def test_the_map_separates_separate_groups(run, blobs):
    assert accuracy(run.encoder, blobs) > 0.98


def test_a_training_that_diverges_is_an_error_with_the_remedy(blobs, monkeypatch):
    x, _, neighbors = blobs
    history = SimpleNamespace(history={"loss": [3.0, float("nan")]})
    monkeypatch.setattr(Siamese, "fit", lambda *_, **__: history)
    with pytest.raises(ValueError, match=r"diverged.*nan.*smaller learning_rate than 0\.5"):
        fit(x, neighbors, learning_rate=0.5)


@pytest.mark.backend
def test_triplets_separate_separate_groups(blobs):
    x, _, neighbors = blobs
    encoder, losses = fit(x, neighbors, loss="pn", epochs=12, start=mixing_start(blobs))
    assert losses[-1] < 0.8 * losses[0]
    assert accuracy(encoder, blobs) > 0.98


def mixing_start(blobs):
    """Weights whose map mixes the groups, the same under every backend: each draws those of a seed in its own way."""
    rng = np.random.default_rng(5)
    weights = [0.3 * rng.normal(size=shape) for shape in [(10, 16), (16,), (16, 2), (2,)]]
    encoder = build_encoder(Architecture((16,), 10, 2))
    encoder.set_weights(weights)
    assert accuracy(encoder, blobs) < 0.9
    return weights


def accuracy(encoder, blobs):
    """Share of held-out rows whose nearest others on the map are of their group."""
    x, labels, _ = blobs
    embedding = embed(encoder, x)
    return KNeighborsClassifier(10).fit(embedding[::2], labels[::2]).score(embedding[1::2], labels[1::2])


@pytest.mark.backend
def test_a_seed_repeats_the_bits(run, blobs):
    x, _, neighbors = blobs
    again, losses = fit(x, neighbors, network=(16, 8), epochs=12, decay=True)
    assert losses == run.losses
    assert embed(again, x).tobytes() == embed(run.encoder, x).tobytes()


def test_another_seed_trains_otherwise_from_the_same_start(run, blobs):
    x, _, neighbors = blobs
    other = build_encoder(Architecture((16, 8), 10, 2), seed=0)
    schedule = Schedule(**SCHEDULE | {"epochs": 12, "decay": True})
    losses = train(other, x, neighbors, schedule, rng=np.random.default_rng(1)).losses
    assert losses != run.losses
    assert (embed(other, x) != embed(run.encoder, x)).any()


def test_the_callers_random_states_are_untouched(run):
    before, after = run.states
    assert before == after


def test_cells_without_neighbours_are_embedded_too(run, blobs):
    assert np.isfinite(embed(run.encoder, blobs[0])).all()


def test_a_table_without_negatives_is_refused_for_triplets_but_not_for_infonce(points):
    neighbors = find_neighbors(points[:6], 5)
    fit(points[:6], neighbors, batch_size=3, epochs=1)
    with pytest.raises(ValueError, match="leaves no negatives among 6 cells"):
        fit(points[:6], neighbors, loss="pn", batch_size=3, epochs=1)


def test_noise_of_the_size_asked_for_is_added_to_the_input_in_training_only():
    """An encoder that passes on what it is given, of rows that are all zero."""
    nothing = np.zeros((40, 3), np.float32)
    encoder = keras.Sequential([layers.Input((3,)), layers.Identity()])
    targets = make_targets(np.arange(40) % 2, "sparse_categorical_crossentropy", 40)
    supervision = Supervision(targets, build_head(2, "sparse_categorical_crossentropy", 3), "mae", 0.5, noise=2.0)
    batch = Batch(20, 1, 40)
    sizes = {"n_batches": 2, "batch": batch}
    model = Siamese(encoder, nothing, loss="infonce", global_weight=0.0, supervision=supervision, **sizes)
    neighbors = Neighbors.from_indices(np.roll(np.arange(40), 1)[:, None])
    plan = EpochLayout(40, 20, 1, 2, 2, resident=True)
    draw, seen = EpochSampler(nothing, neighbors, plan, batch, True, np.random.default_rng(0), supervision), []  # noqa: FBT003
    draw.set_model(model)
    for epoch in range(2):
        draw.on_epoch_begin(epoch)
        rows, given = model(np.array([0]), training=True)
        assert not ops.convert_to_numpy(rows).any()  # distances are those of the rows themselves
        seen.append(ops.convert_to_numpy(given))
        assert not ops.convert_to_numpy(model(np.array([0]), training=False)[1]).any()
    assert (seen[0] != seen[1]).all()
    assert np.std(seen) == pytest.approx(2.0, rel=0.15)  # 240 numbers: a standard error of 5 %


def test_the_learning_rate_follows_the_cosine(run):
    wanted = [0.01 * (1 + np.cos(np.pi * epoch / 12)) / 2 for epoch in range(1, 13)]
    np.testing.assert_allclose(run.seen.rates, wanted, atol=1e-7)


# --- rows that stay in a file


@pytest.fixture
def mapped(blobs, tmp_path):
    """The rows of `blobs` in a file."""
    np.save(tmp_path / "x.npy", blobs[0])
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def test_rows_in_a_file_are_loaded_for_each_round_where_the_batches_find_them(mapped, monkeypatch):
    """Every batch gets the very rows, and labels, that the same draws give in memory."""
    monkeypatch.setattr(epochs_module, "_ROUND", 100)
    neighbors = Neighbors.from_indices((np.arange(270)[:, None] + 1) % 270)
    plan = EpochLayout.of(270, 20, resident=False)
    assert (plan.n_rounds, plan.n_batches) == (3, 5)
    numbers = np.arange(270, dtype=np.float32)
    targets = make_targets(numbers, "mae", 270)
    told = Supervision(targets, build_head(1, "mae", 2), "mae", 0.5)
    encoder = build_encoder(Architecture((4,), 10, 2))
    batch = Batch(20, 1, 20)
    room = np.zeros((plan.n_rows(batch), 10), np.float32)
    sizes = {"n_batches": 5, "batch": batch}
    model = Siamese(encoder, room, loss="infonce", global_weight=0.0, supervision=told, **sizes)
    draw = EpochSampler(mapped, neighbors, plan, batch, True, np.random.default_rng(0), told)  # noqa: FBT003
    draw.set_model(model)
    draw.on_epoch_begin(0)
    met = []
    for step in range(15):
        rows = ops.convert_to_numpy(model.rows)[step % 5]
        x, y = (ops.convert_to_numpy(values)[rows] for values in (model.x, model.labels))
        original = y[..., 0].astype(int)
        np.testing.assert_array_equal(x, mapped[original])
        np.testing.assert_array_equal(original[1], (original[0] + 1) % 270)
        met.extend(original[0])
        draw.on_train_batch_end(step)
    assert sorted(met[:270]) == list(range(270))


def test_training_on_rows_in_a_file_is_training_on_the_same_rows_in_memory(blobs, mapped):
    """One round holds all rows, so that the draws are the same."""
    x, _, neighbors = blobs
    encoder, losses = fit(x, neighbors, epochs=3)
    again, from_file = fit(mapped, neighbors, epochs=3)
    np.testing.assert_allclose(from_file, losses, rtol=1e-5)
    np.testing.assert_allclose(embed(again, x), embed(encoder, x), atol=1e-3)


def test_only_anchors_are_drawn_with_neighbours_among_all_rows():
    neighbors = Neighbors.from_indices((np.arange(40)[:, None] + 1) % 40)
    anchors = np.array([3, 11, 20, 39])
    model = SimpleNamespace(rows=zeros(2, 2, 2), pairs=zeros(2, 2, 2))
    plan = EpochLayout.of(4, 2, resident=True)
    draw = EpochSampler(np.zeros((40, 1)), neighbors, plan, Batch(2, 1, 2), True, np.random.default_rng(0), None, anchors)  # noqa: FBT003
    draw.set_model(model)
    draw.on_epoch_begin(0)
    first, second = ops.convert_to_numpy(model.rows).swapaxes(0, 1).reshape(2, 4)
    assert sorted(first) == anchors.tolist()
    assert second.tolist() == ((first + 1) % 40).tolist()


# --- early stopping


class StubModel:
    """A model whose weights are the number of the epoch."""

    def __init__(self):
        self.stop_training = False
        self.learned = [self]
        self.weights = ["value"]
        self.value = None

    def get_weights(self):
        return [np.array(self.value)]

    def set_weights(self, weights):
        (self.value,) = weights


def run_keep_best(losses, patience):
    """Feeds the callback these losses until it stops; gives the epochs run and the one whose weights remain."""
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
    return epoch + 1, int(model.value)


@pytest.mark.parametrize(
    ("losses", "patience", "epochs", "best"),
    [
        ([5, 4, 3, 2, 1], 2, 5, 4),  # ever lower: all epochs, the last weights
        ([5, 3, 4, 4, 1], 2, 4, 1),  # stopped before the last, back to the second
        ([5, 3, 4, 2, 4, 4, 1], 2, 6, 3),  # waiting starts again at each lower loss
        ([5, 3, 3, 3, 1], 2, 4, 1),  # an equal loss is no progress
        ([5, 3, 4, 4, 4], 9, 5, 1),  # out of epochs while waiting: still the best weights
        ([2, float("nan"), float("nan")], 2, 3, 0),  # a loss that is no number is no progress
    ],
)
def test_early_stopping_stops_in_time_and_keeps_the_best_weights(losses, patience, epochs, best):
    assert run_keep_best(losses, patience) == (epochs, best)


def test_training_ends_with_the_best_weights_not_the_last(blobs):
    """A learning rate at which the loss gets worse again: the weights are those after the epoch of the lowest loss."""
    x, _, neighbors = blobs
    seen = Recorder()
    encoder, losses = fit(x, neighbors, learning_rate=1.0, epochs=40, patience=3, callbacks=[seen])
    best = int(np.argmin(losses))
    assert best == len(losses) - 4  # three epochs of patience after it: it did stop early
    for weight, at_best, last in zip(encoder.get_weights(), seen.weights[best], seen.weights[-1], strict=True):
        np.testing.assert_array_equal(weight, at_best)
        assert (weight != last).any()
    np.testing.assert_allclose(seen.rates, 1.0)  # without decay the rate stays


def test_without_patience_all_epochs_run_and_the_last_weights_remain(run):
    assert len(run.losses) == 12
    for weight, last in zip(run.encoder.get_weights(), run.seen.weights[-1], strict=True):
        np.testing.assert_array_equal(weight, last)


# --- embedding all rows


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 40])
@pytest.mark.parametrize("repays", [9, 100_000])
def test_blocks_of_rows_are_embedded_like_single_rows(points, monkeypatch, n, repays):
    monkeypatch.setattr(training, "_EMBED_BLOCK", 8)
    monkeypatch.setattr(training, "_GRAPH_REPAYS", repays)
    encoder = build_encoder(Architecture("szubert", 8, 3))
    found = embed(encoder, points[:n])
    assert (found.shape, found.dtype) == ((n, 3), np.float32)
    for i in range(n):
        np.testing.assert_allclose(found[i], ops.convert_to_numpy(encoder(points[i : i + 1]))[0], atol=1e-6)
