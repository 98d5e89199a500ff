"""Labels of `scivis.tl.ivis`: kinds, weights and bad values; predictions for the reference and for new cells."""

from __future__ import annotations

import pickle

import anndata as ad
import keras
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from numpy.testing import assert_allclose, assert_array_equal

import scivis
from scivis._ivis import presets
from scivis._methods import entry_of

pytestmark = pytest.mark.usefixtures("op_by_op")

TINY = {"network": [8], "epochs": 1, "batch_size": 250, "n_neighbors": 5}
KEY = "bulk_labels"


@pytest.fixture(scope="module")
def _cells():
    """A reference of 500 cells with a PCA, and a query of 200 cells, in random order."""
    cells = sc.datasets.pbmc68k_reduced()
    cells = cells[np.random.default_rng(0).permutation(700)]
    whole = ad.AnnData(cells.raw.X.toarray(), obs=cells.obs, var=cells.raw.var)
    reference, query = whole[:500].copy(), whole[500:].copy()
    sc.pp.pca(reference, n_comps=20)
    reference.uns[f"{KEY}_colors"] = list(cells.uns[f"{KEY}_colors"])
    return reference, query


@pytest.fixture(scope="module")
def _learned(_cells):
    """A reference with a well-trained model; every tenth cell is unlabeled."""
    reference = _cells[0].copy()
    reference.obs.loc[reference.obs_names[::10], KEY] = np.nan
    settings = {"epochs": 60, "learning_rate": 0.01, "batch_size": 125, "supervision_weight": 0.8, "network": [32]}
    scivis.tl.ivis(reference, labels=KEY, n_neighbors=10, **settings)  # compiled, which pays for so many epochs
    return reference


@pytest.fixture
def learned(_learned):
    return _learned.copy()


@pytest.fixture
def cells(_cells):
    return _cells[0].copy()


@pytest.fixture
def query(_cells):
    return _cells[1].copy()


# Results


@pytest.mark.slow
def test_predicted_classes_have_names_order_and_colors_of_the_labels(learned, cells):
    label, truth = learned.obs["ivis_label"], cells.obs[KEY]
    assert label.cat.categories.tolist() == truth.cat.categories.tolist()
    assert learned.uns["ivis_label_colors"] == learned.uns[f"{KEY}_colors"]
    assert len(label.cat.categories) == 10
    assert (label.astype(str) == truth.astype(str)).mean() > 0.6  # the largest class has a third
    assert label.notna().all()
    assert learned.obs[KEY].isna().sum() == 50


@pytest.mark.compiled
def test_labels_of_unlabeled_cells_are_predicted():
    """Five groups that hardly overlap, with four of five labels hidden."""
    rng, group = np.random.default_rng(0), np.arange(400) % 5
    x = rng.normal(size=(400, 8)) + rng.normal(scale=5, size=(5, 8))[group]
    truth = pd.Series(list("abcde"))[group].to_numpy()
    hidden = rng.random(400) < 0.8
    groups = ad.AnnData(obsm={"X_pca": x.astype(np.float32)}, obs={"shown": np.where(hidden, "none", truth)})
    settings = {"epochs": 40, "learning_rate": 0.01, "batch_size": 50, "network": [32], "n_neighbors": 10}
    scivis.tl.ivis(groups, use_rep="X_pca", labels="shown", unlabeled_category="none", **settings)
    found = groups.obs["ivis_label"].astype(str) == truth
    assert found[hidden].mean() > 0.95
    assert found[~hidden].mean() > 0.95


def test_scores_are_probabilities_and_the_largest_is_the_certainty(learned):
    scores = learned.obsm["ivis_scores"]
    assert (scores.shape, scores.dtype) == ((500, 10), np.float32)
    assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert_array_equal(learned.obs["ivis_certainty"], scores.max(axis=1))
    assert_array_equal(learned.obs["ivis_label"].cat.codes, scores.argmax(axis=1))


