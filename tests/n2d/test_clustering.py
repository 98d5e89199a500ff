"""Embedding and clustering: UMAP and mixtures, other learners, and learners that cannot handle new rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import HDBSCAN, AgglomerativeClustering
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture

from scivis import N2D
from scivis.n2d import ManifoldClusterer, UmapGMM, cluster_accuracy, manifold_cluster_generator
from scivis.n2d._learners import make_manifold
from scivis.n2d._pack_learners import pack_learner, unpack_learner

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.fixture(scope="module")
def mapped(_blobs):
    """UMAP and a mixture of the rows, for tests that are marked slow: numba compiles UMAP's fit and its transform."""
    return UmapGMM(4, random_state=1).fit(_blobs[0])


@pytest.mark.slow
def test_umapgmm_is_umap_and_a_full_mixture(mapped, groups):
    assert type(mapped.manifold_).__name__ == "UMAP"
    assert (mapped.manifold_.n_neighbors, mapped.manifold_.min_dist, mapped.manifold_.random_state) == (10, 0.0, 1)
    assert mapped.embedding_.shape == (240, 2)
    again = GaussianMixture(4, covariance_type="full", random_state=1).fit(mapped.embedding_.astype(float))
    assert_array_equal(mapped.labels_, again.predict(mapped.embedding_.astype(float)))
    assert_allclose(mapped.probabilities_, again.predict_proba(mapped.embedding_.astype(float)))
    assert cluster_accuracy(groups, mapped.labels_) == 1


@pytest.mark.slow
def test_fitted_rows_keep_their_coordinates_and_new_rows_are_placed_near_similar_ones(mapped, rows):
    chosen = np.random.default_rng(0).permutation(240)[:100]
    assert_array_equal(mapped.transform(rows[chosen]), mapped.embedding_[chosen])
    new = rows[chosen] + np.float32(0.01)
    assert (mapped.transform(new) != mapped.embedding_[chosen]).any()
    assert (mapped.predict(new) == mapped.labels_[chosen]).mean() >= 0.98
    assert mapped.transform(new[:0]).shape == (0, 2)


@pytest.mark.slow
def test_umap_is_restored_without_a_new_embedding(mapped, rows):
    config, arrays = pack_learner("manifold", mapped.manifold_, {"latent": rows, "embedding": mapped.embedding_})
    _, restored = unpack_learner("manifold", json.loads(json.dumps(config)), arrays, None)
    assert_array_equal(restored.embedding_, mapped.embedding_)
    new = rows[:50] + np.float32(0.02)
    assert_allclose(restored.transform(new), mapped.manifold_.transform(new), atol=1e-5)


def test_the_learners_that_were_given_stay_unfitted(rows):
    manifold, clusterer = PCA(2), GaussianMixture(4, random_state=0)
    learners = ManifoldClusterer(manifold, clusterer).fit(rows)
    assert not hasattr(manifold, "components_")
    assert not hasattr(clusterer, "means_")
    assert_allclose(learners.embedding_, PCA(2).fit_transform(rows), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "clusterer", [HDBSCAN(min_cluster_size=20, copy=True), AgglomerativeClustering(4)], ids=lambda c: type(c).__name__
)
def test_a_clusterer_without_predict_clusters_the_fitted_rows_only(clusterer, rows, small):
    learners = manifold_cluster_generator(PCA, {"n_components": 2}, type(clusterer), clusterer.get_params())
    model = N2D(small(), learners)
    labels = model.fit_predict(rows, epochs=10)
    assert_array_equal(labels, clone(clusterer).fit_predict(model.embedding_.astype(float)))
    assert model.probabilities_ is None
    with pytest.raises(NotImplementedError, match=r"cannot predict clusters.*GaussianMixture"):
        model.predict(rows)
    with pytest.raises(NotImplementedError, match=r"no probabilities.*GaussianMixture"):
        model.predict_proba(rows)
    assert model.transform(rows[:3]).shape == (3, 2)


def test_a_manifold_learner_without_transform_embeds_the_fitted_rows_only(rows, small):
    manifold = TSNE(2, perplexity=5, max_iter=250, random_state=0)
    model = N2D(small(), ManifoldClusterer(manifold, GaussianMixture(4, random_state=0))).fit(rows[:40], epochs=1)
    with pytest.raises(NotImplementedError, match=r"TSNE cannot place.*scivis.Ivis"):
        model.predict(rows[:5])


@pytest.mark.slow
def test_ivis_places_rows_with_a_forward_pass(rows, small):
    manifold = make_manifold("ivis", 240, 2, 10, 0, verbose=False).set_params(epochs=2, model=[8])
    model = N2D(small(), ManifoldClusterer(manifold, GaussianMixture(4, random_state=0))).fit(rows, epochs=10)
    assert_allclose(model.transform(rows[::3]), model.manifold_.transform(model.latent_[::3]), atol=1e-6)
    assert (model.predict(rows[::3]) == model.labels_[::3]).mean() >= 0.98


def test_objects_that_are_no_learners_are_rejected(rows, small):
    for learners, message in (
        (ManifoldClusterer(PCA, GaussianMixture(4)), "manifold=.*fit_transform"),
        (ManifoldClusterer(PCA(2), 3), "clusterer=3"),
    ):
        with pytest.raises(ValueError, match=message):
            N2D(small(), learners).fit(rows)
