"""Units of expression: made by scanpy from counts, and recognized again."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from scivis.data._units import Units, cell_totals, exponential, find_units, logarithm

E = float(np.e)


def counts(n_cells=60, n_genes=80, seed=0):
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0.5, 3, size=(n_cells, 1))
    return rng.poisson(depth * rng.gamma(0.5, 2, size=n_genes)).astype(np.float32)


def normalized(x, total=1e4):
    adata = ad.AnnData(x.copy())
    sc.pp.normalize_total(adata, target_sum=total)
    return adata.X


def logs(x, base=None):
    return sc.pp.log1p(x.copy(), base=base)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.csc_array, np.int32])
def test_integers_are_counts(container):
    assert find_units(container(counts())) == Units("counts")


@pytest.mark.parametrize("base", [None, 2, 10])
def test_logarithms_of_counts(base):
    assert find_units(logs(counts(), base)) == Units("counts", float(base or E))


@pytest.mark.parametrize("base", [None, 2, 10])
@pytest.mark.parametrize("total", [300, 1e4, 1e6])
def test_log_normalized_counts_tell_base_and_total(base, total):
    units = find_units(logs(normalized(counts(), total), base))
    assert (units.kind, units.log_base) == ("normalized", float(base or E))
    assert units.total == pytest.approx(total, rel=1e-4)


def test_normalized_counts_tell_the_total():
    units = find_units(normalized(counts(), 1e4))
    assert (units.kind, units.log_base) == ("normalized", 0)
    assert units.total == pytest.approx(1e4, rel=1e-4)


@pytest.mark.parametrize("base", [None, 2, 10])
@pytest.mark.parametrize("n_cells", [1, 60])
def test_without_some_genes_the_base_is_known_and_the_total_is_not(base, n_cells):
    x = logs(normalized(counts(n_genes=300)), base)[:n_cells, :150]
    assert find_units(x) == Units("normalized", float(base or E))


@pytest.mark.parametrize("base", [np.e, 2, 10])
def test_single_cells_are_never_counts_in_another_base(base):
    # Shallow cells have few different values, of which one or two can be integers in another base by chance.
    rng, found = np.random.default_rng(0), set()
    for _ in range(2000):
        counts = rng.poisson(0.15, size=(1, 200)) * (rng.random((1, 200)) < 0.8)
        counts[0, 0] = 1
        found.add(str(find_units(np.log1p(rng.uniform(50, 2000) * counts / counts.sum()) / np.log(base))))
    assert not [name for name in found if name.endswith("counts") and "normalized" not in name]


def test_half_precision_is_enough():
    units = find_units(logs(normalized(counts())).astype(np.float16).astype(np.float32))
    assert (units.kind, units.log_base) == ("normalized", E)
    assert units.total == pytest.approx(1e4, rel=1e-2)


def test_scaled_genes_are_signed():
    assert find_units(sc.pp.scale(logs(normalized(counts())))) == Units("signed")


def test_some_noise_below_zero_is_no_scaling():
    rng = np.random.default_rng(0)
    assert find_units(rng.gamma(2, size=(50, 20)) - 0.05) == Units("unknown")


@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).gamma(2, size=(50, 20)),
        np.arcsinh(np.random.default_rng(0).gamma(2, 20, size=(50, 20)) / 5),
        np.full((3, 4), np.nan),
        np.zeros((5, 4)),
        np.empty((0, 4)),
    ],
    ids=["continuous", "arcsinh", "NaN", "zeros", "no cells"],
)
def test_other_values_are_unknown(x):
    assert find_units(x) == Units("unknown")


@given(total=st.floats(50, 1e6), base=st.sampled_from([0.0, 2.0, E, 10.0]), seed=st.integers(0, 100))
def test_units_are_those_that_were_made(total, base, seed):
    x = counts(seed=seed).astype(np.float64)
    made = logarithm(x * total / x.sum(axis=1, keepdims=True), base)
    units = find_units(made)
    assert (units.kind, units.log_base) == ("normalized", base)
    assert units.total == pytest.approx(total, rel=1e-6)
    np.testing.assert_allclose(exponential(made, base).sum(axis=1), total)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("base", [0.0, 2.0])
def test_totals_of_cells(container, base):
    x = counts().astype(np.float64)
    np.testing.assert_allclose(cell_totals(container(logarithm(x, base)), base), x.sum(axis=1))


@pytest.mark.parametrize(
    ("units", "name"),
    [
        (Units("counts"), "counts"),
        (Units("counts", 2.0), "logarithms of base 2 of counts"),
        (Units("normalized", 0, 1e4), "normalized counts (10,000 counts per cell)"),
        (Units("normalized", E), "log-normalized counts"),
        (Units("normalized", 10.0, 500), "log-normalized counts (500 counts per cell, logarithms of base 10)"),
        (Units("signed"), "negative values"),
        (Units(), "values of unknown units"),
    ],
    ids=str,
)
def test_names(units, name):
    assert str(units) == name