def test_the_calibration_is_recorded_and_leaves_probabilities(learned):
    params, scores = learned.uns["ivis"]["params"], learned.obsm["ivis_scores"]
    assert 0.05 <= params["label_temperature"] <= 20
    assert 0 <= params["label_doubt"] <= 0.5
    assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert scores.min() >= 0.99 * params["label_doubt"] / 10


def test_the_stored_model_computes_the_same_scores(learned):
    model = scivis.get.model(learned)
    assert_allclose(model.score_samples(learned.obsm["X_pca"]), learned.obsm["ivis_scores"], atol=1e-5)
    assert model.classes_.tolist() == list(range(10))
    assert model.supervision_weight == 0.8


@pytest.mark.slow
def test_the_stored_model_can_be_saved_and_trained_further(learned, tmp_path):
    """AnnData holds no state of the training, but the model can be fitted again."""
    x, codes = learned.obsm["X_pca"], learned.obs[KEY].cat.codes
    model = scivis.get.model(learned)
    model.save_model(tmp_path / "model")
    copies = pickle.loads(pickle.dumps(model)), scivis.Ivis().load_model(tmp_path / "model")
    for other in copies:
        assert_array_equal(other.score_samples(x), model.score_samples(x))
    for other in (model, *copies):
        other.set_params(epochs=1, k=5, verbose=0).fit(x, codes)
        assert len(other.loss_history_) == 1
        assert np.isfinite(other.score_samples(x)).all()
        assert_array_equal(other.fitted_.head.scale, np.repeat([[1], [0]], 10, axis=1))  # no longer calibrated


# Kinds of labels


def test_unlabeled_category_has_the_effect_of_nan(cells):
    masked, named = cells.copy(), cells.copy()
    hidden = cells.obs_names[::3]
    masked.obs.loc[hidden, KEY] = np.nan
    named.obs[KEY] = named.obs[KEY].cat.add_categories("Unknown")
    named.obs.loc[hidden, KEY] = "Unknown"
    named.uns[f"{KEY}_colors"].append("#000000")
    scivis.tl.ivis(masked, labels=KEY, **TINY)
    scivis.tl.ivis(named, labels=KEY, unlabeled_category="Unknown", **TINY)
    assert_array_equal(named.obsm["X_ivis"], masked.obsm["X_ivis"])
    assert_array_equal(named.obsm["ivis_scores"], masked.obsm["ivis_scores"])
    assert "Unknown" not in named.obs["ivis_label"].cat.categories
    assert named.uns["ivis_label_colors"] == masked.uns["ivis_label_colors"] == cells.uns[f"{KEY}_colors"]


def test_strings_and_codes_of_the_same_classes_give_the_same_embedding(cells):
    cells.obs[KEY] = cells.obs[KEY].cat.reorder_categories(sorted(cells.obs[KEY].cat.categories))
    cells.obs["text"] = cells.obs[KEY].astype(str)
    cells.obs["code"] = cells.obs[KEY].cat.codes.astype(int) * 7
    maps = [scivis.tl.ivis(cells, labels=key, copy=True, **TINY).obsm["X_ivis"] for key in (KEY, "text", "code")]
    assert_array_equal(maps[0], maps[1])  # strings become categories in alphabetical order
    assert_array_equal(maps[0], maps[2])


def test_hinge_losses_give_scores_and_no_certainty(cells):
    scivis.tl.ivis(cells, labels=KEY, supervision_metric="categorical_hinge", **TINY)
    assert cells.obs["ivis_label"].cat.categories.tolist() == cells.obs[KEY].cat.categories.tolist()
    assert "ivis_certainty" not in cells.obs
    assert cells.obsm["ivis_scores"].shape == (500, 10)


def test_several_labels_per_cell_have_one_probability_each(cells):
    panel = pd.DataFrame({gene: cells[:, gene].X.ravel() > 0 for gene in ("CD3D", "CST3", "NKG7")}, cells.obs_names)
    cells.obsm["panel"] = panel.astype(int)
    scivis.tl.ivis(cells, labels="panel", **TINY)
    assert scivis.get.model(cells).supervision_metric == "binary_crossentropy"
    scores = cells.obsm["ivis_scores"]
    assert scores.shape == (500, 3)
    assert ((scores > 0) & (scores < 1)).all()
    assert scores.sum(axis=1).std() > 1e-3
    assert "ivis_label" not in cells.obs


