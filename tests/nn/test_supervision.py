"""Learning from labels, on arrays: which rows have one, what the head is, and what the loss of a batch comes to."""

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
INDICATED = tuple(metric for metric in CLASSIFICATION if metric != SPARSE)
EXCLUSIVE = tuple(metric for metric in INDICATED if metric not in (*BINARY, "hinge", "squared_hinge"))
# Four rows of three classes, in which every class occurs, and predictions that are probabilities.
CODES = np.array([0, 1, 2, 1])
ONE_HOT = np.eye(3)[CODES]
PREDICTED = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9], [0.25, 0.5, 0.25]])


# --- which rows have a label


def test_codes_become_class_numbers_in_ascending_order_and_missing_ones_are_marked():
    targets = make_targets([7, -1, 3, 100, 3, np.nan], SPARSE, 6)
    assert targets.values.dtype == np.int32
    assert targets.values.tolist() == [1, 0, 0, 2, 0, 0]
    assert targets.labelled.tolist() == [True, False, True, True, True, False]
    assert targets.classes.tolist() == [3, 7, 100]
    assert targets.n_outputs == 3


def test_codes_may_be_negative_but_for_minus_one():
    targets = make_targets([-2, -1, 5], SPARSE, 3)
    assert targets.classes.tolist() == [-2, 5]
    assert targets.labelled.tolist() == [True, False, True]


@pytest.mark.parametrize(
    "form",
    [list, tuple, np.array, lambda y: np.array(y)[:, None], lambda y: np.array(y, "f4")],
    ids=["list", "tuple", "array", "column", "floats"],
)
def test_codes_may_come_in_any_form(form):
    targets = make_targets(form([4, 4, 2]), SPARSE, 3)
    assert targets.values.tolist() == [1, 1, 0]


@pytest.mark.parametrize("missing", [-1, np.nan])
@pytest.mark.parametrize("metric", INDICATED)
def test_a_row_with_one_missing_indicator_has_no_label(metric, missing):
    y = ONE_HOT.copy()
    y[1] = missing
    y[2, 0] = missing
    targets = make_targets(y, metric, 4)
    assert targets.labelled.tolist() == [True, False, False, True]
    assert targets.values.dtype == np.float32
    assert targets.values.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert (targets.n_outputs, targets.classes.size) == (3, 0)


@pytest.mark.parametrize("metric", ["hinge", "squared_hinge"])
def test_minus_one_is_a_sign_where_hinge_labels_are_signs_only(metric):
    signs = make_targets([1, -1, np.nan, 1], metric, 4)
    assert signs.labelled.tolist() == [True, True, False, True]
    assert signs.values.ravel().tolist() == [1, -1, 0, 1]
    indicators = make_targets([1, -1, 0, 1], metric, 4)
    assert indicators.labelled.tolist() == [True, False, True, True]
    assert indicators.values.ravel().tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("metric", REGRESSION)
def test_values_may_be_minus_one_and_only_nan_is_missing(metric):
    targets = make_targets([[-1.0, 2.5], [np.nan, 1.0], [0.0, -1.0]], metric, 3)
    assert targets.labelled.tolist() == [True, False, True]
    assert targets.values.tolist() == [[-1, 2.5], [0, 0], [0, -1]]
    assert targets.n_outputs == 2
    assert make_targets([1.0, 2.0, 3.0], metric, 3).values.shape == (3, 1)


def test_shares_of_classes_are_labels_of_the_divergence():
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
        ([object()] * 3, "mae", "not numbers"),
        ([[0], [1, 2], [3]], "mae", "not numbers"),
        ([0.5, 1, 2], SPARSE, "whole numbers as labels; for measured values use supervision_metric='mae'"),
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
def test_labels_that_cannot_be_learned_are_refused(y, metric, message):
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
def test_what_is_no_loss_of_single_rows_is_refused(metric):
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
def test_other_names_of_the_losses_of_classes_would_get_the_wrong_activation(alias, name):
    with pytest.raises(ValueError, match=f"{alias!r} is another name of {name!r}: write that"):
        check_metric(alias)


@pytest.mark.parametrize("metric", [*CLASSIFICATION, *REGRESSION, "MAE", "MeanSquaredError", "mean_absolute_error"])
def test_losses_of_single_rows_are_known(metric):
    check_metric(metric)


# --- the head


