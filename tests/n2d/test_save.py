"""Models in files: results after loading, and what must be passed because no file can hold it."""

from __future__ import annotations

import keras
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans

import scivis
from scivis import N2D
from scivis.n2d import CustomAutoEncoder, ManifoldClusterer, load_n2d, save_n2d
from scivis.n2d._pack_learners import pack_learner, unpack_learner

pytestmark = pytest.mark.usefixtures("op_by_op")


def test_a_saved_model_predicts_and_can_be_trained_again(rows, groups, small, linear, tmp_path):
    path = tmp_path / "models" / "n2d.h5"
    model = N2D(small(), linear()).fit(rows, epochs=5)
    save_n2d(model, path)
    loaded = load_n2d(path, manifold=model.manifold_)
    assert_allclose(loaded.encode(rows), model.latent_, atol=1e-5)
    assert_array_equal(loaded.predict(rows), model.labels_)
    assert_allclose(loaded.predict_proba(rows), model.probabilities_, atol=1e-5)
    assert_allclose(loaded.novelty(rows), model.novelty(rows))
    loaded.fit(rows, epochs=2)
    assert len(loaded.loss_history_) == 2
    assert loaded.assess(groups)[0] > 0.5


def test_a_loaded_model_can_be_saved_again(rows, small, tmp_path):
    manifold = scivis.Ivis(k=5, batch_size=60, model=[4], epochs=1, verbose=0, random_state=0)
    model = N2D(small(), ManifoldClusterer(manifold, KMeans(4, n_init=1, random_state=0))).fit(rows, epochs=1)
    save_n2d(model, tmp_path / "one.h5")
    save_n2d(load_n2d(tmp_path / "one.h5"), tmp_path / "other.h5")
    assert_array_equal(load_n2d(tmp_path / "other.h5").predict(rows), model.labels_)


def test_a_file_is_replaced_only_on_request(fitted, tmp_path):
    path = tmp_path / "n2d.h5"
    save_n2d(fitted, path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        save_n2d(fitted, path)
    save_n2d(fitted, path, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["n2d.h5"]


def test_files_that_cannot_be_written_are_named(fitted, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"path='.*n2d\.h5' cannot be written: .*file takes no new files"):
        save_n2d(fitted, tmp_path / "file" / "n2d.h5")
    with pytest.raises(ValueError, match="path=5 must be a path"):
        save_n2d(fitted, 5)


def test_what_a_file_cannot_hold_must_be_passed(fitted, linear, tmp_path, rows):
    save_n2d(fitted, tmp_path / "n2d.h5")
    with pytest.raises(ValueError, match="manifold PCA, which is not stored"):
        load_n2d(tmp_path / "n2d.h5")
    with pytest.raises(ValueError, match=r"has its own \(GaussianMixture\)"):
        load_n2d(tmp_path / "n2d.h5", manifold=fitted.manifold_, clusterer=fitted.clusterer_)
    inputs = keras.Input((12,))
    encoded = keras.layers.Dense(3)(inputs)
    own = CustomAutoEncoder((inputs, encoded, keras.layers.Dense(12)(encoded)))
    with pytest.raises(ValueError, match="autoencoder was given"):
        load_n2d(tmp_path / "n2d.h5", autoencoder=own)
    model = N2D(own, linear()).fit(rows, epochs=1)
    save_n2d(model, tmp_path / "own.h5")
    with pytest.raises(ValueError, match="CustomAutoEncoder"):
        load_n2d(tmp_path / "own.h5", manifold=model.manifold_)
    encoded = keras.layers.Dense(3)(inputs)
    fresh = CustomAutoEncoder((inputs, encoded, keras.layers.Dense(12)(encoded)))
    loaded = load_n2d(tmp_path / "own.h5", manifold=model.manifold_, autoencoder=fresh)
    assert_array_equal(loaded.predict(rows), model.labels_)


def test_k_means_is_stored_as_its_centers(rows):
    points = rows[:, :2].astype(float)
    clusterer = KMeans(4, n_init=1, random_state=0).fit(points)
    config, arrays = pack_learner("clusterer", clusterer, {})
    assert set(arrays) == {"cluster_centers_"}
    _, restored = unpack_learner("clusterer", config, arrays, None)
    assert_array_equal(restored.predict(points), clusterer.labels_)
