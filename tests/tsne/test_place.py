"""`scivis.tl.ingest` with a t-SNE: new cells are placed among the cells of the reference, which do not move."""

from importlib.metadata import version

import joblib
import numpy as np
import openTSNE
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.spatial.distance import cdist

import scivis

QUICK = {"key": "tsne", "n_iter": 20, "n_jobs": 1}
SHORT = {"early_exaggeration_iter": 20, "n_iter": 20, "n_jobs": 1}


@pytest.fixture(scope="module", params=["bh", "fft"])
def reference(request, part):
    """300 cells with a t-SNE; no test may change them."""
    adata = part(slice(300))
    scivis.tl.tsne(adata, negative_gradient_method=request.param, **SHORT)
    before = joblib.hash((adata.X, dict(adata.obsm), dict(adata.uns)))
    yield adata
    assert joblib.hash((adata.X, dict(adata.obsm), dict(adata.uns))) == before


@pytest.fixture
def query(part):
    """100 new cells."""
    return part(slice(300, 400))


@pytest.fixture(scope="module")
def direct(reference):
    """The same t-SNE, computed by openTSNE alone."""
    method = reference.uns["tsne"]["params"]["negative_gradient_method"]
    settings = SHORT | {"negative_gradient_method": method, "neighbors": "exact", "random_state": 0}
    return openTSNE.TSNE(**settings).fit(reference.obsm["X_pca"])


@pytest.mark.slow
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
def test_coordinates_are_those_of_openTSNE(reference, direct, query, options):  # noqa: N802
    scivis.tl.ingest(query, reference, use_rep="X_pca", **QUICK | options)
    coordinates = reference.obsm["X_tsne"]
    center = (coordinates.max(axis=0) + coordinates.min(axis=0)) / 2
    placed = direct.transform(query.obsm["X_pca"], **{"n_iter": 20} | options)
    # openTSNE centers the reference; scivis does not move it.
    assert_allclose(query.obsm["X_tsne"], np.asarray(placed) + center, atol=1e-8)


def test_coordinates_do_not_depend_on_the_other_new_cells(reference, query):
    for initialization in ("median", "weighted", "random"):
        scivis.tl.ingest(query, reference, use_rep="X_pca", initialization=initialization, **QUICK)
        for rows in ([7], [99, 3, 42]):
            alone = query[rows].copy()
            scivis.tl.ingest(alone, reference, use_rep="X_pca", initialization=initialization, **QUICK)
            assert_allclose(alone.obsm["X_tsne"], query.obsm["X_tsne"][rows], atol=1e-6)


def test_cells_are_placed_from_their_genes(reference, query):
    scivis.tl.ingest(query, reference, use_rep="X_pca", **QUICK)
    by_pca = query.obsm["X_tsne"].copy()
    shuffled = query[:, ::-1].copy()
    del shuffled.obsm["X_pca"]
    scivis.tl.ingest(shuffled, reference, **QUICK)
    assert np.median(np.linalg.norm(shuffled.obsm["X_tsne"] - by_pca, axis=1)) < 0.1 * by_pca.std()


def test_without_iterations_a_cell_has_the_median_coordinates_of_its_neighbors(reference, query):
    distances = cdist(query.obsm["X_pca"], reference.obsm["X_pca"])
    nearest = np.argsort(distances, axis=1)
    for k in (1, 4, 15):
        scivis.tl.ingest(query, reference, use_rep="X_pca", key="tsne", n_iter=0, k=k)
        expected = np.median(reference.obsm["X_tsne"][nearest[:, :k]], axis=1)
        assert_allclose(query.obsm["X_tsne"], expected, atol=1e-10)


def test_weighted_is_the_mean_weighted_by_affinities(reference, query):
    scivis.tl.ingest(query, reference, use_rep="X_pca", key="tsne", n_iter=0, initialization="weighted")
    x, y = reference.obsm["X_pca"], query.obsm["X_pca"]
    p = scivis.get.model(reference, "tsne").affinities.to_new(y, perplexity=5)
    assert_allclose(p.sum(axis=1), 1)
    assert_allclose(query.obsm["X_tsne"], p @ reference.obsm["X_tsne"], atol=1e-6 * np.abs(x).max())


def test_random_starts_at_the_center_and_arrays_at_their_coordinates(reference, query):
    coordinates = reference.obsm["X_tsne"]
    scivis.tl.ingest(query, reference, key="tsne", n_iter=0, initialization="random")
    assert_allclose(query.obsm["X_tsne"], np.tile((coordinates.max(0) + coordinates.min(0)) / 2, (100, 1)), atol=1e-3)
    start = np.random.default_rng(0).normal(size=(100, 2))
    scivis.tl.ingest(query, reference, key="tsne", n_iter=0, initialization=start)
    assert_allclose(query.obsm["X_tsne"], start, atol=1e-12)


def test_novelty_can_be_left_out(reference, query):
    scivis.tl.ingest(query, reference, use_rep="X_pca", **QUICK)
    bare = query.copy()
    scivis.tl.ingest(bare, reference, use_rep="X_pca", novelty=False, **QUICK)
    assert_allclose(bare.obsm["X_tsne"], query.obsm["X_tsne"])
    assert set(query.obs) - set(bare.obs) == {"tsne_novelty", "tsne_pvalue"}


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
    # Before scikit-learn 1.6, two coordinates differ by up to 7e-4.
    tolerance = 1e-4 if version("scikit-learn") >= "1.6" else 2e-3
    assert_allclose(bare.obsm["X_tsne"], expected, atol=tolerance)
    assert "tsne_novelty" not in bare.obs


