"""`scivis.tl.n2d`, and new cells on its embedding by `scivis.tl.ingest`."""

from __future__ import annotations

import io

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier

import scivis
from scivis._methods import entry_of

pytestmark = pytest.mark.usefixtures("op_by_op")

K = 6
TINY = {"architecture": [32], "epochs": 6, "batch_size": 350}
# With a linear embedding, for tests that are not about the embedding.
LINEAR = TINY | {"manifold": PCA(2), "epochs": 2}
SUFFIXES = pytest.mark.parametrize("suffix", ["h5ad", "zarr"])


@pytest.fixture(scope="module")
def cells():
    """700 real cells, with the PCA of their expression. Tests do not change them."""
    adata = sc.datasets.pbmc68k_reduced()
    sc.pp.pca(adata, n_comps=20)
    return adata


def quick_ivis():
    return scivis.Ivis(
        2, k=10, epochs=3, batch_size=100, model=[16], knn_distance_metric="euclidean", verbose=0, random_state=0
    )  # fmt: skip


@pytest.fixture(scope="module")
def reference(cells, eagerly):
    """The cells, embedded by ivis, which is a function and stored as such."""
    adata = cells.copy()
    with eagerly():
        scivis.tl.n2d(adata, K, **TINY, manifold=quick_ivis())
    return adata


@pytest.fixture(scope="module")
def by_umap(cells, eagerly):
    """The cells, embedded by UMAP, for tests that are marked slow: numba compiles it."""
    adata = cells.copy()
    with eagerly():
        scivis.tl.n2d(adata, K, **TINY)
    return adata


@pytest.fixture
def read(tmp_path):
    """Writes an object to a file and reads it again."""

    def round_trip(adata, suffix):
        path = tmp_path / f"cells.{suffix}"
        getattr(adata, f"write_{suffix}")(path)
        return getattr(ad, f"read_{suffix}")(path)

    return round_trip


def check_results(adata, cells):
    """Raise unless everything is where the documentation says."""
    assert adata.obsm["X_n2d"].shape == (700, 2)
    assert adata.obsm["X_n2d_latent"].shape == (700, K)
    assert {adata.obsm[name].dtype for name in ("X_n2d", "X_n2d_latent", "n2d_proba")} == {np.dtype("float32")}
    assert list(adata.obs["n2d"].cat.categories) == [str(number) for number in range(K)]
    assert_allclose(adata.obsm["n2d_proba"].sum(axis=1), 1, atol=1e-5)
    assert_array_equal(adata.obsm["n2d_proba"].argmax(axis=1), adata.obs["n2d"].cat.codes)
    entry = adata.uns["n2d"]
    assert entry["method"] == "n2d"
    assert len(entry["history"]["loss"]) == TINY["epochs"]
    assert set(adata.obsm) - set(cells.obsm) == {"X_n2d", "X_n2d_latent", "n2d_proba"}


def check_placed_again(query, reference, rows):
    """Raise unless fitted cells have their clusters again."""
    assert (query.obs["n2d"].to_numpy() == reference.obs["n2d"].to_numpy()[rows]).mean() >= 0.98
    assert list(query.obs["n2d"].cat.categories) == list(reference.obs["n2d"].cat.categories)
    assert_allclose(query.obsm["X_n2d_latent"], reference.obsm["X_n2d_latent"][rows], atol=1e-3)
    assert_allclose(query.obsm["n2d_proba"].sum(axis=1), 1, atol=1e-5)
    own = scivis.get.model(reference, "n2d").novelty(reference.obsm["X_pca"][rows])
    assert_allclose(query.obs["n2d_novelty"], own, atol=1e-3)


@pytest.mark.slow
def test_results_are_where_the_documentation_says(reference, cells):
    check_results(reference, cells)
    assert reference.uns["n2d"]["params"]["manifold"] == "Ivis"


def test_the_tool_is_the_estimator_on_the_representation(reference, cells):
    model = scivis.get.model(reference, "n2d")
    assert isinstance(model, scivis.N2D)
    assert_allclose(model.encode(cells.obsm["X_pca"]), reference.obsm["X_n2d_latent"], atol=1e-5)
    assert_allclose(model.transform(cells.obsm["X_pca"]), reference.obsm["X_n2d"], atol=1e-4)
    assert_array_equal(model.predict(cells.obsm["X_pca"]), reference.obs["n2d"].cat.codes)


