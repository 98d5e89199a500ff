"""Scaling of genes, compared with `sc.pp.scale`."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scanpy as sc

from scivis.data._scaling import Scaling, applied_scaling
from scivis.data._units import Units


def logs(n_cells=80, n_genes=30):
    rng = np.random.default_rng(0)
    return ad.AnnData(np.log1p(rng.poisson(rng.gamma(0.5, 2, size=n_genes) + 0.1, size=(n_cells, n_genes))))


def scaled(*, zero_center=True, max_value=None):
    adata = logs()
    adata.X = adata.X.astype(np.float32)
    sc.pp.scale(adata, zero_center=zero_center, max_value=max_value)
    return adata


def applied(adata, rows=None):
    return applied_scaling(adata.X if rows is None else rows, adata.var["mean"], adata.var["std"])


@pytest.mark.parametrize("max_value", [None, 1.5, 2])
@pytest.mark.parametrize("zero_center", [True, False])
def test_scaling_is_that_of_scanpy(zero_center, max_value):
    adata = scaled(zero_center=zero_center, max_value=max_value)
    found = applied(adata)
    assert found.max_value == pytest.approx(max_value or 0)
    np.testing.assert_allclose(found.apply(logs().X.astype(np.float32)), adata.X, atol=1e-5)


@pytest.mark.parametrize("zero_center", [True, False])
def test_scaling_is_undone_and_zeros_are_exact(zero_center):
    adata, x = scaled(zero_center=zero_center), logs().X
    unscaled = applied(adata).undo(adata.X)
    np.testing.assert_allclose(unscaled, x, atol=1e-5)
    np.testing.assert_array_equal(unscaled == 0, x == 0)


def test_means_that_other_data_left_are_not_a_scaling():
    """`sc.pp.scale(layer=...)` leaves means of a layer, and `.X` may be replaced after scaling."""
    adata = scaled()
    assert applied(adata, logs().X.astype(np.float32)) is None


def test_a_few_cells_show_scaling_by_negative_values():
    adata = scaled()
    assert applied(adata, adata.X[:3]) is not None
    assert applied(adata, logs().X[:3].astype(np.float32)) is None
    assert applied(adata, adata.X[:0]) is None


@pytest.mark.parametrize("std", [0, np.nan, -1])
def test_impossible_deviations_are_not_a_scaling(std):
    adata = scaled()
    adata.var["std"] = std
    assert applied(adata) is None


def test_units_before_scaling_do_not_depend_on_clipped_values():
    adata = scaled(max_value=1.0)
    assert applied(adata).units_before(adata.X) == Units("counts", float(np.e))


def test_genes_are_selected():
    scaling = Scaling(np.arange(4.0), np.arange(1.0, 5), 10.0).of_genes(np.array([2, 0]))
    assert (scaling.mean.tolist(), scaling.std.tolist(), scaling.max_value) == ([2, 0], [3, 1], 10)


def test_the_total_before_scaling_is_that_of_the_cells_without_clipped_values():
    counts = np.random.default_rng(0).poisson(np.r_[np.full(30, 2.0), np.full(200, 0.005)], size=(200, 230))
    adata = ad.AnnData(counts.astype(np.float32))
    sc.pp.normalize_total(adata, target_sum=150)
    sc.pp.log1p(adata)
    sc.pp.filter_genes(adata, min_cells=1)
    sc.pp.scale(adata, max_value=5)
    is_clipped = (adata.X == 5).any(axis=1)
    assert 0.3 < is_clipped.mean() < 0.9  # so that nine in ten cells do not have the same total
    units = applied(adata).units_before(adata.X)
    assert (units.kind, units.log_base) == ("normalized", float(np.e))
    assert units.total == pytest.approx(150, rel=1e-4)
