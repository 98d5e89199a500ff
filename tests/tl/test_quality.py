"""`scivis.tl.quality`: values, representations, labels and invalid arguments."""

import io

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

import scivis

CHEAP = {"n_cells": 100}


def table(adata, key="quality"):
    return adata.uns[key]["table"]


def value(adata, basis, measure, k=0):
    rows = table(adata)
    [found] = rows[(rows["basis"] == basis) & (rows["measure"] == measure) & (rows["k"] == k)]["value"]
    return found


@pytest.fixture(scope="module")
def measured(_pbmc):
    adata = _pbmc.copy()
    scivis.tl.quality(adata, ["umap"], labels="bulk_labels", n_neighbors=[10, 30], n_cells=700)
    return adata


def test_recall_is_that_of_scikit_learns_neighbors(measured):
    found = [
        NearestNeighbors(n_neighbors=10).fit(measured.obsm[key]).kneighbors(return_distance=False)
        for key in ("X_pca", "X_umap")
    ]
    expected = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*found, strict=True)])
    assert value(measured, "X_umap", "recall", 10) == pytest.approx(expected, abs=1e-4)


def test_mean_trust_is_the_trustworthiness_of_scikit_learn(measured):
    expected = trustworthiness(measured.obsm["X_pca"], measured.obsm["X_umap"], n_neighbors=10)
    assert value(measured, "X_umap", "trustworthiness", 10) == pytest.approx(expected, abs=1e-4)
    assert measured.obs["umap_trust"].dtype == np.float32
    assert measured.obs["umap_trust"].mean() == pytest.approx(expected, abs=0.005)


def test_the_reference_is_the_first_two_principal_components(adata, measured):
    adata.obsm["X_two"] = adata.obsm["X_pca"][:, :2]
    scivis.tl.quality(adata, ["two"], labels="bulk_labels", n_neighbors=[10, 30], n_cells=700)
    two = table(adata).query("basis == 'X_two'")["value"].to_numpy()
    assert_allclose(table(measured).query("basis == 'PCA'")["value"], two, atol=0.01)


def test_the_table_has_one_row_per_embedding_and_measure(measured):
    rows = table(measured)
    assert list(rows.columns) == ["basis", "aspect", "measure", "k", "value", "low", "high", "chance", "p"]
    assert rows["basis"].unique().tolist() == ["PCA", "X_umap"]
    assert not rows.duplicated(["basis", "measure", "k"]).any()
    assert rows["value"].between(-1, 1).all()
    counted = rows["measure"].isin(["recall", "trustworthiness", "continuity", "density", "nearest_classes"])
    assert_array_equal(rows["k"] > 0, counted)


def test_params_reproduce_the_card(measured, adata):
    params = measured.uns["quality"]["params"]
    assert params["use_rep"] == "X_pca"
    assert params["labels"] == "bulk_labels"
    assert params["n_cells"] == 700
    scivis.tl.quality(
        adata, "X_umap", use_rep=params["use_rep"], labels=params["labels"], n_neighbors=params["n_neighbors"],
        n_cells=params["n_cells"], random_state=params["random_state"],
    )  # fmt: skip
    assert_frame_equal(table(adata), table(measured))
    assert_array_equal(adata.obs["umap_trust"], measured.obs["umap_trust"])


def test_all_embeddings_of_two_columns_are_measured_by_default(adata):
    adata.obsm["X_other"] = adata.obsm["X_umap"][:, ::-1]
    adata.obsm["spatial"] = adata.obsm["X_umap"]
    adata.obsm["X_three"] = adata.obsm["X_pca"][:, :3]
    scivis.tl.quality(adata, **CHEAP)
    assert set(table(adata)["basis"]) == {"PCA", "X_umap", "X_other"}
    assert {"umap_trust", "other_trust"} <= set(adata.obs)


def test_order_and_scale_of_axes_do_not_matter(adata):
    adata.obsm["X_other"] = adata.obsm["X_umap"][:, ::-1] * 2
    scivis.tl.quality(adata, ["umap", "other"], labels="louvain", **CHEAP)
    rows = table(adata)
    assert_allclose(rows.query("basis == 'X_umap'")["value"], rows.query("basis == 'X_other'")["value"], atol=1e-4)


def test_the_values_of_an_embedding_do_not_depend_on_the_other_embeddings(adata):
    alone = scivis.tl.quality(adata, "umap", copy=True, **CHEAP)
    adata.obsm["X_other"] = adata.obsm["X_pca"][:, 3:5]
    scivis.tl.quality(adata, ["other", "umap"], **CHEAP)
    rows = table(adata)[table(adata)["basis"] != "X_other"].reset_index(drop=True)
    assert_frame_equal(rows, table(alone))


