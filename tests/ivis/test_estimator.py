"""`scivis.Ivis` as a scikit-learn estimator on arrays."""

from __future__ import annotations

import pickle

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from scivis import Ivis
from scivis.neighbors import AnnoyKnnMatrix, Neighbors, find_neighbors
from scivis.nn.losses import EuclideanPnLoss

pytestmark = pytest.mark.usefixtures("op_by_op")

SMALL = {"k": 5, "batch_size": 30, "epochs": 2, "model": [8], "verbose": 0, "random_state": 0}


@pytest.fixture(scope="module")
def fitted(rows, eagerly):
    with eagerly():
        return Ivis(**SMALL).fit(rows)


def test_a_clone_has_the_parameters_and_no_fit(fitted):
    copy = clone(fitted)
    assert copy is not fitted
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "encoder_")


def test_parameters_are_stored_as_given_and_can_be_changed():
    model = Ivis(3, k=7, distance="cosine_pn")
    assert model.get_params()["embedding_dims"] == 3
    assert model.set_params(k=9).k == 9
    with pytest.raises(ValueError, match="Invalid parameter 'n_neighbors'"):
        model.set_params(n_neighbors=9)


def test_fitting_changes_no_parameter(rows):
    model = Ivis(**SMALL)
    before = model.get_params()
    assert model.fit(rows) is model
    assert model.get_params() == before


@pytest.mark.parametrize("method", ["transform", "novelty"])
def test_an_unfitted_model_raises_not_fitted_error(rows, method):
    with pytest.raises(NotFittedError, match="Call `fit` first"):
        getattr(Ivis(), method)(rows)


def test_a_fit_sets_the_attributes(fitted, rows):
    assert fitted.n_features_in_ == 4
    assert len(fitted.loss_history_) == SMALL["epochs"]
    assert np.isfinite(fitted.loss_history_).all()
    assert fitted.encoder_.input_shape == (None, 4)
    assert fitted.neighbour_matrix_.n_cells == len(rows)


@pytest.mark.parametrize("seed", [0, np.random.default_rng(0)], ids=["integer", "generator"])
def test_the_same_seed_gives_the_same_bits(rows, fitted, seed):
    embedding = Ivis(**SMALL | {"random_state": seed}).fit_transform(rows)
    assert embedding.dtype == np.float32
    assert embedding.shape == (60, 2)
    assert_array_equal(embedding, fitted.transform(rows))


def test_another_seed_gives_another_embedding(rows, fitted):
    other = Ivis(**SMALL | {"random_state": 1}).fit_transform(rows)
    assert not np.allclose(other, fitted.transform(rows), atol=1e-3)


def test_a_pipeline_scales_and_embeds(rows):
    pipeline = make_pipeline(StandardScaler(), Ivis(**SMALL)).fit(rows)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    assert_allclose(pipeline.transform(rows), Ivis(**SMALL).fit(scaled).transform(scaled), atol=1e-4)


def test_double_precision_input_gives_the_same_bits_and_is_not_changed(rows, fitted):
    doubles = rows.astype(np.float64)
    before = doubles.copy()
    assert_array_equal(Ivis(**SMALL).fit_transform(doubles), fitted.transform(rows))
    assert_array_equal(doubles, before)


def test_lists_are_embedded_as_arrays_are(rows, fitted):
    assert_array_equal(fitted.transform(rows[:3].tolist()), fitted.transform(rows[:3]))


def test_no_rows_give_an_empty_embedding(fitted):
    empty = np.empty((0, 4), np.float32)
    assert fitted.transform(empty).shape == (0, 2)
    assert fitted.novelty(empty).shape == (0,)


@pytest.mark.parametrize("width", [3, 5])
def test_rows_of_another_width_are_rejected(fitted, width):
    with pytest.raises(ValueError, match=rf"rows of shape \(4,\), but these have shape \({width},\)"):
        fitted.transform(np.zeros((2, width)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_rejected(fitted, rows, value):
    bad = rows.copy()
    bad[7, 1] = value
    with pytest.raises(ValueError, match="NaN or infinite values: 1 of 60 cells read, the first of them row 7"):
        fitted.transform(bad)
    with pytest.raises(ValueError, match="NaN or infinite values"):
        Ivis(**SMALL).fit(bad)


@pytest.mark.parametrize(
    ("shape", "message"), [((2, 4), "at least 3 rows"), ((0, 4), "at least 3 rows|batch_size"), ((60,), "at least 3")]
)
def test_data_of_an_invalid_shape_are_rejected(shape, message):
    with pytest.raises(ValueError, match=message):
        Ivis(**SMALL | {"batch_size": 2, "k": 1}).fit(np.zeros(shape))


def test_equal_rows_are_rejected():
    with pytest.raises(ValueError, match="All 60 rows are equal"):
        Ivis(**SMALL).fit(np.ones((60, 4)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 60}, "60"),
        ({"k": 0}, "0"),
        ({"batch_size": 61}, "batch_size=61 must .*between 2 and the number of cells, 60"),
        ({"batch_size": 1}, "batch_size=1"),
        ({"epochs": 0}, "epochs=0"),
        ({"embedding_dims": 0}, "n_components=0|embedding_dims=0"),
        ({"learning_rate": 0.0}, "learning_rate=0"),
        ({"optimizer": "sgd"}, "optimizer='sgd' is not one of .*adam.*muon"),
        ({"global_weight": -0.1}, "global_weight=-0.1"),
        ({"distance": "mahalanobis"}, "mahalanobis"),
        ({"model": "resnet"}, "resnet"),
        ({"model": []}, "list of widths"),
        ({"knn_distance_metric": "jaccard"}, "jaccard"),
    ],
    ids=str,
)
def test_invalid_parameters_are_rejected(rows, change, message):
    with pytest.raises(ValueError, match=message):
        Ivis(**SMALL | change).fit(rows)


