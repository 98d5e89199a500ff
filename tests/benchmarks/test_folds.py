"""Folds: nothing of the new cells is used, and both parts have the same units."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA


@pytest.fixture
def counts() -> anndata.AnnData:
    """120 cells of two batches and 80 genes."""
    rng = np.random.default_rng(0)
    x = np.log1p(rng.poisson(rng.gamma(2, 2, 80), (120, 80)) * rng.gamma(5, 0.2, (120, 1))).astype(np.float32)
    return anndata.AnnData(x, obs=pd.DataFrame({"batch": ["one"] * 70 + ["two"] * 50}, index=map(str, range(120))))


def test_a_quarter_is_new_within_and_a_batch_across(script, counts):
    folds = script("folds")
    many = pd.DataFrame(index=range(10_000))
    assert folds.Fold("any").held_out(many).mean() == pytest.approx(0.25, abs=0.02)
    reference, query = folds.split(folds.Fold("any", "batch", "two"), counts)
    assert_array_equal(reference.obs_names, counts.obs_names[:70])
    assert_array_equal(query.obs_names, counts.obs_names[70:])


def test_reference_and_new_cells_are_disjoint_and_sampled(script, counts):
    folds = script("folds")
    reference, query = folds.split(folds.Fold("any", max_reference=40), counts, cells=100)
    assert reference.n_obs == 40
    assert not set(reference.obs_names) & set(query.obs_names)
    assert 10 <= query.n_obs <= 40


def test_scaling_and_components_are_those_of_the_reference(script, counts):
    folds = script("folds")
    parts = folds.split(folds.Fold("any", "batch", "two"), counts)
    reference, query = folds.represent("pbmc3k", *parts)
    x, new = counts.X[:70], counts.X[70:]
    mean, deviation = x.mean(axis=0), x.std(axis=0, ddof=1)
    expected = np.clip((x - mean) / deviation, None, 10)
    assert_allclose(reference.X, expected, atol=1e-4)
    assert_allclose(query.X, np.clip((new - mean) / deviation, -10, 10), atol=1e-4)
    model = PCA(50, svd_solver="full").fit(expected.astype(np.float64))
    for part in (reference, query):
        components = model.transform(part.X.astype(np.float64))
        assert_allclose(np.abs(folds.representation(part)), np.abs(components), atol=1e-3)


def test_new_cells_do_not_change_the_reference(script, counts):
    folds = script("folds")
    fold = folds.Fold("any", "batch", "two")
    other = counts.copy()
    other.X[70:] = 7
    references = [folds.represent("pbmc3k", *folds.split(fold, adata))[0] for adata in (counts, other)]
    assert_array_equal(*(folds.representation(reference) for reference in references))


def test_few_features_stay_as_they_are(script, counts):
    folds = script("folds")
    parts = folds.split(folds.Fold("any", "batch", "two"), counts[:, :30].copy())
    reference, query = folds.represent("huimm_cytof", *parts)
    assert_array_equal(folds.representation(reference), counts.X[:70, :30])
    assert_array_equal(folds.representation(query), counts.X[70:, :30])


def test_every_fold_has_methods_and_a_known_preparation(script):
    folds, datasets = script("folds"), {fold.dataset for fold in script("folds").FOLDS.values()}
    assert set(folds.COUNTS) | set(folds.GENES) | set(folds.LARGEST) < datasets | {"rest"}
    assert sum(fold.column is None for fold in folds.FOLDS.values()) == 5
