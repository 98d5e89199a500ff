"""Callbacks: when they act, what they write, what they refuse, and that nothing else changes."""

from __future__ import annotations

import errno
import random
from copy import copy
from itertools import pairwise
from types import SimpleNamespace

import keras
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from scivis import Ivis
from scivis.nn import _picture, callbacks
from scivis.nn._picture import draw_map, encode, read_labels
from scivis.nn.callbacks import EmbeddingsImage, EmbeddingsLogging, ModelCheckpoint, TensorBoardEmbeddingsImage

ROWS = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
BLUE, ORANGE = "#3f90da", "#ffa90e"


class Estimator:
    """Embeds rows as they are, times the number of epochs done; a saved model is a folder with that number."""

    embedding_dims = 2

    def __init__(self, epochs_before=0):
        self.n_epochs = epochs_before
        self.loss_history_ = [1.0] * epochs_before

    def transform(self, rows):
        return np.asarray(rows, np.float32)[:, : self.embedding_dims] * self.n_epochs

    def save_model(self, path, *, overwrite):
        path.mkdir(exist_ok=overwrite)
        (path / "epochs").write_text(str(self.n_epochs))


def train(callback, epochs=6, estimator=None):
    """Call a callback as `Ivis.fit` and Keras do."""
    estimator = estimator or Estimator()
    callback = copy(callback)
    callback.set_estimator(estimator)
    callback.on_train_begin()
    for epoch in range(epochs):
        estimator.n_epochs += 1
        callback.on_epoch_end(epoch, {"loss": 1.0})
    callback.on_train_end()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def make(kind, folder, **arguments):
    given = () if kind is ModelCheckpoint else (ROWS,)
    return kind(*given, log_dir=folder, **arguments)


every_kind = pytest.mark.parametrize(
    "kind", [ModelCheckpoint, EmbeddingsLogging, EmbeddingsImage, TensorBoardEmbeddingsImage]
)
every_named_kind = pytest.mark.parametrize("kind", [ModelCheckpoint, EmbeddingsLogging, EmbeddingsImage])


def events(folder):
    """The summaries in the one event file there: step, tag, plugin and strings of each."""
    import tensorflow as tf

    (file,) = folder.glob("events.out.tfevents*")
    records = [tf.compat.v1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))]
    return [
        (event.step, value.tag, value.metadata.plugin_data.plugin_name, list(value.tensor.string_val))
        for event in records
        for value in event.summary.value
    ]


# --- when


@pytest.mark.parametrize(("interval", "wanted"), [(1, [1, 2, 3, 4, 5, 6]), (2, [2, 4, 6]), (4, [4]), (7, [])])
@every_kind
def test_each_acts_exactly_every_interval(kind, interval, wanted, tmp_path, monkeypatch):
    acted = []
    monkeypatch.setattr(kind, "_act", lambda _, n_epochs: acted.append(n_epochs))
    train(make(kind, tmp_path, epoch_interval=interval))
    assert acted == wanted


def test_epochs_of_an_earlier_fit_count(tmp_path):
    """Keras counts from zero again."""
    train(EmbeddingsLogging(ROWS, tmp_path, epoch_interval=3), epochs=5, estimator=Estimator(epochs_before=4))
    assert names(tmp_path) == ["6_embeddings.npy", "9_embeddings.npy"]


# --- what


def test_embeddings_are_those_of_the_moment(tmp_path):
    train(EmbeddingsLogging(ROWS, tmp_path / "new" / "folder", epoch_interval=3))
    assert names(tmp_path / "new" / "folder") == ["3_embeddings.npy", "6_embeddings.npy"]
    for n_epochs in (3, 6):
        saved = np.load(tmp_path / "new" / "folder" / f"{n_epochs}_embeddings.npy")
        np.testing.assert_array_equal(saved, n_epochs * ROWS[:, :2])


def test_checkpoints_have_a_folder_each(tmp_path):
    train(ModelCheckpoint(tmp_path / "new" / "folder", epoch_interval=3))
    saved = {path.parent.name: path.read_text() for path in tmp_path.rglob("epochs")}
    assert saved == {"model-checkpoint_3.ivis": "3", "model-checkpoint_6.ivis": "6"}


