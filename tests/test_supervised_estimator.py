"""`scivis.Ivis` with labels, and fits that go on: what is learned, what is masked, and that no bit is lost in between."""

from __future__ import annotations

import copy
import io
import pickle

import joblib
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import f1_score, r2_score, silhouette_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from scivis import Ivis
from scivis.neighbors import find_neighbors
from scivis.nn.supervision import CLASSIFICATION, HINGES, SPARSE

SMALL = {
    "k": 8, "batch_size": 60, "epochs": 2, "model": [8], "verbose": 0, "random_state": 0,
    "n_epochs_without_progress": None,
}  # fmt: skip
# Networks of two layers have dropout between them, which draws at random too.
SEVERAL = SMALL | {"model": [8, 8], "batch_size": 30}
LEARNING = SMALL | {"model": [32], "epochs": 80, "batch_size": 25, "learning_rate": 0.01, "k": 10}
INDICATED = tuple(metric for metric in CLASSIFICATION if metric != SPARSE)


@pytest.fixture(scope="module", autouse=True)
def op_by_op():
    """Runs training without compiling it, which takes longer than the training of so little."""
    tf.config.run_functions_eagerly(run_eagerly=True)
    yield
    tf.config.run_functions_eagerly(run_eagerly=False)


@pytest.fixture(scope="module")
def iris():
    """150 flowers of three kinds in random order, four measures each, in units of their standard deviation."""
    flowers = load_iris()
    order = np.random.default_rng(0).permutation(150)
    return StandardScaler().fit_transform(flowers.data[order]).astype(np.float32), flowers.target[order]


def made():
    return np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32), np.arange(60) % 3


@pytest.fixture(scope="module")
def few():
    """60 rows and their three classes, for what does not depend on what is learned."""
    return made()


@pytest.fixture(scope="module")
def labelled(few):
    """A fit with labels, in several batches."""
    return Ivis(**SEVERAL).fit(*few)


@pytest.fixture(scope="module")
def plain(few):
    """The least fit with labels."""
    return Ivis(**SMALL).fit(*few)


def bits(model):
    """Everything that training has made."""
    parts = [model.encoder_] if model._head is None else [model.encoder_, model._head]
    weights = [weight for part in parts for weight in part.get_weights()]
    return [array.tobytes() for array in [*weights, *model._trained.optimizer]]


def one_hot(codes):
    return np.eye(codes.max() + 1)[codes]


# Learning


def learn(x, y, **changes):
    """A longer training, for which compiling it pays."""
    tf.config.run_functions_eagerly(run_eagerly=False)
    model = Ivis(**LEARNING | changes).fit(x, y)
    tf.config.run_functions_eagerly(run_eagerly=True)
    return model


@pytest.fixture(scope="module")
def softmax(iris):
    """Trained on 75 flowers, whose classes are called 9, 2 and 5."""
    x, y = iris
    return learn(x[:75], np.array([9, 2, 5])[y[:75]])


def test_a_softmax_classifies_new_rows(softmax, iris):
    x, y = iris
    predicted = softmax.classes_[softmax.score_samples(x[75:]).argmax(axis=1)]
    assert (predicted == np.array([9, 2, 5])[y[75:]]).mean() > 0.9


def test_the_columns_are_probabilities_in_the_order_of_the_classes(softmax, iris):
    scores = softmax.score_samples(iris[0])
    assert softmax.classes_.tolist() == [2, 5, 9]
    assert softmax.n_classes_ == 3
    assert (scores.dtype, scores.shape) == (np.float32, (150, 3))
    assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    assert (scores >= 0).all()


