"""Callbacks: when and what they write, their errors, and that they change nothing else."""

from __future__ import annotations

import errno
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
from scivis.nn._picture import plot_embedding, read_labels, render
from scivis.nn.callbacks import EmbeddingsImage, EmbeddingsLogging, ModelCheckpoint, TensorBoardEmbeddingsImage

pytestmark = pytest.mark.usefixtures("op_by_op")

ROWS = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
BLUE, ORANGE = "#3f90da", "#ffa90e"


class Estimator:
    """Its embeddings are the rows times the number of epochs; its models are folders that contain that number."""

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
    """Step, tag, plugin and strings of each summary in the only event file of a folder."""
    import tensorflow as tf

    (file,) = folder.glob("events.out.tfevents*")
    records = [tf.compat.v1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))]
    return [
        (event.step, value.tag, value.metadata.plugin_data.plugin_name, list(value.tensor.string_val))
        for event in records
        for value in event.summary.value
    ]


# --- intervals


@pytest.mark.parametrize(("interval", "expected"), [(1, [1, 2, 3, 4, 5, 6]), (2, [2, 4, 6]), (4, [4]), (7, [])])
@every_kind
def test_callbacks_write_exactly_every_epoch_interval(kind, interval, expected, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(kind, "_write", lambda _, n_epochs: written.append(n_epochs))
    train(make(kind, tmp_path, epoch_interval=interval))
    assert written == expected


def test_epochs_of_earlier_fits_are_counted(tmp_path):
    """Keras counts the epochs of each fit from zero."""
    train(EmbeddingsLogging(ROWS, tmp_path, epoch_interval=3), epochs=5, estimator=Estimator(epochs_before=4))
    assert names(tmp_path) == ["6_embeddings.npy", "9_embeddings.npy"]


# --- files


def test_saved_embeddings_are_those_after_the_epoch(tmp_path):
    train(EmbeddingsLogging(ROWS, tmp_path / "new" / "folder", epoch_interval=3))
    assert names(tmp_path / "new" / "folder") == ["3_embeddings.npy", "6_embeddings.npy"]
    for n_epochs in (3, 6):
        saved = np.load(tmp_path / "new" / "folder" / f"{n_epochs}_embeddings.npy")
        np.testing.assert_array_equal(saved, n_epochs * ROWS[:, :2])


def test_each_checkpoint_has_a_folder(tmp_path):
    train(ModelCheckpoint(tmp_path / "new" / "folder", epoch_interval=3))
    saved = {path.parent.name: path.read_text() for path in tmp_path.rglob("epochs")}
    assert saved == {"model-checkpoint_3.ivis": "3", "model-checkpoint_6.ivis": "6"}


def test_a_filename_without_a_field_keeps_only_the_latest_file(tmp_path):
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
        ("{}_test_embeddings.npy", b"\x89PNG"),  # as in the documentation of ivis
        ("plain", b"\x89PNG"),
    ],
)
def test_the_suffix_sets_the_format_of_a_figure(filename, start, tmp_path):
    train(EmbeddingsImage(ROWS, log_dir=tmp_path, filename=filename), epochs=1)
    assert (tmp_path / filename.format(1)).read_bytes().startswith(start)


def test_the_event_file_has_one_figure_per_interval(tmp_path):
    train(TensorBoardEmbeddingsImage(ROWS, list("ab" * 6), tmp_path / "new", epoch_interval=2), epochs=5)
    found = events(tmp_path / "new")
    assert [entry[:3] for entry in found] == [(2, "embeddings", "images"), (4, "embeddings", "images")]
    for _, _, _, (width, height, image) in found:
        pixels = keras.utils.img_to_array(keras.utils.load_img(_bytes_file(tmp_path, image)))
        assert pixels.shape == (int(height), int(width), 3)
    assert found[0][3][2] != found[1][3][2]


def _bytes_file(folder, image):
    path = folder / "image.png"
    path.write_bytes(image)
    return path


def test_tensorboard_reads_the_figures(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(TensorBoardEmbeddingsImage(ROWS, log_dir=tmp_path), epochs=2)
    read = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in read.Tensors("embeddings")] == [1, 2]
    assert list(read.PluginTagToContent("images")) == ["embeddings"]


