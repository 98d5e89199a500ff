"""`scivis.tl.ingest` on a t-SNE: new cells among those of the reference, which stay."""

import joblib
import numpy as np
import openTSNE
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist

import scivis
from scivis._tsne.placement import Placer, Transform
from scivis._tsne.settings import Settings, resolve

QUICK = {"key": "tsne", "n_iter": 20}


def part(pbmc, rows):
    adata = AnnData(pbmc.X[rows].copy(), obs=pbmc.obs[rows].copy(), var=pbmc.var.copy())
    adata.obsm["X_pca"], adata.varm["PCs"] = pbmc.obsm["X_pca"][rows].astype(np.float32), pbmc.varm["PCs"].copy()
    return adata


@pytest.fixture(scope="module", params=["bh", "fft"])
def reference(request, _pbmc):
    """300 cells; no test may change them."""
    adata = part(_pbmc, slice(300))
    settings = {"early_exaggeration_iter": 20, "n_iter": 20, "negative_gradient_method": request.param}
    scivis.tl.tsne(adata, **settings)
    before = joblib.hash((adata.X, dict(adata.obsm), dict(adata.uns)))
    yield adata
    assert joblib.hash((adata.X, dict(adata.obsm), dict(adata.uns))) == before


@pytest.fixture
def query(_pbmc):
    return part(_pbmc, slice(300, 400))


def direct(reference):
    method = reference.uns["tsne"]["params"]["negative_gradient_method"]
    settings = {"early_exaggeration_iter": 20, "n_iter": 20, "negative_gradient_method": method}
    return openTSNE.TSNE(**settings, neighbors="exact", n_jobs=-1, random_state=0).fit(reference.obsm["X_pca"])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"perplexity": 8, "k": 3, "learning_rate": 0.05, "exaggeration": 2, "max_grad_norm": 0.1},
        {"early_exaggeration_iter": 10, "early_exaggeration": 6, "initial_momentum": 0.5, "final_momentum": 0.7},
        {"learning_rate": 5.0, "max_grad_norm": None, "max_step_norm": 0.01},
    ],
    ids=str,
)
def test_places_are_those_of_openTSNE(reference, query, options):  # noqa: N802
    scivis.tl.ingest(query, reference, use_rep="X_pca", **QUICK | options)
    embedding = direct(reference)
    centre = (np.max(embedding, axis=0) + np.min(embedding, axis=0)) / 2
    placed = embedding.transform(query.obsm["X_pca"], **{"n_iter": 20} | options)
    # openTSNE centres the reference, scivis leaves it where it was drawn.
    assert_allclose(query.obsm["X_tsne"], np.asarray(placed) + np.asarray(centre), atol=1e-8)


def test_company_does_not_matter(reference, query):
    for initialization in ("median", "weighted", "random"):
        scivis.tl.ingest(query, reference, use_rep="X_pca", initialization=initialization, **QUICK)
        for rows in ([7], [99, 3, 42]):
            alone = query[rows].copy()
            scivis.tl.ingest(alone, reference, use_rep="X_pca", initialization=initialization, **QUICK)
            assert_allclose(alone.obsm["X_tsne"], query.obsm["X_tsne"][rows], atol=1e-6)


def test_genes_are_enough(reference, query):
    scivis.tl.ingest(query, reference, use_rep="X_pca", **QUICK)
    by_pca = query.obsm["X_tsne"].copy()
    shuffled = query[:, ::-1].copy()
    del shuffled.obsm["X_pca"]
    scivis.tl.ingest(shuffled, reference, **QUICK)
    assert np.median(np.linalg.norm(shuffled.obsm["X_tsne"] - by_pca, axis=1)) < 0.1 * by_pca.std()


def test_without_iterations_a_cell_lies_in_the_middle_of_its_nearest(reference, query):
    distances = cdist(query.obsm["X_pca"], reference.obsm["X_pca"])
    nearest = np.argsort(distances, axis=1)
    for k in (1, 4, 15):
        scivis.tl.ingest(query, reference, use_rep="X_pca", key="tsne", n_iter=0, k=k)
        expected = np.median(reference.obsm["X_tsne"][nearest[:, :k]], axis=1)
        assert_allclose(query.obsm["X_tsne"], expected, atol=1e-10)


