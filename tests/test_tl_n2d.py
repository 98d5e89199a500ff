"""`scivis.tl.n2d`, new cells by `scivis.tl.ingest`, files, and `scivis.pl.n2d`."""

from __future__ import annotations

import io

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA

import scivis
from scivis.n2d import cluster_accuracy

K = 6
TINY = {"architecture": [32], "epochs": 6, "batch_size": 350}
# Placed by a linear map, for tests that are not about the map.
LINEAR = TINY | {"manifold": PCA(2), "epochs": 2}


@pytest.fixture(scope="module", autouse=True)
def op_by_op():
    """Runs training without compiling it, which takes longer than the training of so little."""
    tf.config.run_functions_eagerly(run_eagerly=True)
    yield
    tf.config.run_functions_eagerly(run_eagerly=False)


@pytest.fixture(scope="module")
def cells():
    """700 real cells, with the PCA of the expression that they hold."""
    adata = sc.datasets.pbmc68k_reduced()
    sc.pp.pca(adata, n_comps=20)
    return adata


@pytest.fixture(scope="module")
def fitted(cells):
    adata = cells.copy()
    scivis.tl.n2d(adata, K, **TINY)
    return adata


@pytest.fixture(scope="module")
def by_ivis(cells):
    """Compiled, because this map takes 200 steps."""
    adata = cells.copy()
    tf.config.run_functions_eagerly(run_eagerly=False)
    scivis.tl.n2d(adata, K, manifold="ivis", **TINY)
    tf.config.run_functions_eagerly(run_eagerly=True)
    return adata


def quick_ivis():
    return scivis.Ivis(
        2, k=10, epochs=3, batch_size=100, model=[16], knn_distance_metric="euclidean", verbose=0, random_state=0
    )  # fmt: skip


@pytest.fixture
def read(request, tmp_path):
    """Writes an object into a file of the kind asked for and reads it back."""

    def round_trip(adata, kind):
        path = tmp_path / f"cells.{kind}"
        (adata.write_h5ad if kind == "h5ad" else adata.write_zarr)(path)
        return (ad.read_h5ad if kind == "h5ad" else ad.read_zarr)(path)

    return round_trip


def test_results_lie_where_the_documentation_says(fitted, cells):
    assert fitted.obsm["X_n2d"].shape == (700, 2)
    assert fitted.obsm["X_n2d_latent"].shape == (700, K)
    assert {fitted.obsm[name].dtype for name in ("X_n2d", "X_n2d_latent", "n2d_proba")} == {np.dtype("float32")}
    assert list(fitted.obs["n2d"].cat.categories) == [str(number) for number in range(K)]
    assert_allclose(fitted.obsm["n2d_proba"].sum(axis=1), 1, atol=1e-5)
    assert_array_equal(fitted.obsm["n2d_proba"].argmax(axis=1), fitted.obs["n2d"].cat.codes)
    entry = fitted.uns["n2d"]
    assert entry["method"] == "n2d"
    assert len(entry["history"]["loss"]) == TINY["epochs"]
    assert entry["params"]["manifold"] == "UMAP"
    assert set(fitted.obsm) - set(cells.obsm) == {"X_n2d", "X_n2d_latent", "n2d_proba"}


def test_clusters_are_those_of_the_cells(fitted):
    """What separates by any method: B cells, NK cells, monocytes."""
    of = {"CD19+ B", "CD56+ NK", "CD14+ Monocyte"}
    kept = fitted[fitted.obs["bulk_labels"].isin(of)]
    assert cluster_accuracy(kept.obs["bulk_labels"].astype(str), kept.obs["n2d"].astype(str)) > 0.6


def test_the_tool_is_the_estimator_on_the_representation(by_ivis, cells):
    model = scivis.get.model(by_ivis, "n2d")
    assert isinstance(model, scivis.N2D)
    assert_allclose(model.encode(cells.obsm["X_pca"]), by_ivis.obsm["X_n2d_latent"], atol=1e-5)
    assert_allclose(model.transform(cells.obsm["X_pca"]), by_ivis.obsm["X_n2d"], atol=1e-4)
    assert_array_equal(model.predict(cells.obsm["X_pca"]), by_ivis.obs["n2d"].cat.codes)