def test_values_of_another_seed_are_similar(adata):
    scivis.tl.quality(adata, "umap", **CHEAP)
    scivis.tl.quality(adata, "umap", random_state=1, key_added="other", **CHEAP)
    assert_allclose(table(adata)["value"], table(adata, "other")["value"], atol=0.2)


@pytest.mark.slow
def test_the_representation_is_the_given_one(adata):
    scivis.tl.quality(adata, "umap", use_rep="X_umap", **CHEAP)
    assert_allclose(table(adata).query("basis == 'X_umap'")["value"], 1)
    assert_allclose(adata.obs["umap_trust"], 1, atol=0.002)  # estimated
    scivis.tl.quality(adata, "umap", n_pcs=5, **CHEAP)
    assert adata.uns["quality"]["params"]["n_features"] == 5
    adata.layers["raw"] = adata.X
    scivis.tl.quality(adata, "umap", layer="raw", **CHEAP)
    assert adata.uns["quality"]["params"]["representation"] == "layer"


def test_unlabeled_cells_are_left_out_of_the_measures_of_labels_only(adata):
    plain = scivis.tl.quality(adata, "umap", copy=True, **CHEAP)
    assert not (table(plain)["aspect"] == "labels").any()
    adata.obs["some"] = adata.obs["louvain"].where(np.arange(700) < 350)
    scivis.tl.quality(adata, "umap", labels="some", **CHEAP)
    others = table(adata).query("aspect != 'labels'").reset_index(drop=True)
    assert_frame_equal(others, table(plain))
    shuffled = adata[350:].copy()
    shuffled.obsm["X_umap"] = shuffled.obsm["X_umap"][::-1]
    moved = adata.copy()
    moved.obsm["X_umap"][350:] = shuffled.obsm["X_umap"]
    scivis.tl.quality(moved, "umap", labels="some", **CHEAP)
    same = ["accuracy", "silhouette", "nearest_classes", "centroids_pearson"]
    assert [value(moved, "X_umap", name, k) for name, k in zip(same, (0, 0, 3, 0), strict=True)] == [
        value(adata, "X_umap", name, k) for name, k in zip(same, (0, 0, 3, 0), strict=True)
    ]