def test_the_settings_of_the_search_are_passed_to_annoy(rows, monkeypatch):
    given, build = {}, AnnoyKnnMatrix.build

    def record(x, *args, **settings):
        given.update(settings)
        return build(x, *args, **settings)

    monkeypatch.setattr(AnnoyKnnMatrix, "build", record)
    Ivis(**SMALL | {"n_trees": 9, "search_k": 123, "knn_distance_metric": "manhattan"}).fit(rows)
    wanted = {"k": 5, "ntrees": 9, "search_k": 123, "metric": "manhattan"}
    assert given.pop("random_state") >= 0
    assert given | wanted == given


def test_neighbors_can_be_a_table_an_array_or_lists(rows, monkeypatch):
    table = find_neighbors(rows, 5)
    monkeypatch.setattr(AnnoyKnnMatrix, "build", lambda *_, **__: pytest.fail("neighbors were searched"))
    forms = [table, table.indices, table.indices.tolist()]
    embeddings = [Ivis(**SMALL, neighbour_matrix=form).fit_transform(rows) for form in forms]
    assert_array_equal(embeddings[0], embeddings[1])
    assert_array_equal(embeddings[0], embeddings[2])


def test_neighbors_of_other_rows_are_rejected(rows):
    others = Neighbors.from_indices(np.array([[1], [0]]))
    with pytest.raises(ValueError, match="neighbour_matrix has 2 rows, but X has 60"):
        Ivis(**SMALL, neighbour_matrix=others).fit(rows)


class EncodersOfEpochs(keras.callbacks.Callback):
    """Stores the weights of the encoder after each epoch."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.encoder.get_weights())


def test_early_stopping_restores_the_best_weights(rows):
    epochs = EncodersOfEpochs()
    # With so high a learning rate, the loss soon rises.
    settings = {"learning_rate": 0.5, "epochs": 60, "n_epochs_without_progress": 3, "batch_size": 60}
    model = Ivis(**SMALL | settings, callbacks=[epochs]).fit(rows)
    best = int(np.argmin(model.loss_history_))
    assert len(epochs.weights) == len(model.loss_history_) == best + 4
    for kept, seen in zip(model.encoder_.get_weights(), epochs.weights[best], strict=True):
        assert_array_equal(kept, seen)


def test_without_early_stopping_all_epochs_run(rows):
    settings = {"learning_rate": 0.5, "epochs": 6, "batch_size": 60, "n_epochs_without_progress": None}
    assert len(Ivis(**SMALL | settings).fit(rows).loss_history_) == 6


def test_novelty_is_the_distance_to_15_landmarks_over_their_own(rows, fitted):
    between = np.sort(np.linalg.norm(rows[:, None].astype(np.float64) - rows, axis=2), axis=1)
    own = between[:, 1:16].mean(axis=1)  # column 0 is the row itself
    new = rows[:10] + 3
    distances = np.linalg.norm(new[:, None].astype(np.float64) - rows, axis=2)
    found = np.argsort(distances, axis=1)[:, :15]
    scores = np.take_along_axis(distances, found, 1).mean(axis=1) / (own[found].mean(axis=1) + 0.3 * own.mean())
    assert_allclose(fitted.novelty(new), scores / fitted.fitted_.reference.unit, rtol=1e-3)


def test_images_are_embedded_by_a_network_that_reads_images():
    images = np.random.default_rng(0).normal(size=(40, 4, 4, 1)).astype(np.float32)
    network = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(3, 2), keras.layers.Flatten()])
    model = Ivis(**SMALL | {"model": network, "batch_size": 20}).fit(images)
    assert model.transform(images).shape == (40, 2)
    assert model.novelty(images[:3]).shape == (3,)
    with pytest.raises(ValueError, match="fitted on rows of shape"):
        model.transform(images.reshape(40, 16))


def test_a_pickled_model_gives_the_same_embedding(rows, fitted):
    assert_allclose(pickle.loads(pickle.dumps(fitted)).transform(rows), fitted.transform(rows), atol=1e-6)


@pytest.mark.usefixtures("bars_at_once")
@pytest.mark.parametrize("verbose", [0, 1])
def test_a_progress_bar_is_shown_if_verbose(rows, verbose, capsys):
    Ivis(**SMALL | {"verbose": verbose}).fit(rows)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("training" in printed.err) == bool(verbose)


def test_a_loss_object_can_be_the_distance_and_its_margin_is_used(rows, fitted):
    same, wider = (Ivis(**SMALL, distance=loss).fit(rows) for loss in (EuclideanPnLoss(), EuclideanPnLoss(margin=30)))
    assert_array_equal(same.transform(rows), fitted.transform(rows))
    assert np.abs(wider.transform(rows) - fitted.transform(rows)).max() > 1e-3
    assert wider.loss_history_[0] > fitted.loss_history_[0] + 20