@pytest.mark.parametrize("metric", [*CLASSIFICATION, *REGRESSION])
def test_the_head_is_one_layer_whose_activation_suits_the_loss(metric):
    head = build_head(3, metric, 2, seed=4)
    kernel, bias = head.get_weights()
    assert (kernel.shape, bias.shape) == ((2, 3), (3,))
    x = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)
    linear = x @ kernel + bias
    exponentials = np.exp(linear)
    wanted = linear
    if metric in (SPARSE, *EXCLUSIVE) and metric not in HINGES:
        wanted = exponentials / exponentials.sum(axis=1, keepdims=True)
    if metric in BINARY:
        wanted = 1 / (1 + np.exp(-linear))
    assert_allclose(embed(head, x), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("metric", [*CLASSIFICATION, *REGRESSION])
def test_only_support_vector_machines_pay_for_large_weights(metric):
    head = build_head(3, metric, 2)
    head.set_weights([np.array([[1, 2, 0], [0, 3, -1]], np.float32), np.full(3, 9, np.float32)])
    penalty = float(sum(head.losses))
    assert penalty == pytest.approx(0.01 * (1 + 4 + 9 + 1) if metric in HINGES else 0)


def test_the_seed_draws_the_weights_of_the_head():
    first, again, other = (build_head(3, "mae", 2, seed=seed).get_weights()[0] for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert (first != other).any()


# --- the loss of labels


def cross_entropy(y, p):
    return -(y * np.log(p)).sum(axis=1)


def binary(y, p):
    """The probability that is given to the right answer, for each label."""
    return np.where(y == 1, p, 1 - p)


def margins(y, p):
    return np.maximum(0, 1 - (2 * y - 1) * p)


BY_HAND = {
    "categorical_crossentropy": cross_entropy,
    "kl_divergence": cross_entropy,  # the entropy of a row that is all one class is 0
    "categorical_focal_crossentropy": lambda y, p: -(0.25 * y * (1 - p) ** 2 * np.log(p)).sum(axis=1),
    "binary_crossentropy": lambda y, p: -np.log(binary(y, p)).mean(axis=1),
    "binary_focal_crossentropy": lambda y, p: -((1 - binary(y, p)) ** 2 * np.log(binary(y, p))).mean(axis=1),
    "categorical_hinge": lambda y, p: np.maximum(0, ((1 - y) * p).max(axis=1) - (y * p).sum(axis=1) + 1),
    "hinge": lambda y, p: margins(y, p).mean(axis=1),
    "squared_hinge": lambda y, p: (margins(y, p) ** 2).mean(axis=1),
    "mae": lambda y, p: np.abs(y - p).mean(axis=1),
    "mse": lambda y, p: ((y - p) ** 2).mean(axis=1),
    "msle": lambda y, p: ((np.log1p(y) - np.log1p(p)) ** 2).mean(axis=1),
    "mape": lambda y, p: 100 * np.abs((y - p) / np.maximum(y, 1e-7)).mean(axis=1),
    "log_cosh": lambda y, p: np.log(np.cosh(y - p)).mean(axis=1),
    "huber": lambda y, p: (0.5 * (y - p) ** 2).mean(axis=1),  # all differences are below its 1
    "poisson": lambda y, p: (p - y * np.log(p)).mean(axis=1),
    "cosine_similarity": lambda y, p: -(y * p).sum(axis=1) / np.linalg.norm(y, axis=1) / np.linalg.norm(p, axis=1),
}


def told(metric, y, predicted, labelled):
    single = np.asarray(predicted, np.float32), np.asarray(labelled, np.float32)
    return float(supervised_loss(metric, np.asarray(y, np.int32 if metric == SPARSE else np.float32), *single))


def test_every_loss_is_computed_by_hand():
    assert set(BY_HAND) == {*INDICATED, *REGRESSION}


@pytest.mark.backend
@pytest.mark.parametrize("labelled", [[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 1, 0]], ids=str)
@pytest.mark.parametrize("metric", BY_HAND)
def test_the_loss_is_the_mean_over_labelled_rows(metric, labelled):
    rows = np.array(labelled, bool)
    y = ONE_HOT * rows[:, None]
    wanted = BY_HAND[metric](ONE_HOT[rows], PREDICTED[rows]).mean()
    assert told(metric, y, PREDICTED, labelled) == pytest.approx(wanted, rel=1e-4, abs=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize("labelled", [[1, 1, 1, 1], [1, 1, 1, 0], [0, 1, 1, 0]], ids=str)
def test_the_losses_of_scikit_learn(labelled):
    rows = np.array(labelled, bool)
    codes, one_hot, predicted = CODES[rows], ONE_HOT[rows], PREDICTED[rows]
    entropy = metrics.log_loss(codes, predicted, labels=[0, 1, 2])
    wanted = {
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
    for metric, value in wanted.items():
        y = CODES if metric == SPARSE else ONE_HOT
        assert told(metric, y, PREDICTED, labelled) == pytest.approx(value, rel=1e-5), metric


@pytest.mark.parametrize("metric", ["hinge", "squared_hinge"])
def test_signs_and_indicators_are_the_same_labels_of_a_hinge(metric):
    y, predicted = np.array([[1.0], [0.0], [1.0]]), np.array([[0.3], [0.9], [-2.0]])
    wanted = BY_HAND[metric](y, predicted)
    for labelled in ([1, 1, 1], [1, 1, 0], [1, 0, 1]):
        rows = np.array(labelled, bool)
        for labels in (y, 2 * y - 1):
            found = told(metric, labels * rows[:, None], predicted, labelled)
            assert found == pytest.approx(wanted[rows].mean(), rel=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize("metric", [SPARSE, *BY_HAND])
def test_a_batch_without_labels_costs_nothing(metric):
    y = np.zeros(4) if metric == SPARSE else np.zeros((4, 3))
    assert told(metric, y, PREDICTED, np.zeros(4)) == 0


def test_a_prediction_that_overflows_does_no_harm_where_there_is_no_label():
    predicted = np.array([[2.0], [1e30]])
    assert told("mse", np.zeros((2, 1)), predicted, [1, 0]) == 4
    assert told("mse", np.zeros((2, 1)), predicted, [0, 1]) == np.inf


@pytest.mark.backend
@pytest.mark.parametrize("metric", BY_HAND)
def test_rows_without_a_label_have_no_gradient_and_the_others_the_whole(metric, gradient):
    labelled = np.array([1, 0, 0, 1], np.float32)
    known, y = np.array([0, 3]), ONE_HOT.astype(np.float32)
    x = PREDICTED.astype(np.float32)
    found = gradient(lambda p: supervised_loss(metric, y * labelled[:, None], p, labelled), x)
    alone = gradient(lambda p: supervised_loss(metric, y[known], p, labelled[known]), x[known])
    assert np.abs(alone).max() > 0
    assert_array_equal(found[1:3], 0)
    assert_allclose(found[known], alone, rtol=1e-5)


# --- the loss of a batch


# Of fifty anchors and what came with each, the place of both.
BESIDE = np.arange(100, dtype=np.int32).reshape(2, 50)


def siamese(points, metric, weight, *, loss="infonce", global_weight=0.3, missing=()):
    """A model whose third batch is known, with its anchors and partners."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 400) if metric == SPARSE else np.eye(3)[rng.integers(0, 3, 400)]
    labelled = ~np.isin(np.arange(400), missing)
    y = y.astype(np.int32) if metric == SPARSE else y.astype(np.float32)
    targets = Targets(y, labelled, 3, np.arange(3))
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
        model.pairs.assign(np.tile(BESIDE, (8, 1, 1)))
    return model, rows[2, 0]


def loss_of(model):
    batch = np.array([2], np.int32)
    return float(ops.convert_to_numpy(model.compute_loss(x=batch, y_pred=model(batch))))


@pytest.mark.backend
@pytest.mark.parametrize("loss", ["infonce", "pn"])
@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("metric", [SPARSE, "categorical_hinge", "binary_crossentropy", "mae"])
def test_the_loss_of_a_batch_is_the_weighted_mean_of_neighbours_and_labels_plus_the_heads_penalty(
    points, metric, weight, loss
):
    model, anchors = siamese(points, metric, weight, loss=loss, missing=range(0, 400, 3))
    shifts = range(2 if loss == "infonce" else 3)
    views = [embed(model.encoder, points[(anchors + shift) % 400]) for shift in shifts]
    neighbours = float(infonce(np.concatenate(views), BESIDE) if loss == "infonce" else triplet_loss("pn")(None, views))
    neighbours += 0.3 * float(distance_correlation(points[anchors], views[0]))
    neighbours += 0.05 * (model.encoder.get_weights()[0] ** 2).sum()
    known = anchors % 3 != 0
    y = ops.convert_to_numpy(model.labels)[anchors[known]]
    y = np.eye(3)[y] if metric == SPARSE else y
    by_hand = BY_HAND["categorical_crossentropy" if metric == SPARSE else metric]
    labels = by_hand(y, embed(model.head, views[0])[known].astype(np.float64)).mean()
    penalty = 0.01 * (model.head.get_weights()[0] ** 2).sum() if metric in HINGES else 0
    assert 10 < known.sum() < 50
    assert loss_of(model) == pytest.approx((1 - weight) * neighbours + weight * labels + penalty, rel=1e-4)


def test_fewer_labels_do_not_weigh_less(points):
    """All rows but one of the batch lose their label: what remains is that row's loss, not a fiftieth of it."""
    model, anchors = siamese(points, SPARSE, 1.0)
    one = anchors[7]
    alone, _ = siamese(points, SPARSE, 1.0, missing=np.setdiff1d(anchors, [one]))
    predicted = embed(model.head, embed(model.encoder, points[[one]]))[0]
    wanted = -np.log(predicted[ops.convert_to_numpy(model.labels)[one]])
    alone.encoder.set_weights(model.encoder.get_weights())
    assert loss_of(alone) == pytest.approx(float(wanted), rel=1e-4)


def test_a_batch_without_labels_only_follows_neighbours(points):
    model, anchors = siamese(points, SPARSE, 0.2)
    blind, _ = siamese(points, SPARSE, 0.2, missing=anchors)
    neighbours, _ = siamese(points, SPARSE, 0.0)
    for other in (blind, neighbours):
        other.encoder.set_weights(model.encoder.get_weights())
    assert loss_of(blind) == pytest.approx(0.8 * loss_of(neighbours), rel=1e-5)


def test_the_head_learns_with_the_encoder_and_the_labels_do_not(points):
    model, _ = siamese(points, SPARSE, 0.5)
    trained = {id(variable) for variable in model.trainable_variables}
    assert trained == {id(w) for part in (model.encoder, model.head) for w in part.trainable_weights}
    assert model.learned == [model.encoder, model.head]