def test_without_a_place_for_the_number_only_the_latest_is_kept(tmp_path):
    train(ModelCheckpoint(tmp_path, filename="latest.ivis"))
    assert [path.read_text() for path in tmp_path.rglob("epochs")] == ["6"]
    train(EmbeddingsLogging(ROWS, tmp_path, filename="latest.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "latest.npy"), 6 * ROWS[:, :2])


@pytest.mark.parametrize(
    ("filename", "start"),
    [
        ("{}.png", b"\x89PNG"),
        ("{}.pdf", b"%PDF"),
        ("{}.SVG", b"<?xml"),
        ("{}_test_embeddings.npy", b"\x89PNG"),  # as in the documents of ivis
        ("plain", b"\x89PNG"),
    ],
)
def test_the_suffix_says_the_format_of_a_picture(filename, start, tmp_path):
    train(EmbeddingsImage(ROWS, log_dir=tmp_path, filename=filename), epochs=1)
    assert (tmp_path / filename.format(1)).read_bytes().startswith(start)


def test_tensorboard_finds_each_picture_under_its_epoch(tmp_path):
    train(TensorBoardEmbeddingsImage(ROWS, list("ab" * 6), tmp_path / "new", epoch_interval=2), epochs=5)
    found = events(tmp_path / "new")
    assert [entry[:3] for entry in found] == [(2, "embeddings", "images"), (4, "embeddings", "images")]
    for _, _, _, (width, height, picture) in found:
        pixels = keras.utils.img_to_array(keras.utils.load_img(_bytes_file(tmp_path, picture)))
        assert pixels.shape == (int(height), int(width), 3)
    assert found[0][3][2] != found[1][3][2]


def _bytes_file(folder, picture):
    path = folder / "picture.png"
    path.write_bytes(picture)
    return path


def test_tensorboard_itself_reads_the_pictures(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(TensorBoardEmbeddingsImage(ROWS, log_dir=tmp_path), epochs=2)
    read = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in read.Tensors("embeddings")] == [1, 2]
    assert list(read.PluginTagToContent("images")) == ["embeddings"]


# --- pictures


def colors_of(figure):
    """Colour of each marker's points, the empty calls left out; a single colour stands for all."""
    points = [dots for dots in figure.axes[0].collections if len(dots.get_offsets())]
    return [[mpl.colors.to_hex(color) for color in dots.get_facecolors()] for dots in points]


def legend_of(figure):
    """Names with their colours and markers."""
    legend = figure.axes[0].get_legend()
    looks = [(line.get_color(), line.get_marker()) for line in legend.legend_handles]
    return dict(zip([text.get_text() for text in legend.get_texts()], looks, strict=True))


def drawn(labels):
    labels = read_labels(labels, len(labels))
    return draw_map(np.arange(2.0 * len(labels), dtype=np.float32).reshape(-1, 2), labels, "3 epochs")


def test_points_lie_where_the_embedding_says_on_axes_of_one_scale():
    figure = draw_map(3 * ROWS, None, "3 epochs")
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), 3 * ROWS[:, :2])
    assert axes.get_aspect() == 1
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("3 epochs", "ivis1", "ivis2")
    assert axes.get_legend() is None


@pytest.mark.parametrize(("n_epochs", "title"), [(1, "1 epoch"), (2, "2 epochs")])
def test_the_title_counts_epochs(n_epochs, title):
    callback = EmbeddingsImage(ROWS)
    callback.set_estimator(Estimator())
    assert callback._draw(n_epochs).axes[0].get_title() == title


@pytest.mark.parametrize(
    "labels", [["B", "T", "B"], [3, 7, 3], [False, True, False], pd.Categorical(["B", "T", "B"]), np.array([0, 9, 0])]
)
def test_classes_have_colours_and_a_legend(labels):
    figure = drawn(labels)
    assert colors_of(figure) == [[BLUE, ORANGE, BLUE]]
    assert list(legend_of(figure)) == [str(name) for name in np.unique(labels)]


def test_categories_keep_their_order_and_those_without_a_row_their_colour():
    figure = drawn(pd.Series(pd.Categorical(["b", "b"], categories=["c", "b", "a"]), index=["x", "y"]))
    assert legend_of(figure) == {"b": (ORANGE, "o")}


@pytest.mark.parametrize(("labels", "name"), [([4, -1, 5], "-1"), (["T", None, "z"], "missing")])
def test_rows_without_a_class_are_grey_below_the_others(labels, name):
    figure = drawn(labels)
    assert colors_of(figure) == [[_picture._MISSING], [BLUE, ORANGE]]
    assert legend_of(figure)[name][0] == _picture._MISSING


def test_fifty_classes_are_told_apart_by_colour_and_marker():
    figure = drawn(range(50))
    legend = legend_of(figure)
    assert len(set(legend.values())) == 50
    assert legend["11"] == (ORANGE, "^")
    assert [len(colors) for colors in colors_of(figure)] == [10] * 5