def test_labels_pull_classes_apart_on_the_map(softmax, iris):
    """The same rows with every second label missing and with none, judged on the map of rows that were not seen."""
    x, y = iris
    masked = np.where(np.arange(75) % 2, -1, y[:75])
    half, none = (learn(x[:75], labels) for labels in (masked, None))
    accuracies = [
        KNeighborsClassifier(5).fit(model.transform(x[:75]), y[:75]).score(model.transform(x[75:]), y[75:])
        for model in (softmax, half, none)
    ]
    assert min(accuracies[:2]) > 0.88
    assert silhouette(softmax, iris) > silhouette(none, iris) + 0.05
    assert (half.classes_[half.score_samples(x[75:]).argmax(axis=1)] == y[75:]).mean() > 0.85


def silhouette(model, iris):
    return silhouette_score(model.transform(iris[0]), iris[1])


@pytest.mark.parametrize("metric", ["categorical_hinge", "squared_hinge"])
def test_a_linear_support_vector_machine_classifies_new_rows(iris, metric):
    x, y = iris
    model = learn(x[:75], one_hot(y[:75]), supervision_metric=metric, supervision_weight=0.8)
    scores = model.score_samples(x[75:])
    assert (scores.argmax(axis=1) == y[75:]).mean() > 0.85
    assert scores.min() < 0  # distances from a boundary, not probabilities
    assert model.classes_.tolist() == [0, 1, 2]


def test_several_labels_per_row_are_predicted_each_for_itself(iris):
    x, y = iris
    labels = np.column_stack([y == 0, y > 0, x[:, 2] > 0.7]).astype(int)
    model = learn(x[:75], labels[:75], supervision_metric="binary_crossentropy", supervision_weight=0.8)
    scores = model.score_samples(x[75:])
    assert scores.min() >= 0
    assert scores.sum(axis=1).max() > 1.5  # no softmax: two labels can be likely at once
    assert f1_score(labels[75:], scores > 0.5, average="macro") > 0.85


@pytest.mark.parametrize(("metric", "columns"), [("mae", [2, 3]), ("log_cosh", 3)], ids=str)
def test_a_regression_predicts_values_of_new_rows(iris, metric, columns):
    x, _ = iris
    y = x[:, columns].astype(np.float64)
    y[::5] = np.nan
    model = learn(x[:75], y[:75], supervision_metric=metric, supervision_weight=0.8)
    predicted = model.score_samples(x[75:])
    assert predicted.shape == (75, np.size(columns))
    assert r2_score(x[75:, columns], predicted) > 0.8
    assert not hasattr(model, "classes_")


# What labels weigh


@pytest.mark.parametrize(
    ("metric", "distance"), [(SPARSE, "pn"), (SPARSE, "infonce"), ("categorical_hinge", "pn"), ("mae", "infonce")]
)
def test_at_weight_zero_the_map_is_that_without_labels(few, metric, distance):
    x, y = few
    settings = SMALL | {"distance": distance, "supervision_metric": metric}
    told = Ivis(**settings, supervision_weight=0).fit(x, one_hot(y) if metric == "categorical_hinge" else y)
    alone = Ivis(**settings).fit(x)
    assert bits(told) == bits(alone)
    assert told.loss_history_ == alone.loss_history_
    assert not hasattr(told, "classes_")
    with pytest.raises(NotFittedError, match="fit"):
        told.score_samples(x)


def test_labels_are_checked_at_weight_zero_too(few):
    with pytest.raises(ValueError, match="shape"):
        Ivis(**SMALL, supervision_weight=0).fit(few[0], [1, 2])


def test_at_weight_one_neighbours_change_nothing(few):
    x, y = few
    near = find_neighbors(x, 8).indices
    far = np.roll(near, 7, axis=0)[:, ::-1]
    far = np.where(far == np.arange(60)[:, None], (far + 1) % 60, far)
    only, both = (
        [Ivis(**SMALL, supervision_weight=w, neighbour_matrix=table).fit_transform(x, y) for table in (near, far)]
        for w in (1, 0.5)
    )
    assert_allclose(only[0], only[1], atol=1e-6)
    assert np.abs(both[0] - both[1]).max() > 1e-4