# --- figures


def point_colors(figure):
    """Colors of the points of each non-empty collection; one color if all points have the same."""
    points = [dots for dots in figure.axes[0].collections if len(dots.get_offsets())]
    return [[mpl.colors.to_hex(color) for color in dots.get_facecolors()] for dots in points]


def legend_styles(figure):
    """Names in the legend with their colors and markers."""
    legend = figure.axes[0].get_legend()
    looks = [(line.get_color(), line.get_marker()) for line in legend.legend_handles]
    return dict(zip([text.get_text() for text in legend.get_texts()], looks, strict=True))


def plot_labels(labels):
    labels = read_labels(labels, len(labels))
    return plot_embedding(np.arange(2.0 * len(labels), dtype=np.float32).reshape(-1, 2), labels, "3 epochs")


def test_the_figure_shows_the_embedding_on_axes_of_the_same_scale():
    figure = plot_embedding(3 * ROWS, None, "3 epochs")
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), 3 * ROWS[:, :2])
    assert axes.get_aspect() == 1
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("3 epochs", "ivis1", "ivis2")
    assert axes.get_legend() is None


@pytest.mark.parametrize(("n_epochs", "title"), [(1, "1 epoch"), (2, "2 epochs")])
def test_the_title_is_the_number_of_epochs(n_epochs, title):
    callback = EmbeddingsImage(ROWS)
    callback.set_estimator(Estimator())
    assert callback._plot(n_epochs).axes[0].get_title() == title


@pytest.mark.parametrize(
    "labels", [["B", "T", "B"], [3, 7, 3], [False, True, False], pd.Categorical(["B", "T", "B"]), np.array([0, 9, 0])]
)
def test_classes_have_colors_and_a_legend(labels):
    figure = plot_labels(labels)
    assert point_colors(figure) == [[BLUE, ORANGE, BLUE]]
    assert list(legend_styles(figure)) == [str(name) for name in np.unique(labels)]


def test_categories_keep_their_order_and_have_a_color_even_without_rows():
    figure = plot_labels(pd.Series(pd.Categorical(["b", "b"], categories=["c", "b", "a"]), index=["x", "y"]))
    assert legend_styles(figure) == {"b": (ORANGE, "o")}


@pytest.mark.parametrize(("labels", "name"), [([4, -1, 5], "-1"), (["T", None, "z"], "missing")])
def test_rows_without_a_class_are_gray_and_below_the_others(labels, name):
    figure = plot_labels(labels)
    assert point_colors(figure) == [[_picture._GRAY], [BLUE, ORANGE]]
    assert legend_styles(figure)[name][0] == _picture._GRAY


def test_fifty_classes_have_different_colors_or_markers():
    figure = plot_labels(range(50))
    legend = legend_styles(figure)
    assert len(set(legend.values())) == 50
    assert legend["11"] == (ORANGE, "^")
    assert [len(colors) for colors in point_colors(figure)] == [10] * 5


def test_the_legend_shows_names_literally():
    assert list(legend_styles(plot_labels(["_x", "$a", "b$ _"]))) == ["$a", "_x", "b$ _"]
    render(plot_labels(["$a", "b$"]))  # dollar signs that do not enclose a formula


def test_the_legend_is_beside_the_axes_and_enlarges_the_figure(tmp_path):
    short, long = (
        keras.utils.load_img(_bytes_file(tmp_path, render(plot_labels(list(labels)))))
        for labels in ("ab", ["a", "b" * 60])
    )
    assert long.width > short.width + 300
    assert long.height == short.height
    figure = plot_labels(["a", "b" * 60])
    figure.canvas.draw()
    legend, axes = figure.axes[0].get_legend().get_window_extent(), figure.axes[0].get_window_extent()
    assert legend.x0 > axes.x1
    assert axes.width > 350  # of 500


