"""The record of how a reference was prepared."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from scivis._adata import preparation as module
from scivis._adata.preparation import pack_preparation, preparation_of, sample_cells, unpack_preparation
from scivis._store.schema import UnusableModelError
from scivis.data._units import Units

E = float(np.e)


def log_normalize(adata, total=1e3, base=None):
    sc.pp.normalize_total(adata, target_sum=total)
    sc.pp.log1p(adata, base=base)


def scaled(adata, **options):
    """Some of the genes, scaled as in scanpy's tutorials; the others are in `.raw`."""
    log_normalize(adata)
    adata.raw = adata
    adata = adata[:, ::2].copy()
    adata.X = adata.X.toarray()
    sc.pp.scale(adata, **options)
    return adata


def record(adata, genes=None):
    return preparation_of(adata, adata.X, adata.var_names[::3] if genes is None else genes)


def dense(x):
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


def test_log_normalized_expression(counted):
    log_normalize(counted, base=2)
    made = record(counted)
    assert (made.units.kind, made.units.log_base, made.n_genes, made.scaling) == ("normalized", 2, 200, None)
    assert made.units.total == pytest.approx(1e3)
    x = dense(counted.X)[:, ::3]
    assert_allclose(made.deviations, x.std(axis=0), rtol=1e-4)
    assert_array_equal(made.lowest, x.min(axis=0))
    assert made.lowest_share == pytest.approx((x == x.min(axis=0)).mean())


@pytest.mark.parametrize("max_value", [None, 2])
def test_scaled_expression(counted, max_value):
    """Totals come from `.raw`, which has all genes, and the scaling from `.var`."""
    adata = scaled(counted, max_value=max_value)
    made = record(adata)
    assert (made.units.kind, made.units.log_base, made.n_genes) == ("normalized", E, 200)
    assert made.units.total == pytest.approx(1e3)
    assert made.scaling.max_value == (max_value or 0)
    assert_allclose(made.scaling.mean, adata.var["mean"][::3], rtol=1e-6)
    assert_allclose(made.scaling.std, adata.var["std"][::3], rtol=1e-6)
    assert_allclose(made.lowest, adata.X[:, ::3].min(axis=0))


def test_scaling_without_centering(counted):
    made = record(scaled(counted, zero_center=False))
    assert made.units.kind == "normalized"
    assert not made.scaling.mean.any()


def test_means_of_a_scaled_layer_are_not_those_of_x(counted):
    log_normalize(counted)
    counted.layers["scaled"] = counted.X.toarray()
    sc.pp.scale(counted, layer="scaled")
    assert record(counted).scaling is None
    assert preparation_of(counted, counted.layers["scaled"], counted.var_names).scaling is not None


def test_without_other_genes_the_total_is_not_known(counted):
    log_normalize(counted)
    made = record(counted[:, ::2].copy())
    assert made.units == Units("normalized", E)
    assert made.n_genes == 0


def test_the_log_entry_of_scanpy_is_read_where_values_do_not_tell(counted):
    log_normalize(counted, base=2)
    counted.X = dense(counted.X) * np.random.default_rng(0).uniform(0.9, 1.1, size=counted.shape)
    assert record(counted).units == Units("normalized", 2.0)
    del counted.uns["log1p"]
    assert record(counted).units == Units("unknown")


def test_a_base_that_a_file_has_lost_is_e(counted):
    counted.X = np.random.default_rng(0).gamma(2, size=counted.shape)
    counted.uns["log1p"] = {}
    assert record(counted).units == Units("normalized", E)


def test_values_that_are_not_finite_do_not_disturb(counted):
    counted.X = counted.X.toarray()
    counted.X[0, 0] = np.inf
    assert record(counted).units == Units("unknown")


@pytest.mark.parametrize(("n", "taken"), [(30, 30), (300, 8)])
def test_a_part_of_large_data_is_read(counted, monkeypatch, n, taken):
    monkeypatch.setattr(module, "_VALUES", 2 * 4 * 200 if taken < n else 2**23)
    monkeypatch.setattr(module, "_RUNS", 2)
    rows = sample_cells(counted.X[:n])
    assert rows.shape == (taken, 200)
    assert_array_equal(rows[:4], dense(counted.X)[:4])
    assert_array_equal(rows[-4:], dense(counted.X)[n - 4 : n])


@pytest.mark.parametrize("is_scaled", [True, False])
def test_packing_round_trip(counted, is_scaled):
    adata = scaled(counted, max_value=2) if is_scaled else counted
    made = record(adata)
    again = unpack_preparation(pack_preparation(made), len(made.lowest))
    assert again.units == made.units
    assert (again.n_genes, again.lowest_share) == (made.n_genes, made.lowest_share)
    assert_array_equal(again.deviations, made.deviations)
    assert_array_equal(again.lowest, made.lowest)
    assert (again.scaling is None) == (not is_scaled)
    if is_scaled:
        assert again.scaling.max_value == 2
        assert_array_equal(again.scaling.mean, made.scaling.mean)
        assert_array_equal(again.scaling.std, made.scaling.std)


def test_no_record():
    assert pack_preparation(None) == {}
    assert unpack_preparation({}, 3) is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("kind", "magic", "the kind of its preparation is 'magic'"),
        ("total", -1.0, "the total of its preparation is '-1.0'"),
        ("total", "many", "the total of its preparation is 'many'"),
        ("log_base", 1.0, "a base or standard deviations that are too small"),
        ("n_genes", 2.5, "the n_genes of its preparation is '2.5'"),
        ("scale_std", np.zeros(34), "a base or standard deviations that are too small"),
        ("scale_std", np.empty(0), "of other lengths"),
        ("deviations", np.ones(3), "of other lengths"),
        ("lowest", np.full(34, np.nan), "lowest is not an array of finite floating-point numbers"),
    ],
)
def test_altered_records_are_rejected(counted, key, value, message):
    stored = pack_preparation(record(scaled(counted)))
    with pytest.raises(UnusableModelError, match=message):
        unpack_preparation(stored | {key: value}, 34)


def test_incomplete_records_are_rejected(counted):
    stored = pack_preparation(record(counted))
    del stored["lowest"]
    with pytest.raises(UnusableModelError, match=r"its preparation lacks \['lowest'\]"):
        unpack_preparation(stored, 67)
    with pytest.raises(UnusableModelError, match="its preparation is a list"):
        unpack_preparation([1], 67)