@pytest.mark.parametrize("metric", CLASSIFICATION)
def test_masked_rows_neither_count_nor_weaken_the_others(few, metric):
    """A single batch and hardly a step: the loss of the epoch is that of the predictions that the model still makes."""
    x, y = few
    labels = np.array(y, float) if metric == SPARSE else one_hot(y)
    labels[10:25], labels[25:50] = -1, np.nan
    settings = SMALL | {"batch_size": 60, "epochs": 1, "learning_rate": 1e-12, "supervision_metric": metric}
    model = Ivis(**settings, supervision_weight=1).fit(x, labels)
    known = np.r_[:10, 50:60]
    by_row = keras.losses.get(metric)(labels[known].astype(np.float32), model.score_samples(x[known]))
    penalty = 0.01 * (model._head.get_weights()[0] ** 2).sum() if metric in HINGES else 0
    assert model.loss_history_ == pytest.approx([float(ops.mean(by_row)) + penalty], rel=1e-4)


@pytest.mark.parametrize("metric", [SPARSE, "categorical_hinge"])
def test_minus_one_and_nan_mean_the_same(few, metric):
    x, y = few
    labels = np.array(y, float) if metric == SPARSE else one_hot(y)
    fits = []
    for missing in (-1, np.nan):
        labels[::2] = missing
        fits.append(bits(Ivis(**SMALL, supervision_metric=metric).fit(x, labels)))
    assert fits[0] == fits[1]


def test_codes_need_not_be_consecutive(few, plain):
    x, y = few
    odd = Ivis(**SMALL).fit(x, np.array([-7, 3, 1000])[y])
    assert odd.classes_.tolist() == [-7, 3, 1000]
    assert plain.classes_.tolist() == [0, 1, 2]
    assert bits(odd) == bits(plain)


@pytest.mark.parametrize("form", [list, "column", np.float32])
def test_labels_may_come_in_any_form(few, form, plain):
    x, y = few
    given = y[:, None] if form == "column" else y.tolist() if form is list else y.astype(form)
    assert bits(Ivis(**SMALL).fit(x, given)) == bits(plain)


class Predictions(keras.callbacks.Callback):
    """What head and encoder, as training knows them, make of some rows."""

    def __init__(self, x):
        super().__init__()
        self.x, self.seen = x, []

    def on_epoch_end(self, epoch, logs=None):
        embedding = self.model.encoder(self.x, training=False)
        self.seen.append([ops.convert_to_numpy(values) for values in (embedding, self.model.head(embedding))])


def test_the_unit_of_an_infonce_map_does_not_change_what_is_predicted(few):
    x, y = few
    noted = Predictions(x)
    model = Ivis(**SMALL | {"distance": "infonce", "model": [8, 8]}, callbacks=[noted]).fit(x, y)
    embedding, predicted = noted.seen[-1]
    assert model.transform(x).std() == pytest.approx(5, rel=1e-3)
    assert embedding.std() < 4
    assert_allclose(model.score_samples(x), predicted, atol=1e-5)


def test_early_stopping_goes_back_to_the_best_head(few):
    x, y = few
    noted = Predictions(x)
    settings = SMALL | {"learning_rate": 0.5, "epochs": 40, "n_epochs_without_progress": 2, "batch_size": 60}
    model = Ivis(**settings, callbacks=[noted]).fit(x, y)
    best = int(np.argmin(model.loss_history_))
    assert len(model.loss_history_) == best + 3 < 40
    assert_allclose(model.score_samples(x), noted.seen[best][1], atol=1e-6)


def test_noise_on_the_input_is_for_learning_labels_only(few, labelled):
    x, y = few
    noisy = SEVERAL | {"input_noise": 0.5}
    told, alone = Ivis(**noisy).fit(x, y), Ivis(**noisy).fit(x)
    assert bits(told) != bits(labelled)
    assert bits(alone) == bits(Ivis(**SEVERAL).fit(x))
    assert_array_equal(told.transform(x), told.transform(x))
    with pytest.raises(ValueError, match="input_noise=-1 must be a number of at least 0"):
        Ivis(**SMALL | {"input_noise": -1}).fit(x, y)


