"""Labels out of AnnData, as numbers for training, and predictions back into it under their names."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from scivis._adata.keys import Keys
from scivis._adata.labels import (
    Predictions,
    pack_predictions,
    place_predictions,
    predictions_of,
    read_labels,
    unpack_predictions,
)
from scivis.nn import make_targets

SOFTMAX = "sparse_categorical_crossentropy"
KEYS = Keys.of("ivis", None)


def cells(column=None, *, n=None, **obsm):
    """Cells with this column of labels, and these matrices."""
    n = n or (next(iter(obsm.values())).shape[0] if column is None else len(column))
    adata = ad.AnnData(np.zeros((n, 2), np.float32), obs=pd.DataFrame(index=[f"cell{i}" for i in range(n)]))
    if column is not None:
        adata.obs["told"] = pd.Series(column).set_axis(adata.obs_names)
    for key, value in obsm.items():
        adata.obsm[key] = value.set_axis(adata.obs_names) if isinstance(value, pd.DataFrame) else value
    return adata


def read(column, metric=None, unlabeled_category=None):
    return read_labels(cells(column), "told", metric, unlabeled_category)


# Columns of .obs


def test_categories_are_classes_in_their_own_order():
    column = pd.Categorical(["T", "B", None, "NK", "B"], categories=["NK", "T", "B"])
    labels = read(column)
    assert labels.categories == ("NK", "T", "B")
    assert labels.values.tolist() == [1, 2, -1, 0, 2]
    assert labels.values.dtype.kind == "i"
    assert (labels.key, labels.metric) == ("told", SOFTMAX)


def test_categories_that_do_not_occur_are_no_classes():
    column = pd.Categorical(["T", "B", "B"], categories=["NK", "T", "doublet", "B"])
    labels = read(column)
    assert labels.categories == ("T", "B")
    assert labels.values.tolist() == [0, 1, 1]


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_texts_are_classes_in_alphabetical_order(dtype):
    labels = read(pd.Series(["b", "a", None, "c"], dtype=dtype))
    assert labels.categories == ("a", "b", "c")
    assert labels.values.tolist() == [1, 0, -1, 2]


@pytest.mark.parametrize("dtype", [bool, "boolean", object])
def test_truth_values_are_two_classes(dtype):
    labels = read(pd.Series([True, False, True], dtype=dtype))
    assert labels.categories == ("False", "True")
    assert labels.values.tolist() == [1, 0, 1]


def test_a_missing_truth_value_is_no_label():
    assert read(pd.Series([True, None, False], dtype="boolean")).values.tolist() == [1, -1, 0]


@pytest.mark.parametrize("dtype", [np.int8, np.int64, "Int32", np.float32, np.float64, "Float64", "category"])
def test_whole_numbers_are_classes_and_minus_one_is_none(dtype):
    labels = read(pd.Series([10, -1, 2, 2, -1, 0]).astype(dtype))
    assert labels.metric == SOFTMAX
    assert labels.values.tolist() == [2, -1, 1, 1, -1, 0]
    assert [float(name) for name in labels.categories] == [0, 2, 10]


@pytest.mark.parametrize("dtype", [np.float64, "Int64", "Float64"])
def test_missing_whole_numbers_are_no_labels(dtype):
    assert read(pd.Series([1, None, 2, -1]).astype(dtype)).values.tolist() == [0, -1, 1, -1]


def test_minus_one_as_text_is_a_name_like_others():
    assert read(["-1", "0"]).categories == ("-1", "0")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "Float64"])
def test_other_numbers_are_values(dtype):
    labels = read(pd.Series([0.5, None, -1.0, 2.0]).astype(dtype))
    assert (labels.metric, labels.categories) == ("mae", ())
    assert_array_equal(labels.values, [0.5, np.nan, -1.0, 2.0])
    assert labels.values.dtype == np.float64


def test_a_hundred_whole_numbers_are_classes_and_more_could_be_either():
    assert len(read(np.arange(100)).categories) == 100
    message = r"labels='told' holds 101 different whole numbers.*supervision_metric='mae'.*make the column categorical"
    with pytest.raises(ValueError, match=message):
        read(np.arange(101))
    assert read(np.arange(101), "mae").categories == ()
    assert len(read(pd.Series(np.arange(101)).astype("category")).categories) == 101
    assert len(read(np.arange(101), SOFTMAX).categories) == 101


@pytest.mark.parametrize("metric", ["mae", "mse", "log_cosh"])
@pytest.mark.parametrize("dtype", [np.int64, np.float64, "Int64"])
def test_a_loss_of_values_makes_numbers_values(metric, dtype):
    labels = read(pd.Series([3, -1, 4], dtype=dtype), metric)
    assert (labels.metric, labels.categories) == (metric, ())
    assert labels.values.tolist() == [3, -1, 4]


@pytest.mark.parametrize("metric", ["categorical_hinge", "hinge", "categorical_crossentropy", "binary_crossentropy"])
def test_other_losses_of_classes_get_a_column_for_each(metric):
    labels = read(pd.Categorical(["B", None, "A", "B"], categories=["B", "A"]), metric)
    assert labels.categories == ("B", "A")
    assert_array_equal(labels.values, [[1, 0], [np.nan, np.nan], [0, 1], [1, 0]])
    assert make_targets(labels.values, metric, 4).labelled.tolist() == [True, False, True, True]


# Missing labels by name


@pytest.mark.parametrize("dtype", [object, "category", "string"])
def test_a_name_can_mean_that_there_is_no_label(dtype):
    labels = read(pd.Series(["B", "Unknown", "A", None], dtype=dtype), unlabeled_category="Unknown")
    assert labels.categories == ("A", "B")
    assert labels.values.tolist() == [1, -1, 0, -1]


def test_a_number_can_mean_that_there_is_no_label_beside_minus_one():
    labels = read([5, 99, -1, 6], unlabeled_category=99)
    assert labels.categories == ("5", "6")
    assert labels.values.tolist() == [0, -1, -1, 1]


def test_a_known_name_that_no_cell_has_is_fine():
    column = pd.Categorical(["A", "B"], categories=["A", "B", "Unknown"])
    assert read(column, unlabeled_category="Unknown").categories == ("A", "B")


@pytest.mark.parametrize("column", [["A", "B"], [1, 2], [True, False]], ids=str)
def test_a_name_that_is_none_of_the_labels_is_refused(column):
    with pytest.raises(KeyError, match="unlabeled_category='Unkown' is not among the labels"):
        read(column, unlabeled_category="Unkown")


def test_values_have_no_categories():
    with pytest.raises(ValueError, match=r"unlabeled_category='x', but labels='told' holds no categories.*NaN"):
        read([0.5, 1.5], unlabeled_category="x")
    with pytest.raises(ValueError, match="labels='m' holds no categories"):
        read_labels(cells(m=np.eye(3)), "m", None, "x")


def test_categories_of_the_same_name_are_refused():
    with pytest.raises(ValueError, match=r"labels='told' holds categories of the same name: \['1', '1'\]"):
        read(pd.Series([1, "1"], dtype=object).astype("category"))


def test_a_key_that_is_nowhere_is_refused():
    with pytest.raises(
        KeyError, match=r"labels='celltype' is in neither adata.obs nor adata.obsm. In .obs: \['told'\]"
    ):
        read_labels(cells(["A", "B"]), "celltype", None, None)


# Matrices of .obsm


@pytest.mark.parametrize("form", ["array", "frame", "integers", "truth", "masked"])
def test_zeros_and_ones_are_several_labels_per_cell(form):
    values = np.array([[1.0, 0, 1], [0, 0, 0], [0, 1, 1], [0, 0, 1]])
    missing = np.array([[1.0, 0, 1], [-1, -1, -1], [np.nan, 1, 1], [0, 0, 1]])
    matrix = {
        "array": values,
        "frame": pd.DataFrame(values, columns=["CD4", "CD8", "CD19"]),
        "integers": values.astype(int),
        "truth": values.astype(bool),
        "masked": missing,
    }[form]
    labels = read_labels(cells(m=matrix), "m", None, None)
    assert labels.metric == "binary_crossentropy"
    assert labels.categories == (("CD4", "CD8", "CD19") if form == "frame" else ("0", "1", "2"))
    assert_array_equal(labels.values, missing if form == "masked" else values)
    labelled = make_targets(labels.values, labels.metric, 4).labelled
    assert labelled.tolist() == ([True, False, False, True] if form == "masked" else [True] * 4)


def test_other_numbers_of_a_matrix_are_values():
    frame = pd.DataFrame({"age": [3.0, np.nan, 5], "score": [0, 1, 2]})
    labels = read_labels(cells(m=frame), "m", None, None)
    assert (labels.metric, labels.categories) == ("mae", ("age", "score"))
    assert_array_equal(labels.values, frame.to_numpy())


def test_a_matrix_takes_the_loss_that_is_named():
    labels = read_labels(cells(m=np.eye(3)), "m", "categorical_hinge", None)
    assert labels.metric == "categorical_hinge"


def test_a_matrix_comes_before_a_column_of_the_same_name():
    adata = cells(["A", "B", "A"])
    adata.obsm["told"] = np.array([[0.5], [1.5], [2.5]])
    assert read_labels(adata, "told", None, None).metric == "mae"


def test_a_sparse_matrix_of_labels_is_read():
    matrix = sparse.csr_matrix(np.array([[1.0, 0], [0, 1], [1, 1]]))
    assert_array_equal(read_labels(cells(m=matrix), "m", None, None).values, matrix.toarray())


def test_a_table_of_texts_is_refused():
    with pytest.raises(ValueError, match=r"obsm\['m'\].*numbers"):
        read_labels(cells(m=pd.DataFrame({"a": ["x", "y"]})), "m", None, None)


# What predictions are called


def named(column, colors=None, **arguments):
    adata = cells(column)
    if colors is not None:
        adata.uns["told_colors"] = colors
    return predictions_of(read_labels(adata, "told", arguments.get("metric"), arguments.get("unlabeled")), adata)


def test_colours_of_the_labels_are_kept():
    column = pd.Categorical(["T", "B"], categories=["T", "B"])
    assert named(column, ["#f00", "#0f0"]).colors == ("#f00", "#0f0")
    assert named(column).colors == ()
    assert named(column, ["#f00"]).colors == ()


def test_each_class_keeps_its_own_colour_where_a_category_is_no_class():
    column = pd.Categorical(["T", "none", "B", "B"], categories=["none", "T", "unused", "B"])
    predictions = named(column, np.array(["grey", "red", "black", "blue"]), unlabeled="none")
    assert predictions.categories == ("T", "B")
    assert predictions.colors == ("red", "blue")


def test_values_have_no_colours():
    assert named([0.5, 1.5], ["red", "blue"]).colors == ()


@pytest.mark.parametrize(
    "predictions",
    [
        Predictions("told", SOFTMAX, ("a", "b"), ("red", "blue")),
        Predictions("told", "hinge", ("a", "b")),
        Predictions("age", "mae", ()),
    ],
    ids=str,
)
def test_names_come_back_from_their_dictionary(predictions):
    stored = pack_predictions(predictions)
    assert unpack_predictions(stored) == predictions
    assert unpack_predictions(pack_predictions(None)) is None


@pytest.mark.parametrize("part", ["labels", "metric", "categories", "colors"])
def test_a_missing_name_is_said(part):
    stored = pack_predictions(Predictions("told", SOFTMAX, ("a", "b")))
    del stored[part]
    with pytest.raises(ValueError, match=rf"stored model cannot be used: its predictions lack \['{part}'\]"):
        unpack_predictions(stored)


@pytest.mark.parametrize("stored", [None, 5, "text", np.zeros(3), ["a"]], ids=repr)
def test_names_that_are_no_dictionary_are_refused(stored):
    with pytest.raises(ValueError, match=r"its predictions are a \w+, not a dictionary"):
        unpack_predictions(stored)


# Writing predictions

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.3, 0.3, 0.4]], np.float32)
THREE = ("T", "B", "NK")


def written(predictions, scores=SCORES, adata=None):
    adata = cells(n=3) if adata is None else adata
    message = place_predictions(KEYS, predictions, scores).write(adata)
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


def test_colours_of_an_earlier_prediction_do_not_stay():
    adata, _ = written(Predictions("kind", SOFTMAX, THREE, ("red", "green", "blue")))
    adata, _ = written(Predictions("other", SOFTMAX, ("x", "y", "z")), adata=adata)
    assert "ivis_label_colors" not in adata.uns


def test_another_key_names_all_of_them():
    adata = cells(n=3)
    place_predictions(Keys.of("ivis", "mine"), Predictions("kind", SOFTMAX, THREE), SCORES).write(adata)
    assert list(adata.obs) == ["mine_label", "mine_certainty"]
    assert list(adata.obsm) == ["mine_scores"]


@pytest.mark.parametrize("names", [("T", "B"), ("T", "B", "NK", "Mono")], ids=str)
def test_a_forged_number_of_names_is_refused_before_anything_is_written(names):
    adata = cells(n=3)
    with pytest.raises(ValueError, match=rf"it predicts 3 values for {len(names)} names"):
        place_predictions(KEYS, Predictions("kind", SOFTMAX, names), SCORES).write(adata)
    assert list(adata.obs) == list(adata.obsm) == []