def test_the_seed_decides(cells):
    one, same, other = (cells.copy() for _ in range(3))
    for adata, seed in ((one, 0), (same, 0), (other, 1)):
        scivis.tl.n2d(adata, K, **LINEAR, random_state=seed)
    assert_array_equal(one.obsm["X_n2d"], same.obsm["X_n2d"])
    assert not np.allclose(one.obsm["X_n2d"], other.obsm["X_n2d"])


def test_key_added_names_everything_and_copy_leaves_the_input_alone(cells):
    result = scivis.tl.n2d(cells, K, **LINEAR, key_added="mine", copy=True)
    assert {"mine", "mine_latent", "mine_proba"} <= set(result.obsm)
    assert "mine" in result.obs
    assert "mine" in result.uns
    assert not [key for key in (*cells.obsm, *cells.obs, *cells.uns) if "mine" in key]


def test_cells_in_no_cluster_have_no_category(cells):
    adata = cells.copy()
    scivis.tl.n2d(adata, K, **LINEAR, clusterer=HDBSCAN(min_cluster_size=30, copy=True))
    model_labels = HDBSCAN(min_cluster_size=30, copy=True).fit_predict(adata.obsm["X_n2d"].astype(float))
    assert (model_labels == -1).any()
    assert_array_equal(adata.obs["n2d"].isna(), model_labels == -1)
    assert "n2d_proba" not in adata.obsm


def test_silence_and_messages(cells, capfd):
    sc.settings.logfile = log = io.StringIO()
    sc.settings.verbosity = 0
    scivis.tl.n2d(cells.copy(), K, **LINEAR)
    assert (log.getvalue(), *capfd.readouterr()) == ("", "", "")
    sc.settings.verbosity = 3
    scivis.tl.n2d(cells.copy(), K, **LINEAR)
    assert "using adata.obsm['X_pca'], 20 columns" in log.getvalue()
    assert "'n2d_proba', probability of each cluster (obsm)" in log.getvalue()
    assert "training: 100%" in capfd.readouterr().err


# New cells.


@pytest.mark.filterwarnings("ignore::UserWarning")  # zarr and anndata disagree about formats that are to come
@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_fitted_cells_get_their_cluster_again_after_a_file(kind, fitted, cells, read):
    rows = np.random.default_rng(0).permutation(700)[:300]
    query = cells[rows].copy()
    scivis.tl.ingest(query, read(fitted, kind), key="n2d")
    assert (query.obs["n2d"].to_numpy() == fitted.obs["n2d"].to_numpy()[rows]).mean() >= 0.98
    assert list(query.obs["n2d"].cat.categories) == list(fitted.obs["n2d"].cat.categories)
    assert_allclose(query.obsm["X_n2d_latent"], fitted.obsm["X_n2d_latent"][rows], atol=1e-3)
    assert_allclose(query.obsm["n2d_proba"].sum(axis=1), 1, atol=1e-5)
    assert (query.obs["n2d_novelty"] <= 1.01).mean() >= 0.98


def test_new_cells_get_clusters_that_their_fit_would_give(cells):
    """A reference without every third cell; those cells then get the clusters of their neighbours on the map."""
    new = np.arange(700) % 3 == 0
    reference, query = cells[~new].copy(), cells[new].copy()
    scivis.tl.n2d(reference, K, **TINY, manifold=quick_ivis())
    scivis.tl.ingest(query, reference, key="n2d")
    from sklearn.neighbors import KNeighborsClassifier

    nearest = KNeighborsClassifier(5).fit(reference.obsm["X_n2d"], reference.obs["n2d"])
    assert (nearest.predict(query.obsm["X_n2d"]) == query.obs["n2d"].to_numpy()).mean() > 0.9


def test_ivis_as_the_manifold_needs_no_cells_and_no_umap(by_ivis, read, cells, fresh_process, tmp_path):
    by_ivis.write_h5ad(tmp_path / "reference.h5ad")
    cells[:50].write_h5ad(tmp_path / "query.h5ad")
    places = fresh_process(f"""
        import sys, anndata, numpy as np, scivis
        reference = anndata.read_h5ad({str(tmp_path / "reference.h5ad")!r})
        query = anndata.read_h5ad({str(tmp_path / "query.h5ad")!r})
        scivis.tl.ingest(query, reference, key="n2d")
        assert "umap" not in sys.modules
        print(*query.obsm["X_n2d"].ravel().tolist(), *query.obs["n2d"].cat.codes.tolist())
    """)
    values = np.array(places.split(), float)
    assert_allclose(values[:100].reshape(50, 2), by_ivis.obsm["X_n2d"][:50], atol=5e-3)
    assert (values[100:] == by_ivis.obs["n2d"].cat.codes.to_numpy()[:50]).mean() >= 0.98
    assert "latent" not in by_ivis.uns["n2d"]["model"]["manifold"]


