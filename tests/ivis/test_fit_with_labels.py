"""`scivis.Ivis` with labels: what is predicted, the weight of labels, missing and invalid labels, and the Keras models."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal
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

pytestmark = pytest.mark.usefixtures("op_by_op")

SMALL = {
    "k": 8, "batch_size": 60, "epochs": 2, "model": [8], "verbose": 0, "random_state": 0,
    "n_epochs_without_progress": None,
}  # fmt: skip
LONG = SMALL | {"model": [32], "epochs": 80, "batch_size": 25, "learning_rate": 0.01, "k": 10}


@pytest.fixture(scope="module")
def iris():
    """150 flowers of three species in random order, four standardized features each."""
    flowers = load_iris()
    order = np.random.default_rng(0).permutation(150)
    return StandardScaler().fit_transform(flowers.data[order]).astype(np.float32), flowers.target[order]


@pytest.fixture(scope="module")
def plain(rows, labels, eagerly):
    """A short fit with labels, in one batch per epoch."""
    with eagerly():
        return Ivis(**SMALL).fit(rows, labels)


def bits(model):
    """Everything that training computes."""
    weights = [weight for network in model.fitted_.trained_networks for weight in network.get_weights()]
    return [array.tobytes() for array in [*weights, *model.fitted_.training.optimizer]]


def one_hot(codes):
    return np.eye(codes.max() + 1)[codes]


# Predictions of rows that were not used for training


def fit_long(x, y, **changes):
    return Ivis(**LONG | changes).fit(x, y)


@pytest.fixture(scope="module")
def softmax(iris):
    """Trained on 75 flowers, whose classes have the codes 9, 2 and 5."""
    x, y = iris
    return fit_long(x[:75], np.array([9, 2, 5])[y[:75]])


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


@pytest.mark.slow
@pytest.mark.compiled
def test_labels_separate_classes_in_the_embedding(softmax, iris):
    """All labels, every second one, and none: evaluated on the embedding of rows that were not used for training."""
    x, y = iris
    masked = np.where(np.arange(75) % 2, -1, y[:75])
    half, none = (fit_long(x[:75], labels) for labels in (masked, None))
    accuracies = [
        KNeighborsClassifier(5).fit(model.transform(x[:75]), y[:75]).score(model.transform(x[75:]), y[75:])
        for model in (softmax, half, none)
    ]
    assert min(accuracies[:2]) > 0.88
    assert silhouette(softmax, iris) > silhouette(none, iris) + 0.05
    assert (half.classes_[half.score_samples(x[75:]).argmax(axis=1)] == y[75:]).mean() > 0.85


def silhouette(model, iris):
    return silhouette_score(model.transform(iris[0]), iris[1])


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("metric", ["categorical_hinge", "squared_hinge"])
def test_a_linear_support_vector_machine_classifies_new_rows(iris, metric):
    x, y = iris
    model = fit_long(x[:75], one_hot(y[:75]), supervision_metric=metric, supervision_weight=0.8)
    scores = model.score_samples(x[75:])
    assert (scores.argmax(axis=1) == y[75:]).mean() > 0.85
    assert scores.min() < 0  # distances from a decision boundary, not probabilities
    assert model.classes_.tolist() == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.compiled
def test_several_labels_per_row_are_predicted_independently(iris):
    x, y = iris
    labels = np.column_stack([y == 0, y > 0, x[:, 2] > 0.7]).astype(int)
    model = fit_long(x[:75], labels[:75], supervision_metric="binary_crossentropy", supervision_weight=0.8)
    scores = model.score_samples(x[75:])
    assert scores.min() >= 0
    assert scores.sum(axis=1).max() > 1.5  # no softmax: two labels can be likely at once
    assert f1_score(labels[75:], scores > 0.5, average="macro") > 0.85


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize(("metric", "columns"), [("mae", [2, 3]), ("log_cosh", 3)], ids=str)
def test_a_regression_predicts_values_of_new_rows(iris, metric, columns):
    x, _ = iris
    y = x[:, columns].astype(np.float64)
    y[::5] = np.nan
    model = fit_long(x[:75], y[:75], supervision_metric=metric, supervision_weight=0.8)
    predicted = model.score_samples(x[75:])
    assert predicted.shape == (75, np.size(columns))
    assert r2_score(x[75:, columns], predicted) > 0.8
    assert not hasattr(model, "classes_")


# The weight of labels


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "distance"), [(SPARSE, "pn"), (SPARSE, "infonce"), ("categorical_hinge", "pn"), ("mae", "infonce")]
)
def test_labels_change_the_fit_but_not_at_weight_zero(rows, labels, metric, distance):
    settings = SMALL | {"distance": distance, "supervision_metric": metric}
    y = one_hot(labels) if metric == "categorical_hinge" else labels
    weighted, ignored = (Ivis(**settings, supervision_weight=weight).fit(rows, y) for weight in (0.5, 0))
    unlabeled = Ivis(**settings).fit(rows)
    assert (weighted.transform(rows) != unlabeled.transform(rows)).any()
    assert bits(ignored) == bits(unlabeled)
    assert ignored.loss_history_ == unlabeled.loss_history_
    assert not hasattr(ignored, "classes_")
    with pytest.raises(NotFittedError, match="fit"):
        ignored.score_samples(rows)


def test_labels_are_validated_at_weight_zero_too(rows):
    with pytest.raises(ValueError, match="shape"):
        Ivis(**SMALL, supervision_weight=0).fit(rows, [1, 2])


def test_at_weight_one_neighbors_have_no_effect(rows, labels):
    near = find_neighbors(rows, 8).indices
    far = np.roll(near, 7, axis=0)[:, ::-1]
    far = np.where(far == np.arange(60)[:, None], (far + 1) % 60, far)
    labels_only, both = (
        [
            Ivis(**SMALL, supervision_weight=weight, neighbour_matrix=table).fit_transform(rows, labels)
            for table in (near, far)
        ]
        for weight in (1, 0.5)
    )
    assert_allclose(labels_only[0], labels_only[1], atol=1e-6)
    assert np.abs(both[0] - both[1]).max() > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("metric", CLASSIFICATION)
def test_the_loss_is_the_mean_over_labeled_rows(rows, labels, metric):
    """With a single batch and a negligible step, the loss of the epoch is that of the predictions after it."""
    y = np.array(labels, float) if metric == SPARSE else one_hot(labels)
    y[10:25], y[25:50] = -1, np.nan
    settings = SMALL | {"batch_size": 60, "epochs": 1, "learning_rate": 1e-12, "supervision_metric": metric}
    model = Ivis(**settings, supervision_weight=1).fit(rows, y)
    known = np.r_[:10, 50:60]
    by_row = keras.losses.get(metric)(y[known].astype(np.float32), model.score_samples(rows[known]))
    penalty = 0.01 * (model.fitted_.head.network.get_weights()[0] ** 2).sum() if metric in HINGES else 0
    assert model.loss_history_ == pytest.approx([float(ops.mean(by_row)) + penalty], rel=1e-4)


@pytest.mark.parametrize("metric", [SPARSE, "categorical_hinge"])
def test_minus_one_and_nan_are_both_missing(rows, labels, metric):
    y = np.array(labels, float) if metric == SPARSE else one_hot(labels)
    fits = []
    for missing in (-1, np.nan):
        y[::2] = missing
        fits.append(bits(Ivis(**SMALL, supervision_metric=metric).fit(rows, y)))
    assert fits[0] == fits[1]


def test_codes_need_not_be_consecutive(rows, labels, plain):
    odd = Ivis(**SMALL).fit(rows, np.array([-7, 3, 1000])[labels])
    assert odd.classes_.tolist() == [-7, 3, 1000]
    assert plain.classes_.tolist() == [0, 1, 2]
    assert bits(odd) == bits(plain)


@pytest.mark.parametrize("form", [list, "column", np.float32])
def test_labels_can_be_a_list_a_column_or_floats(rows, labels, form, plain):
    given = labels[:, None] if form == "column" else labels.tolist() if form is list else labels.astype(form)
    assert bits(Ivis(**SMALL).fit(rows, given)) == bits(plain)


class Predictions(keras.callbacks.Callback):
    """Stores embeddings and predictions of some rows, in the unit of training, after each epoch."""

    def __init__(self, x):
        super().__init__()
        self.x, self.seen = x, []

    def on_epoch_end(self, epoch, logs=None):
        embedding = self.model.encoder(self.x, training=False)
        self.seen.append([ops.convert_to_numpy(values) for values in (embedding, self.model.head(embedding))])


def test_the_unit_of_the_infonce_embedding_does_not_change_predictions(rows, labels):
    noted = Predictions(rows)
    model = Ivis(**SMALL | {"distance": "infonce", "model": [8, 8]}, callbacks=[noted]).fit(rows, labels)
    embedding, predicted = noted.seen[-1]
    assert model.transform(rows).std() == pytest.approx(5, rel=1e-3)
    assert embedding.std() < 4
    assert_allclose(model.score_samples(rows), predicted, atol=1e-5)


def test_early_stopping_restores_the_best_head(rows, labels):
    noted = Predictions(rows)
    settings = SMALL | {"learning_rate": 0.5, "epochs": 40, "n_epochs_without_progress": 2, "batch_size": 60}
    model = Ivis(**settings, callbacks=[noted]).fit(rows, labels)
    best = int(np.argmin(model.loss_history_))
    assert len(model.loss_history_) == best + 3 < 40
    assert_allclose(model.score_samples(rows), noted.seen[best][1], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("with_labels", [True, False])
def test_noise_is_added_to_the_input_in_training_only(rows, labels, settings, with_labels):
    y = labels if with_labels else None
    noisy, quiet = Ivis(**settings | {"input_noise": 0.5}).fit(rows, y), Ivis(**settings).fit(rows, y)
    assert bits(noisy) != bits(quiet)
    assert_array_equal(noisy.transform(rows), noisy.transform(rows))


def test_negative_noise_is_rejected(rows, labels):
    with pytest.raises(ValueError, match="input_noise=-1 must be a number of at least 0"):
        Ivis(**SMALL | {"input_noise": -1}).fit(rows, labels)


# Invalid labels


@pytest.mark.parametrize(
    ("change", "labels", "message"),
    [
        ({}, np.zeros(60), "All labels are 0: there is nothing to tell apart"),
        ({}, np.full(60, -1), "All 60 labels are missing"),
        ({}, np.zeros(59), r"shape \(59,\), but there are 60 rows"),
        ({}, np.full(60, 0.5), "takes integers as labels"),
        ({}, ["a", "b", "c"] * 20, "LabelEncoder"),
        ({"supervision_metric": "categorical_hinge"}, np.arange(60) % 3, "zeros and ones, one column per class"),
        (
            {"supervision_metric": "bce"},
            np.arange(60) % 2,
            "'bce' is another name of 'binary_crossentropy': write that name",
        ),
        ({"supervision_metric": "accuracy"}, np.arange(60) % 2, "supervision_metric='accuracy' is not the name"),
        ({"supervision_weight": 1.01}, np.arange(60) % 2, "supervision_weight=1.01 must be a number between 0 and 1"),
        ({"supervision_weight": -0.1}, np.arange(60) % 2, "supervision_weight=-0.1"),
        ({"supervision_weight": np.nan}, np.arange(60) % 2, "supervision_weight=nan"),
        ({"supervision_weight": "1"}, np.arange(60) % 2, "supervision_weight='1'"),
    ],
    ids=str,
)
def test_invalid_labels_are_rejected_before_the_search(rows, monkeypatch, change, labels, message):
    monkeypatch.setattr("scivis._ivis.estimator.search_neighbors", lambda *_: pytest.fail("neighbors were searched"))
    model = Ivis(**SMALL | change)
    with pytest.raises(ValueError, match=message):
        model.fit(rows, labels)
    with pytest.raises(NotFittedError):
        model.transform(rows)


@pytest.mark.parametrize("is_fitted", [False, True], ids=["not fitted", "fitted without labels"])
def test_predictions_need_a_fit_with_labels(rows, is_fitted):
    model = Ivis(**SMALL).fit(rows) if is_fitted else Ivis()
    with pytest.raises(NotFittedError, match="fit"):
        model.score_samples(rows)
    with pytest.raises(AttributeError, match="labels"):
        model.supervised_model_  # noqa: B018 (the access is the test)


# The Keras models


def test_the_supervised_model_predicts_from_rows(labeled, rows):
    model = labeled.supervised_model_
    assert isinstance(model, keras.Model)
    assert_allclose(ops.convert_to_numpy(model(rows, training=False)), labeled.score_samples(rows), atol=1e-6)


def test_the_siamese_model_embeds_three_inputs_at_once(labeled, rows):
    three = labeled.model_([rows[:20], rows[20:40], rows[40:]], training=False)
    assert three.shape == (3, 20, 2)
    assert_allclose(ops.convert_to_numpy(three).reshape(60, 2), labeled.transform(rows), atol=1e-6)


# scikit-learn


def test_a_pipeline_passes_labels_on(rows, labels):
    pipeline = make_pipeline(StandardScaler(), Ivis(**SMALL)).fit(rows, labels)
    alone = Ivis(**SMALL).fit(StandardScaler().fit_transform(rows), labels)
    assert bits(pipeline[-1]) == bits(alone)
    assert pipeline[-1].classes_.tolist() == [0, 1, 2]


@pytest.mark.slow
def test_a_grid_search_compares_weights(iris):
    """The pipeline passes the labels of the training rows to the embedding."""
    x, y = iris[0][:90], iris[1][:90]
    settings = SMALL | {"batch_size": 45, "k": np.int64(8)}
    pipeline = make_pipeline(Ivis(**settings), KNeighborsClassifier(5))
    search = GridSearchCV(pipeline, {"ivis__supervision_weight": [0.5, 0.9]}, cv=2, error_score="raise").fit(x, y)
    assert set(search.cv_results_["param_ivis__supervision_weight"]) == {0.5, 0.9}
    assert search.best_score_ > 0.6
    assert search.best_estimator_[0].classes_.tolist() == [0, 1, 2]
    assert search.predict(x).shape == (90,)
