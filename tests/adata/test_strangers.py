"""Unknown labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scivis._adata.keys import Keys
from scivis._adata.results import Results
from scivis._adata.strangers import unknown_labels

KEYS = Keys.of("ivis", None)
P = np.array([0.001, 0.01, 0.011, 0.9])


def predicted(categories, colors=None):
    labels = pd.Categorical.from_codes([0, 1, 0, 1], categories)
    return Results(obs={KEYS.label: labels, KEYS.pvalue: P}, uns={"ivis_label_colors": colors})


def test_cells_with_small_p_values_are_unknown_in_gray():
    found = unknown_labels(KEYS, predicted(["B", "T"], ["#000000", "#ffffff"]), 0.01)
    assert list(found.obs["ivis_label"]) == ["unknown", "unknown", "B", "T"]
    assert list(found.obs["ivis_label"].categories) == ["B", "T", "unknown"]
    assert found.uns["ivis_label_colors"] == ["#000000", "#ffffff", "#7f7f7f"]


def test_a_class_of_this_name_is_used():
    found = unknown_labels(KEYS, predicted(["unknown", "T"], ["#000000", "#ffffff"]), 0.001)
    assert list(found.obs["ivis_label"].categories) == ["unknown", "T"]
    assert list(found.obs["ivis_label"]) == ["unknown", "T", "unknown", "T"]
    assert found.uns["ivis_label_colors"] == ["#000000", "#ffffff"]


def test_without_colors_none_are_written():
    assert unknown_labels(KEYS, predicted(["B", "T"]), 0.01).uns == {"ivis_label_colors": None}


@pytest.mark.parametrize(
    ("obs", "lacking"),
    [
        pytest.param({"ivis_pvalue": P}, "predicted classes", id="no labels"),
        pytest.param({"ivis_pvalue": P, "ivis_label": P}, "predicted classes", id="values"),
        pytest.param({"ivis_label": pd.Categorical(list("BTBT")), "ivis_pvalue": None}, "p-values", id="no p-values"),
    ],
)
def test_without_classes_or_p_values_nothing_can_be_unknown(obs, lacking):
    with pytest.raises(ValueError, match=f"unknown=0.01 .* there are no {lacking} here"):
        unknown_labels(KEYS, Results(obs=obs), 0.01)
