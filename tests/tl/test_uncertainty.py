"""`scivis.tl.uncertainty`: from counts, from logarithms of them, from neighbors, for new cells, and bad calls."""

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from numpy.testing import assert_allclose, assert_array_equal

import scivis
from scivis._adata import noise_of_counts

pytestmark = pytest.mark.usefixtures("op_by_op")

TINY = {"network": [8], "epochs": 2, "batch_size": 100, "n_neighbors": 5}


@pytest.fixture(scope="module")
def mapped(_counted, eagerly):
    """300 cells of three types with their counts, and a model of their PCA."""
    adata = _counted.copy()
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.pca(adata, n_comps=5)
    with eagerly():
        scivis.tl.ivis(adata, **TINY)
    return adata


def found(adata, key="ivis"):
    return {name: np.asarray(adata.obsm[f"{key}_{name}"]) for name in ("expected", "covariance", "ellipse", "stretch")}


def test_results_are_written_and_a_seed_repeats_them(mapped):
    adata = mapped.copy()
    scivis.tl.uncertainty(adata, groupby="type", n_replicates=10)
    again = scivis.tl.uncertainty(mapped, groupby="type", n_replicates=10, copy=True)
    assert "ivis_uncertainty" not in mapped.obs
    for name, values in found(adata).items():
        assert_array_equal(values, found(again)[name])
    assert adata.obsm["ivis_covariance"].shape == (300, 4)
    assert adata.obs["ivis_leaving"].between(0, 1).all()
    entry = adata.uns["ivis_uncertainty"]
    assert entry["noise"] == "counts"
    assert entry["params"] == {
        "key": "ivis", "target": "expected", "level": 0.9, "n_replicates": 10, "random_state": 0, "groupby": "type",
    }  # fmt: skip
    # The distance from the place on the map has two parts.
    offset = ((adata.obsm["ivis_expected"] - adata.obsm["X_ivis"]) ** 2).sum(axis=1)
    variance = adata.obsm["ivis_covariance"][:, [0, 3]].sum(axis=1)
    assert_allclose(adata.obs["ivis_uncertainty"] ** 2, offset + variance, rtol=0.02)


@pytest.mark.slow
def test_blocks_and_files_make_no_difference(mapped, tmp_path, monkeypatch):
    whole = scivis.tl.uncertainty(mapped, n_replicates=10, copy=True)
    mapped.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    del backed.layers["counts"]
    scivis.tl.uncertainty(backed, n_replicates=10)  # the logarithms are turned back into counts
    monkeypatch.setattr(noise_of_counts, "_BLOCK", 70)
    small = scivis.tl.uncertainty(mapped, n_replicates=10, copy=True)
    for name, values in found(whole).items():
        if name != "ellipse":  # of round ellipses, the angle is not determined
            # Sums over all cells are added in another order. Coordinates have a standard deviation of 5, covariances of 0.05.
            assert_allclose(found(small)[name], values, rtol=1e-3, atol=1e-2 if name == "expected" else 3e-4)
            assert_allclose(found(backed)[name], values, rtol=1e-3, atol=1e-4)
    backed.file.close()


@pytest.mark.slow
def test_the_noise_of_counts_is_that_of_poisson_counts(mapped):
    # Places of 20 further measurements, with the true depth and the profile of each type.
    adata = mapped.copy()
    rng, counts = np.random.default_rng(0), adata.layers["counts"].toarray()
    profiles = np.stack([counts[adata.obs["type"] == kind].sum(axis=0) for kind in "012"]).astype(float)
    rates = (profiles / profiles.sum(axis=1, keepdims=True))[adata.obs["type"].astype(int)]
    model, again = scivis.get.model(adata), []
    loadings, means = adata.varm["PCs"], adata.X.toarray().mean(axis=0)
    for _ in range(20):
        new = rng.poisson(rates * counts.sum(axis=1, keepdims=True))
        expression = np.log1p(new / new.sum(axis=1, keepdims=True) * 1e4)
        again.append(model.transform(((expression - means) @ loadings).astype(np.float32)))
    scivis.tl.uncertainty(adata)
    expected = np.var(again, axis=0, ddof=1).sum(axis=1)
    measured = adata.obsm["ivis_covariance"][:, [0, 3]].sum(axis=1)
    assert np.median(measured / expected) == pytest.approx(1, abs=0.15)


@pytest.mark.slow
def test_a_repeated_measurement_has_twice_the_variance_and_the_level_sets_the_axes(mapped):
    once = scivis.tl.uncertainty(mapped, n_replicates=10, copy=True)
    twice = scivis.tl.uncertainty(mapped, n_replicates=10, target="repeated", copy=True)
    half = scivis.tl.uncertainty(mapped, n_replicates=10, level=0.5, copy=True)
    ratio = twice.obsm["ivis_covariance"][:, 0] / once.obsm["ivis_covariance"][:, 0]
    assert np.median(ratio) == pytest.approx(2, rel=0.2)
    assert (half.obsm["ivis_ellipse"][:, 0] < once.obsm["ivis_ellipse"][:, 0]).all()


def test_new_cells_have_the_model_of_their_reference(mapped, counted):
    new = counted[:50].copy()
    scivis.tl.ingest(new, mapped)
    scivis.tl.uncertainty(new, reference=mapped, n_replicates=10)
    assert new.obsm["ivis_ellipse"].shape == (50, 3)
    # Components do not fit the noise of new cells: they are expected about where they are.
    offset = np.linalg.norm(new.obsm["ivis_expected"] - new.obsm["X_ivis"], axis=1)
    assert np.median(offset / new.obs["ivis_uncertainty"]) < 0.5


@pytest.mark.slow
def test_without_counts_differences_of_neighbors_are_mapped_by_the_derivatives(adata):
    scivis.tl.ivis(adata, **TINY)
    scivis.tl.uncertainty(adata, noise="neighbors", groupby="bulk_labels")
    assert_array_equal(adata.uns["ivis_uncertainty"]["noise"], "neighbors")
    model, rows = scivis.get.model(adata), adata.obsm["X_pca"]
    distances = np.linalg.norm(rows - rows[3], axis=1)
    nearest = np.argsort(distances)[1:16]
    step = 1e-2 * (rows[nearest] - rows[3])
    moved = (model.transform(rows[3] + step) - model.transform(rows[3] - step)) / 2e-2
    expected = moved.T @ moved / 30
    assert_allclose(adata.obsm["ivis_covariance"][3].reshape(2, 2), expected, atol=0.4 * np.trace(expected))


def test_bad_calls_say_what_to_do(mapped):
    other = mapped.copy()
    other.layers["counts"] = other.layers["counts"][::-1].copy()
    calls = [
        ({"noise": "none"}, ValueError, "noise='none'"),
        ({"level": 1.0}, ValueError, "level=1.0"),
        ({"n_replicates": 3}, ValueError, "at least 10"),
        ({"groupby": "nothing"}, KeyError, "groupby='nothing'"),
        ({"key": "tsne"}, KeyError, "holds no model"),
        ({}, ValueError, "do not lead to the representation"),
    ]
    for arguments, error, message in calls:
        with pytest.raises(error, match=message):
            scivis.tl.uncertainty(other, **arguments)
    assert "ivis_uncertainty" not in other.obs