# Bad labels


@pytest.mark.parametrize(
    ("change", "labels", "message"),
    [
        ({}, np.zeros(60), "All labels are 0: there is nothing to tell apart"),
        ({}, np.full(60, -1), "All 60 labels are missing"),
        ({}, np.zeros(59), r"shape \(59,\), but there are 60 rows"),
        ({}, np.full(60, 0.5), "whole numbers"),
        ({}, ["a", "b", "c"] * 20, "LabelEncoder"),
        ({"supervision_metric": "categorical_hinge"}, np.arange(60) % 3, "zeros and ones, one column per class"),
        ({"supervision_metric": "bce"}, np.arange(60) % 2, "write that"),
        ({"supervision_metric": "accuracy"}, np.arange(60) % 2, "supervision_metric='accuracy' is not the name"),
        ({"supervision_weight": 1.01}, np.arange(60) % 2, "supervision_weight=1.01 must be a number between 0 and 1"),
        ({"supervision_weight": -0.1}, np.arange(60) % 2, "supervision_weight=-0.1"),
        ({"supervision_weight": np.nan}, np.arange(60) % 2, "supervision_weight=nan"),
        ({"supervision_weight": "1"}, np.arange(60) % 2, "supervision_weight='1'"),
    ],
    ids=str,
)
def test_labels_that_cannot_be_learned_are_refused_before_any_work(few, monkeypatch, change, labels, message):
    monkeypatch.setattr("scivis._ivis.estimator.neighbors_of", lambda *_: pytest.fail("a search was made"))
    model = Ivis(**SMALL | change)
    with pytest.raises(ValueError, match=message):
        model.fit(few[0], labels)
    with pytest.raises(NotFittedError):
        model.transform(few[0])


@pytest.mark.parametrize("labels", [False, True])
def test_predictions_need_a_fit_with_labels(few, labels):
    model = Ivis(**SMALL).fit(few[0]) if labels else Ivis()
    with pytest.raises(NotFittedError, match="fit"):
        model.score_samples(few[0])
    with pytest.raises(AttributeError, match="labels"):
        model.supervised_model_  # noqa: B018 (asking is the test)


# The Keras models


def test_the_supervised_model_predicts_from_rows(labelled, few):
    x, _ = few
    model = labelled.supervised_model_
    assert isinstance(model, keras.Model)
    assert_allclose(ops.convert_to_numpy(model(x, training=False)), labelled.score_samples(x), atol=1e-6)


def test_the_siamese_model_embeds_three_rows_at_once(labelled, few):
    x, _ = few
    three = labelled.model_([x[:20], x[20:40], x[40:]], training=False)
    assert three.shape == (3, 20, 2)
    assert_allclose(ops.convert_to_numpy(three).reshape(60, 2), labelled.transform(x), atol=1e-6)


# Fits that go on


def through_a_folder(model, folder):
    model.save_model(folder / "model")
    return Ivis().load_model(folder / "model")


def through_joblib(model, folder):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


WAYS = {
    "nothing in between": lambda model, folder: clone(model).fit(*made()),
    "save and load": through_a_folder,
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, folder: copy.deepcopy(model),
    "copy": lambda model, folder: copy.copy(model),
    "joblib": through_joblib,
}


@pytest.fixture(scope="module")
def in_one_go(few):
    return Ivis(**SEVERAL | {"epochs": 5}).fit(*few)


