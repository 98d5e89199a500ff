"""Queries in every state are read in the units of the reference, compared with scanpy's preprocessing."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import dask.array as da
import numpy as np
import pytest
import scanpy as sc
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from scivis._adata.expression import gene_input, with_preparation
from scivis._adata.genes import align_genes
from scivis._adata.query import read_query
from scivis.data._conversion import UnitsError
from scivis.data._streaming import Rows

MAX_VALUE, TOTAL = 4.0, 1e3
REFERENCE, QUERY = slice(0, 200), slice(200, 300)


def log_normalize(adata, total=TOTAL, base=None):
    sc.pp.normalize_total(adata, target_sum=total)
    sc.pp.log1p(adata, base=base)
    return adata


def scale(adata, **options):
    adata.X = adata.X.toarray()
    sc.pp.scale(adata, **options)
    return adata


def make_reference(counted, kind):
    reference = counted[REFERENCE].copy()
    if kind == "counts":
        return reference
    log_normalize(reference)
    if kind == "log":
        return reference
    reference.raw = reference
    reference = reference[:, 20:].copy()
    return scale(reference, max_value=MAX_VALUE, zero_center=kind == "scaled")


def right(counted, reference, kind):
    """The query with scanpy's steps and the numbers of the reference."""
    query = counted[QUERY].copy()
    if kind == "counts":
        return query.X.toarray()
    x = log_normalize(query)[:, reference.var_names].X.toarray()
    if kind == "log":
        return x
    x = (x - (reference.var["mean"].to_numpy() if kind == "scaled" else 0)) / reference.var["std"].to_numpy()
    return np.clip(x, -MAX_VALUE, MAX_VALUE)


def read(query, reference, prepare="auto", **changes):
    source = with_preparation(reference, gene_input(reference.X, reference.var_names.to_numpy(object), ""))
    source = replace(source, **changes)
    align = align_genes(query.var_names, source.genes, source.means, min_share=0.1)
    return read_query(query, align, source, reference, prepare=prepare)


def scaled_by(query, reference):
    """The query with the reference's means and deviations, as a user would make it."""
    x = right(query, reference, "scaled")
    part = query[QUERY, reference.var_names]
    return ad.AnnData(x.astype(np.float32), obs=part.obs, var=part.var)


def without_scaling(adata):
    return ad.AnnData(adata.X, obs=adata.obs, var=adata.var[[]])


STATES = {
    "counts": lambda q: q,
    "normalized": lambda q: sc.pp.normalize_total(q, target_sum=50, copy=True),
    "log-normalized": log_normalize,
    "log-normalized, some genes": lambda q: log_normalize(q)[:, 10:].copy(),
    "log-normalized to the median": lambda q: log_normalize(q, None),
    "log-normalized to a million, base 2": lambda q: log_normalize(q, 1e6, 2),
    "logarithms of counts": lambda q: sc.pp.log1p(q, copy=True),
    "scaled by itself": lambda q: scale(log_normalize(q)),
}


@pytest.mark.parametrize("kind", ["log", "scaled", "scaled, not centered"])
@pytest.mark.parametrize("state", STATES)
def test_every_state_is_read_in_the_units_of_the_reference(counted, state, kind):
    reference = make_reference(counted, kind)
    query = STATES[state](counted[QUERY].copy())
    reader = read(query, reference)
    found = reference.var_names.isin(query.var_names)
    expected = right(counted, reference, kind)[:, found]
    assert_allclose(reader(query.X)[:, found], expected, atol=2e-4)
    assert_array_equal(np.ptp(reader(query.X)[:, ~found], axis=0), 0)


@pytest.mark.parametrize("n_cells", [1, 5, 100])
@pytest.mark.parametrize("state", ["counts", "log-normalized", "log-normalized, some genes", "logarithms of counts"])
def test_a_few_cells_are_enough(counted, state, n_cells):
    reference = make_reference(counted, "scaled")
    query = STATES[state](counted[QUERY].copy())[:n_cells].copy()
    found = reference.var_names.isin(query.var_names)
    expected = right(counted, reference, "scaled")[:n_cells, found]
    assert_allclose(read(query, reference)(query.X)[:, found], expected, atol=2e-4)


@pytest.mark.parametrize("n_cells", [1, 100])
@pytest.mark.parametrize("kind", ["scaled", "scaled, not centered"])
def test_what_is_scaled_as_the_reference_stays_as_it_is(counted, kind, n_cells):
    reference = make_reference(counted, kind)
    part = counted[QUERY, reference.var_names]
    query = ad.AnnData(right(counted, reference, kind).astype(np.float32), obs=part.obs, var=part.var)[:n_cells]
    reader = read(query, reference)
    assert reader.convert is None
    assert reader.description == "is scaled as the reference"
    assert_array_equal(reader(query.X), query.X)


def test_what_is_prepared_as_the_reference_stays_as_it_is(counted):
    for kind in ("log", "counts"):
        reference = make_reference(counted, kind)
        query = counted[QUERY].copy() if kind == "counts" else log_normalize(counted[QUERY].copy())
        reader = read(query, reference)
        assert reader.convert is None
        assert_array_equal(reader(query.X), query.X.toarray())
        assert "as the reference" in reader.description


