"""Fits that continue an earlier one: what they change, what they reject, and the order of rows."""

from __future__ import annotations

import copy
import io
import pickle

import joblib
import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from scivis import Ivis

pytestmark = pytest.mark.usefixtures("op_by_op")

SMALL = {
    "k": 8, "batch_size": 60, "epochs": 2, "model": [8], "verbose": 0, "random_state": 0,
    "n_epochs_without_progress": None,
}  # fmt: skip


def weights(model):
    return [weight for network in model.fitted_.trained_networks for weight in network.get_weights()]


def bits(model):
    """Everything that training computes."""
    return [array.tobytes() for array in [*weights(model), *model.fitted_.training.optimizer]]


@pytest.fixture(scope="module")
def five_epochs(rows, labels, settings, eagerly):
    with eagerly():
        return Ivis(**settings | {"epochs": 5}).fit(rows, labels)


def through_a_folder(model, folder):
    model.save_model(folder / "model")
    return Ivis().load_model(folder / "model")


def through_joblib(model, folder):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


COPIES = {
    "folder": through_a_folder,
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, folder: copy.deepcopy(model),
    "copy": lambda model, folder: copy.copy(model),
    "joblib": through_joblib,
}


def check_two_and_three_epochs(model, rows, labels, five_epochs):
    model.set_params(epochs=3).fit(rows, labels)
    assert model.loss_history_ == five_epochs.loss_history_
    assert len(model.loss_history_) == 5
    assert bits(model) == bits(five_epochs)
    assert_array_equal(model.transform(rows), five_epochs.transform(rows))
    assert_array_equal(model.score_samples(rows), five_epochs.score_samples(rows))


@pytest.mark.slow
@pytest.mark.parametrize("way", COPIES)
def test_a_copy_is_equal_and_continues_with_the_same_bits(labeled, rows, labels, five_epochs, way, tmp_path):
    before = bits(labeled)
    model = COPIES[way](labeled, tmp_path)
    assert model is not labeled
    assert bits(model) == before
    assert_array_equal(model.score_samples(rows), labeled.score_samples(rows))
    check_two_and_three_epochs(model, rows, labels, five_epochs)
    assert bits(labeled) == before


def test_a_clone_starts_from_scratch_and_a_second_fit_continues(labeled, rows, labels, five_epochs):
    fresh = clone(labeled)
    assert fresh.get_params() == labeled.get_params()
    with pytest.raises(NotFittedError):
        fresh.transform(rows)
    assert bits(fresh.fit(rows, labels)) == bits(labeled)
    check_two_and_three_epochs(fresh, rows, labels, five_epochs)


@pytest.mark.slow
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
def test_two_fits_of_one_epoch_are_one_fit_of_two(rows, labels, settings, change, with_labels):
    y = labels if with_labels else None
    apart = Ivis(**settings | change | {"epochs": 1}).fit(rows, y).fit(rows, y)
    at_once = Ivis(**settings | change).fit(rows, y)
    assert apart.loss_history_ == at_once.loss_history_
    assert bits(apart) == bits(at_once)
    assert_array_equal(apart.transform(rows), at_once.transform(rows))


def test_early_stopping_compares_with_the_losses_of_earlier_fits(rows, labels):
    """If none is lower, the weights of the earlier fit are kept, after as many epochs as the patience."""
    model = Ivis(**SMALL).fit(rows, labels)
    model.fitted_.training.losses[-1] = -1.0  # no triplet loss is below 0
    before = weights(model)
    model.set_params(epochs=9, n_epochs_without_progress=3).fit(rows, labels)
    assert len(model.loss_history_) == 2 + 3
    for mine, other in zip(weights(model), before, strict=True):
        assert_array_equal(mine, other)


