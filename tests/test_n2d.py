"""`scivis.N2D` on arrays: each feature of the library N2D, against hand-computed numbers or scikit-learn itself."""

from __future__ import annotations

import json

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture

from scivis import N2D
from scivis._store.digest import sign
from scivis.n2d import (
    AutoEncoder,
    CustomAutoEncoder,
    ManifoldClusterer,
    UmapGMM,
    autoencoder_generator,
    cluster_accuracy,
    load_n2d,
    manifold_cluster_generator,
    match_clusters,
    save_n2d,
)
from scivis.n2d._network import Layout, build, models, weight_shapes

N, WIDTH, K = 240, 12, 4


@pytest.fixture(scope="module", autouse=True)
def op_by_op():
    """Runs training without compiling it, which takes longer than the training of so little."""
    tf.config.run_functions_eagerly(run_eagerly=True)
    yield
    tf.config.run_functions_eagerly(run_eagerly=False)


@pytest.fixture
def compiled():
    """For a test whose training is long enough to be worth it."""
    tf.config.run_functions_eagerly(run_eagerly=False)
    yield
    tf.config.run_functions_eagerly(run_eagerly=True)


@pytest.fixture(scope="module")
def blobs():
    """240 rows of 12 numbers in four groups that stand well apart."""
    x, y = make_blobs(N, n_features=WIDTH, centers=K, random_state=0)
    return (x / 10).astype(np.float32), y


def gmm(**kwargs):
    return GaussianMixture(K, random_state=0, **kwargs)


def small(**kwargs):
    return AutoEncoder(WIDTH, 3, architecture=[16, 8], **kwargs)


@pytest.fixture(scope="module")
def fitted(blobs):
    """Autoencoder, PCA and a mixture: everything but the minute that numba takes to compile UMAP."""
    return N2D(small(), ManifoldClusterer(PCA(2), gmm())).fit(blobs[0], epochs=10)


@pytest.fixture(scope="module")
def mapped(blobs):
    """UMAP and a mixture on the rows themselves."""
    return UmapGMM(K, random_state=1).fit(blobs[0])


# The autoencoder.


def test_the_decoder_mirrors_the_encoder_and_both_end_linearly():
    encoder, whole = models(build(Layout(WIDTH, 3, (500, 500, 2000), "relu")))
    dense = [layer for layer in whole.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in dense] == [500, 500, 2000, 3, 2000, 500, 500, WIDTH]
    assert [layer.activation.__name__ for layer in dense] == ["relu"] * 3 + ["linear"] + ["relu"] * 3 + ["linear"]
    assert encoder.output_shape == (None, 3)
    assert [tuple(w.shape) for w in whole.weights] == weight_shapes(Layout(WIDTH, 3, (500, 500, 2000), "relu"))


def test_defaults_are_those_of_the_documents():
    parameters = AutoEncoder(7).get_params()
    assert parameters["latent_dim"] == 10
    assert list(parameters["architecture"]) == [500, 500, 2000]
    assert (parameters["act"], parameters["x_lambda"]) == ("relu", None)
    expected = {"umap_dim": 2, "umap_neighbors": 10, "umap_min_distance": 0.0, "umap_metric": "euclidean"}
    assert UmapGMM(5).get_params() == {"n_clusters": 5, "random_state": 0, **expected}


def test_the_encoding_is_the_layers_arithmetic(fitted, blobs):
    layers = [layer for layer in fitted.encoder_.layers if isinstance(layer, keras.layers.Dense)]
    rows = blobs[0].astype(float)
    for layer in layers[:-1]:
        rows = np.maximum(rows @ layer.get_weights()[0] + layer.get_weights()[1], 0)
    kernel, bias = layers[-1].get_weights()
    assert_allclose(fitted.encode(blobs[0]), rows @ kernel + bias, atol=1e-5)


def test_another_activation_is_used():
    _, whole = models(build(Layout(4, 2, (3,), "tanh")))
    assert [layer.activation.__name__ for layer in whole.layers[1:]] == ["tanh", "linear", "tanh", "linear"]


