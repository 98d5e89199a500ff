"""Labels on arrays: their validation and coding, the head, and the loss of a batch."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics

from scivis.nn import Architecture, build_encoder, make_targets
from scivis.nn._batches import Batch
from scivis.nn._contrastive import distance_correlation, infonce
from scivis.nn._siamese import Siamese, Supervision
from scivis.nn._training import embed
from scivis.nn.losses import triplet_loss
from scivis.nn.supervision import CLASSIFICATION, HINGES, SPARSE, Targets, build_head, check_metric, supervised_loss

REGRESSION = ("mae", "mse", "msle", "mape", "log_cosh", "huber", "poisson", "cosine_similarity")
BINARY = ("binary_crossentropy", "binary_focal_crossentropy")
INDICATORS = tuple(metric for metric in CLASSIFICATION if metric != SPARSE)
EXCLUSIVE = tuple(metric for metric in INDICATORS if metric not in (*BINARY, "hinge", "squared_hinge"))
# Four rows of three classes, in which every class occurs, and predictions that are probabilities.
CODES = np.array([0, 1, 2, 1])
ONE_HOT = np.eye(3)[CODES]
PREDICTED = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9], [0.25, 0.5, 0.25]])


# --- validation and coding


def test_codes_become_class_numbers_in_ascending_order():
    targets = make_targets([7, -1, 3, 100, 3, np.nan], SPARSE, 6)
    assert targets.values.dtype == np.int32
    assert targets.values.tolist() == [1, 0, 0, 2, 0, 0]
    assert targets.labeled.tolist() == [True, False, True, True, True, False]
    assert targets.classes.tolist() == [3, 7, 100]
    assert targets.n_outputs == 3


def test_codes_can_be_negative_except_for_minus_one():
    targets = make_targets([-2, -1, 5], SPARSE, 3)
    assert targets.classes.tolist() == [-2, 5]
    assert targets.labeled.tolist() == [True, False, True]


@pytest.mark.parametrize(
    "form",
    [list, tuple, np.array, lambda y: np.array(y)[:, None], lambda y: np.array(y, "f4")],
    ids=["list", "tuple", "array", "column", "floats"],
)
def test_codes_are_accepted_in_any_form(form):
    targets = make_targets(form([4, 4, 2]), SPARSE, 3)
    assert targets.values.tolist() == [1, 1, 0]


@pytest.mark.parametrize("missing", [-1, np.nan])
@pytest.mark.parametrize("metric", INDICATORS)
def test_a_row_with_a_missing_indicator_is_unlabeled(metric, missing):
    y = ONE_HOT.copy()
    y[1] = missing
    y[2, 0] = missing
    targets = make_targets(y, metric, 4)
    assert targets.labeled.tolist() == [True, False, False, True]
    assert targets.values.dtype == np.float32
    assert targets.values.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert (targets.n_outputs, targets.classes.size) == (3, 0)


@pytest.mark.parametrize("metric", ["hinge", "squared_hinge"])
def test_minus_one_is_a_label_if_all_labels_of_a_hinge_loss_are_signs(metric):
    signs = make_targets([1, -1, np.nan, 1], metric, 4)
    assert signs.labeled.tolist() == [True, True, False, True]
    assert signs.values.ravel().tolist() == [1, -1, 0, 1]
    indicators = make_targets([1, -1, 0, 1], metric, 4)
    assert indicators.labeled.tolist() == [True, False, True, True]
    assert indicators.values.ravel().tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("metric", REGRESSION)
def test_only_nan_is_missing_among_values(metric):
    targets = make_targets([[-1.0, 2.5], [np.nan, 1.0], [0.0, -1.0]], metric, 3)
    assert targets.labeled.tolist() == [True, False, True]
    assert targets.values.tolist() == [[-1, 2.5], [0, 0], [0, -1]]
    assert targets.n_outputs == 2
    assert make_targets([1.0, 2.0, 3.0], metric, 3).values.shape == (3, 1)


def test_the_divergence_accepts_probabilities_of_classes():
    shares = np.array([[0.2, 0.8], [0.5, 0.5]])
    assert_allclose(make_targets(shares, "kl_divergence", 2).values, shares, rtol=1e-6)


@pytest.mark.parametrize(
    ("y", "metric", "message"),
    [
        ([0, 1], SPARSE, r"shape \(2,\), but there are 3 rows"),
        ([[[0]], [[1]], [[1]]], SPARSE, r"shape \(3, 1, 1\)"),
        (5, "mae", r"shape \(\), but there are 3 rows"),
        ([[0, 1]] * 3, SPARSE, "one code per row.*use categorical_crossentropy"),
        (["a", "b", "a"], SPARSE, "not numbers. Code them, for instance with sklearn.preprocessing.LabelEncoder"),
        pytest.param([object()] * 3, "mae", "not numbers", id="objects"),
        ([[0], [1, 2], [3]], "mae", "not numbers"),
        ([0.5, 1, 2], SPARSE, "integers as labels; for measured values use supervision_metric='mae'"),
        ([-1, np.nan, -1], SPARSE, "All 3 labels are missing. Give at least some, or leave the labels out"),
        ([[0, np.nan]] * 3, "mse", "All 3 labels are missing"),
        ([4, -1, 4], SPARSE, "All labels are 4: there is nothing to tell apart"),
        ([[0, 1]] * 3, "hinge", "nothing to tell apart"),
        ([[0, 1], [-1, -1], [0, 1]], "categorical_hinge", "nothing to tell apart"),
        ([1, np.inf, 0], SPARSE, "infinite values; mark missing ones with NaN"),
        ([1, -np.inf, 0], "mae", "infinite values"),
        ([0, 1, 2], "binary_crossentropy", "zeros and ones, one column per class; these hold other values"),
        ([[0, 1], [1, 0], [0.5, 0.5]], "categorical_crossentropy", "zeros and ones"),
        ([0, 1, 2], "hinge", "zeros and ones"),
        *(([0, 1, 0], metric, "one column per class, but there is a single one.*sparse_") for metric in EXCLUSIVE),
    ],
    ids=str,
)
def test_invalid_labels_raise_an_error(y, metric, message):
    with pytest.raises(ValueError, match=message):
        make_targets(y, metric, 3)


@pytest.mark.parametrize(
    "metric",
    [
        "accuracy",
        "infonce",
        "",
        None,
        5,
        keras.losses.mean_absolute_error,
        "LossFunctionWrapper",
        "Loss",
        "dice",
        "ctc",
        "Circle",
    ],
)
def test_a_metric_that_is_no_loss_of_single_rows_raises_an_error(metric):
    with pytest.raises(ValueError, match=r"supervision_metric=.* is not the name of a Keras loss"):
        check_metric(metric)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("bce", "binary_crossentropy"),
        ("KLD", "kl_divergence"),
        ("CategoricalCrossentropy", "categorical_crossentropy"),
        ("SparseCategoricalCrossentropy", SPARSE),
        ("SquaredHinge", "squared_hinge"),
    ],
)
def test_another_name_of_a_classification_loss_raises_an_error(alias, name):
    with pytest.raises(ValueError, match=f"{alias!r} is another name of {name!r}: write that"):
        check_metric(alias)


@pytest.mark.parametrize("metric", [*CLASSIFICATION, *REGRESSION, "MAE", "MeanSquaredError", "mean_absolute_error"])
def test_losses_of_single_rows_are_accepted(metric):
    check_metric(metric)


# --- the head


@pytest.mark.parametrize("metric", [*CLASSIFICATION, *REGRESSION])
def test_the_head_is_one_layer_with_the_activation_of_the_loss(metric):
    head = build_head(3, metric, 2, seed=4)
    kernel, bias = head.get_weights()
    assert (kernel.shape, bias.shape) == ((2, 3), (3,))
    x = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)
    linear = x @ kernel + bias
    exponentials = np.exp(linear)
    expected = linear
    if metric in (SPARSE, *EXCLUSIVE) and metric not in HINGES:
        expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    if metric in BINARY:
        expected = 1 / (1 + np.exp(-linear))
    assert_allclose(embed(head, x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("metric", [*CLASSIFICATION, *REGRESSION])
def test_only_hinge_losses_have_a_penalty_on_the_weights(metric):
    head = build_head(3, metric, 2)
    head.set_weights([np.array([[1, 2, 0], [0, 3, -1]], np.float32), np.full(3, 9, np.float32)])
    penalty = float(sum(head.losses))
    assert penalty == pytest.approx(0.01 * (1 + 4 + 9 + 1) if metric in HINGES else 0)


def test_the_seed_determines_the_weights_of_the_head():
    first, again, other = (build_head(3, "mae", 2, seed=seed).get_weights()[0] for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert (first != other).any()


# --- the loss of labels


def cross_entropy(y, p):
    return -(y * np.log(p)).sum(axis=1)


def probability_of_label(y, p):
    """The predicted probability of each label."""
    return np.where(y == 1, p, 1 - p)


def margins(y, p):
    return np.maximum(0, 1 - (2 * y - 1) * p)


FORMULAS = {
    "categorical_crossentropy": cross_entropy,
    "kl_divergence": cross_entropy,  # the entropy of one-hot labels is 0
    "categorical_focal_crossentropy": lambda y, p: -(0.25 * y * (1 - p) ** 2 * np.log(p)).sum(axis=1),
    "binary_crossentropy": lambda y, p: -np.log(probability_of_label(y, p)).mean(axis=1),
    "binary_focal_crossentropy": lambda y, p: (
        -((1 - probability_of_label(y, p)) ** 2 * np.log(probability_of_label(y, p))).mean(axis=1)
    ),
    "categorical_hinge": lambda y, p: np.maximum(0, ((1 - y) * p).max(axis=1) - (y * p).sum(axis=1) + 1),
    "hinge": lambda y, p: margins(y, p).mean(axis=1),
    "squared_hinge": lambda y, p: (margins(y, p) ** 2).mean(axis=1),
    "mae": lambda y, p: np.abs(y - p).mean(axis=1),
    "mse": lambda y, p: ((y - p) ** 2).mean(axis=1),
    "msle": lambda y, p: ((np.log1p(y) - np.log1p(p)) ** 2).mean(axis=1),
    "mape": lambda y, p: 100 * np.abs((y - p) / np.maximum(y, 1e-7)).mean(axis=1),
    "log_cosh": lambda y, p: np.log(np.cosh(y - p)).mean(axis=1),
    "huber": lambda y, p: (0.5 * (y - p) ** 2).mean(axis=1),  # all differences are below its threshold of 1
    "poisson": lambda y, p: (p - y * np.log(p)).mean(axis=1),
    "cosine_similarity": lambda y, p: -(y * p).sum(axis=1) / np.linalg.norm(y, axis=1) / np.linalg.norm(p, axis=1),
}


def label_loss(metric, y, predicted, labeled):
    single = np.asarray(predicted, np.float32), np.asarray(labeled, np.float32)
    return float(supervised_loss(metric, np.asarray(y, np.int32 if metric == SPARSE else np.float32), *single))


def test_every_loss_has_a_formula():
    assert set(FORMULAS) == {*INDICATORS, *REGRESSION}


@pytest.mark.backend
@pytest.mark.parametrize("labeled", [[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 1, 0]], ids=str)
@pytest.mark.parametrize("metric", FORMULAS)
def test_the_loss_is_the_mean_over_labeled_rows(metric, labeled):
    rows = np.array(labeled, bool)
    y = ONE_HOT * rows[:, None]
    expected = FORMULAS[metric](ONE_HOT[rows], PREDICTED[rows]).mean()
    assert label_loss(metric, y, PREDICTED, labeled) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize("labeled", [[1, 1, 1, 1], [1, 1, 1, 0], [0, 1, 1, 0]], ids=str)
def test_the_losses_equal_those_of_scikit_learn(labeled):
    rows = np.array(labeled, bool)
    codes, one_hot, predicted = CODES[rows], ONE_HOT[rows], PREDICTED[rows]
    entropy = metrics.log_loss(codes, predicted, labels=[0, 1, 2])
    expected = {
        SPARSE: entropy,
        "categorical_crossentropy": entropy,
        "kl_divergence": entropy,
        "binary_crossentropy": metrics.log_loss(one_hot.ravel(), np.c_[1 - predicted.ravel(), predicted.ravel()]),
        "categorical_hinge": metrics.hinge_loss(codes, predicted, labels=[0, 1, 2]),
        "hinge": metrics.hinge_loss(one_hot.ravel(), predicted.ravel()),
        "mae": metrics.mean_absolute_error(one_hot, predicted),
        "mse": metrics.mean_squared_error(one_hot, predicted),
        "msle": metrics.mean_squared_log_error(one_hot, predicted),
    }
    for metric, value in expected.items():
        y = CODES if metric == SPARSE else ONE_HOT
        assert label_loss(metric, y, PREDICTED, labeled) == pytest.approx(value, rel=1e-5), metric


@pytest.mark.parametrize("metric", ["hinge", "squared_hinge"])
def test_signs_and_indicators_have_the_same_hinge_loss(metric):
    y, predicted = np.array([[1.0], [0.0], [1.0]]), np.array([[0.3], [0.9], [-2.0]])
    expected = FORMULAS[metric](y, predicted)
    for labeled in ([1, 1, 1], [1, 1, 0], [1, 0, 1]):
        rows = np.array(labeled, bool)
        for labels in (y, 2 * y - 1):
            found = label_loss(metric, labels * rows[:, None], predicted, labeled)
            assert found == pytest.approx(expected[rows].mean(), rel=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize("metric", [SPARSE, *FORMULAS])
def test_a_batch_without_labels_has_no_loss(metric):
    y = np.zeros(4) if metric == SPARSE else np.zeros((4, 3))
    assert label_loss(metric, y, PREDICTED, np.zeros(4)) == 0


def test_an_infinite_loss_of_an_unlabeled_row_is_ignored():
    predicted = np.array([[2.0], [1e30]])
    assert label_loss("mse", np.zeros((2, 1)), predicted, [1, 0]) == 4
    assert label_loss("mse", np.zeros((2, 1)), predicted, [0, 1]) == np.inf


@pytest.mark.backend
@pytest.mark.parametrize("metric", FORMULAS)
def test_only_labeled_rows_have_a_gradient(metric, gradient):
    labeled = np.array([1, 0, 0, 1], np.float32)
    known, y = np.array([0, 3]), ONE_HOT.astype(np.float32)
    x = PREDICTED.astype(np.float32)
    found = gradient(lambda p: supervised_loss(metric, y * labeled[:, None], p, labeled), x)
    alone = gradient(lambda p: supervised_loss(metric, y[known], p, labeled[known]), x[known])
    assert np.abs(alone).max() > 0
    assert_array_equal(found[1:3], 0)
    assert_allclose(found[known], alone, rtol=1e-5)


# --- the loss of a batch


# Pairs of each of fifty anchors with its partner.
PAIRS = np.arange(100, dtype=np.int32).reshape(2, 50)


def siamese(points, metric, weight, *, loss="infonce", global_weight=0.3, missing=()):
    """A model, and the anchors of its third batch. The partners of row i are the rows i + 1 and i + 2."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 400) if metric == SPARSE else np.eye(3)[rng.integers(0, 3, 400)]
    labeled = ~np.isin(np.arange(400), missing)
    y = y.astype(np.int32) if metric == SPARSE else y.astype(np.float32)
    targets = Targets(y, labeled, 3, np.arange(3))
    inputs = keras.layers.Input((8,))
    penalized = keras.layers.Dense(4, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.05))(inputs)
    encoder = build_encoder(Architecture("custom", 8, 2), backbone=keras.Model(inputs, penalized))
    supervision = Supervision(targets, build_head(3, metric, 2, seed=1), metric, weight)
    batch = Batch(50, 1, 50) if loss == "infonce" else Batch(50, 2)
    model = Siamese(
        encoder, points, loss=loss, global_weight=global_weight, n_batches=8, batch=batch, supervision=supervision
    )
    rows = rng.permutation(400).astype(np.int32).reshape(8, 1, 50)
    model.rows.assign(np.concatenate([(rows + shift) % 400 for shift in range(batch.n_views)], axis=1))
    if batch.n_pairs:
        model.pairs.assign(np.tile(PAIRS, (8, 1, 1)))
    return model, rows[2, 0]


