"""Names and colors of predictions, and how predictions are written."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from scivis._adata.keys import Keys
from scivis._adata.labels import read_labels
from scivis._adata.predictions import (
    Predictions,
    pack_predictions,
    predicted_labels,
    predictions_of,
    unpack_predictions,
)

SOFTMAX = "sparse_categorical_crossentropy"
KEYS = Keys.of("ivis", None)


def cells(column=None, *, n=None):
    """Cells with this column of labels, or so many without labels."""
    n = n or len(column)
    adata = ad.AnnData(np.zeros((n, 2), np.float32), obs=pd.DataFrame(index=[f"cell{i}" for i in range(n)]))
    if column is not None:
        adata.obs["type"] = pd.Series(column).set_axis(adata.obs_names)
    return adata


def named(column, colors=None, **arguments):
    adata = cells(column)
    if colors is not None:
        adata.uns["type_colors"] = colors
    return predictions_of(read_labels(adata, "type", arguments.get("metric"), arguments.get("unlabeled")), adata)


def test_colors_of_the_labels_are_kept():
    column = pd.Categorical(["T", "B"], categories=["T", "B"])
    assert named(column, ["#f00", "#0f0"]).colors == ("#f00", "#0f0")
    assert named(column).colors == ()
    assert named(column, ["#f00"]).colors == ()


def test_each_class_keeps_its_own_color_where_a_category_is_no_class():
    column = pd.Categorical(["T", "none", "B", "B"], categories=["none", "T", "unused", "B"])
    predictions = named(column, np.array(["grey", "red", "black", "blue"]), unlabeled="none")
    assert predictions.categories == ("T", "B")
    assert predictions.colors == ("red", "blue")


def test_values_have_no_colors():
    assert named([0.5, 1.5], ["red", "blue"]).colors == ()


@pytest.mark.parametrize(
    "predictions",
    [
        Predictions("type", SOFTMAX, ("a", "b"), ("red", "blue")),
        Predictions("type", "hinge", ("a", "b")),
        Predictions("age", "mae", ()),
    ],
    ids=str,
)
def test_names_come_back_from_their_dictionary(predictions):
    stored = pack_predictions(predictions)
    assert unpack_predictions(stored) == predictions
    assert unpack_predictions(pack_predictions(None)) is None


@pytest.mark.parametrize("part", ["labels", "metric", "categories", "colors"])
def test_a_missing_name_is_reported(part):
    stored = pack_predictions(Predictions("type", SOFTMAX, ("a", "b")))
    del stored[part]
    with pytest.raises(ValueError, match=rf"stored model cannot be used: its predictions lack \['{part}'\]"):
        unpack_predictions(stored)


@pytest.mark.parametrize("stored", [None, 5, "text", np.zeros(3), ["a"]], ids=repr)
def test_names_that_are_no_dictionary_are_rejected(stored):
    with pytest.raises(ValueError, match=r"its predictions are a \w+, not a dictionary"):
        unpack_predictions(stored)


# Writing predictions

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.3, 0.3, 0.4]], np.float32)
THREE = ("T", "B", "NK")


def written(predictions, scores=SCORES, adata=None):
    adata = cells(n=3) if adata is None else adata
    message = predicted_labels(KEYS, predictions, scores).write(adata)
    return adata, message


@pytest.mark.parametrize("metric", [SOFTMAX, "categorical_crossentropy", "kl_divergence"])
def test_probabilities_give_a_class_a_certainty_and_themselves(metric):
    adata, message = written(Predictions("kind", metric, THREE, ("red", "green", "blue")))
    label = adata.obs["ivis_label"]
    assert label.tolist() == ["B", "T", "NK"]
    assert label.cat.categories.tolist() == ["T", "B", "NK"]
    assert adata.uns["ivis_label_colors"] == ["red", "green", "blue"]
    assert_array_equal(adata.obs["ivis_certainty"], SCORES.max(axis=1))
    assert_array_equal(adata.obsm["ivis_scores"], SCORES)
    assert "'ivis_label', predicted kind (adata.obs)" in message
    assert "'ivis_scores', scores of kind (adata.obsm)" in message


@pytest.mark.parametrize("metric", ["categorical_hinge", "hinge", "squared_hinge"])
def test_distances_from_a_boundary_are_no_certainty(metric):
    adata, _ = written(Predictions("kind", metric, THREE))
    assert adata.obs["ivis_label"].tolist() == ["B", "T", "NK"]
    assert "ivis_certainty" not in adata.obs
    assert "ivis_label_colors" not in adata.uns
    assert_array_equal(adata.obsm["ivis_scores"], SCORES)


@pytest.mark.parametrize("metric", ["binary_crossentropy", "mae"])
def test_several_labels_or_values_are_a_matrix(metric):
    adata, message = written(Predictions("panel", metric, THREE))
    assert list(adata.obs) == []
    assert_array_equal(adata.obsm["ivis_scores"], SCORES)
    assert message == "    'ivis_scores', scores of panel (adata.obsm)"


@pytest.mark.parametrize("predictions", [Predictions("age", "mae", ()), Predictions("m", "hinge", ("0",))], ids=str)
def test_a_single_value_is_a_column(predictions):
    adata, message = written(predictions, SCORES[:, :1])
    assert_allclose(adata.obs["ivis_label"], [0.1, 0.5, 0.3], rtol=1e-6)
    assert list(adata.obsm) == []
    assert f"predicted {predictions.labels}" in message


def test_no_cells_have_no_predictions():
    adata, _ = written(Predictions("kind", SOFTMAX, THREE), np.empty((0, 3), np.float32), ad.AnnData(np.zeros((0, 2))))
    assert adata.obs["ivis_label"].cat.categories.tolist() == list(THREE)
    assert adata.obsm["ivis_scores"].shape == (0, 3)


def test_classes_that_nothing_is_likely_to_be_stay_categories():
    adata, _ = written(Predictions("kind", SOFTMAX, THREE), SCORES[[0, 0, 0]])
    assert set(adata.obs["ivis_label"]) == {"B"}
    assert adata.obs["ivis_label"].cat.categories.tolist() == list(THREE)


def test_colors_of_an_earlier_prediction_do_not_stay():
    adata, _ = written(Predictions("kind", SOFTMAX, THREE, ("red", "green", "blue")))
    adata, _ = written(Predictions("other", SOFTMAX, ("x", "y", "z")), adata=adata)
    assert "ivis_label_colors" not in adata.uns


def test_another_key_names_all_of_them():
    adata = cells(n=3)
    predicted_labels(Keys.of("ivis", "mine"), Predictions("kind", SOFTMAX, THREE), SCORES).write(adata)
    assert list(adata.obs) == ["mine_label", "mine_certainty"]
    assert list(adata.obsm) == ["mine_scores"]


@pytest.mark.parametrize("names", [("T", "B"), ("T", "B", "NK", "Mono")], ids=str)
def test_a_forged_number_of_names_is_rejected_before_anything_is_written(names):
    adata = cells(n=3)
    with pytest.raises(ValueError, match=rf"it predicts 3 values for {len(names)} names"):
        predicted_labels(KEYS, Predictions("kind", SOFTMAX, names), SCORES).write(adata)
    assert list(adata.obs) == list(adata.obsm) == []