@pytest.mark.parametrize("columns", [1, 2])
def test_values_are_predicted_in_their_unit(cells, columns):
    values = np.column_stack([cells.obs["percent_mito"] * 100, cells.obs["n_counts"] / 1000])
    cells.obs["value"], cells.obsm["values"] = values[:, 0], values
    scivis.tl.ivis(cells, labels=("value", "values")[columns - 1], **TINY | {"learning_rate": 0.05, "epochs": 2})
    found = cells.obs["ivis_label"].to_numpy()[:, None] if columns == 1 else cells.obsm["ivis_scores"]
    assert_allclose(found, scivis.get.model(cells).score_samples(cells.obsm["X_pca"]), rtol=1e-4)
    assert found.shape == (500, columns)
    assert np.abs(found - values[:, :columns]).mean() < np.abs(values[:, :columns]).mean()
    assert ("ivis_scores" in cells.obsm) == (columns == 2)
    assert "ivis_certainty" not in cells.obs


# Weight of the labels


def test_at_weight_zero_the_embedding_is_that_without_labels(cells):
    alone = scivis.tl.ivis(cells, copy=True, **TINY)
    none = scivis.tl.ivis(cells, labels=KEY, supervision_weight=0, copy=True, **TINY)
    half = scivis.tl.ivis(cells, labels=KEY, copy=True, **TINY)
    assert_array_equal(none.obsm["X_ivis"], alone.obsm["X_ivis"])
    assert (half.obsm["X_ivis"] != alone.obsm["X_ivis"]).any()
    weights = [list(entry_of(adata, "ivis")["model"]["weights"].values()) for adata in (none, alone)]
    for mine, other in zip(*weights, strict=True):
        assert_array_equal(mine, other)
    for adata in (none, alone):
        assert not {"ivis_label", "ivis_certainty"} & set(adata.obs)
        assert "ivis_scores" not in adata.obsm
        assert adata.uns["ivis"]["predictions"] == {}


@pytest.mark.slow
def test_labels_have_epochs_of_their_own_but_not_at_weight_zero(cells, monkeypatch):
    monkeypatch.setitem(presets._SMALL_DATA, "epochs", 2)
    monkeypatch.setitem(presets._SMALL_WITH_LABELS, "epochs", 3)
    settings = {name: value for name, value in TINY.items() if name != "epochs"}
    alone, none, half = (
        scivis.tl.ivis(cells, copy=True, **settings, **labels)
        for labels in ({}, {"labels": KEY, "supervision_weight": 0}, {"labels": KEY})
    )
    assert [len(adata.uns["ivis"]["history"]["loss"]) for adata in (alone, none, half)] == [2, 2, 3]
    assert_array_equal(none.obsm["X_ivis"], alone.obsm["X_ivis"])


