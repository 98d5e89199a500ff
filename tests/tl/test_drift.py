"""`scivis.tl.drift` compared with SciPy, on random halves of the data and on changed cells."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ks_2samp

import scivis


@pytest.fixture(scope="module")
def halves(_pbmc):
    """A reference and a query, random halves of the same cells."""
    order = np.random.default_rng(0).permutation(_pbmc.n_obs)
    reference, query = _pbmc[order[:350]].copy(), _pbmc[order[350:]].copy()
    scivis.tl.ivis(reference, use_rep="X_pca", n_neighbors=15, epochs=8)
    return reference, query


def drift_of(query, reference, **how):
    scivis.tl.ingest(query, reference, **how)
    scivis.tl.drift(query, reference)
    return query.uns["ivis_drift"]


@pytest.mark.slow
def test_statistics_are_those_of_scipy_for_each_dimension(halves):
    reference, query = halves
    found = drift_of(query, reference)
    tests = [ks_2samp(query.obsm["X_ivis"][:, axis], reference.obsm["X_ivis"][:, axis]) for axis in range(2)]
    assert_allclose(found["statistic"], [test.statistic for test in tests])
    assert_allclose(found["pvalue"], [test.pvalue for test in tests])
    copy = scivis.tl.drift(query[:100].copy(), reference, copy=True)
    assert copy.uns["ivis_drift"]["statistic"].tolist() != found["statistic"].tolist()
    assert found["pvalue_any"] == pytest.approx(min(1, 2 * found["pvalue"].min()))


def test_random_halves_do_not_drift(halves):
    reference, query = halves
    assert drift_of(query, reference)["pvalue_any"] > 0.01


def test_blurred_cells_drift(halves):
    reference, query = halves
    blurred = query.copy()
    # Each cell is the mean of twenty random ones, so that all cells are similar.
    sampled = np.random.default_rng(0).integers(query.n_obs, size=(query.n_obs, 20))
    blurred.X = np.asarray(query.X)[sampled].mean(axis=1)
    # Genes of means vary less than those of cells, so that other units are suspected.
    assert drift_of(blurred, reference, prepare="none")["pvalue_any"] < 1e-10


def test_other_proportions_of_cell_types_drift(halves):
    reference, query = halves
    some = query[query.obs["bulk_labels"] != "Dendritic"].copy()
    assert drift_of(some, reference)["pvalue_any"] < 1e-3


def test_a_query_without_coordinates_or_cells_is_rejected(halves, adata):
    reference, query = halves
    with pytest.raises(KeyError, match=r"Did not find 'X_ivis' in adata_new.obsm. Run `scivis.tl.ingest"):
        scivis.tl.drift(adata, reference)
    scivis.tl.ingest(query, reference)
    with pytest.raises(ValueError, match=r"shape \(0, 2\); at least one cell with 2 finite coordinates is needed"):
        scivis.tl.drift(query[:0].copy(), reference)