def test_weighted_is_the_mean_by_affinity(reference, query):
    scivis.tl.ingest(query, reference, use_rep="X_pca", key="tsne", n_iter=0, initialization="weighted")
    x, y = reference.obsm["X_pca"], query.obsm["X_pca"]
    p = scivis.get.model(reference, "tsne").affinities.to_new(y, perplexity=5)
    assert_allclose(p.sum(axis=1), 1)
    assert_allclose(query.obsm["X_tsne"], p @ reference.obsm["X_tsne"], atol=1e-6 * np.abs(x).max())


def test_random_starts_at_the_centre_and_arrays_where_they_say(reference, query):
    map_ = reference.obsm["X_tsne"]
    scivis.tl.ingest(query, reference, key="tsne", n_iter=0, initialization="random")
    assert_allclose(query.obsm["X_tsne"], np.tile((map_.max(0) + map_.min(0)) / 2, (100, 1)), atol=1e-3)
    start = np.random.default_rng(0).normal(size=(100, 2))
    scivis.tl.ingest(query, reference, key="tsne", n_iter=0, initialization=start)
    assert_allclose(query.obsm["X_tsne"], start, atol=1e-12)


@pytest.mark.parametrize("storage", ["dense", "sparse", "nearest only"])
def test_distances_replace_the_search(reference, query, storage):
    scivis.tl.ingest(query, reference, use_rep="X_pca", **QUICK)
    expected = query.obsm["X_tsne"].copy()
    distances = cdist(query.obsm["X_pca"], reference.obsm["X_pca"])
    if storage == "nearest only":
        distances[distances > np.sort(distances, axis=1)[:, [20]]] = 0
    distances = distances if storage == "dense" else sparse.csr_matrix(distances)
    bare = AnnData(obs=query.obs[[]].copy())
    scivis.tl.ingest(bare, reference, distances=distances, **QUICK)
    assert_allclose(bare.obsm["X_tsne"], expected, atol=1e-4)
    assert "tsne_novelty" not in bare.obs


@pytest.mark.parametrize(
    ("distances", "error"),
    [
        (np.ones((100, 3)), "300 columns"),
        (np.full((100, 300), -1.0), "not negative"),
        (sparse.csr_matrix(np.eye(100, 300)), "stores only 1 for some new cell, but 15"),
    ],
)
def test_distances_that_do_not_fit(reference, query, distances, error):
    with pytest.raises(ValueError, match=error):
        scivis.tl.ingest(query, reference, distances=distances, **QUICK)
    assert "X_tsne" not in query.obsm


def test_a_far_cell_stays_near_the_map(reference, query):
    query.obsm["X_pca"][0] += 1e4
    scivis.tl.ingest(query, reference, use_rep="X_pca", key="tsne", initialization="random", learning_rate=10.0)
    radius = np.abs(reference.obsm["X_tsne"]).max()
    assert np.abs(query.obsm["X_tsne"]).max() < 2 * radius
    assert query.obs["tsne_novelty"].iloc[0] > 10 > 2 > query.obs["tsne_novelty"].median()


def test_no_cells_are_fine(reference, query):
    none = query[:0].copy()
    scivis.tl.ingest(none, reference, **QUICK)
    assert none.obsm["X_tsne"].shape == (0, 2)


@pytest.mark.parametrize(
    "option",
    [
        {"perplexity": 0}, {"k": 0}, {"learning_rate": "auto"}, {"learning_rate": 0}, {"n_iter": -1},
        {"early_exaggeration": 0}, {"early_exaggeration_iter": -1}, {"exaggeration": -1}, {"initial_momentum": 1},
        {"final_momentum": 2}, {"max_grad_norm": 0}, {"max_step_norm": -1}, {"initialization": "pca"},
        {"initialization": np.zeros((3, 2))}, {"initialization": np.full((100, 2), np.nan)},
        {"metric": cdist},
    ],
    ids=str,
)  # fmt: skip
def test_bad_options_are_named(reference, query, option):
    with pytest.raises(ValueError, match=next(iter(option))):
        scivis.tl.ingest(query, reference, **QUICK | option)
    assert "X_tsne" not in query.obsm


def test_unknown_options_are_named(reference, query):
    with pytest.raises(TypeError, match=r"\['backbone'\] are no options of t-SNE"):
        scivis.tl.ingest(query, reference, key="tsne", backbone=None)


@pytest.fixture
def small(_pbmc):
    adata = part(_pbmc, slice(120))
    scivis.tl.tsne(adata, n_iter=30, early_exaggeration_iter=0)
    return adata