def test_no_cell_is_fine(by_ivis, cells):
    query = cells[:0].copy()
    scivis.tl.ingest(query, by_ivis, key="n2d")
    assert query.obsm["n2d_proba"].shape == (0, K)
    assert query.obsm["X_n2d"].shape == (0, 2)


def test_tsne_places_new_cells(cells):
    reference, query = cells[:500].copy(), cells[500:].copy()
    scivis.tl.n2d(reference, K, **TINY, manifold="tsne", n_neighbors=20)
    scivis.tl.ingest(query, reference, key="n2d")
    assert np.isfinite(query.obsm["X_n2d"]).all()
    same = reference[:100].copy()
    del same.obsm["X_n2d"]
    scivis.tl.ingest(same, reference, key="n2d")
    assert_allclose(same.obsm["X_n2d"], reference.obsm["X_n2d"][:100], atol=1e-4)


def test_a_clusterer_that_cannot_predict_says_so_after_a_file_too(cells, read):
    reference = cells.copy()
    scivis.tl.n2d(reference, K, **TINY, manifold=quick_ivis(), clusterer="agglomerative")
    assert reference.obs["n2d"].nunique() == K
    query = cells[:20].copy()
    with pytest.raises(NotImplementedError, match=r"AgglomerativeClustering cannot tell.*clusterer='gmm'"):
        scivis.tl.ingest(query, read(reference, "h5ad"), key="n2d")
    assert "n2d" not in query.obs


def test_what_a_file_cannot_hold_is_handed_in_again(cells):
    reference, query = cells.copy(), cells[:30].copy()
    learner = PCA(2)
    scivis.tl.n2d(reference, K, **TINY, manifold=learner)
    with pytest.raises(ValueError, match=r"manifold PCA, which is not stored.*manifold="):
        scivis.tl.ingest(query, reference, key="n2d")
    again = PCA(2).fit(reference.obsm["X_n2d_latent"])
    scivis.tl.ingest(query, reference, key="n2d", manifold=again)
    assert_allclose(query.obsm["X_n2d"], reference.obsm["X_n2d"][:30], atol=1e-3)
    with pytest.raises(TypeError, match="backbone"):
        scivis.tl.ingest(query, reference, key="n2d", backbone=None)


def test_a_subset_of_the_reference_still_places(fitted, cells):
    """The model does not read the cells that lie beside it."""
    query = cells[:40].copy()
    scivis.tl.ingest(query, fitted[600:].copy(), key="n2d")
    assert_allclose(query.obsm["X_n2d"], fitted.obsm["X_n2d"][:40], atol=1e-4)


def test_nothing_stored_can_run(fitted):
    def kinds(entry):
        for value in entry.values():
            yield from kinds(value) if isinstance(value, dict) else [value]

    for value in kinds(fitted.uns["n2d"]):
        assert isinstance(value, str | int | float | np.ndarray | np.generic)
        assert not isinstance(value, np.ndarray) or value.dtype != object or all(isinstance(v, str) for v in value)


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_clusters": 0}, "n_clusters=0"),
        ({"n_clusters": 701}, "n_clusters=701 is more than the 700 cells"),
        ({"epochs": 0}, "epochs=0"),
        ({"latent_dim": 0}, "latent_dim=0"),
        ({"n_neighbors": 0}, "n_neighbors=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"manifold": "pca"}, "manifold='pca' is not one of"),
        ({"clusterer": "leiden"}, "clusterer='leiden' is not one of"),
        ({"manifold": PCA(2), "n_neighbors": 5}, "n_neighbors"),
        ({"act": "nonsense"}, "act='nonsense'"),
        ({"loss": "nonsense"}, "loss='nonsense'"),
        ({"random_state": -1}, "random_state=-1"),
        ({"key_added": "a/b"}, "key_added='a/b'"),
        ({"use_rep": "X_none"}, "X_none"),
    ],
)
def test_bad_input_is_refused_and_leaves_the_cells_alone(arguments, message, cells):
    adata = cells.copy()
    before = (set(adata.obs), set(adata.obsm), set(adata.uns))
    with pytest.raises((ValueError, KeyError), match=message):
        scivis.tl.n2d(adata, **({"n_clusters": K} | arguments))
    assert (set(adata.obs), set(adata.obsm), set(adata.uns)) == before


