"""Labels of the cells, read from AnnData as numbers for training."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from scivis._adata.keys import Keys
from scivis._adata.labels import read_classes, read_labels
from scivis._adata.predictions import predictions_of
from scivis._ivis.arguments import choose_labels
from scivis.nn import make_targets

SOFTMAX = "sparse_categorical_crossentropy"
KEYS = Keys.of("ivis", None)


def cells(column=None, *, n=None, **obsm):
    """Cells with this column of labels, and these matrices."""
    n = n or (next(iter(obsm.values())).shape[0] if column is None else len(column))
    adata = ad.AnnData(np.zeros((n, 2), np.float32), obs=pd.DataFrame(index=[f"cell{i}" for i in range(n)]))
    if column is not None:
        adata.obs["type"] = pd.Series(column).set_axis(adata.obs_names)
    for key, value in obsm.items():
        adata.obsm[key] = value.set_axis(adata.obs_names) if isinstance(value, pd.DataFrame) else value
    return adata


def read(column, metric=None, unlabeled_category=None):
    return read_labels(cells(column), "type", metric, unlabeled_category)


# Columns of .obs


def test_categories_are_classes_in_their_own_order():
    column = pd.Categorical(["T", "B", None, "NK", "B"], categories=["NK", "T", "B"])
    labels = read(column)
    assert labels.categories == ("NK", "T", "B")
    assert labels.values.tolist() == [1, 2, -1, 0, 2]
    assert labels.values.dtype.kind == "i"
    assert (labels.key, labels.metric) == ("type", SOFTMAX)


def test_categories_that_do_not_occur_are_no_classes():
    column = pd.Categorical(["T", "B", "B"], categories=["NK", "T", "doublet", "B"])
    labels = read(column)
    assert labels.categories == ("T", "B")
    assert labels.values.tolist() == [0, 1, 1]


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_strings_are_classes_in_alphabetical_order(dtype):
    labels = read(pd.Series(["b", "a", None, "c"], dtype=dtype))
    assert labels.categories == ("a", "b", "c")
    assert labels.values.tolist() == [1, 0, -1, 2]


@pytest.mark.parametrize("dtype", [bool, "boolean", object])
def test_booleans_are_two_classes(dtype):
    labels = read(pd.Series([True, False, True], dtype=dtype))
    assert labels.categories == ("False", "True")
    assert labels.values.tolist() == [1, 0, 1]


def test_a_missing_boolean_is_no_label():
    assert read(pd.Series([True, None, False], dtype="boolean")).values.tolist() == [1, -1, 0]


@pytest.mark.parametrize("dtype", [np.int8, np.int64, "Int32", np.float32, np.float64, "Float64", "category"])
def test_integers_are_classes_and_minus_one_is_none(dtype):
    labels = read(pd.Series([10, -1, 2, 2, -1, 0]).astype(dtype))
    assert labels.metric == SOFTMAX
    assert labels.values.tolist() == [2, -1, 1, 1, -1, 0]
    assert [float(name) for name in labels.categories] == [0, 2, 10]


@pytest.mark.parametrize("dtype", [np.float64, "Int64", "Float64"])
def test_missing_integers_are_not_labels(dtype):
    assert read(pd.Series([1, None, 2, -1]).astype(dtype)).values.tolist() == [0, -1, 1, -1]


def test_minus_one_as_text_is_a_name_like_others():
    assert read(["-1", "0"]).categories == ("-1", "0")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "Float64"])
def test_other_numbers_are_values(dtype):
    labels = read(pd.Series([0.5, None, -1.0, 2.0]).astype(dtype))
    assert (labels.metric, labels.categories) == ("mae", ())
    assert_array_equal(labels.values, [0.5, np.nan, -1.0, 2.0])
    assert labels.values.dtype == np.float64


def test_a_hundred_integers_are_classes_and_more_could_be_either():
    assert len(read(np.arange(100)).categories) == 100
    message = r"labels='type' holds 101 different integers.*supervision_metric='mae'.*convert the column to categorical"
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
    assert make_targets(labels.values, metric, 4).labeled.tolist() == [True, False, True, True]


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
def test_a_name_that_is_none_of_the_labels_is_rejected(column):
    with pytest.raises(KeyError, match="unlabeled_category='Unkown' is not among the labels"):
        read(column, unlabeled_category="Unkown")


def test_values_have_no_categories():
    with pytest.raises(ValueError, match=r"unlabeled_category='x', but labels='type' holds no categories.*NaN"):
        read([0.5, 1.5], unlabeled_category="x")
    with pytest.raises(ValueError, match="labels='m' holds no categories"):
        read_labels(cells(m=np.eye(3)), "m", None, "x")


def test_categories_of_the_same_name_are_rejected():
    with pytest.raises(ValueError, match=r"labels='type' holds categories with equal names: \['1', '1'\]"):
        read(pd.Series([1, "1"], dtype=object).astype("category"))


def test_a_key_that_is_nowhere_is_rejected():
    with pytest.raises(
        KeyError, match=r"labels='celltype' is in neither adata.obs nor adata.obsm. In .obs: \['type'\]"
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
    labeled = make_targets(labels.values, labels.metric, 4).labeled
    assert labeled.tolist() == ([True, False, False, True] if form == "masked" else [True] * 4)


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
    adata.obsm["type"] = np.array([[0.5], [1.5], [2.5]])
    assert read_labels(adata, "type", None, None).metric == "mae"


def test_a_sparse_matrix_of_labels_is_read():
    matrix = sparse.csr_matrix(np.array([[1.0, 0], [0, 1], [1, 1]]))
    assert_array_equal(read_labels(cells(m=matrix), "m", None, None).values, matrix.toarray())


def test_a_table_of_texts_is_rejected():
    with pytest.raises(ValueError, match=r"obsm\['m'\].*numbers"):
        read_labels(cells(m=pd.DataFrame({"a": ["x", "y"]})), "m", None, None)


# A column in place of its name


def test_a_column_of_the_cells_is_taken():
    adata = cells(["B", "A", None, "B"])
    for column in (adata.obs["type"], adata.obs["type"].astype("category")):
        labels = read_labels(adata, column, None, None)
        assert (labels.key, labels.categories) == ("type", ("A", "B"))
        assert_array_equal(labels.values, [1, 0, -1, 1])
    other = pd.Series([1.5, 2, 3, 4], index=adata.obs_names)
    assert (read_labels(adata, other, None, None).key, read_classes(adata, adata.obs["type"]).key) == ("labels", "type")


def test_a_column_of_other_cells_is_rejected():
    adata = cells(["B", "A", "B"])
    for column in (pd.Series(["B", "A", "B"]), adata.obs["type"][::-1], adata.obs["type"][:2]):
        with pytest.raises(ValueError, match=r"index of labels.*is not adata\.obs_names: name a column of adata\.obs"):
            read_labels(adata, column, None, None)


def test_predictions_of_a_column_have_the_colors_of_its_name_if_it_has_its_categories():
    adata = cells(["B", "A", "B"])
    adata.uns["type_colors"] = ["red", "blue"]
    assert predictions_of(read_labels(adata, adata.obs["type"], None, None), adata).colors == ("red", "blue")
    for column in (adata.obs["type"].str.lower(), adata.obs["type"].rename("mine")):
        assert predictions_of(read_labels(adata, column, None, None), adata).colors == ()


@pytest.mark.parametrize("metric", [None, "categorical_hinge"])
@pytest.mark.parametrize("column", [["a", "a", None], [True, True, True]], ids=str)
def test_labels_of_one_class_are_rejected_by_their_name(column, metric):
    with pytest.raises(ValueError, match=rf"All labels in 'type' are '{column[0]}': labels of at least two classes"):
        read_labels(cells(column), "type", metric, None)


@pytest.mark.parametrize(("column", "warned"), [(["a", "b", "c"], True), (["a", "a", "b", "b"], False)], ids=str)
def test_a_class_for_each_cell_is_warned_of(column, warned, said):
    choose_labels(cells(column), "type", None, None)
    assert ("labels='type' has 3 classes for 3 labeled cells" in said()) == warned