def test_numbers_have_a_color_bar():
    figure = plot_labels([0.5, np.nan, 2.5, np.inf])
    gray, points = figure.axes[0].collections
    assert len(gray.get_offsets()) == 2
    np.testing.assert_array_equal(points.get_array(), [0.5, 2.5])
    assert points.get_cmap().name == "viridis"
    assert figure.axes[1].get_ylim() == (0.5, 2.5)
    assert figure.axes[0].get_legend() is None


def test_rows_are_gray_if_all_labels_are_missing():
    figure = plot_labels([np.nan, np.nan])
    assert point_colors(figure) == [[_picture._GRAY]]
    render(figure)


@pytest.mark.parametrize("dtype", ["Float64", "float32"])
def test_floating_point_dtypes_of_pandas_are_numbers(dtype):
    np.testing.assert_array_equal(read_labels(pd.Series([1.5, None], dtype=dtype), 2), [1.5, np.nan])


# --- errors


@every_kind
def test_a_callback_without_an_estimator_raises_an_error_with_the_remedy(kind, tmp_path):
    name = kind.__name__
    with pytest.raises(RuntimeError, match=rf"{name} does not know .* scivis\.Ivis\(callbacks=\[{name}"):
        make(kind, tmp_path).on_train_begin()
    assert names(tmp_path) == []


@pytest.mark.parametrize("interval", [0, -1, 1.5, True, "2"])
@every_kind
def test_an_interval_that_is_no_positive_integer_raises_an_error(kind, interval, tmp_path):
    with pytest.raises(ValueError, match=r"epoch_interval=.* must be an integer of at least 1"):
        make(kind, tmp_path, epoch_interval=interval)


@pytest.mark.parametrize("filename", ["{epoch}.x", "{}_{}", "{", "{:d.}"])
@every_named_kind
def test_another_field_in_a_filename_raises_an_error(kind, filename, tmp_path):
    with pytest.raises(ValueError, match=r"must have no field other than \{\}"):
        make(kind, tmp_path, filename=filename)


@pytest.mark.parametrize("labels", [list("abc"), np.zeros((12, 2)), "abc", 3])
@pytest.mark.parametrize("kind", [EmbeddingsImage, TensorBoardEmbeddingsImage])
def test_a_number_of_labels_other_than_that_of_the_rows_raises_an_error(kind, labels):
    with pytest.raises(ValueError, match=r"labels has shape .* 12 rows"):
        kind(ROWS, labels)


@pytest.mark.parametrize("kind", [EmbeddingsImage, TensorBoardEmbeddingsImage])
def test_an_embedding_of_one_axis_raises_an_error_before_training(kind, tmp_path):
    callback = kind(ROWS, log_dir=tmp_path)
    callback.set_estimator(SimpleNamespace(transform=lambda rows: rows[:, :1]))
    with pytest.raises(ValueError, match="plots the first two axes, but embedding_dims=1: use at least 2"):
        callback.on_train_begin()
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", [EmbeddingsLogging, EmbeddingsImage, TensorBoardEmbeddingsImage])
def test_rows_that_do_not_fit_the_network_raise_an_error_before_training(kind, tmp_path):
    callback = kind([[1.0], [2.0]], log_dir=tmp_path, epoch_interval=1000)
    callback.set_estimator(SimpleNamespace(transform=lambda rows: np.asarray(rows) @ np.ones((3, 2))))
    with pytest.raises(ValueError, match="mismatch"):
        callback.on_train_begin()


# --- side effects


@pytest.mark.parametrize("kind", [EmbeddingsLogging, EmbeddingsImage])
def test_the_previous_file_remains_if_writing_fails(kind, tmp_path, monkeypatch):
    callback = make(kind, tmp_path, filename="latest")
    train(callback, epochs=1)
    before = (tmp_path / "latest").read_bytes()

    def fail(*_):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(callbacks.Path, "replace", fail)
    with pytest.raises(OSError, match="latest cannot be written: its disk is full"):
        train(callback, epochs=1)
    assert names(tmp_path) == ["latest"]
    assert (tmp_path / "latest").read_bytes() == before