def test_cells_in_no_cluster_have_no_category(cells):
    adata = cells.copy()
    scivis.tl.n2d(adata, K, **LINEAR, clusterer=HDBSCAN(min_cluster_size=30, copy=True))
    labels = HDBSCAN(min_cluster_size=30, copy=True).fit_predict(adata.obsm["X_n2d"].astype(float))
    assert (labels == -1).any()
    assert_array_equal(adata.obs["n2d"].isna(), labels == -1)
    assert "n2d_proba" not in adata.obsm


@pytest.mark.usefixtures("bars_at_once")
def test_messages_describe_the_representation_and_the_results(cells, capfd):
    adata = cells.copy()
    sc.settings.logfile = log = io.StringIO()
    sc.settings.verbosity = 3
    scivis.tl.n2d(adata, K, **LINEAR, key_added="mine")
    assert "using adata.obsm['X_pca'], 20 columns" in log.getvalue()
    assert "'mine_proba', probability of each cluster (obsm)" in log.getvalue()
    assert "training: 100%" in capfd.readouterr().err
    # Probabilities have the key of the user, too.
    assert set(adata.obsm) - set(cells.obsm) == {"mine", "mine_latent", "mine_proba"}


def test_nothing_stored_can_run(reference):
    def values(entry):
        for value in entry.values():
            yield from values(value) if isinstance(value, dict) else [value]

    for value in values(reference.uns["n2d"]):
        assert isinstance(value, str | int | float | np.ndarray | np.generic)
        assert not isinstance(value, np.ndarray) or value.dtype != object or all(isinstance(v, str) for v in value)
    # Ivis needs no fitted cells.
    assert "latent" not in entry_of(reference, "n2d")["model"]["manifold"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_clusters": 0}, "n_clusters=0"),
        ({"n_clusters": 701}, "n_clusters=701 is more than the 700 cells"),
        ({"epochs": 0}, "epochs=0"),
        ({"latent_dim": 0}, "latent_dim=0"),
        ({"n_neighbors": 0}, "n_neighbors=0"),
        ({"n_components": 0}, "n_components=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"manifold": "pca"}, "manifold='pca' is not one of"),
        ({"clusterer": "leiden"}, "clusterer='leiden' is not one of"),
        ({"manifold": PCA(2), "n_neighbors": 5}, "n_neighbors"),
        ({"act": "nonsense"}, "act='nonsense'"),
        ({"loss": "nonsense"}, "loss='nonsense'"),
    ],
    ids=str,
)
def test_bad_arguments_are_rejected_and_adata_left_as_it_was(arguments, message, cells, contents):
    before = contents(cells)
    with pytest.raises(ValueError, match=message):
        scivis.tl.n2d(cells, **({"n_clusters": K} | arguments))
    assert contents(cells) == before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Writing zarr v2 data")
@SUFFIXES
def test_fitted_cells_get_their_clusters_again_after_a_file(suffix, reference, cells, read):
    rows = np.random.default_rng(0).permutation(700)[:300]
    query = cells[rows].copy()
    scivis.tl.ingest(query, read(reference, suffix), key="n2d")
    check_placed_again(query, reference, rows)


@pytest.mark.slow
def test_new_cells_get_the_clusters_of_their_neighbors_on_the_map(cells):
    """A reference without every third cell, and these cells as the query."""
    is_new = np.arange(700) % 3 == 0
    reference, query = cells[~is_new].copy(), cells[is_new].copy()
    scivis.tl.n2d(reference, K, **TINY, manifold=quick_ivis())
    scivis.tl.ingest(query, reference, key="n2d")
    nearest = KNeighborsClassifier(5).fit(reference.obsm["X_n2d"], reference.obs["n2d"])
    assert (nearest.predict(query.obsm["X_n2d"]) == query.obs["n2d"].to_numpy()).mean() > 0.9


def test_novelty_can_be_left_out(reference, cells):
    query = cells[:50].copy()
    scivis.tl.ingest(query, reference, key="n2d")
    bare = query.copy()
    scivis.tl.ingest(bare, reference, key="n2d", novelty=False)
    assert_allclose(bare.obsm["X_n2d_latent"], query.obsm["X_n2d_latent"])
    assert (bare.obs["n2d"] == query.obs["n2d"]).all()
    assert set(query.obs) - set(bare.obs) == {"n2d_novelty", "n2d_pvalue"}


def test_a_query_without_cells_gets_empty_results(reference, cells):
    query = cells[:0].copy()
    scivis.tl.ingest(query, reference, key="n2d")
    assert query.obsm["n2d_proba"].shape == (0, K)
    assert query.obsm["X_n2d"].shape == (0, 2)


