"""Training of autoencoders: input, target, stopping, weights in files, and layers of the user."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from scivis import N2D
from scivis.n2d import AutoEncoder, CustomAutoEncoder, ManifoldClusterer, autoencoder_generator

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.mark.slow
@pytest.mark.compiled
def test_a_standardized_network_reads_standardized_rows_and_returns_the_unit_of_the_data(rows, small):
    x = 100 + 7 * rows
    model = small(standardize=True).fit(x, epochs=60, optimizer=keras.optimizers.Adam(0.02))
    rescaling = model.encoder_.layers[1]
    standardized = keras.ops.convert_to_numpy(rescaling(x))
    assert_allclose(standardized.mean(axis=0), 0, atol=1e-3)
    assert standardized.std() == pytest.approx(1, abs=1e-3)
    # The network explains most of the variance, which it could not around 100 if it returned another unit.
    assert ((model.reconstruct(x) - x) ** 2).mean() < 0.5 * x.var(axis=0).mean()


@pytest.mark.slow
@pytest.mark.compiled
def test_x_lambda_changes_the_input_and_not_the_target(rows, small):
    """All inputs become zero: the best output of a network is then the mean of the unchanged rows."""
    model = small(x_lambda=np.zeros_like).fit(rows, epochs=80, optimizer=keras.optimizers.Adam(0.05))
    assert_allclose(model.reconstruct(np.zeros((1, 12), np.float32))[0], rows.mean(axis=0), atol=0.02)


def test_the_best_weights_are_kept(rows, small):
    """A huge step at the end ruins the network; the epoch before it is kept."""

    class Ruin(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.001 if epoch < 4 else 10.0

    model = small().fit(rows, epochs=7, batch_size=120, callbacks=[Ruin()])
    losses = np.array(model.loss_history_)
    assert losses[4:].min() > 10 * losses[3]
    assert ((model.reconstruct(rows) - rows) ** 2).mean() < 1.5 * losses[3]


def test_patience_stops_training(rows, small):
    model = small().fit(rows, epochs=50, patience=2, optimizer=keras.optimizers.SGD(0.0))
    assert len(model.loss_history_) == 3


def test_loss_and_optimizer_are_those_that_were_given(rows, small):
    model = small().fit(rows, epochs=1, optimizer=keras.optimizers.SGD(0.0), loss="mae")
    assert model.loss_history_[0] == pytest.approx(np.abs(model.reconstruct(rows) - rows).mean(), rel=1e-5)


def test_an_optimizer_of_the_user_is_not_changed(rows, small):
    optimizer = keras.optimizers.Adam(0.01)
    small().fit(rows, epochs=1, optimizer=optimizer)
    assert not optimizer.built


def test_the_same_seed_gives_the_same_bits_and_global_states_are_not_changed(rows, small):
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (the global state is what is tested)
    one, same, other = (small().fit(rows, epochs=2, random_state=seed) for seed in (0, 0, 1))
    assert_array_equal(one.transform(rows), same.transform(rows))
    assert not np.allclose(one.transform(rows), other.transform(rows))
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_weights_are_written_and_read_instead_of_training(rows, small, linear, tmp_path):
    path = tmp_path / "weights" / "blobs-ae.h5"
    first = N2D(small(), linear()).fit(rows, epochs=3, weight_id=path)
    second = N2D(small(), ManifoldClusterer(PCA(2), KMeans(4, n_init=1)), random_state=9).fit(rows, weights=path)
    assert second.loss_history_ == []
    assert_array_equal(second.latent_, first.latent_)


def test_weights_of_another_network_are_rejected(rows, small, tmp_path):
    path = tmp_path / "weights.h5"
    small().fit(rows, epochs=1, weight_id=path)
    with pytest.raises(ValueError, match="weights have shapes"):
        AutoEncoder(12, 3, architecture=[16]).fit(rows, weights=path)
    with pytest.raises(FileNotFoundError, match="no file"):
        small().fit(rows, weights=tmp_path / "none.h5")


def test_convolutional_layers_of_the_user(rows, linear):
    inputs = keras.Input((12, 1))
    encoded = keras.layers.Conv1D(2, 3, strides=3, padding="same")(inputs)
    outputs = keras.layers.Conv1DTranspose(1, 3, strides=3, padding="same")(encoded)
    model = N2D(autoencoder_generator((inputs, encoded, outputs)), linear())
    model.fit(rows[..., None], epochs=2)
    # A bottleneck with two axes is flattened.
    assert model.latent_.shape == (240, 12 // 3 * 2)
    assert model.autoencoder.reconstruct(rows[:5, :, None]).shape == (5, 12, 1)
    assert model.predict(rows[:7, :, None]).shape == (7,)


def test_recurrent_layers_of_the_user_continue_from_their_weights(rows):
    inputs = keras.Input((6, 2))
    encoded = keras.layers.LSTM(3)(inputs)
    outputs = keras.layers.LSTM(2, return_sequences=True)(keras.layers.RepeatVector(6)(encoded))
    model = CustomAutoEncoder((inputs, encoded, outputs))
    x = rows.reshape(240, 6, 2)
    first = model.fit(x, epochs=2).loss_history_
    assert model.transform(x).shape == (240, 3)
    assert model.fit(x, epochs=2).loss_history_[0] < first[0]


def test_a_loss_that_becomes_infinite_is_an_error(rows, small, monkeypatch):
    monkeypatch.setattr("scivis.data._validation._LARGEST", np.inf)
    with pytest.raises(ValueError, match="diverged"):
        small().fit(rows * 1e30, epochs=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 1.5}, "batch_size=1.5"),
        ({"patience": -1}, "patience=-1"),
        ({"loss": "nonsense"}, "loss='nonsense'"),
        ({"optimizer": "nonsense"}, "optimizer='nonsense'"),
    ],
    ids=str,
)
def test_arguments_of_fit_are_validated(change, message, rows, small):
    with pytest.raises(ValueError, match=message):
        small().fit(rows, **change)