def test_a_query_that_was_scaled_together_with_the_reference_stays_as_it_is(counted):
    together = scale(log_normalize(counted))
    reader = read(together[QUERY].copy(), together[REFERENCE].copy())
    assert reader.convert is None
    assert reader.description == "is scaled as the reference"


def test_the_description_names_the_steps(counted):
    query = counted[QUERY].copy()
    assert read(query, make_reference(counted, "scaled")).description == (
        "holds counts: normalized to 1,000 counts per cell, log-transformed, "
        "scaled with the means and deviations of the reference"
    )
    query = log_normalize(counted[QUERY].copy(), total=500)
    assert read(query, make_reference(counted, "log")).description == (
        "holds log-normalized counts (500 counts per cell): counts multiplied by 2"
    )


# --- containers


CONTAINERS = {
    "dense": lambda x: x.toarray(),
    "csc": sparse.csc_matrix,
    "csr_array": sparse.csr_array,
    "integers": lambda x: x.astype(np.int64),
    "dask": lambda x: da.from_array(x.toarray(), chunks=(30, 50)),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_are_read_alike(counted, container):
    reference, query = make_reference(counted, "scaled"), counted[QUERY].copy()
    query.X = CONTAINERS[container](query.X)
    reader = read(query, reference)
    rows = Rows(reader.matrix, "expression", reader)
    found = rows.map(lambda block: block, reference.n_vars)
    assert_allclose(found, right(counted, reference, "scaled"), atol=2e-4)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
def test_backed_data_are_read_in_blocks(counted, container, tmp_path):
    reference = make_reference(counted, "scaled")
    query = ad.AnnData(container(counted[QUERY].X.toarray()), var=counted.var)
    query.write_h5ad(tmp_path / "query.h5ad")
    backed = ad.read_h5ad(tmp_path / "query.h5ad", backed="r")
    rows = Rows(backed.X, "expression", read(backed, reference))
    assert_allclose(np.concatenate(list(rows.blocks(17))), right(counted, reference, "scaled"), atol=2e-4)
    backed.file.close()


# --- which genes add up to the total


def test_genes_that_the_reference_was_not_normalized_over_do_not_count(counted):
    few = counted[:, :150].copy()
    reader = read(counted[QUERY].copy(), make_reference(few, "log"))
    assert_allclose(reader(counted[QUERY].X), right(few, few, "log"), atol=1e-4)


def test_counts_of_some_genes_are_refused(counted):
    reference = make_reference(counted, "scaled")
    with pytest.raises(UnitsError, match=r"counts of 90 of the 200 genes .* to 1,000 counts per cell before genes"):
        read(counted[QUERY, 20:110].copy(), reference)


# --- refused


def test_what_was_scaled_by_itself_is_refused_if_its_means_are_lost(counted):
    query = without_scaling(scale(log_normalize(counted[QUERY].copy())))
    for kind in ("log", "scaled"):
        with pytest.raises(UnitsError, match=r"adata_new.var\['mean'\].*Pass its expression before scaling"):
            read(query, make_reference(counted, kind))


def test_a_reference_whose_scaling_is_lost_takes_what_was_scaled_alike(counted):
    reference = make_reference(counted, "scaled")
    lost = without_scaling(reference)
    assert read(scaled_by(counted, reference), lost).description == "is scaled as the reference"
    for query in (counted[QUERY].copy(), scale(log_normalize(counted[QUERY].copy()))):
        with pytest.raises(UnitsError, match="The reference holds negative values"):
            read(query, lost)


def test_normalized_counts_are_refused_by_a_reference_of_counts(counted):
    with pytest.raises(UnitsError, match=r"holds log-normalized counts .* but the reference counts. Pass the counts"):
        read(log_normalize(counted[QUERY].copy()), make_reference(counted, "counts"))


def test_counts_are_refused_if_the_total_is_not_known(counted):
    reference = make_reference(counted, "log")[:, 20:].copy()
    with pytest.raises(UnitsError, match=r"does not say to which total.*target_sum=.*sc.pp.log1p"):
        read(counted[QUERY].copy(), reference)


def test_scaled_counts_are_refused(counted):
    with pytest.raises(UnitsError, match=r"scaled counts\. Pass its counts before scaling"):
        read(scale(counted[QUERY].copy()), make_reference(counted, "scaled"))


def test_another_level_of_unknown_units_is_refused():
    """Intensities of mass cytometry, with and without the usual arcsinh."""
    values = np.random.default_rng(0).gamma(0.5, 200, size=(300, 20)).astype(np.float32)
    reference, query = ad.AnnData(np.arcsinh(values[REFERENCE] / 5)), ad.AnnData(values[QUERY])
    with pytest.raises(UnitsError, match=r"deviates \d+ times as much from its means"):
        read(query, reference)
    query.X = np.arcsinh(query.X / 5)
    assert read(query, reference).description == "holds values of unknown units: taken as it is"


def test_another_range_is_refused():
    """Pixels from 0 to 255, and from 0 to 1."""
    pixels = np.random.default_rng(0).integers(256, size=(300, 20)).astype(np.float32)
    reference, query = ad.AnnData(pixels[REFERENCE]), ad.AnnData(pixels[QUERY] * np.float32(0.999))
    assert "taken as it is" in read(query, reference).description
    with pytest.raises(UnitsError, match=r"varies 0.003\d+ times"):
        read(ad.AnnData(pixels[QUERY] / np.float32(255)), reference)


def test_another_total_of_some_genes_is_refused_by_its_level(counted):
    query = log_normalize(counted[QUERY].copy(), 1e6)[:, 20:].copy()
    with pytest.raises(UnitsError, match="another normalization"):
        read(query, make_reference(counted, "scaled"))


def test_standardized_markers_without_zeros_tell_by_their_means():
    """Markers of which cells have no common lowest value, scaled by means that no one has kept."""
    values = np.random.default_rng(0).gamma(2, 1, size=(300, 20)).astype(np.float32)
    values[QUERY] += 0.3
    mean, std = values[REFERENCE].mean(axis=0), values[REFERENCE].std(axis=0)
    reference, own = ad.AnnData((values[REFERENCE] - mean) / std), values[QUERY]
    assert read(ad.AnnData((own - mean) / std), reference).description == "is scaled as the reference"
    with pytest.raises(UnitsError, match="negative values"):
        read(ad.AnnData((own - own.mean(axis=0)) / own.std(axis=0)), reference)


# --- the choice of the user


def test_nothing_is_done_if_the_user_says_so(counted):
    query = counted[QUERY].copy()
    reader = read(query, make_reference(counted, "scaled"), "none")
    assert_array_equal(reader(query.X), query.X[:, 20:].toarray())


def test_counts_that_are_no_integers(counted):
    """Estimated counts, and those from which the soup was removed, have to be called counts."""
    reference, query = make_reference(counted, "scaled"), counted[QUERY].copy()
    noisy = counted[QUERY].copy()
    noisy.X.data *= np.random.default_rng(0).uniform(0.9, 1.1, noisy.X.nnz).astype(np.float32)
    found = read(noisy, reference, "counts")(noisy.X)
    assert np.corrcoef(found.ravel(), read(query, reference)(query.X).ravel())[0, 1] > 0.99


def test_logarithms_that_are_not_recognized(counted):
    reference, query = make_reference(counted, "scaled"), log_normalize(counted[QUERY].copy())
    noisy = query.copy()
    noisy.X.data *= np.random.default_rng(0).uniform(0.95, 1.05, noisy.X.nnz).astype(np.float32)
    reader = read(noisy, reference, "log1p")
    assert "log-normalized counts: scaled" in reader.description
    assert_allclose(reader(noisy.X), read(query, reference)(query.X), atol=1)


# --- layers


def test_a_layer_of_scaled_genes_is_made_from_x_if_the_query_lacks_it(counted):
    reference, query = make_reference(counted, "scaled"), counted[QUERY].copy()
    reference.layers["scaled"], reference.X = reference.X, reference.X * 0
    source = gene_input(reference.layers["scaled"], reference.var_names.to_numpy(object), "scaled")
    source = with_preparation(reference, source)
    align = align_genes(query.var_names, source.genes, source.means, min_share=0.1)
    reader = read_query(query, align, source, reference)
    assert_allclose(reader(reader.matrix), right(counted, make_reference(counted, "scaled"), "scaled"), atol=2e-4)
    for options in ({"prepare": "none"}, {"layer": "scaled"}):
        with pytest.raises(KeyError, match="'scaled'"):
            read_query(query, align, source, reference, **options)


# --- models of earlier versions


def test_the_record_is_made_again_from_the_reference(counted):
    reference, query = make_reference(counted, "scaled"), counted[QUERY].copy()
    assert_array_equal(read(query, reference, preparation=None)(query.X), read(query, reference)(query.X))


@pytest.mark.parametrize("change", ["other expression", "fewer genes", "no expression"])
def test_without_a_record_the_query_is_taken_as_it_is(counted, change):
    reference, query = make_reference(counted, "scaled"), counted[QUERY].copy()
    source = with_preparation(reference, gene_input(reference.X, reference.var_names.to_numpy(object), ""))
    source = replace(source, preparation=None)
    if change == "other expression":
        reference.X = reference.X + 1
    elif change == "fewer genes":
        reference = reference[:, 1:].copy()
    else:
        reference.X = None
    align = align_genes(query.var_names, source.genes, source.means, min_share=0.1)
    reader = read_query(query, align, source, reference)
    assert reader.convert is None
    assert "does not say how its reference was prepared" in reader.description


def test_no_cells_and_values_that_are_not_finite_are_left_to_the_reader(counted):
    reference, query = make_reference(counted, "scaled"), counted[QUERY].copy()
    assert read(query[:0], reference).convert is None
    query.X[0, 50] = np.nan
    assert read(query, reference).convert is None