@pytest.mark.parametrize("way", WAYS)
def test_two_and_three_epochs_are_five_in_one_go(labelled, few, in_one_go, way, tmp_path):
    before = bits(labelled)
    model = WAYS[way](labelled, tmp_path)
    assert model is not labelled
    assert bits(model) == before
    assert_array_equal(model.score_samples(few[0]), labelled.score_samples(few[0]))
    model.set_params(epochs=3).fit(*few)
    assert model.loss_history_ == in_one_go.loss_history_
    assert len(model.loss_history_) == 5
    assert bits(model) == bits(in_one_go)
    assert_array_equal(model.transform(few[0]), in_one_go.transform(few[0]))
    assert_array_equal(model.score_samples(few[0]), in_one_go.score_samples(few[0]))
    assert bits(labelled) == before


@pytest.mark.parametrize(
    ("change", "with_labels"),
    [
        ({}, False),
        ({"distance": "infonce"}, True),
        ({"distance": "infonce"}, False),
        ({"distance": "infonce", "global_weight": 0.5, "linear_path": True, "standardize": True}, True),
        ({"supervision_metric": "mae", "distance": "cosine"}, True),
        ({"input_noise": 0.5}, True),
    ],
    ids=str,
)
def test_one_and_one_epoch_are_two_in_one_go(few, change, with_labels):
    x, y = few[0], few[1] if with_labels else None
    apart = Ivis(**SEVERAL | change | {"epochs": 1}).fit(x, y).fit(x, y)
    at_once = Ivis(**SEVERAL | change).fit(x, y)
    assert apart.loss_history_ == at_once.loss_history_
    assert bits(apart) == bits(at_once)
    assert_array_equal(apart.transform(x), at_once.transform(x))


def test_early_stopping_remembers_what_was_best(few):
    """Of an earlier fit that nothing beats, the weights stay, after as many epochs as the patience."""
    model = Ivis(**SMALL).fit(*few)
    model._trained.losses[-1] = -1.0  # no triplet loss is below 0
    weights = model.encoder_.get_weights() + model._head.get_weights()
    model.set_params(epochs=9, n_epochs_without_progress=3).fit(*few)
    assert len(model.loss_history_) == 2 + 3
    for mine, other in zip(model.encoder_.get_weights() + model._head.get_weights(), weights, strict=True):
        assert_array_equal(mine, other)


def test_a_falling_learning_rate_starts_anew(few):
    x, y = few
    settings = SMALL | {"learning_rate_decay": True, "epochs": 2}
    model = Ivis(**settings).fit(x, y)
    before = bits(model)
    assert bits(model.fit(x, y)) != before  # a rate of 0 would change nothing
    assert len(model.loss_history_) == 4


@pytest.mark.parametrize(
    "labels",
    [None, np.arange(60) % 2, np.arange(60) % 4, np.arange(60) % 3 + 1],
    ids=["none", "fewer", "more", "others"],
)
def test_other_labels_are_refused_and_the_model_stays_as_it_was(few, labelled, labels, in_one_go):
    x, y = few
    model = copy.deepcopy(labelled).set_params(epochs=3)
    before = bits(model), model.transform(x).tobytes(), model.neighbour_matrix_, list(model.loss_history_)
    with pytest.raises(ValueError, match=r"labels are not those of the fit before.*clone"):
        model.fit(x, labels)
    assert (bits(model), model.transform(x).tobytes(), model.neighbour_matrix_, model.loss_history_) == before
    assert bits(model.fit(x, y)) == bits(in_one_go)


@pytest.mark.parametrize("width", [3, 5])
def test_rows_of_another_width_are_refused_and_the_model_stays_as_it_was(few, labelled, width, in_one_go):
    x, y = few
    model = copy.deepcopy(labelled).set_params(epochs=3)
    with pytest.raises(ValueError, match=rf"rows of shape \(4,\), but these have shape \({width},\)"):
        model.fit(np.random.default_rng(0).normal(size=(60, width)), y)
    assert bits(model.fit(x, y)) == bits(in_one_go)


