"""Conversions between units, compared with scanpy's preprocessing of the counts."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scanpy as sc

from scivis.data._conversion import Conversion, convert_units
from scivis.data._scaling import Scaling
from scivis.data._units import Units, cell_totals, find_units

E = float(np.e)


def prepared(total=None, base=None, *, log=True):
    rng = np.random.default_rng(0)
    adata = ad.AnnData(rng.poisson(rng.gamma(0.5, 2, size=60) + 0.05, size=(40, 60)).astype(np.float32))
    if total:
        sc.pp.normalize_total(adata, target_sum=total)
    return sc.pp.log1p(adata.X, base=base) if log else adata.X


MADE = {
    "counts": prepared(log=False),
    "normalized": prepared(1e3, log=False),
    "logarithms": prepared(1e3),
    "other total": prepared(50),
    "other base": prepared(1e3, base=2),
}


@pytest.mark.parametrize("reference", [name for name in MADE if name != "counts"])
@pytest.mark.parametrize("query", MADE)
def test_every_conversion_is_that_of_scanpy(query, reference):
    x, units = MADE[query], find_units(MADE[query])
    convert = convert_units(units, find_units(MADE[reference]))
    np.testing.assert_allclose(convert(x, cell_totals(x, units.log_base)), MADE[reference], rtol=2e-4, atol=1e-5)
    assert (str(convert) == "") == (query == reference)


@pytest.mark.parametrize("base", [0.0, 2.0])
def test_counts_and_their_logarithms(base):
    convert = convert_units(Units("counts", 2.0), Units("counts", base))
    x = prepared(base=2)
    np.testing.assert_allclose(convert(x, x.sum(axis=1)), x if base else prepared(log=False), atol=1e-4)


@pytest.mark.parametrize("other", [Units("counts"), Units("normalized", E, 1e4)], ids=str)
def test_unknown_units_are_left_as_they_are(other):
    assert str(convert_units(Units(), other)) == str(convert_units(other, Units())) == ""


def test_totals_within_a_percent_are_equal():
    assert convert_units(Units("normalized", E, 10_050), Units("normalized", E, 10_000)).factor == 1
    assert convert_units(Units("normalized", E, 20_000), Units("normalized", E, 10_000)).factor == 0.5
    assert convert_units(Units("normalized", E), Units("normalized", E, 10_000)).factor == 1


def test_cells_without_counts_stay_zero():
    x = np.zeros((2, 3), np.float32)
    np.testing.assert_array_equal(Conversion(total=1e4, logarithmized=E)(x, x.sum(axis=1)), x)


def test_the_order_of_steps():
    undone, scaling = Scaling(np.ones(2), np.full(2, 2.0)), Scaling(np.zeros(2), np.full(2, 0.5), 3.0)
    convert = Conversion(undone, exponentiated=E, factor=2.0, logarithmized=2.0, scaling=scaling)
    x = np.array([[0.1, 0.2]], np.float32)
    expected = np.minimum(np.log2(1 + 2 * np.expm1(x * 2 + 1)) / 0.5, 3)
    np.testing.assert_allclose(convert(x, np.ones(1)), expected, rtol=1e-5)
    assert str(convert) == (
        "unscaled with their own means and deviations, counts multiplied by 2, converted to logarithms of base 2, "
        "scaled with the means and deviations of the reference"
    )


def test_values_that_are_not_finite_pass_without_a_warning():
    """The validation of rows reports them."""
    x = np.array([[np.nan, np.inf, 100.0]], np.float32)
    converted = Conversion(exponentiated=10.0, total=1e4, logarithmized=E)(x, np.array([np.inf]))
    assert np.isnan(converted[0, 0])