def loss_of(model):
    batch = np.array([2], np.int32)
    return float(ops.convert_to_numpy(model.compute_loss(x=batch, y_pred=model(batch))))


@pytest.mark.slow
@pytest.mark.backend
@pytest.mark.parametrize("loss", ["infonce", "pn"])
@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("metric", [SPARSE, "categorical_hinge", "binary_crossentropy", "mae"])
def test_the_loss_of_a_batch_is_the_weighted_mean_of_neighbors_and_labels_plus_penalties(points, metric, weight, loss):
    model, anchors = siamese(points, metric, weight, loss=loss, missing=range(0, 400, 3))
    shifts = range(2 if loss == "infonce" else 3)
    views = [embed(model.encoder, points[(anchors + shift) % 400]) for shift in shifts]
    neighbors = float(infonce(np.concatenate(views), PAIRS) if loss == "infonce" else triplet_loss("pn")(None, views))
    neighbors += 0.3 * float(distance_correlation(points[anchors], views[0]))
    neighbors += 0.05 * (model.encoder.get_weights()[0] ** 2).sum()
    known = anchors % 3 != 0
    y = ops.convert_to_numpy(model.labels)[anchors[known]]
    y = np.eye(3)[y] if metric == SPARSE else y
    formula = FORMULAS["categorical_crossentropy" if metric == SPARSE else metric]
    labels = formula(y, embed(model.head, views[0])[known].astype(np.float64)).mean()
    penalty = 0.01 * (model.head.get_weights()[0] ** 2).sum() if metric in HINGES else 0
    assert 10 < known.sum() < 50
    assert loss_of(model) == pytest.approx((1 - weight) * neighbors + weight * labels + penalty, rel=1e-4)