def test_names_stand_in_the_legend_as_they_are():
    assert list(legend_of(drawn(["_x", "$a", "b$ _"]))) == ["$a", "_x", "b$ _"]
    encode(drawn(["$a", "b$"]))  # dollar signs that are no formula


def test_the_legend_stands_beside_the_points_and_inside_the_picture(tmp_path):
    short, long = (
        keras.utils.load_img(_bytes_file(tmp_path, encode(drawn(list(labels))))) for labels in ("ab", ["a", "b" * 60])
    )
    assert long.width > short.width + 300
    assert long.height == short.height
    figure = drawn(["a", "b" * 60])
    figure.canvas.draw()
    legend, axes = figure.axes[0].get_legend().get_window_extent(), figure.axes[0].get_window_extent()
    assert legend.x0 > axes.x1
    assert axes.width > 350  # of 500


def test_numbers_have_a_colour_bar():
    figure = drawn([0.5, np.nan, 2.5, np.inf])
    grey, points = figure.axes[0].collections
    assert len(grey.get_offsets()) == 2
    np.testing.assert_array_equal(points.get_array(), [0.5, 2.5])
    assert points.get_cmap().name == "viridis"
    assert figure.axes[1].get_ylim() == (0.5, 2.5)
    assert figure.axes[0].get_legend() is None


def test_labels_that_are_all_missing_are_drawn_in_grey():
    figure = drawn([np.nan, np.nan])
    assert colors_of(figure) == [[_picture._MISSING]]
    encode(figure)


@pytest.mark.parametrize("dtype", ["Float64", "float32"])
def test_numbers_of_pandas_are_numbers(dtype):
    np.testing.assert_array_equal(read_labels(pd.Series([1.5, None], dtype=dtype), 2), [1.5, np.nan])


# --- refused


@every_kind
def test_without_an_estimator_the_remedy_is_named(kind, tmp_path):
    name = kind.__name__
    with pytest.raises(RuntimeError, match=rf"{name} does not know .* scivis\.Ivis\(callbacks=\[{name}"):
        make(kind, tmp_path).on_train_begin()
    assert names(tmp_path) == []


@pytest.mark.parametrize("interval", [0, -1, 1.5, True, "2"])
@every_kind
def test_intervals_are_whole_and_positive(kind, interval, tmp_path):
    with pytest.raises(ValueError, match=r"epoch_interval=.* must be an integer of at least 1"):
        make(kind, tmp_path, epoch_interval=interval)


@pytest.mark.parametrize("filename", ["{epoch}.x", "{}_{}", "{", "{:d.}"])
@every_named_kind
def test_other_fields_in_a_filename_are_refused_at_once(kind, filename, tmp_path):
    with pytest.raises(ValueError, match=r"has another field than \{\}"):
        make(kind, tmp_path, filename=filename)


@pytest.mark.parametrize("labels", [list("abc"), np.zeros((12, 2)), "abc", 3])
@pytest.mark.parametrize("kind", [EmbeddingsImage, TensorBoardEmbeddingsImage])
def test_labels_are_one_per_row(kind, labels):
    with pytest.raises(ValueError, match=r"labels has shape .* 12 rows"):
        kind(ROWS, labels)


@pytest.mark.parametrize("kind", [EmbeddingsImage, TensorBoardEmbeddingsImage])
def test_a_single_axis_is_refused_before_training(kind, tmp_path):
    callback = kind(ROWS, log_dir=tmp_path)
    callback.set_estimator(SimpleNamespace(transform=lambda rows: rows[:, :1]))
    with pytest.raises(ValueError, match="draws the first two axes, but embedding_dims=1"):
        callback.on_train_begin()
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", [EmbeddingsLogging, EmbeddingsImage, TensorBoardEmbeddingsImage])
def test_rows_that_do_not_fit_fail_before_training(kind, tmp_path):
    callback = kind([[1.0], [2.0]], log_dir=tmp_path, epoch_interval=1000)
    callback.set_estimator(SimpleNamespace(transform=lambda rows: np.asarray(rows) @ np.ones((3, 2))))
    with pytest.raises(ValueError, match="mismatch"):
        callback.on_train_begin()


# --- left as it was