@pytest.mark.parametrize("kind", ["int", "bool", "str"])
def test_classes_can_have_any_type(adata, kind):
    values = adata.obs["louvain"].cat.codes.to_numpy() % 2
    adata.obs["kind"] = {"int": values, "bool": values == 1, "str": np.array(["a", "b"])[values]}[kind]
    scivis.tl.quality(adata, "umap", labels="kind", **CHEAP)
    adata.obs["kind"] = pd.Categorical(values)
    scivis.tl.quality(adata, "umap", labels="kind", key_added="named", **CHEAP)
    assert_frame_equal(table(adata), table(adata, "named"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # zarr and anndata disagree about formats that are to come
@pytest.mark.parametrize("write", ["h5ad", "zarr"])
def test_a_card_from_a_file_can_be_plotted(measured, tmp_path, write):
    path = tmp_path / f"cells.{write}"
    getattr(measured, f"write_{write}")(path)
    again = getattr(ad, f"read_{write}")(path)
    assert_frame_equal(table(again), table(measured), check_dtype=False)
    stored, written = (cells.uns["quality"]["advice"]["labels"] for cells in (again, measured))
    assert {name: stored[name] for name in written} == written
    assert scivis.pl.quality(again, show=False).get_xticklabels()[1].get_text() == "umap"
    assert len(scivis.pl.distances(again, show=False)) == 2
    assert scivis.pl.trust(again, show=False).get_title()


def test_advice_is_given_for_the_purpose_or_for_each(adata):
    sc.settings.logfile = log = io.StringIO()
    sc.settings.verbosity = 2
    scivis.tl.quality(adata, "umap", **CHEAP)
    advice = adata.uns["quality"]["advice"]
    assert list(advice) == ["neighbors", "layout", "density"]
    assert {one["show"] for one in advice.values()} <= {"PCA", "X_umap"}
    assert all(one["text"] in log.getvalue() for one in advice.values())
    assert advice["layout"]["cautions"] not in log.getvalue()
    found = value(adata, "PCA", "triplets") - value(adata, "X_umap", "triplets")
    assert advice["layout"]["difference"] == pytest.approx(abs(found))
    scivis.tl.quality(adata, "umap", labels="louvain", purpose="labels", **CHEAP)
    assert list(adata.uns["quality"]["advice"]) == ["labels"]
    scivis.tl.quality(adata, "umap", purpose="layout", **CHEAP)
    assert all(line in log.getvalue() for line in advice["layout"]["cautions"].splitlines())


@pytest.mark.slow
def test_the_mixing_of_batches_is_measured_where_scib_metrics_is_installed(adata):
    pytest.importorskip("scib_metrics")
    adata.obs["mixed"] = pd.Categorical(np.arange(700) % 2)
    adata.obs["apart"] = np.where(adata.obsm["X_umap"][:, 0] > np.median(adata.obsm["X_umap"][:, 0]), "a", "b")
    for key in ("mixed", "apart"):
        scivis.tl.quality(adata, "umap", batch_key=key, key_added=key, **CHEAP)
    rows = {key: table(adata, key).query("basis == 'X_umap' and aspect == 'batches'") for key in ("mixed", "apart")}
    assert list(rows["mixed"]["measure"]) == ["ilisi", "kbet"]
    assert (rows["mixed"]["value"] > 0.8).all()
    assert (rows["apart"]["high"] < rows["apart"]["chance"]).all()
    names = [text.get_text() for text in scivis.pl.quality(adata, key="apart", show=False).get_yticklabels()]
    assert names[-2:] == ["batches mixed, iLISI, k = 90", "batches mixed, kBET, k = 50"]


def test_cells_at_random_places_are_untrusted(adata):
    moved = np.random.default_rng(0).choice(700, 100, replace=False)
    adata.obsm["X_moved"] = adata.obsm["X_umap"].copy()
    adata.obsm["X_moved"][moved] = adata.obsm["X_umap"][np.random.default_rng(1).choice(700, 100)]
    scivis.tl.quality(adata, ["umap", "moved"], n_neighbors=[10], **CHEAP)
    assert adata.obs["moved_untrusted"].dtype == bool
    untrusted = adata.obs["moved_untrusted"].to_numpy()
    assert untrusted[moved].mean() > 4 * untrusted.mean()
    assert adata.obs["umap_untrusted"].mean() < 0.1
    trust = adata.obs["moved_trust"]
    assert trust[untrusted].max() < trust[~untrusted].min()


def test_messages_name_embeddings_and_representation(adata):
    sc.settings.logfile = log = io.StringIO()
    sc.settings.verbosity = 3
    scivis.tl.quality(adata, "umap", **CHEAP)
    assert "comparing X_umap with adata.obsm['X_pca'], 50 columns" in log.getvalue()
    assert "'umap_trust', trust of each cell (adata.obs)" in log.getvalue()


@pytest.mark.slow
def test_no_backend_is_loaded(fresh_process):
    fresh_process("""
        import sys, scanpy as sc, scivis
        adata = sc.datasets.pbmc68k_reduced()
        scivis.tl.quality(adata, "umap", labels="bulk_labels", n_cells=50)
        assert not {"tensorflow", "keras", "annoy", "openTSNE"} & set(sys.modules)
    """)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"basis": "tsne"}, KeyError, r"basis='tsne' is not in adata.obsm"),
        ({"basis": []}, ValueError, r"basis=\[\] names no embedding"),
        ({"basis": "PCA"}, ValueError, "name of the reference"),
        ({"basis": "flat"}, ValueError, r"All 700 rows are equal in adata.obsm\['X_flat'\]"),
        ({"basis": "hole"}, ValueError, r"adata.obsm\['X_hole'\].* holds NaN or infinite values.*row 3"),
        ({"labels": "type"}, KeyError, "labels='type' is not in adata.obs"),
        ({"labels": "S_score"}, ValueError, "labels='S_score' holds continuous values"),
        ({"n_neighbors": [15, 350]}, ValueError, "n_neighbors=350 must be .* below half of the 700 cells"),
        ({"n_neighbors": 0}, ValueError, "n_neighbors=0"),
        ({"n_neighbors": [2.5]}, ValueError, r"n_neighbors=2.5"),
        ({"n_neighbors": []}, ValueError, "n_neighbors is empty"),
        ({"purpose": "beauty"}, ValueError, "purpose='beauty' is not one of"),
        ({"purpose": "labels"}, ValueError, "purpose='labels' needs classes"),
        ({"batch_key": "donor"}, KeyError, "batch_key='donor' is not in adata.obs"),
        ({"batch_key": "one"}, ValueError, "batch_key='one' holds fewer than two batches"),
        ({"n_cells": 0}, ValueError, "n_cells=0"),
        ({"n_cells": 1}, ValueError, "n_cells=1"),
    ],
    ids=str,
)
def test_invalid_arguments_are_rejected_and_adata_is_unchanged(adata, arguments, error, message, contents):
    adata.obsm["X_flat"] = np.ones((700, 2))
    adata.obsm["X_hole"] = adata.obsm["X_umap"].copy()
    adata.obsm["X_hole"][3] = np.nan
    adata.obsm["PCA"] = adata.obsm["X_umap"]
    adata.obs["one"] = "a"
    before = contents(adata)
    with pytest.raises(error, match=message):
        scivis.tl.quality(adata, **({"basis": "umap"} | arguments))
    assert contents(adata) == before