@pytest.mark.parametrize(
    ("distances", "error"),
    [
        (np.ones((100, 3)), "300 columns"),
        (np.full((100, 300), -1.0), "at least 0"),
        (sparse.csr_matrix(np.eye(100, 300)), "stores only 1 for some new cell, but 15"),
    ],
    ids=["shape", "negative", "too few"],
)
def test_invalid_distances_are_rejected(reference, query, distances, error):
    with pytest.raises(ValueError, match=error):
        scivis.tl.ingest(query, reference, distances=distances, **QUICK)
    assert "X_tsne" not in query.obsm


def test_a_distant_cell_is_placed_near_the_embedding(reference, query):
    query.obsm["X_pca"][0] += 1e4
    scivis.tl.ingest(
        query, reference, use_rep="X_pca", key="tsne", initialization="random", learning_rate=10.0, n_jobs=1
    )
    radius = np.abs(reference.obsm["X_tsne"]).max()
    assert np.abs(query.obsm["X_tsne"]).max() < 2 * radius
    assert query.obs["tsne_novelty"].iloc[0] > 10 > 2 > query.obs["tsne_novelty"].median()


def test_a_query_without_cells_is_allowed(reference, query):
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
        pytest.param({"metric": cdist}, id="a function as metric"),
    ],
    ids=str,
)  # fmt: skip
def test_invalid_options_are_named_in_messages(reference, query, option):
    with pytest.raises(ValueError, match=next(iter(option))):
        scivis.tl.ingest(query, reference, **QUICK | option)
    assert "X_tsne" not in query.obsm


def test_unknown_options_are_named_in_messages(reference, query):
    with pytest.raises(TypeError, match=r"\['backbone'\] are not options of t-SNE"):
        scivis.tl.ingest(query, reference, key="tsne", backbone=None)


@pytest.fixture
def small(_small):
    """120 cells with a t-SNE."""
    return _small.copy()


@pytest.fixture(scope="module")
def _small(part):
    adata = part(slice(120))
    scivis.tl.tsne(adata, n_iter=30, early_exaggeration_iter=0, n_jobs=1)
    return adata


def test_a_subset_can_be_a_reference_but_cannot_be_continued(small, query):
    subset = small[:80].copy()
    scivis.tl.ingest(query, subset, use_rep="X_pca", key="tsne", n_iter=0, k=1)
    nearest = cdist(query.obsm["X_pca"], subset.obsm["X_pca"]).argmin(axis=1)
    assert_allclose(query.obsm["X_tsne"], subset.obsm["X_tsne"][nearest], atol=1e-10)
    with pytest.raises(ValueError, match=r"\(120, 2\), but the embedding has shape \(80, 2\): cells were removed"):
        scivis.tl.tsne(subset, resume=True)


@pytest.mark.parametrize(
    "change", [lambda x: x + 100, lambda x: x[:, :10], lambda x: x * 50], ids=["moved", "narrow", "scaled"]
)
def test_a_representation_that_was_computed_again_is_rejected(small, query, change):
    small.obsm["X_pca"] = change(small.obsm["X_pca"])
    with pytest.raises(ValueError, match=r"X_pca.*is not what it was fitted on"):
        scivis.tl.ingest(query, small, **QUICK)


def test_a_metric_of_the_user_is_passed_again(small, query):
    def metric(a, b):
        return float(np.abs(a - b).sum())

    settings = {"early_exaggeration_iter": 0, "n_iter": 2, "perplexity": 5, "n_jobs": 1}
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


def test_a_metric_that_only_one_search_supports(small, query):
    scivis.tl.tsne(small, n_iter=0, metric="dot", neighbors="annoy", perplexity=5)
    scivis.tl.ingest(query, small, key="tsne", n_iter=1, k=1)
    assert np.isfinite(query.obsm["X_tsne"]).all()


def test_a_query_is_plotted_over_its_reference(small, query):
    scivis.tl.ingest(query, small, **QUICK)
    assert scivis.pl.ingest(query, small, key="tsne", show=False).get_title().startswith("query: ")


@pytest.mark.slow
def test_a_new_process_places_the_same_cells_and_loads_no_other_library(small, query, tmp_path, fresh_process):
    scivis.tl.ingest(query, small, **QUICK)
    expected = query.obsm["X_tsne"].copy()
    small.write_h5ad(tmp_path / "reference.h5ad")
    query.write_h5ad(tmp_path / "query.h5ad")
    fresh_process(f"""
        import anndata, numpy as np, scivis, sys
        reference, query = (anndata.read_h5ad("{tmp_path}/" + name) for name in ("reference.h5ad", "query.h5ad"))
        del query.obsm["X_tsne"]
        scivis.tl.ingest(query, reference, key="tsne", n_iter=20)
        np.save("{tmp_path}/coordinates.npy", query.obsm["X_tsne"])
        few = anndata.AnnData(obsm={{"X_pca": np.random.default_rng(0).normal(size=(30, 3))}})
        scivis.tl.tsne(few, use_rep="X_pca", n_iter=0)
        assert "openTSNE" in sys.modules
        # PyNNDescent compiles for seconds.
        assert not {{"tensorflow", "pynndescent"}} & set(sys.modules)
    """)
    assert_allclose(np.load(tmp_path / "coordinates.npy"), expected, atol=1e-8)
