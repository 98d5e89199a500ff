"""Optimizers: the update of each kind of weight, and the state that is kept."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from scivis.nn import Architecture, build_encoder
from scivis.nn._optimizer import OPTIMIZERS, build_optimizer, restore_state, state_shapes, state_values

pytestmark = pytest.mark.backend
RATE = 0.01


@pytest.fixture
def encoder():
    return build_encoder(Architecture((16, 8), n_features=6, n_components=2, linear_path=True))


def take_steps(encoder, name, *, n_steps=1, decay_steps=None):
    """Changes of the weights by steps with the same random gradients, the gradients, and the optimizer."""
    rng, before = np.random.default_rng(0), encoder.get_weights()
    gradients = [keras.ops.convert_to_tensor(rng.normal(size=w.shape).astype("float32")) for w in before]
    optimizer = build_optimizer(name, RATE, encoder.trainable_variables, decay_steps=decay_steps)
    for _ in range(n_steps):
        optimizer.apply(gradients, encoder.trainable_variables)
    return [after - was for after, was in zip(encoder.get_weights(), before, strict=True)], gradients, optimizer


def test_a_step_of_adam_moves_every_weight_by_the_learning_rate(encoder):
    for move, gradient in zip(*take_steps(encoder, "adam")[:2], strict=True):
        np.testing.assert_allclose(move, -RATE * np.sign(keras.ops.convert_to_numpy(gradient)), rtol=1e-3)


def test_a_step_of_muon_is_orthogonal_for_hidden_matrices_and_that_of_adam_for_other_weights(encoder):
    changes, gradients, _ = take_steps(encoder, "muon")
    hidden = {(6, 16), (16, 8)}
    assert {change.shape for change in changes} > hidden
    for change, gradient in zip(changes, gradients, strict=True):
        expected = keras.ops.convert_to_numpy(gradient)
        if change.shape in hidden:
            # 0.2 √(longer side) gives the mean square of an Adam step; three iterations are orthogonal within 35 %.
            steps = np.linalg.svd(change, compute_uv=False) / (RATE * 0.2 * np.sqrt(max(change.shape)))
            assert np.ptp(np.linalg.svd(expected, compute_uv=False)) > 1
            np.testing.assert_allclose(steps, 1.0, atol=0.35)
            assert (change * expected).sum() < 0
        else:
            np.testing.assert_allclose(change, -2 * RATE * np.sign(expected), rtol=1e-3)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_learning_rate_decays_along_a_cosine(encoder, name):
    _, _, optimizer = take_steps(encoder, name, n_steps=3, decay_steps=4)
    rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    assert rate == pytest.approx(RATE * (1 + np.cos(np.pi * 3 / 4)) / 2, rel=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_with_a_restored_state_takes_the_same_step(encoder, name):
    weights = encoder.trainable_variables
    _, gradients, optimizer = take_steps(encoder, name, n_steps=3)
    values = state_values(optimizer)
    assert [value.shape for value in values] == state_shapes(name, weights)
    assert type(optimizer).__name__ == {"adam": "Adam", "muon": "Muon"}[name]
    start, ends = encoder.get_weights(), []
    for target in (optimizer, build_optimizer(name, RATE, weights)):
        if target is not optimizer:
            restore_state(target, values, restart=False)
        encoder.set_weights(start)
        target.apply(gradients, weights)
        ends.append(b"".join(weight.tobytes() for weight in encoder.get_weights()))
    assert ends[0] == ends[1]


def test_a_restart_resets_the_step_and_keeps_the_moments(encoder):
    _, _, optimizer = take_steps(encoder, "adam", n_steps=3)
    other = build_optimizer("adam", RATE, encoder.trainable_variables)
    restore_state(other, state_values(optimizer), restart=True)
    assert int(keras.ops.convert_to_numpy(other.iterations)) == 0
    for mine, theirs in zip(state_values(other)[1:], state_values(optimizer)[1:], strict=True):
        np.testing.assert_array_equal(mine, theirs)
