"""`scivis.get.model`: the fitted estimator of an AnnData object."""

import joblib
import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import scivis
from scivis.neighbors._novelty import novelty

pytestmark = pytest.mark.usefixtures("op_by_op")

TINY = {"network": [8], "epochs": 2, "batch_size": 350}


@pytest.fixture
def fitted(adata):
    scivis.tl.ivis(adata, **TINY)
    return adata


def test_the_model_is_a_fitted_estimator(fitted):
    model = scivis.get.model(fitted)
    assert isinstance(model, scivis.Ivis)
    assert model.n_features_in_ == 50
    assert_allclose(model.transform(fitted.obsm["X_pca"]), fitted.obsm["X_ivis"], atol=1e-5)
    own = model.novelty(fitted.obsm["X_pca"])
    # Principal components fit the noise of these cells, which therefore lie farther apart than new ones.
    assert_array_equal(own, novelty(model.fitted_.reference, fitted.obsm["X_pca"]))
    assert (own <= 2).all()


def test_parameters_are_those_of_the_fit(adata):
    arguments = {"epochs": 3, "learning_rate": 0.02, "global_weight": 0.1, "linear_path": False, "patience": 2}
    scivis.tl.ivis(adata, **TINY | arguments, loss="cosine_pn", n_components=3, n_neighbors=7)
    given = scivis.get.model(adata).get_params(deep=False)
    expected = {
        "embedding_dims": 3,
        "k": 7,
        "distance": "cosine_pn",
        "batch_size": 350,
        "epochs": 3,
        "n_epochs_without_progress": 2,
        "model": [8],
        "learning_rate": 0.02,
        "global_weight": 0.1,
        "linear_path": False,
        "standardize": True,
    }
    assert {name: given[name] for name in expected} == expected


@pytest.mark.parametrize("network", ["residual", "szubert"])
def test_named_networks_are_restored_by_name(adata, network):
    scivis.tl.ivis(adata, **TINY | {"network": network, "epochs": 1})
    model = scivis.get.model(adata)
    assert model.model == network
    assert_allclose(model.transform(adata.obsm["X_pca"]), adata.obsm["X_ivis"], atol=1e-5)


def test_the_model_can_be_fitted_again(fitted):
    again = clone(scivis.get.model(fitted)).set_params(k=5, epochs=1).fit(fitted.obsm["X_pca"][:400])
    assert again.transform(fitted.obsm["X_pca"]).shape == (700, 2)


def test_the_model_shares_no_memory_with_adata(fitted):
    before = joblib.hash(dict(fitted.uns))
    model = scivis.get.model(fitted)
    model.encoder_.set_weights([np.zeros_like(w) for w in model.encoder_.get_weights()])
    model.fitted_.reference.landmarks[:] = 0
    assert joblib.hash(dict(fitted.uns)) == before
    assert np.abs(scivis.get.model(fitted).transform(fitted.obsm["X_pca"])).max() > 1


def test_a_subset_and_a_copy_keep_the_model(fitted):
    part = fitted[100:110].copy()
    assert_allclose(scivis.get.model(part).transform(part.obsm["X_pca"]), part.obsm["X_ivis"], atol=1e-5)


def test_key_selects_the_model(adata):
    scivis.tl.ivis(adata, key_added="a", **TINY)
    scivis.tl.ivis(adata, key_added="b", n_components=3, **TINY)
    shapes = {key: scivis.get.model(adata, key).transform(adata.obsm["X_pca"]).shape for key in "ab"}
    assert shapes == {"a": (700, 2), "b": (700, 3)}


@pytest.mark.slow
@pytest.mark.parametrize("key", ["ivis", "neighbors", "missing", "louvain_colors"])
def test_a_missing_model_is_rejected_with_the_existing_ones(adata, key):
    scivis.tl.ivis(adata, key_added="mine", **TINY)
    with pytest.raises(
        KeyError, match=rf"uns\['{key}'\] holds no model of scivis; it has models under \['mine'\]: name one with key"
    ):
        scivis.get.model(adata, key)


def network(width=6):
    return keras.Sequential([keras.Input((50,)), keras.layers.Dense(width, activation="tanh")])


def test_a_keras_model_is_passed_again(adata):
    scivis.tl.ivis(adata, **TINY | {"network": network()})
    with pytest.raises(ValueError, match=r"not stored.*backbone=network"):
        scivis.get.model(adata)
    with pytest.raises(ValueError, match=r"its weights have shapes .*\(50, 6\).*needs .*\(50, 7\)"):
        scivis.get.model(adata, backbone=network(7))
    model = scivis.get.model(adata, backbone=network())
    assert_allclose(model.transform(adata.obsm["X_pca"]), adata.obsm["X_ivis"], atol=1e-5)


def test_a_superfluous_backbone_is_rejected(fitted):
    with pytest.raises(ValueError, match="backbone was given, but the stored model's network is"):
        scivis.get.model(fitted, backbone=network())


def test_two_calls_return_independent_models(fitted):
    one, other = scivis.get.model(fitted), scivis.get.model(fitted)
    one.encoder_.set_weights([np.zeros_like(w) for w in one.encoder_.get_weights()])
    assert_array_equal(one.transform(fitted.obsm["X_pca"][:2]), np.zeros((2, 2)))
    assert_allclose(other.transform(fitted.obsm["X_pca"]), fitted.obsm["X_ivis"], atol=1e-5)