def test_plotting_does_not_change_the_state_of_pyplot(tmp_path):
    mine, style = plt.figure(), dict(mpl.rcParams)
    train(EmbeddingsImage(ROWS, list("abc" * 4), tmp_path), epochs=1)
    assert plt.get_fignums() == [mine.number]
    assert plt.gcf() is mine
    assert dict(mpl.rcParams) == style


# --- in a fit


class Recorder(keras.callbacks.Callback):
    """A Keras callback of the user."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append((epoch, logs["loss"]))


def settings(callback):
    return {name: value for name, value in vars(callback).items() if isinstance(value, str | int | None)}


ARGUMENTS = {"k": 5, "batch_size": 20, "model": [8], "n_epochs_without_progress": None, "verbose": 0, "random_state": 0}


@pytest.fixture(scope="module")
def run(tmp_path_factory, eagerly, keeps_global_states):
    """A model with callbacks, trained for three epochs and then for two more, and a model without callbacks."""
    folder = tmp_path_factory.mktemp("run")
    x, seen = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32), []
    given = [
        EmbeddingsLogging(x, folder / "arrays"),
        EmbeddingsImage(x, np.arange(60) % 3, folder / "figures", epoch_interval=2),
        TensorBoardEmbeddingsImage(x, log_dir=folder / "events"),
        Recorder(seen),
    ]
    before = [settings(callback) for callback in given]
    model = Ivis(epochs=3, callbacks=given, **ARGUMENTS)
    with eagerly():
        states_are_kept = keeps_global_states(lambda: model.fit(x))
        first, losses = model.transform(x), model.loss_history_
        event_steps = [event[0] for event in events(folder / "events")]
        model.set_params(epochs=2).fit(x)
        plain = Ivis(epochs=3, **ARGUMENTS).fit(x)
    after = [settings(callback) for callback in given]
    return SimpleNamespace(**locals())


@pytest.mark.slow
def test_callbacks_change_neither_the_training_nor_global_random_states(run):
    np.testing.assert_array_equal(run.first, run.plain.transform(run.x))
    assert run.states_are_kept


def test_embeddings_saved_during_a_fit_are_those_of_the_model_after_the_epoch(run):
    assert names(run.folder / "arrays") == [f"{n_epochs}_embeddings.npy" for n_epochs in range(1, 6)]
    saved = [np.load(run.folder / "arrays" / f"{n_epochs}_embeddings.npy") for n_epochs in range(1, 6)]
    np.testing.assert_array_equal(saved[2], run.first)
    np.testing.assert_array_equal(saved[4], run.model.transform(run.x))
    assert all((a != b).any() for a, b in pairwise(saved))


def test_a_checkpoint_is_the_model_after_its_epoch_and_continues_the_training(run, tmp_path):
    Ivis(epochs=3, callbacks=[ModelCheckpoint(tmp_path, epoch_interval=2)], **ARGUMENTS).fit(run.x)
    assert names(tmp_path) == ["model-checkpoint_2.ivis"]
    model = Ivis().load_model(tmp_path / "model-checkpoint_2.ivis")
    assert model.loss_history_ == pytest.approx(run.losses[:2])
    np.testing.assert_array_equal(model.transform(run.x), np.load(run.folder / "arrays" / "2_embeddings.npy"))
    model.set_params(epochs=1).fit(run.x)
    np.testing.assert_allclose(model.transform(run.x), run.first, atol=1e-4)


def test_figures_are_saved_during_a_fit(run):
    assert names(run.folder / "figures") == ["2_embeddings.png", "4_embeddings.png"]
    assert run.event_steps == [1, 2, 3]


def test_the_callbacks_of_the_user_do_not_change(run):
    assert run.after == run.before
    assert all(getattr(callback, "_estimator", None) is None for callback in run.given)
    assert run.given[0].data is run.x


def test_a_keras_callback_is_called_after_every_epoch(run):
    assert run.seen[:3] == list(enumerate(run.losses))


def test_the_tensorboard_callback_of_keras_writes_events(tmp_path):
    pytest.importorskip("tensorboard")
    x = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    Ivis(k=5, batch_size=10, epochs=1, model=[4], verbose=0, callbacks=[board]).fit(x)
    assert list(tmp_path.rglob("events.out*"))