def test_a_decaying_learning_rate_restarts(rows, labels):
    model = Ivis(**SMALL | {"learning_rate_decay": True}).fit(rows, labels)
    before = bits(model)
    assert bits(model.fit(rows, labels)) != before  # a rate of 0 would change nothing
    assert len(model.loss_history_) == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "others",
    [None, np.arange(60) % 2, np.arange(60) % 4, np.arange(60) % 3 + 1],
    ids=["none", "fewer", "more", "other codes"],
)
def test_other_labels_are_rejected_and_the_model_is_not_changed(rows, labels, labeled, others, five_epochs):
    model = copy.deepcopy(labeled).set_params(epochs=3)
    before = bits(model), model.transform(rows).tobytes(), model.neighbour_matrix_, list(model.loss_history_)
    with pytest.raises(ValueError, match=r"labels are not those of the previous fit.*clone"):
        model.fit(rows, others)
    assert (bits(model), model.transform(rows).tobytes(), model.neighbour_matrix_, model.loss_history_) == before
    assert bits(model.fit(rows, labels)) == bits(five_epochs)


@pytest.mark.parametrize("width", [3, 5])
def test_rows_of_another_width_are_rejected_and_the_model_is_not_changed(rows, labels, labeled, width, five_epochs):
    model = copy.deepcopy(labeled).set_params(epochs=3)
    with pytest.raises(ValueError, match=rf"rows of shape \(4,\), but these have shape \({width},\)"):
        model.fit(np.random.default_rng(0).normal(size=(60, width)), labels)
    assert bits(model.fit(rows, labels)) == bits(five_epochs)


@pytest.mark.parametrize(
    ("change", "name"),
    [({"model": [9]}, "network"), ({"embedding_dims": 3}, "n_components"), ({"linear_path": True}, "linear_path")],
    ids=str,
)
def test_another_network_is_rejected(labeled, rows, labels, change, name):
    model = copy.deepcopy(labeled).set_params(**change)
    with pytest.raises(ValueError, match=rf"\['{name}'\] changed since the previous fit.*clone"):
        model.fit(rows, labels)


def test_another_kind_of_loss_is_rejected(rows, labels):
    """The head of a hinge loss has no softmax, so that its outputs are not probabilities."""
    y = np.eye(3)[labels]
    model = Ivis(**SMALL, supervision_metric="categorical_hinge").fit(rows, y)
    with pytest.raises(ValueError, match=r"supervision_metric was 'categorical_hinge' in the previous fit.*clone"):
        model.set_params(supervision_metric="categorical_crossentropy").fit(rows, y)


def test_a_second_fit_can_have_other_missing_labels_and_more_rows(rows, labels, labeled):
    masked = np.where(np.arange(60) < 30, labels, -1)
    model = copy.deepcopy(labeled).fit(np.r_[rows, rows + 1], np.r_[masked, labels])
    assert model.classes_.tolist() == [0, 1, 2]
    assert len(model.loss_history_) == 4
    assert model.neighbour_matrix_.n_cells == 120
    assert np.isfinite(model.novelty(rows)).all()


class Anchors(keras.callbacks.Callback):
    """Stores the anchors of each epoch, batch by batch."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append(ops.convert_to_numpy(self.model.rows)[:, 0].copy())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "method"), [(True, "fit"), (False, "fit"), ("batch", "fit"), (False, "fit_transform")], ids=str
)
def test_shuffle_mode_sets_the_order_of_rows(rows, labels, mode, method):
    noted = Anchors()
    getattr(Ivis(**SMALL | {"batch_size": 10}, callbacks=[noted]), method)(rows, labels, shuffle_mode=mode)
    first, second = noted.epochs
    in_order = np.arange(60).reshape(6, 10)
    assert sorted(first.ravel()) == list(range(60))
    assert (sorted(map(tuple, first)) == sorted(map(tuple, in_order))) == (mode is not True)
    assert (first.tolist() == in_order.tolist()) == (mode is False)
    assert (first.tolist() == second.tolist()) == (mode is False)


def test_the_deprecated_name_of_n_trees_warns_and_is_used(rows):
    model = Ivis(**SMALL, ntrees=3)
    with pytest.warns(FutureWarning, match="ntrees is deprecated; use n_trees"):
        model.fit(rows)
    assert bits(model) == bits(Ivis(**SMALL, n_trees=3).fit(rows))
    assert model.get_params()["ntrees"] == 3  # a fit changes no parameter
