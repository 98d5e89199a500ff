"""Calibrated probabilities of labels: which cells are held out, and that the probabilities are those of being right."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax

from scivis._ivis.model import LabelHead
from scivis._ivis.temperature import (
    Calibration,
    _calibrated_head,
    calibrated_certainty,
    fit_calibration,
    hold_out_labels,
    without_labels,
)
from scivis.nn.supervision import SPARSE, build_head, make_targets


def held_out(codes, metric=SPARSE, seed=0):
    return hold_out_labels(make_targets(codes, metric, len(codes)), metric, np.random.default_rng(seed))


@pytest.mark.parametrize(("n", "share"), [(1000, 0.2), (2000, 0.15), (6000, 0.1), (50_000, 0.02)])
def test_the_same_share_of_each_class_is_held_out(n, share):
    codes = np.repeat([0, 1, 2], [n // 2, n // 4, n // 4])
    rows = held_out(codes)
    assert_array_equal(np.bincount(codes[rows]), [int(share * size) for size in np.bincount(codes)])
    assert_array_equal(rows, held_out(codes))
    assert (rows[:20] != held_out(codes, seed=1)[:20]).any()


def test_unlabeled_cells_are_not_held_out_and_held_out_cells_are_unlabeled():
    codes = np.tile([0, 1, -1], 300)
    targets, rows = make_targets(codes, SPARSE, 900), held_out(codes)
    assert (codes[rows] >= 0).all()
    learned = without_labels(targets, rows)
    assert_array_equal(np.flatnonzero(targets.labeled & ~learned.labeled), rows)
    assert targets.labeled.sum() == 600


def test_few_labels_hinge_losses_and_no_labels_are_not_calibrated():
    assert not held_out(np.arange(90) % 2).size
    assert held_out(np.arange(110) % 2).size == 22
    assert not held_out(np.eye(2)[np.arange(1000) % 2], "categorical_hinge").size
    assert not hold_out_labels(None, SPARSE, np.random.default_rng(0)).size
    assert held_out(np.eye(2)[np.arange(1000) % 2], "categorical_crossentropy").size == 200


@pytest.mark.parametrize("truth", [Calibration(2.0, 0.0), Calibration(0.5, 0.0), Calibration(0.6, 0.1)], ids=str)
def test_the_calibration_is_that_by_which_the_classes_were_drawn(truth):
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=3, size=(20_000, 5))
    p = (1 - truth.doubt) * softmax(logits / truth.temperature, axis=1) + truth.doubt / 5
    classes = (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1)
    found = fit_calibration(softmax(logits, axis=1), classes)
    assert_allclose(found.temperature, truth.temperature, rtol=0.1)
    assert_allclose(found.doubt, truth.doubt, atol=0.02)
    assert_allclose(calibrated_certainty(softmax(logits, axis=1), truth), p.max(axis=1), rtol=1e-9)


def test_if_all_of_few_cells_are_right_the_next_may_be_wrong():
    certain = np.tile([1.0, 0.0, 0.0], (38, 1))
    found = calibrated_certainty(certain, fit_calibration(certain, np.zeros(38, int)))
    # The cross-entropy with the smoothed frequency 39/40, and the prior on the log-odds of the doubt, on a grid.
    log_odds = np.linspace(-9, 0, 9001)
    p = 1 - 2 / 3 / (1 + np.exp(-log_odds))
    loss = -38 * (39 / 40 * np.log(p) + 1 / 40 * np.log(1 - p)) + 0.4 / 2 * (log_odds + 5) ** 2
    assert_allclose(found, p[loss.argmin()], atol=1e-4)
    assert 39 / 40 < found[0] < 0.99


def test_the_head_computes_the_calibrated_probabilities():
    embedding = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    network = build_head(3, SPARSE, 2, seed=1)
    weight, bias = network.get_weights()
    bias += np.float32([0.5, 0, -1])
    network.set_weights([weight, bias])
    head = LabelHead(network, np.float32([[1] * 3, [0] * 3]), np.arange(3))
    softened = _calibrated_head(head, Calibration(2.0, 0.06))
    scores = softened.network.predict(embedding, verbose=0) * softened.scale[0] + softened.scale[1]
    assert_allclose(scores, 0.94 * softmax((embedding @ weight + bias) / 2, axis=1) + 0.02, atol=1e-6)
    assert_array_equal(scores.argmax(axis=1), (embedding @ weight + bias).argmax(axis=1))
    assert_allclose(network.get_weights()[0], weight)