def test_an_altered_model_is_refused(fitted, cells):
    altered = fitted.copy()
    altered.uns["n2d"]["model"]["weights"]["000"] = np.zeros((3, 3), np.float32)
    with pytest.raises(ValueError, match="weights have shapes"):
        scivis.tl.ingest(cells[:5].copy(), altered, key="n2d")
    del altered.uns["n2d"]["model"]["landmarks"]
    with pytest.raises(ValueError, match="lacks"):
        scivis.get.model(altered, "n2d")


# The plot.


@pytest.fixture
def made():
    """Three labels, three clusters that are these but for one cell, and one cell in none."""
    labels = pd.Categorical(["a"] * 4 + ["b"] * 3 + ["c"] * 3)
    clusters = pd.Categorical(["2"] * 4 + ["0"] * 3 + ["1"] * 2 + [None], ["0", "1", "2"])
    index = [str(i) for i in range(10)]
    places = np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)
    obs = pd.DataFrame({"type": labels, "n2d": clusters}, index=index)
    return ad.AnnData(obs=obs, obsm={"X_n2d": places})


def drawn(ax):
    """Position and colour of every dot."""
    found = {}
    for part in ax.collections:
        places = np.round(np.ma.filled(part.get_offsets(), np.nan).astype(float), 4)
        colors = np.broadcast_to(part.get_facecolors(), (len(places), 4)) if len(places) else []
        found |= {tuple(place): tuple(np.round(color, 3)) for place, color in zip(places, colors, strict=True)}
    return found


def test_clusters_have_the_colours_of_their_labels_and_every_cell_is_drawn(made):
    clusters, labels = scivis.pl.n2d(made, truth="type", show=False)
    left, right = drawn(clusters), drawn(labels)
    places = [tuple(np.round(place, 4)) for place in made.obsm["X_n2d"].astype(float)]
    assert set(left) == set(right) == set(places)
    assert [left[place] == right[place] for place in places] == [True] * 9 + [False]
    assert len({right[place] for place in places}) == 3
    assert clusters.get_title() == "n2d: 100.0% as in type"
    legend = [text.get_text() for text in clusters.get_legend().get_texts()]
    assert legend[:3] == ["0: b", "1: c", "2: a"]
    assert "n2d_colors" not in made.uns


def test_without_truth_there_is_one_panel(made):
    ax = scivis.pl.n2d(made, show=False)
    assert ax.get_title() == "n2d"
    assert len(drawn(ax)) == 10


def test_more_cells_than_upstream_draws_are_drawn():
    rng = np.random.default_rng(0)
    clusters = pd.Categorical.from_codes(rng.integers(0, 3, 6000), ["0", "1", "2"])
    many = ad.AnnData(
        obs=pd.DataFrame({"n2d": clusters}, index=np.arange(6000).astype(str)),
        obsm={"X_n2d": rng.normal(size=(6000, 2))},
    )
    ax = scivis.pl.n2d(many, show=False)
    assert sum(len(part.get_offsets()) for part in ax.collections) == 6000


def test_the_plot_names_what_is_missing(made):
    with pytest.raises(KeyError, match="'nothing'"):
        scivis.pl.n2d(made, truth="nothing", show=False)
    with pytest.raises(KeyError, match="'other'"):
        scivis.pl.n2d(made, key="other", show=False)


def test_history_and_ingest_plots_work_for_n2d(by_ivis, cells):
    ax = scivis.pl.history(by_ivis, key="n2d", show=False)
    assert ax.get_ylabel() == "mse loss"
    query = cells[:30].copy()
    scivis.tl.ingest(query, by_ivis, key="n2d")
    assert scivis.pl.ingest(query, by_ivis, key="n2d", show=False).get_title() == "n2d_novelty"