def test_a_standardized_network_sees_standardized_rows_and_gives_the_datas_unit_back(blobs, compiled):
    x = 100 + 7 * blobs[0]
    model = small(standardize=True).fit(x, epochs=60, optimizer=keras.optimizers.Adam(0.02))
    rescaling = model.encoder_.layers[1]
    seen = keras.ops.convert_to_numpy(rescaling(x))
    assert_allclose(seen.mean(axis=0), 0, atol=1e-3)
    assert seen.std() == pytest.approx(1, abs=1e-3)
    # The network explains most of the variance, which it could not around 100 if it gave back another unit.
    assert ((model.reconstruct(x) - x) ** 2).mean() < 0.5 * x.var(axis=0).mean()


def test_x_lambda_changes_the_input_and_not_the_target(blobs, compiled):
    """All inputs are made zero: the best that a network can then say is the mean of the clean rows."""
    x = blobs[0]
    model = small(x_lambda=np.zeros_like).fit(x, epochs=80, optimizer=keras.optimizers.Adam(0.05))
    assert_allclose(model.reconstruct(np.zeros((1, WIDTH), np.float32))[0], x.mean(axis=0), atol=0.02)


def test_the_best_weights_are_kept(blobs):
    """A huge step at the end ruins the network; what is kept is the epoch before it."""

    class Ruin(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.001 if epoch < 4 else 10.0

    model = small().fit(blobs[0], epochs=7, batch_size=120, callbacks=[Ruin()])
    losses = np.array(model.loss_history_)
    assert losses[4:].min() > 10 * losses[3]
    assert ((model.reconstruct(blobs[0]) - blobs[0]) ** 2).mean() < 1.5 * losses[3]


def test_patience_stops_training(blobs):
    model = small().fit(blobs[0], epochs=50, patience=2, optimizer=keras.optimizers.SGD(0.0))
    assert len(model.loss_history_) == 3


def test_loss_and_optimizer_are_those_that_were_given(blobs):
    zero = small().fit(blobs[0], epochs=1, optimizer=keras.optimizers.SGD(0.0), loss="mae")
    assert zero.loss_history_[0] == pytest.approx(np.abs(zero.reconstruct(blobs[0]) - blobs[0]).mean(), rel=1e-5)


def test_an_optimizer_of_the_users_stays_as_it_is(blobs):
    optimizer = keras.optimizers.Adam(0.01)
    small().fit(blobs[0], epochs=1, optimizer=optimizer)
    assert not optimizer.built


def test_the_seed_decides_and_no_global_state_is_touched(blobs):
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (the global state is what is tested)
    one, same, other = (small().fit(blobs[0], epochs=2, random_state=seed) for seed in (0, 0, 1))
    assert_array_equal(one.transform(blobs[0]), same.transform(blobs[0]))
    assert not np.allclose(one.transform(blobs[0]), other.transform(blobs[0]))
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_weights_are_written_and_read_instead_of_training(blobs, tmp_path):
    path = tmp_path / "weights" / "blobs-ae.h5"
    first = N2D(small(), ManifoldClusterer(PCA(2), gmm())).fit(blobs[0], epochs=3, weight_id=path)
    second = N2D(small(), ManifoldClusterer(PCA(2), KMeans(K, n_init=1)), random_state=9).fit(blobs[0], weights=path)
    assert second.loss_history_ == []
    assert_array_equal(second.latent_, first.latent_)


def test_weights_of_another_network_are_refused(blobs, tmp_path):
    path = tmp_path / "weights.h5"
    small().fit(blobs[0], epochs=1, weight_id=path)
    with pytest.raises(ValueError, match="weights have shapes"):
        AutoEncoder(WIDTH, 3, architecture=[16]).fit(blobs[0], weights=path)
    with pytest.raises(FileNotFoundError, match="no file"):
        small().fit(blobs[0], weights=tmp_path / "none.h5")


# Layers of one's own.


def test_a_convolutional_triple(blobs):
    inputs = keras.Input((WIDTH, 1))
    encoded = keras.layers.Conv1D(2, 3, strides=3, padding="same")(inputs)
    outputs = keras.layers.Conv1DTranspose(1, 3, strides=3, padding="same")(encoded)
    model = N2D(autoencoder_generator((inputs, encoded, outputs)), ManifoldClusterer(PCA(2), gmm()))
    model.fit(blobs[0][..., None], epochs=2)
    # A bottleneck of two axes is flattened.
    assert model.latent_.shape == (N, WIDTH // 3 * 2)
    assert model.autoencoder.reconstruct(blobs[0][:5, :, None]).shape == (5, WIDTH, 1)
    assert model.predict(blobs[0][:7, :, None]).shape == (7,)


def test_a_recurrent_triple_goes_on_with_its_weights(blobs):
    inputs = keras.Input((6, 2))
    encoded = keras.layers.LSTM(3)(inputs)
    outputs = keras.layers.LSTM(2, return_sequences=True)(keras.layers.RepeatVector(6)(encoded))
    model = CustomAutoEncoder((inputs, encoded, outputs))
    x = blobs[0].reshape(N, 6, 2)
    first = model.fit(x, epochs=2).loss_history_
    assert model.transform(x).shape == (N, 3)
    assert model.fit(x, epochs=2).loss_history_[0] < first[0]


@pytest.mark.parametrize("n_stages", [2, 3])
def test_stages_that_are_no_autoencoder_are_refused(n_stages, blobs):
    inputs = keras.Input((WIDTH,))
    stages = (inputs, keras.layers.Dense(2)(inputs), keras.layers.Dense(5)(inputs))[:n_stages]
    with pytest.raises(ValueError, match=r"three connected tensors|not back into themselves"):
        CustomAutoEncoder(stages).fit(blobs[0])


# Map and clusters.


def test_umapgmm_is_umap_and_a_full_mixture(mapped, blobs):
    assert type(mapped.manifold_).__name__ == "UMAP"
    assert (mapped.manifold_.n_neighbors, mapped.manifold_.min_dist, mapped.manifold_.random_state) == (10, 0.0, 1)
    assert mapped.embedding_.shape == (N, 2)
    again = GaussianMixture(K, covariance_type="full", random_state=1).fit(mapped.embedding_.astype(float))
    assert_array_equal(mapped.labels_, again.predict(mapped.embedding_.astype(float)))
    assert_allclose(mapped.probabilities_, again.predict_proba(mapped.embedding_.astype(float)))
    assert cluster_accuracy(blobs[1], mapped.labels_) == 1


def test_fitted_rows_keep_their_place_in_any_order_and_new_ones_fall_near_their_like(mapped, blobs):
    rows = np.random.default_rng(0).permutation(N)[:100]
    assert_array_equal(mapped.transform(blobs[0][rows]), mapped.embedding_[rows])
    new = blobs[0][rows] + np.float32(0.01)
    assert (mapped.transform(new) != mapped.embedding_[rows]).any()
    assert (mapped.predict(new) == mapped.labels_[rows]).mean() >= 0.98
    assert mapped.transform(new[:0]).shape == (0, 2)


def test_learners_that_were_given_stay_as_they_are(blobs):
    manifold, clusterer = PCA(2), gmm()
    parts = ManifoldClusterer(manifold, clusterer).fit(blobs[0])
    assert not hasattr(manifold, "components_")
    assert not hasattr(clusterer, "means_")
    assert_allclose(parts.embedding_, PCA(2).fit_transform(blobs[0]), atol=1e-5)


@pytest.mark.parametrize("clusterer", [HDBSCAN(min_cluster_size=20, copy=True), AgglomerativeClustering(K)])
def test_a_clusterer_that_cannot_predict_clusters_and_says_so(clusterer, fitted, blobs):
    parts = manifold_cluster_generator(PCA, {"n_components": 2}, type(clusterer), clusterer.get_params())
    model = N2D(small(), parts)
    labels = model.fit_predict(blobs[0], epochs=10)
    assert_array_equal(labels, clone(clusterer).fit_predict(model.embedding_.astype(float)))
    assert model.probabilities_ is None
    with pytest.raises(NotImplementedError, match=r"cannot tell the cluster.*GaussianMixture"):
        model.predict(blobs[0])
    with pytest.raises(NotImplementedError, match=r"no probabilities.*GaussianMixture"):
        model.predict_proba(blobs[0])
    assert model.transform(blobs[0][:3]).shape == (3, 2)


def test_a_manifold_learner_that_cannot_place_says_so(blobs):
    from sklearn.manifold import MDS

    model = N2D(small(), ManifoldClusterer(MDS(2, n_init=1, max_iter=2, init="random"), gmm()))
    model.fit(blobs[0][:40], epochs=1)
    with pytest.raises(NotImplementedError, match=r"MDS cannot place.*scivis.Ivis"):
        model.predict(blobs[0][:5])


# The estimator.


def test_results_are_those_of_the_rows_at_hand(fitted, blobs):
    x = blobs[0]
    assert fitted.latent_.shape == (N, 3)
    assert fitted.embedding_.shape == (N, 2)
    assert fitted.labels_.shape == (N,)
    # The attributes describe the fitted rows; other rows change nothing in them.
    assert fitted.encode(x[:9]).shape == (9, 3)
    assert fitted.transform(x[:9]).shape == (9, 2)
    assert fitted.latent_.shape == (N, 3)


def test_predicting_the_fitted_rows_gives_their_clusters(fitted, blobs):
    assert (fitted.predict(blobs[0]) == fitted.labels_).mean() >= 0.98
    proba = fitted.predict_proba(blobs[0])
    assert proba.shape == (N, K)
    assert_allclose(proba.sum(axis=1), 1, atol=1e-9)
    assert_array_equal(proba.argmax(axis=1), fitted.labels_)


def test_fit_predict_returns_the_clusters(blobs):
    model = N2D(small(), ManifoldClusterer(PCA(2), gmm()))
    labels = model.fit_predict(blobs[0], epochs=2)
    assert_array_equal(labels, model.labels_)


def test_no_row_is_fine(fitted, blobs):
    none = blobs[0][:0]
    assert fitted.predict(none).shape == (0,)
    assert fitted.predict_proba(none).shape == (0, K)
    assert fitted.transform(none).shape == (0, 2)


def test_novelty_rises_away_from_the_data(fitted, blobs):
    near, far = fitted.novelty(blobs[0]), fitted.novelty(blobs[0] + 100)
    assert np.quantile(near, 0.95) <= 1
    assert far.min() > 10


def test_ivis_as_the_manifold_places_by_a_forward_pass(blobs):
    from scivis.n2d._learners import make_manifold

    manifold = make_manifold("ivis", N, 2, 10, 0).set_params(epochs=2, model=[8])
    model = N2D(small(), ManifoldClusterer(manifold, gmm())).fit(blobs[0], epochs=10)
    assert_allclose(model.transform(blobs[0][::3]), model.manifold_.transform(model.latent_[::3]), atol=1e-6)
    assert (model.predict(blobs[0][::3]) == model.labels_[::3]).mean() >= 0.98


# Labels.


def test_assess_gives_accuracy_nmi_and_ari(fitted):
    """Two clusters of two and three rows; by hand: 4 of 5 agree."""
    y, labels = np.array(["a", "a", "b", "b", "b"]), np.array([5, 5, 2, 2, 5])
    model = N2D(small(), ManifoldClusterer(PCA(2), gmm()))
    model._reference, model.manifold_clusterer.labels_ = fitted._reference, labels
    # Mutual information of the table [[2, 1], [0, 2]] over the mean of the two entropies.
    h_y = -(0.4 * np.log(0.4) + 0.6 * np.log(0.6))
    mutual = 0.4 * np.log(0.4 / (0.4 * 0.6)) + 0.2 * np.log(0.2 / (0.6 * 0.6)) + 0.4 * np.log(0.4 / (0.4 * 0.6))
    # Pairs: 2 together in both, 4 in each; expected 4·4/10.
    rand = (2 - 1.6) / (4 - 1.6)
    assert model.assess(y) == (0.8, round(mutual / h_y, 5), round(rand, 5))


def test_matching_is_the_best_of_all_permutations():
    from itertools import permutations

    rng = np.random.default_rng(0)
    y, labels = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    best = max(np.mean(np.array(order)[labels] == y) for order in permutations(range(4)))
    assert cluster_accuracy(y, labels) == pytest.approx(best)
    matched = match_clusters(y, labels)
    assert np.mean([matched[c] == label for c, label in zip(labels.tolist(), y.tolist(), strict=True)]) == best


def test_more_clusters_than_labels_cost_accuracy():
    assert cluster_accuracy([0, 0, 0, 0], [0, 1, 1, 2]) == 0.5
    assert match_clusters([0, 0, 0, 0], [0, 1, 1, 2]) == {1: 0}
    # Nothing of cluster 1 is of label 1, so it stands for none.
    assert match_clusters([0, 0, 0, 0, 1], [0, 0, 0, 1, 0]) == {0: 0}


def test_labels_of_other_rows_are_refused(fitted):
    with pytest.raises(ValueError, match="one label per row"):
        fitted.assess([1, 2, 3])


# Saving.


def test_a_saved_model_predicts_and_can_be_trained_again(blobs, tmp_path):
    path = tmp_path / "models" / "n2d.h5"
    model = N2D(small(), ManifoldClusterer(PCA(2), gmm())).fit(blobs[0], epochs=5)
    save_n2d(model, path)
    loaded = load_n2d(path, manifold=model.manifold_)
    assert_allclose(loaded.encode(blobs[0]), model.latent_, atol=1e-5)
    assert_array_equal(loaded.predict(blobs[0]), model.labels_)
    assert_allclose(loaded.predict_proba(blobs[0]), model.probabilities_, atol=1e-5)
    assert_allclose(loaded.novelty(blobs[0]), model.novelty(blobs[0]))
    loaded.fit(blobs[0], epochs=2)
    assert len(loaded.loss_history_) == 2
    assert loaded.assess(blobs[1])[0] > 0.5


def test_umap_is_set_up_again_without_a_new_layout(mapped, blobs):
    from scivis.n2d._pack_learners import pack_manifold, unpack_manifold

    config, arrays = pack_manifold(mapped.manifold_, blobs[0], mapped.embedding_)
    _, again = unpack_manifold(json.loads(json.dumps(config)), arrays, None)
    assert_array_equal(again.embedding_, mapped.embedding_)
    new = blobs[0][:50] + np.float32(0.02)
    assert_allclose(again.transform(new), mapped.manifold_.transform(new), atol=1e-5)


def test_a_file_is_not_replaced_unasked_and_a_missing_one_named(fitted, tmp_path):
    path = tmp_path / "n2d.h5"
    save_n2d(fitted, path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        save_n2d(fitted, path)
    save_n2d(fitted, path, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["n2d.h5"]


def test_what_the_file_cannot_hold_is_asked_for(fitted, tmp_path, blobs):
    save_n2d(fitted, tmp_path / "n2d.h5")
    with pytest.raises(ValueError, match="manifold PCA, which is not stored"):
        load_n2d(tmp_path / "n2d.h5")
    with pytest.raises(ValueError, match=r"has its own \(GaussianMixture\)"):
        load_n2d(tmp_path / "n2d.h5", manifold=fitted.manifold_, clusterer=fitted.clusterer_)
    inputs = keras.Input((WIDTH,))
    encoded = keras.layers.Dense(3)(inputs)
    own = CustomAutoEncoder((inputs, encoded, keras.layers.Dense(WIDTH)(encoded)))
    with pytest.raises(ValueError, match="autoencoder was given"):
        load_n2d(tmp_path / "n2d.h5", autoencoder=own)
    model = N2D(own, ManifoldClusterer(PCA(2), gmm())).fit(blobs[0], epochs=1)
    save_n2d(model, tmp_path / "own.h5")
    with pytest.raises(ValueError, match="CustomAutoEncoder"):
        load_n2d(tmp_path / "own.h5", manifold=model.manifold_)
    encoded = keras.layers.Dense(3)(inputs)
    fresh = CustomAutoEncoder((inputs, encoded, keras.layers.Dense(WIDTH)(encoded)))
    loaded = load_n2d(tmp_path / "own.h5", manifold=model.manifold_, autoencoder=fresh)
    assert_array_equal(loaded.predict(blobs[0]), model.labels_)


def test_kmeans_is_stored_as_its_centres(blobs):
    from scivis.n2d._pack_learners import pack_clusterer, unpack_clusterer

    places = blobs[0][:, :2].astype(float)
    clusterer = KMeans(K, n_init=1, random_state=0).fit(places)
    _, again = unpack_clusterer(*pack_clusterer(clusterer), None)
    assert_array_equal(again.predict(places), clusterer.labels_)


FORGED = {
    "a width": (lambda e: e["layout"].update(latent_dim=10**9), "widths"),
    "no layout": (lambda e: e.update(layout=[1]), "layout"),
    "an activation": (lambda e: e["layout"].update(act="os.system"), "activation"),
    "another width": (lambda e: e["layout"].update(latent_dim=4), "weights have shapes"),
    "a scale": (lambda e: e["layout"].update(scale=-1), "scale"),
    "a clusterer": (lambda e: e["clusterer"].update(kind="pickle"), "is not one of"),
    "covariances": (lambda e: e["clusterer"]["params"].update(covariance_type="x"), "covariance_type"),
    "clusters": (lambda e: e["clusterer"]["params"].update(n_components=7), "mixture"),
    "axes": (lambda e: e.update(n_components="2"), "n_components"),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_file_is_refused(case, fitted, tmp_path):
    forge, message = FORGED[case]
    path = tmp_path / "n2d.h5"
    save_n2d(fitted, path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["config"])
        forge(config)
        file.attrs["config"] = json.dumps(config)
    sign(path)  # as whoever alters a file on purpose would
    with pytest.raises(ValueError, match=message):
        load_n2d(path, manifold=fitted.manifold_)


@pytest.mark.parametrize("name", ["clusterer/means_", "clusterer/weights_", "landmarks", "weights/000"])
def test_values_that_are_not_finite_are_refused(name, fitted, tmp_path):
    path = tmp_path / "n2d.h5"
    save_n2d(fitted, path)
    with h5py.File(path, "r+") as file:
        file[name][...] = np.nan
    sign(path)
    with pytest.raises(ValueError, match="finite"):
        load_n2d(path, manifold=fitted.manifold_)


def test_a_damaged_file_is_refused(fitted, tmp_path):
    path = tmp_path / "n2d.h5"
    save_n2d(fitted, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        load_n2d(path, manifold=fitted.manifold_)


# Bad input: refused before any work.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 1.5}, "batch_size=1.5"),
        ({"patience": -1}, "patience=-1"),
        ({"loss": "nonsense"}, "loss='nonsense'"),
        ({"optimizer": "nonsense"}, "optimizer='nonsense'"),
    ],
)
def test_arguments_of_fit_are_checked(change, message, blobs):
    with pytest.raises(ValueError, match=message):
        small().fit(blobs[0], **change)


@pytest.mark.parametrize(
    ("autoencoder", "message"),
    [
        (AutoEncoder(WIDTH, 0), "latent_dim=0"),
        (AutoEncoder(WIDTH, 3, "relu"), "architecture='relu'"),
        (AutoEncoder(WIDTH, 3, [8, 0]), "architecture=0"),
        (AutoEncoder(WIDTH, 3, [8], "nonsense"), "act='nonsense'"),
        (AutoEncoder(WIDTH, 3, [8], x_lambda=lambda x: x[:, :2]), "x_lambda turned"),
        (AutoEncoder(WIDTH + 1, 3, [8]), "shape"),
    ],
)
def test_networks_that_cannot_be_are_refused(autoencoder, message, blobs):
    with pytest.raises(ValueError, match=message):
        N2D(autoencoder, ManifoldClusterer(PCA(2), gmm())).fit(blobs[0], epochs=1)


def test_learners_that_are_none_are_refused(blobs):
    for parts, message in (
        (ManifoldClusterer(PCA, gmm()), "manifold=.*fit_transform"),
        (ManifoldClusterer(PCA(2), 3), "clusterer=3"),
    ):
        with pytest.raises(ValueError, match=message):
            N2D(small(), parts).fit(blobs[0])


def test_rows_that_are_not_finite_are_refused(blobs, fitted):
    x = blobs[0].copy()
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match="row 3"):
        N2D(small(), ManifoldClusterer(PCA(2), gmm())).fit(x)
    with pytest.raises(ValueError, match="row 3"):
        fitted.predict(x)
    with pytest.raises(ValueError, match="shape"):
        fitted.predict(x[:, :4])


def test_what_is_not_fitted_says_so(blobs):
    model = N2D(small(), UmapGMM(K))
    for call in (model.predict, model.predict_proba, model.transform, model.novelty, model.assess, small().transform):
        with pytest.raises(NotFittedError):
            call(blobs[0])


def test_a_loss_that_is_no_longer_finite_is_an_error(blobs):
    with pytest.raises(ValueError, match="diverged"):
        small().fit(blobs[0] * 1e30, epochs=2)