@pytest.mark.parametrize("kind", [EmbeddingsLogging, EmbeddingsImage])
def test_a_write_that_fails_leaves_the_old_file(kind, tmp_path, monkeypatch):
    callback = make(kind, tmp_path, filename="latest")
    train(callback, epochs=1)
    before = (tmp_path / "latest").read_bytes()

    def fail(*_):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(callbacks.Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        train(callback, epochs=1)
    assert names(tmp_path) == ["latest"]
    assert (tmp_path / "latest").read_bytes() == before


def test_pyplot_is_not_touched(tmp_path):
    mine, style = plt.figure(), dict(mpl.rcParams)
    train(EmbeddingsImage(ROWS, list("abc" * 4), tmp_path), epochs=1)
    assert plt.get_fignums() == [mine.number]
    assert plt.gcf() is mine
    assert dict(mpl.rcParams) == style


# --- in a training


class Recorder(keras.callbacks.Callback):
    """A Keras callback of a user's."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append((epoch, logs["loss"]))


def settings(callback):
    return {name: value for name, value in vars(callback).items() if isinstance(value, str | int | None)}


ARGUMENTS = {"k": 5, "batch_size": 20, "model": [8], "n_epochs_without_progress": None, "verbose": 0, "random_state": 0}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One model, trained for three epochs and then for two more, with callbacks, and one without."""
    folder = tmp_path_factory.mktemp("run")
    x, seen = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32), []
    given = [
        EmbeddingsLogging(x, folder / "arrays"),
        EmbeddingsImage(x, np.arange(60) % 3, folder / "pictures", epoch_interval=2),
        TensorBoardEmbeddingsImage(x, log_dir=folder / "events"),
        Recorder(seen),
    ]
    before = [settings(callback) for callback in given]
    model = Ivis(epochs=3, callbacks=given, **ARGUMENTS)
    set_global_states()
    model.fit(x)
    states = global_states()
    first, losses = model.transform(x), model.loss_history_
    event_steps = [event[0] for event in events(folder / "events")]
    model.set_params(epochs=2).fit(x)
    plain = Ivis(epochs=3, **ARGUMENTS).fit(x)
    after = [settings(callback) for callback in given]
    return SimpleNamespace(**locals())


def set_global_states():
    keras.utils.set_random_seed(11)


def global_states():
    """NumPy's, Python's, and what Keras draws next: its generator has no state to read."""
    numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
    return numpy_state, random.getstate(), keras.ops.convert_to_numpy(keras.random.normal((2,))).tolist()


def test_callbacks_change_nothing_in_the_training(run):
    np.testing.assert_array_equal(run.first, run.plain.transform(run.x))
    set_global_states()
    assert run.states == global_states()


def test_the_embeddings_saved_after_an_epoch_are_those_of_the_model_then(run):
    assert names(run.folder / "arrays") == [f"{n_epochs}_embeddings.npy" for n_epochs in range(1, 6)]
    saved = [np.load(run.folder / "arrays" / f"{n_epochs}_embeddings.npy") for n_epochs in range(1, 6)]
    np.testing.assert_array_equal(saved[2], run.first)
    np.testing.assert_array_equal(saved[4], run.model.transform(run.x))
    assert all((a != b).any() for a, b in pairwise(saved))


def test_a_checkpoint_is_the_model_of_its_epoch_ready_to_go_on(run, tmp_path):
    Ivis(epochs=3, callbacks=[ModelCheckpoint(tmp_path, epoch_interval=2)], **ARGUMENTS).fit(run.x)
    assert names(tmp_path) == ["model-checkpoint_2.ivis"]
    model = Ivis().load_model(tmp_path / "model-checkpoint_2.ivis")
    assert model.loss_history_ == pytest.approx(run.losses[:2])
    np.testing.assert_array_equal(model.transform(run.x), np.load(run.folder / "arrays" / "2_embeddings.npy"))
    model.set_params(epochs=1).fit(run.x)
    np.testing.assert_allclose(model.transform(run.x), run.first, atol=1e-4)


def test_pictures_are_drawn_during_the_training(run):
    assert names(run.folder / "pictures") == ["2_embeddings.png", "4_embeddings.png"]
    assert run.event_steps == [1, 2, 3]


def test_the_users_callbacks_stay_as_they_were(run):
    assert run.after == run.before
    assert all(getattr(callback, "_estimator", None) is None for callback in run.given)
    assert run.given[0].data is run.x


def test_a_keras_callback_sees_every_epoch(run):
    assert run.seen[:3] == list(enumerate(run.losses))


def test_keras_own_tensorboard_writes_its_events(tmp_path):
    pytest.importorskip("tensorboard")
    x = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    Ivis(k=5, batch_size=10, epochs=1, model=[4], verbose=0, callbacks=[board]).fit(x)
    assert list(tmp_path.rglob("events.out*"))