def test_a_subset_is_a_reference_but_cannot_go_on(small, query):
    subset = small[:80].copy()
    scivis.tl.ingest(query, subset, use_rep="X_pca", key="tsne", n_iter=0, k=1)
    nearest = cdist(query.obsm["X_pca"], subset.obsm["X_pca"]).argmin(axis=1)
    assert_allclose(query.obsm["X_tsne"], subset.obsm["X_tsne"][nearest], atol=1e-10)
    with pytest.raises(ValueError, match=r"\(120, 2\), but the map has \(80, 2\): cells were taken away"):
        scivis.tl.tsne(subset, resume=True)


@pytest.mark.parametrize(
    "change", [lambda x: x + 100, lambda x: x[:, :10], lambda x: x * 50], ids=["moved", "narrow", "scaled"]
)
def test_a_representation_that_is_another_is_refused(small, query, change):
    small.obsm["X_pca"] = change(small.obsm["X_pca"])
    with pytest.raises(ValueError, match=r"X_pca.*is not what it was fitted on"):
        scivis.tl.ingest(query, small, **QUICK)


def test_a_metric_of_ones_own_is_handed_in_again(small, query):
    def metric(a, b):
        return float(np.abs(a - b).sum())

    settings = {"early_exaggeration_iter": 0, "n_iter": 2, "perplexity": 5}
    scivis.tl.tsne(small, **settings, metric="manhattan", key_added="named")
    scivis.tl.tsne(small, **settings, metric=metric, key_added="own")
    assert_allclose(small.obsm["own"], small.obsm["named"], rtol=1e-5)
    few = query[:5].copy()
    with pytest.raises(ValueError, match="metric=function"):
        scivis.tl.ingest(few, small, key="own", n_iter=2)
    scivis.tl.ingest(few, small, key="own", n_iter=2, metric=metric)
    scivis.tl.ingest(few, small, key="named", n_iter=2)
    assert_allclose(few.obsm["own"], few.obsm["named"], rtol=1e-5)
    scivis.tl.tsne(small, n_iter=1, resume=True, metric=metric, key_added="own")


def test_a_metric_that_only_one_search_knows(small, query):
    scivis.tl.tsne(small, n_iter=0, metric="dot", neighbors="annoy", perplexity=5)
    scivis.tl.ingest(query, small, key="tsne", n_iter=1, k=1)
    assert np.isfinite(query.obsm["X_tsne"]).all()


def test_a_fresh_process_places_them_too(small, query, tmp_path, fresh_process):
    scivis.tl.ingest(query, small, **QUICK)
    expected = query.obsm["X_tsne"].copy()
    small.write_h5ad(tmp_path / "reference.h5ad")
    query.write_h5ad(tmp_path / "query.h5ad")
    fresh_process(f"""
        import anndata, numpy as np, scivis, sys
        reference, query = (anndata.read_h5ad("{tmp_path}/" + name) for name in ("reference.h5ad", "query.h5ad"))
        del query.obsm["X_tsne"]
        scivis.tl.ingest(query, reference, key="tsne", n_iter=20)
        np.save("{tmp_path}/places.npy", query.obsm["X_tsne"])
        assert "tensorflow" not in sys.modules
    """)
    assert_allclose(np.load(tmp_path / "places.npy"), expected, atol=1e-8)


def test_a_query_is_drawn_over_its_reference(small, query):
    scivis.tl.ingest(query, small, **QUICK)
    assert scivis.pl.ingest(query, small, key="tsne", show=False).get_title() == "tsne_novelty"


def test_new_cells_have_the_perplexity_that_was_asked_for(points):
    map_ = points[:300, :2].astype(float)
    placer = Placer(map_, resolve(Settings(), 300), Transform(perplexity=7))
    order = np.argsort(cdist(points[300:], points[:300]), axis=1)[:, :21]
    p = placer._affinities(order, np.take_along_axis(cdist(points[300:], points[:300]), order, axis=1))
    p = np.take_along_axis(p.toarray(), order, axis=1)
    assert_allclose(-(p * np.log(p)).sum(axis=1), np.log(7), atol=1e-4)


def test_the_reference_given_is_not_the_one_that_is_centred(points):
    map_ = points[:300, :2].astype(float) + 5
    before = map_.copy()
    Placer(map_, resolve(Settings(), 300), Transform())
    assert_array_equal(map_, before)