@pytest.mark.slow  # two embeddings by t-SNE
def test_tsne_places_new_cells(cells):
    reference, query = cells[:500].copy(), cells[500:].copy()
    scivis.tl.n2d(reference, K, **TINY, manifold="tsne", n_neighbors=20)
    scivis.tl.ingest(query, reference, key="n2d")
    assert np.isfinite(query.obsm["X_n2d"]).all()
    same = reference[:100].copy()
    del same.obsm["X_n2d"]
    scivis.tl.ingest(same, reference, key="n2d")
    assert_allclose(same.obsm["X_n2d"], reference.obsm["X_n2d"][:100], atol=1e-4)


@pytest.mark.slow
def test_a_clusterer_that_cannot_predict_is_named_after_a_file_too(cells, read):
    reference = cells.copy()
    scivis.tl.n2d(reference, K, **TINY, manifold=quick_ivis(), clusterer="agglomerative")
    assert reference.obs["n2d"].nunique() == K
    query = cells[:20].copy()
    with pytest.raises(NotImplementedError, match=r"AgglomerativeClustering cannot predict.*clusterer='gmm'"):
        scivis.tl.ingest(query, read(reference, "h5ad"), key="n2d")
    assert "n2d" not in query.obs


def test_what_a_file_cannot_hold_is_passed_again(cells):
    reference, query = cells.copy(), cells[:30].copy()
    scivis.tl.n2d(reference, K, **TINY, manifold=PCA(2))
    with pytest.raises(ValueError, match=r"manifold PCA, which is not stored.*manifold="):
        scivis.tl.ingest(query, reference, key="n2d")
    again = PCA(2).fit(reference.obsm["X_n2d_latent"])
    scivis.tl.ingest(query, reference, key="n2d", manifold=again)
    assert_allclose(query.obsm["X_n2d"], reference.obsm["X_n2d"][:30], atol=1e-3)
    with pytest.raises(TypeError, match="backbone"):
        scivis.tl.ingest(query, reference, key="n2d", backbone=None)


@pytest.mark.slow  # a fresh interpreter, and the 160 training steps of ivis
@pytest.mark.compiled
def test_ivis_by_name_needs_no_fitted_cells_and_no_umap(cells, fresh_process, tmp_path):
    reference = cells.copy()
    scivis.tl.n2d(reference, K, manifold="ivis", **TINY)
    reference.write_h5ad(tmp_path / "reference.h5ad")
    cells[:50].write_h5ad(tmp_path / "query.h5ad")
    printed = fresh_process(f"""
        import sys, anndata, numpy as np, scivis
        reference = anndata.read_h5ad({str(tmp_path / "reference.h5ad")!r})
        query = anndata.read_h5ad({str(tmp_path / "query.h5ad")!r})
        scivis.tl.ingest(query, reference, key="n2d")
        assert "umap" not in sys.modules
        print(*query.obsm["X_n2d"].ravel().tolist(), *query.obs["n2d"].cat.codes.tolist())
    """)
    values = np.array(printed.split(), float)
    assert_allclose(values[:100].reshape(50, 2), reference.obsm["X_n2d"][:50], atol=5e-3)
    assert (values[100:] == reference.obs["n2d"].cat.codes.to_numpy()[:50]).mean() >= 0.98
    assert "latent" not in entry_of(reference, "n2d")["model"]["manifold"]


@pytest.mark.slow
def test_by_default_umap_embeds_and_a_mixture_clusters(by_umap, cells):
    check_results(by_umap, cells)
    assert by_umap.uns["n2d"]["params"]["manifold"] == "UMAP"
    # B cells, NK cells and monocytes, which any method separates.
    kept = by_umap[by_umap.obs["bulk_labels"].isin({"CD19+ B", "CD56+ NK", "CD14+ Monocyte"})]
    # UMAP gives other coordinates on other processors. There are more clusters than types, so that pairs are counted.
    assert adjusted_rand_score(kept.obs["bulk_labels"], kept.obs["n2d"]) > 0.3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Writing zarr v2 data")
@SUFFIXES
def test_umap_gives_fitted_cells_their_clusters_again_after_a_file(suffix, by_umap, cells, read):
    rows = np.random.default_rng(0).permutation(700)[:300]
    query = cells[rows].copy()
    scivis.tl.ingest(query, read(by_umap, suffix), key="n2d")
    check_placed_again(query, by_umap, rows)


@pytest.mark.slow
def test_a_subset_of_the_reference_places_cells_as_the_whole(by_umap, cells):
    """The model does not read the cells next to it."""
    query = cells[:40].copy()
    scivis.tl.ingest(query, by_umap[600:].copy(), key="n2d")
    assert_allclose(query.obsm["X_n2d"], by_umap.obsm["X_n2d"][:40], atol=1e-4)