# Bad arguments


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"labels": "celltype"}, KeyError, "labels='celltype' is in neither"),
        ({"labels": KEY, "unlabeled_category": "Unkown"}, KeyError, "unlabeled_category='Unkown' is not among"),
        ({"labels": "percent_mito", "unlabeled_category": "x"}, ValueError, "holds no categories"),
        ({"unlabeled_category": "Unknown"}, ValueError, "name them with labels="),
        ({"supervision_metric": "mae"}, ValueError, "name them with labels="),
        ({"labels": KEY, "supervision_metric": "accuracy"}, ValueError, "supervision_metric='accuracy'"),
        ({"labels": KEY, "supervision_metric": "bce"}, ValueError, "write that"),
        ({"labels": KEY, "supervision_weight": 1.5}, ValueError, "supervision_weight=1.5 must be .*between 0 and 1"),
        ({"labels": KEY, "supervision_weight": np.nan}, ValueError, "supervision_weight=nan"),
        ({"labels": "one"}, ValueError, "All labels in .one. are .B cell."),
        ({"labels": "none"}, ValueError, "All 500 labels are missing"),
        ({"labels": "infinite"}, ValueError, "infinite values"),
        ({"labels": "texts"}, ValueError, "does not hold numbers"),
    ],
    ids=str,
)
def test_bad_labels_are_rejected_before_any_work(cells, monkeypatch, contents, arguments, error, message):
    monkeypatch.setattr(scivis.Ivis, "fit", lambda *_, **__: pytest.fail("training began"))
    monkeypatch.setattr("scanpy.pp.pca", lambda *_, **__: pytest.fail("a PCA was computed"))
    del cells.obsm["X_pca"]
    cells.obs["one"], cells.obs["none"] = "B cell", np.nan
    cells.obs["infinite"] = np.r_[np.inf, np.linspace(0, 1, 499)]
    cells.obsm["texts"] = pd.DataFrame({"a": ["x"] * 500}, cells.obs_names)
    before = contents(cells)
    with pytest.raises(error, match=message):
        scivis.tl.ivis(cells, **TINY, **arguments)
    assert contents(cells) == before


class StopError(Exception):
    """Raised in the middle of training."""


def test_an_interrupted_training_does_not_change_adata(cells, contents):
    def stop(epoch, logs=None):
        raise StopError

    before = contents(cells)
    with pytest.raises(StopError):
        scivis.tl.ivis(cells, labels=KEY, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=stop)], **TINY)
    assert contents(cells) == before


# New cells


def test_new_cells_get_labels_with_the_colors_of_the_reference(query, learned):
    truth = query.obs.pop(KEY).astype(str)
    assert scivis.tl.ingest(query, learned) is None
    label, scores = query.obs["ivis_label"], query.obsm["ivis_scores"]
    assert label.cat.categories.tolist() == learned.obs["ivis_label"].cat.categories.tolist()
    assert query.uns["ivis_label_colors"] == learned.uns[f"{KEY}_colors"]
    assert (label.astype(str) == truth).mean() > 0.6
    assert (scores.shape, scores.dtype) == ((200, 10), np.float32)
    assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert_array_equal(query.obs["ivis_certainty"], scores.max(axis=1))
    x = (query.X - learned.X.mean(axis=0)) @ learned.varm["PCs"]
    assert_allclose(scores, scivis.get.model(learned).score_samples(x), atol=1e-3)


def test_cells_of_the_reference_get_the_same_labels_again(learned):
    again = ad.AnnData(obs=pd.DataFrame(index=learned.obs_names), obsm={"X_pca": learned.obsm["X_pca"]})
    scivis.tl.ingest(again, learned, use_rep="X_pca")
    assert again.obs["ivis_label"].tolist() == learned.obs["ivis_label"].tolist()
    assert_allclose(again.obsm["ivis_scores"], learned.obsm["ivis_scores"], atol=1e-5)


def test_ingest_changes_neither_the_reference_nor_the_original_of_a_copy(query, learned, contents):
    before = contents(learned), contents(query)
    changed = scivis.tl.ingest(query, learned, copy=True)
    assert (contents(learned), contents(query)) == before
    assert len(changed.obs["ivis_label"]) == 200
    for added in ("label", "certainty", "novelty", "pvalue"):
        del changed.obs[f"ivis_{added}"]
    del changed.obsm["X_ivis"], changed.obsm["ivis_scores"]
    del changed.uns["ivis_label_colors"], changed.uns["ivis_verdict"]
    assert contents(changed) == before[1]


def test_cells_with_small_p_values_can_be_unknown(query, learned):
    scivis.tl.ingest(query, learned)
    labels, strange = query.obs["ivis_label"].astype(str), query.obs["ivis_pvalue"] <= 0.3
    scivis.tl.ingest(query, learned, unknown=0.3)
    assert strange.any()
    assert query.obs["ivis_label"].tolist() == labels.mask(strange, "unknown").tolist()
    assert query.uns["ivis_label_colors"][-1] == "#7f7f7f"
    assert len(query.uns["ivis_label_colors"]) == len(query.obs["ivis_label"].cat.categories)


