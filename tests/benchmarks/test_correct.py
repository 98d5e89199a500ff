"""Cases and tables of the correction of batches."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def correct(script, monkeypatch):
    module = script("correct")
    obs = pd.DataFrame(
        {"batch": np.repeat(["a", "b"], 40), "label": np.tile(["T", "B"], 40)}, index=[f"c{i}" for i in range(80)]
    )
    monkeypatch.setattr(module, "read", lambda *_: ad.AnnData(obs=obs))
    return module


def test_a_batch_is_the_query(correct):
    reference, query = correct.split(correct.Case("", "made", "b"), None, None)
    assert (set(reference.obs["batch"]), set(query.obs["batch"])) == ({"a"}, {"b"})
    assert [part.n_obs for part in correct.split(correct.Case("", "made", "b"), None, 10)] == [10, 10]


def test_a_query_of_the_same_experiment_may_have_some_types_only(correct):
    reference, query = correct.split(correct.Case("", "made", None, ("T",)), None, None)
    assert set(query.obs["label"]) == {"T"}
    assert set(reference.obs["label"]) == {"T", "B"}
    assert not set(query.obs_names) & set(reference.obs_names)


def test_a_table_has_means_and_deviations_over_seeds(correct):
    row = {"what": "a → b", "n_reference": 1000, "n_query": 20, "accuracies": {"10-NN": [0.5], "scivis": [0.5, 0.7]}}
    assert correct.table([row]).splitlines()[2] == "| a → b | 1,000 → 20 | 0.500 | 0.600 ± 0.141 |"
