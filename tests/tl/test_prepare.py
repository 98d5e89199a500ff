"""`scivis.tl.ingest(prepare=...)`: cells fall in the right place however they come, or are refused, with all methods."""

from __future__ import annotations

import io

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

import scivis
from scivis.data._conversion import UnitsError

pytestmark = pytest.mark.usefixtures("op_by_op")

N_REFERENCE = 200
SETTINGS = {
    "ivis": {"network": [8], "epochs": 1, "batch_size": 50, "n_neighbors": 5},
    "tsne": {"n_iter": 5, "early_exaggeration_iter": 20, "n_jobs": 1},
    "n2d": {"n_clusters": 3, "architecture": [8], "epochs": 1, "manifold": PCA(2), "clusterer": "kmeans"},
}
# Iterations would only take time.
OPTIONS = {"ivis": {}, "tsne": {"n_iter": 0}, "n2d": {}}


def log_normalize(adata, total=1e3):
    sc.pp.normalize_total(adata, target_sum=total)
    sc.pp.log1p(adata)
    return adata


def scale(adata):
    adata.X = adata.X.toarray()
    sc.pp.scale(adata, max_value=10)
    return adata


@pytest.fixture(scope="module")
def references(_counted, eagerly):
    """Models of each method on a PCA of scaled genes."""
    reference = scale(log_normalize(_counted[:N_REFERENCE].copy()))
    sc.pp.pca(reference, n_comps=10)
    with eagerly():
        for method, settings in SETTINGS.items():
            getattr(scivis.tl, method)(reference, **settings)
    return reference


@pytest.fixture
def query(counted):
    return counted[N_REFERENCE:].copy()


def place(query, reference, method="ivis", **options):
    options = {"manifold": PCA(2).fit(reference.obsm["X_n2d_latent"])} | options if method == "n2d" else options
    scivis.tl.ingest(query, reference, key=method, **OPTIONS[method] | options)
    return query.obsm[f"X_{method}"]


def right(query, reference, method="ivis"):
    """Coordinates of the query with scanpy's steps and the numbers of the reference."""
    cells = log_normalize(query.copy())
    cells.X = (cells.X.toarray() - reference.var["mean"].to_numpy()) / reference.var["std"].to_numpy()
    cells.X = np.clip(cells.X, -10, 10)
    return place(cells, reference, method, prepare="none")


def accuracy(coordinates, query, reference, method):
    neighbors = KNeighborsClassifier(10).fit(reference.obsm[f"X_{method}"], reference.obs["type"])
    return neighbors.score(coordinates, query.obs["type"])


STATES = {
    "counts": lambda q: q,
    "log-normalized": log_normalize,
    "log-normalized to the median": lambda q: log_normalize(q, None),
    "scaled by itself": lambda q: scale(log_normalize(q)),
}


@pytest.mark.parametrize("method", SETTINGS)
@pytest.mark.parametrize("state", STATES)
def test_cells_fall_where_rightly_prepared_cells_fall(query, references, method, state):
    expected = right(query, references, method)
    given = STATES[state](query.copy())
    placed = place(given, references, method)
    assert_allclose(placed, expected, atol=1e-3 * references.obsm[f"X_{method}"].std())
    difference = accuracy(placed, query, references, method) - accuracy(expected, query, references, method)
    assert abs(difference) <= 0.02


def test_unprepared_cells_fall_elsewhere(query, references):
    """What the preparation is for: the same counts without it."""
    unprepared = place(query.copy(), references, prepare="none")
    distances = np.linalg.norm(unprepared - right(query, references), axis=1)
    assert np.median(distances) > 0.2 * references.obsm["X_ivis"].std()


@pytest.mark.parametrize("method", SETTINGS)
def test_a_refused_query_stays_as_it_was(query, references, method, contents):
    given = scale(log_normalize(query))
    given = ad.AnnData(given.X, obs=given.obs, var=given.var[[]])
    before = contents(given)
    with pytest.raises(UnitsError, match=r"Pass its expression before scaling.*prepare='none'"):
        place(given, references, method)
    assert contents(given) == before


def test_expression_and_layers_of_the_query_are_not_changed(query, references):
    query.layers["counts"] = query.X.copy()
    before = query.X.copy(), query.var.copy()
    place(query, references)
    assert_array_equal(query.X.toarray(), before[0].toarray())
    assert_array_equal(query.layers["counts"].toarray(), before[0].toarray())
    assert query.var.equals(before[1])


def test_a_layer_of_the_query_is_recognized(query, references):
    expected = right(query, references)
    query.layers["counts"], query.X = query.X.copy(), query.X * 0
    assert_allclose(place(query, references, layer="counts"), expected, atol=1e-3)


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_a_stored_reference_prepares_its_queries(query, references, suffix, tmp_path):
    expected = right(query, references)
    stored = references.copy()
    del stored.uns["n2d"], stored.uns["tsne"]
    getattr(stored, f"write_{suffix}")(tmp_path / f"reference.{suffix}")
    stored = getattr(ad, f"read_{suffix}")(tmp_path / f"reference.{suffix}")
    del stored.raw, stored.varm["PCs"], stored.var["mean"]  # the record is that of the model
    assert_allclose(place(query, stored), expected, atol=1e-3)


def test_the_message_says_what_was_recognized(query, references):
    sc.settings.logfile = log = io.StringIO()
    sc.settings.verbosity = 2
    place(query, references)
    assert (
        "adata_new holds counts: normalized to 1,000 counts per cell, log-transformed, "
        "scaled with the means and deviations of the reference"
    ) in log.getvalue()


def test_prepare_must_be_known(query, references):
    with pytest.raises(ValueError, match=r"prepare='scale' .*auto.*none.*counts.*log1p"):
        place(query, references, prepare="scale")
    with pytest.raises(ValueError, match=r"prepare='counts' is about expression, but use_rep='X_pca' is read"):
        place(query, references, prepare="counts", use_rep="X_pca")