def test_unknown_needs_labels_and_a_fraction(query, learned):
    with pytest.raises(ValueError, match="unknown=2 must be a number between 0 and 1"):
        scivis.tl.ingest(query, learned, unknown=2)


def test_a_query_without_cells_gets_empty_predictions(query, learned):
    none = query[:0].copy()
    scivis.tl.ingest(none, learned)
    assert none.obs["ivis_label"].cat.categories.tolist() == learned.obs["ivis_label"].cat.categories.tolist()
    assert none.obsm["ivis_scores"].shape == (0, 10)
    assert none.obs["ivis_certainty"].shape == (0,)


def test_predictions_do_not_depend_on_the_other_cells_of_the_query(query, learned):
    one = query[7].copy()
    for adata in (one, query):
        scivis.tl.ingest(adata, learned)
    assert_allclose(one.obsm["ivis_scores"][0], query.obsm["ivis_scores"][7], atol=1e-6)


def test_a_reference_without_labels_predicts_no_labels(query, cells):
    scivis.tl.ivis(cells, **TINY)
    scivis.tl.ingest(query, cells)
    assert not {"ivis_label", "ivis_certainty"} & set(query.obs)
    assert "ivis_scores" not in query.obsm


def test_values_and_several_labels_are_predicted_for_new_cells(query, cells):
    cells.obsm["panel"] = (cells[:, ["CD3D", "CST3"]].X > 0).astype(int)
    scivis.tl.ivis(cells, labels="panel", key_added="panel_map", **TINY)
    scivis.tl.ivis(cells, labels="percent_mito", **TINY)
    scivis.tl.ingest(query, cells)
    assert query.obs["ivis_label"].dtype == np.float32
    scivis.tl.ingest(query, cells, key="panel_map")
    assert query.obsm["panel_map_scores"].shape == (200, 2)
    empty = query[:0].copy()
    scivis.tl.ingest(empty, cells, key="panel_map")
    scivis.tl.ingest(empty, cells)
    assert empty.obsm["panel_map_scores"].shape == (0, 2)
    assert empty.obs["ivis_label"].dtype == np.float32


# Files

READERS = {"h5ad": ad.read_h5ad, "zarr": ad.read_zarr}


@pytest.mark.filterwarnings("ignore::UserWarning")  # zarr and anndata disagree about coming formats
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("fmt", READERS)
def test_a_model_from_a_file_predicts_the_same_labels(query, learned, tmp_path, fmt):
    path = tmp_path / f"cells.{fmt}"
    kept = ad.AnnData(learned.X[:, :0], obs=learned.obs[["ivis_label"]], uns=learned.uns, obsm=learned.obsm)
    (kept.write_h5ad if fmt == "h5ad" else kept.write_zarr)(path)
    back = READERS[fmt](path)
    assert back.obs["ivis_label"].tolist() == learned.obs["ivis_label"].tolist()
    assert list(back.uns["ivis_label_colors"]) == learned.uns["ivis_label_colors"]
    fresh = query.copy()
    scivis.tl.ingest(fresh, back)
    scivis.tl.ingest(query, learned)
    assert fresh.obs["ivis_label"].cat.categories.tolist() == query.obs["ivis_label"].cat.categories.tolist()
    assert_array_equal(fresh.obs["ivis_label"].cat.codes, query.obs["ivis_label"].cat.codes)
    assert_allclose(fresh.obsm["ivis_scores"], query.obsm["ivis_scores"], atol=1e-5)
    assert fresh.uns["ivis_label_colors"] == query.uns["ivis_label_colors"]


def test_predictions_of_new_cells_can_be_written_to_a_file(query, learned, tmp_path):
    scivis.tl.ingest(query, learned)
    query.write_h5ad(tmp_path / "query.h5ad")
    back = ad.read_h5ad(tmp_path / "query.h5ad")
    assert back.obs["ivis_label"].tolist() == query.obs["ivis_label"].tolist()
    assert_array_equal(back.obsm["ivis_scores"], query.obsm["ivis_scores"])