def test_the_weight_of_labels_does_not_depend_on_their_number(points):
    """If only one of fifty rows is labeled, the loss is that of this row, not a fiftieth of it."""
    model, anchors = siamese(points, SPARSE, 1.0)
    one = anchors[7]
    alone, _ = siamese(points, SPARSE, 1.0, missing=np.setdiff1d(anchors, [one]))
    predicted = embed(model.head, embed(model.encoder, points[[one]]))[0]
    expected = -np.log(predicted[ops.convert_to_numpy(model.labels)[one]])
    alone.encoder.set_weights(model.encoder.get_weights())
    assert loss_of(alone) == pytest.approx(float(expected), rel=1e-4)


def test_a_batch_without_labels_has_the_weighted_loss_of_neighbors(points):
    model, anchors = siamese(points, SPARSE, 0.2)
    unlabeled, _ = siamese(points, SPARSE, 0.2, missing=anchors)
    neighbors, _ = siamese(points, SPARSE, 0.0)
    for other in (unlabeled, neighbors):
        other.encoder.set_weights(model.encoder.get_weights())
    assert loss_of(unlabeled) == pytest.approx(0.8 * loss_of(neighbors), rel=1e-5)


def test_encoder_and_head_are_trained(points):
    model, _ = siamese(points, SPARSE, 0.5)
    trained = {id(variable) for variable in model.trainable_variables}
    assert trained == {id(w) for part in (model.encoder, model.head) for w in part.trainable_weights}
    assert model.networks == [model.encoder, model.head]