def test_another_kind_of_loss_is_refused_on_a_second_fit(few):
    """The head of a hinge has no softmax, and a cross-entropy of plain numbers would be nonsense."""
    x, y = few
    model = Ivis(**SMALL, supervision_metric="categorical_hinge").fit(x, one_hot(y))
    with pytest.raises(ValueError, match="clone"):
        model.set_params(supervision_metric="categorical_crossentropy").fit(x, one_hot(y))


def test_labels_can_be_missing_for_other_rows_on_a_second_fit(few, labelled):
    x, y = few
    model = copy.deepcopy(labelled).fit(x, np.where(np.arange(60) < 30, y, -1))
    assert model.classes_.tolist() == [0, 1, 2]
    assert len(model.loss_history_) == 4


def test_further_rows_can_be_learned_on_a_second_fit(few, labelled):
    x, y = few
    model = copy.deepcopy(labelled).fit(np.r_[x, x + 1], np.r_[y, y])
    assert model.neighbour_matrix_.n_cells == 120
    assert np.isfinite(model.novelty(x)).all()


# scikit-learn


def test_a_clone_begins_anew(few, labelled):
    fresh = clone(labelled)
    assert fresh.get_params() == labelled.get_params()
    with pytest.raises(NotFittedError):
        fresh.transform(few[0])
    assert bits(fresh.fit(*few)) == bits(labelled)


def test_a_pipeline_hands_labels_on(few):
    x, y = few
    pipeline = make_pipeline(StandardScaler(), Ivis(**SMALL)).fit(x, y)
    alone = Ivis(**SMALL).fit(StandardScaler().fit_transform(x), y)
    assert bits(pipeline[-1]) == bits(alone)
    assert pipeline[-1].classes_.tolist() == [0, 1, 2]


def test_a_grid_search_tries_weights(iris):
    """The embedding is fitted with the labels of the training rows, which the pipeline hands on."""
    x, y = iris[0][:90], iris[1][:90]
    settings = SMALL | {"batch_size": 45, "k": np.int64(8)}
    pipeline = make_pipeline(Ivis(**settings), KNeighborsClassifier(5))
    search = GridSearchCV(pipeline, {"ivis__supervision_weight": [0.5, 0.9]}, cv=2, error_score="raise").fit(x, y)
    assert set(search.cv_results_["param_ivis__supervision_weight"]) == {0.5, 0.9}
    assert search.best_score_ > 0.6
    assert search.best_estimator_[0].classes_.tolist() == [0, 1, 2]
    assert search.predict(x).shape == (90,)


class Rows(keras.callbacks.Callback):
    """Notes the anchors of each epoch, batch by batch."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append(ops.convert_to_numpy(self.model.rows)[:, 0].copy())


@pytest.mark.parametrize(
    ("mode", "method"), [(True, "fit"), (False, "fit"), ("batch", "fit"), (False, "fit_transform")], ids=str
)
def test_shuffle_mode_rules_the_order_of_rows(few, mode, method):
    noted = Rows()
    getattr(Ivis(**SMALL | {"batch_size": 10}, callbacks=[noted]), method)(*few, shuffle_mode=mode)
    first, second = noted.epochs
    in_order = np.arange(60).reshape(6, 10)
    assert sorted(first.ravel()) == list(range(60))
    assert (sorted(map(tuple, first)) == sorted(map(tuple, in_order))) == (mode is not True)
    assert (first.tolist() == in_order.tolist()) == (mode is False)
    assert (first.tolist() == second.tolist()) == (mode is False)


def test_the_old_name_of_n_trees_warns_and_works(few):
    x, _ = few
    model = Ivis(**SMALL, ntrees=3)
    with pytest.warns(FutureWarning, match="ntrees is the old name of n_trees"):
        model.fit(x)
    assert bits(model) == bits(Ivis(**SMALL, n_trees=3).fit(x))
    assert model.get_params()["ntrees"] == 3  # a fit changes no parameter
