"""`scivis.tl.ingest` with batches that are corrected toward the reference."""

from __future__ import annotations

import copy
import io

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

import scivis
from scivis._adata.correction import stored_correction
from scivis._methods import entry_of
from scivis._store.packed import unpacked
from scivis.data._correction import correct_rows

pytestmark = pytest.mark.usefixtures("op_by_op")

N_GENES, N_PCS, N_CELLS = 80, 8, 150
FITS = {
    "ivis": {"network": [8], "epochs": 1, "n_neighbors": 5},
    "tsne": {"n_iter": 5, "early_exaggeration_iter": 0, "perplexity": 5},
    "n2d": {
        "n_clusters": 3,
        "architecture": [8],
        "epochs": 1,
        "manifold": scivis.Ivis(k=5, batch_size=50, model=[4], epochs=1, verbose=0, random_state=0),
        "clusterer": "kmeans",
    },
}


@pytest.fixture(scope="module")
def cells():
    """Cells of three types in four batches, each of which adds a vector of its own to the expression."""
    rng = np.random.default_rng(0)
    types, batches = np.arange(4 * N_CELLS) % 3, np.arange(4 * N_CELLS) // N_CELLS
    centers, shifts = rng.normal(size=(3, N_GENES)), 0.8 * rng.normal(size=(4, N_GENES))
    expression = 3 * centers[types] + shifts[batches] + rng.normal(size=(4 * N_CELLS, N_GENES))
    adata = ad.AnnData(expression.astype(np.float32))
    adata.obs["type"], adata.obs["batch"] = np.array(list("ABC"))[types], np.array(list("wxyz"))[batches]
    return adata


def integrate(adata):
    """A PCA without the differences between batches of the same type."""
    sc.pp.pca(adata, n_comps=N_PCS)
    pca = adata.obsm["X_pca"].astype(np.float64)
    integrated = pca.copy()
    for name in np.unique(adata.obs["type"]):
        own = (adata.obs["type"] == name).to_numpy()
        for batch in np.unique(adata.obs["batch"]):
            both = own & (adata.obs["batch"] == batch).to_numpy()
            integrated[both] += pca[own].mean(axis=0) - pca[both].mean(axis=0)
    adata.obsm["X_pca_harmony"] = integrated.astype(np.float32)
    return adata


@pytest.fixture(scope="module")
def fitted(cells, eagerly):
    """A reference of two batches with a model of each method, fitted on the integrated PCA."""
    reference = integrate(cells[cells.obs["batch"].isin(["w", "x"])].copy())
    with eagerly():
        for method, settings in FITS.items():
            getattr(scivis.tl, method)(reference, use_rep="X_pca_harmony", **settings)
        scivis.tl.ivis(reference, use_rep="X_pca", key_added="plain", **FITS["ivis"])
    return reference


@pytest.fixture
def reference(fitted):
    return fitted.copy()


@pytest.fixture
def query(cells):
    """Cells of the other two batches, as expression."""
    return cells[cells.obs["batch"].isin(["y", "z"])].copy()


def projected(query, reference):
    """The PCA of the reference, applied to a query."""
    return (query.X - reference.X.mean(axis=0)) @ reference.varm["PCs"].astype(np.float32)


def moved(query, reference, key, batches):
    """The input of a model for a query, by the stages."""
    clusters = stored_correction(entry_of(reference, key)).clusters
    return np.concatenate(list(correct_rows(projected(query, reference), batches, clusters)))


def quick(method):
    return {"n_iter": 0} if method == "tsne" else {}


@pytest.mark.parametrize("method", FITS)
def test_expression_is_corrected_for_an_integrated_reference(query, reference, method):
    scivis.tl.ingest(query, reference, key=method, **quick(method))
    query.obsm["by hand"] = moved(query, reference, method, np.zeros(query.n_obs, int))
    by_hand = scivis.tl.ingest(query, reference, key=method, use_rep="by hand", copy=True, **quick(method))
    assert_allclose(query.obsm[f"X_{method}"], by_hand.obsm[f"X_{method}"], atol=1e-3)
    assert_allclose(query.obs[f"{method}_novelty"], by_hand.obs[f"{method}_novelty"], rtol=1e-3)


def test_an_extension_reads_new_cells_as_ingest_does(query, reference):
    scivis.tl.extend(reference, query, epochs=1)
    placed = scivis.tl.ingest(query, reference, copy=True)
    assert_allclose(query.obsm["X_ivis"], placed.obsm["X_ivis"], atol=1e-3)


@pytest.mark.parametrize("method", FITS)
def test_each_batch_is_corrected_by_itself(query, reference, method):
    scivis.tl.ingest(query, reference, key=method, batch_key="batch", **quick(method))
    query.obsm["by hand"] = moved(query, reference, method, (query.obs["batch"] == "z").to_numpy().astype(int))
    by_hand = scivis.tl.ingest(query, reference, key=method, use_rep="by hand", copy=True, **quick(method))
    assert_allclose(query.obsm[f"X_{method}"], by_hand.obsm[f"X_{method}"], atol=1e-3)


def test_corrected_cells_come_close_to_the_integrated_cells_of_their_type(query, reference):
    """In the input of the model, batches of cells come several times closer to the cells of their type."""
    ours = moved(query, reference, "ivis", (query.obs["batch"] == "z").to_numpy().astype(int))
    gaps = []
    for x in (projected(query, reference), ours):
        centers = {
            (batch, kind): (
                x[(query.obs["batch"] == batch) & (query.obs["type"] == kind)].mean(axis=0),
                reference.obsm["X_pca_harmony"][reference.obs["type"] == kind].mean(axis=0),
            )
            for batch in "yz"
            for kind in "ABC"
        }
        gaps.append(np.mean([np.linalg.norm(new - known) for new, known in centers.values()]))
    assert gaps[1] < 0.2 * gaps[0]


def test_the_reference_is_integrated_again_from_its_expression(reference):
    """Corrected by its own batches, the expression of the reference gives about the representation that the model read."""
    ours = moved(reference, reference, "ivis", (reference.obs["batch"] == "x").to_numpy().astype(int))
    known = reference.obsm["X_pca_harmony"]
    before = np.linalg.norm(projected(reference, reference) - known, axis=1).mean()
    assert np.linalg.norm(ours - known, axis=1).mean() < 0.25 * before


def test_correct_false_places_the_cells_as_they_are(query, reference):
    plain = scivis.tl.ingest(query, reference, correct=False, copy=True)
    query.obsm["pca"] = projected(query, reference)
    by_hand = scivis.tl.ingest(query, reference, use_rep="pca", copy=True)
    assert_allclose(plain.obsm["X_ivis"], by_hand.obsm["X_ivis"], atol=1e-4)
    corrected = scivis.tl.ingest(query, reference, copy=True)
    assert (cdist(plain.obsm["X_ivis"], corrected.obsm["X_ivis"]).diagonal() > 0.1).mean() > 0.5


def test_a_representation_of_the_query_is_corrected_on_request_only(query, reference):
    query.obsm["pca"] = projected(query, reference)
    corrected = scivis.tl.ingest(query, reference, use_rep="pca", correct=True, copy=True)
    scivis.tl.ingest(query, reference)
    assert_allclose(corrected.obsm["X_ivis"], query.obsm["X_ivis"], atol=1e-3)


def test_a_plain_reference_is_corrected_on_request_only(query, reference):
    plain = scivis.tl.ingest(query, reference, key="plain", copy=True)
    query.obsm["pca"] = projected(query, reference)
    as_is = scivis.tl.ingest(query, reference, key="plain", use_rep="pca", copy=True)
    assert_allclose(plain.obsm["plain"], as_is.obsm["plain"], atol=1e-4)
    corrected = scivis.tl.ingest(query, reference, key="plain", correct=True, copy=True)
    query.obsm["moved"] = moved(query, reference, "plain", np.zeros(query.n_obs, int))
    by_hand = scivis.tl.ingest(query, reference, key="plain", use_rep="moved", copy=True)
    assert_allclose(corrected.obsm["plain"], by_hand.obsm["plain"], atol=1e-3)


@pytest.mark.slow
def test_a_model_from_a_file_corrects_a_backed_query(query, reference, tmp_path):
    reference.write_h5ad(tmp_path / "reference.h5ad")
    query.write_h5ad(tmp_path / "query.h5ad")
    backed = ad.read_h5ad(tmp_path / "query.h5ad", backed="r")
    scivis.tl.ingest(backed, ad.read_h5ad(tmp_path / "reference.h5ad"), batch_key="batch")
    scivis.tl.ingest(query, reference, batch_key="batch")
    assert_allclose(backed.obsm["X_ivis"], query.obsm["X_ivis"], atol=1e-5)
    backed.file.close()


def test_large_queries_are_kept_in_a_file(query, reference, monkeypatch):
    scivis.tl.ingest(query, reference)
    expected = query.obsm["X_ivis"].copy()
    monkeypatch.setattr("scivis.data._reading.MAX_BYTES", 100)
    scivis.tl.ingest(query, reference)
    assert_allclose(query.obsm["X_ivis"], expected, atol=1e-5)


@pytest.mark.slow
def test_dask_arrays_are_corrected(query, reference):
    da = pytest.importorskip("dask.array")
    scivis.tl.ingest(query, reference)
    expected = query.obsm["X_ivis"].copy()
    query.X = da.from_array(query.X, chunks=(100, N_GENES))
    scivis.tl.ingest(query, reference)
    assert_allclose(query.obsm["X_ivis"], expected, atol=1e-4)


def test_a_query_without_cells_gets_empty_results(query, reference):
    none = query[:0].copy()
    scivis.tl.ingest(none, reference, batch_key="batch")
    assert none.obsm["X_ivis"].shape == (0, 2)


def test_a_model_without_correction_places_cells_as_before(query, reference):
    """Entries of earlier versions: no correction, and no expression for an integrated reference."""
    earlier = reference.copy()
    earlier.uns = copy.deepcopy(dict(reference.uns))
    for key in ("plain", "ivis"):
        earlier.uns[key] = unpacked(earlier.uns[key])
        del earlier.uns[key]["correction"], earlier.uns[key]["digest"]
    earlier.uns["ivis"]["expression"] = {}
    for cells in (earlier, reference):
        scivis.tl.ingest(query, cells, key="plain")
        query.obsm[str(id(cells))] = query.obsm["plain"]
    assert_array_equal(query.obsm[str(id(earlier))], query.obsm[str(id(reference))])
    with pytest.raises(ValueError, match="correct=True needs a reference that was fitted on a PCA"):
        scivis.tl.ingest(query, earlier, key="plain", correct=True)
    with pytest.raises(KeyError, match="X_pca_harmony"):
        scivis.tl.ingest(query, earlier)


@pytest.mark.slow
def test_t_sne_that_is_continued_stays_integrated(query, reference):
    scivis.tl.tsne(reference, resume=True, n_iter=5)
    assert entry_of(reference, "tsne")["correction"]["is_integrated"]
    scivis.tl.ingest(query, reference, key="tsne", n_iter=0)
    query.obsm["by hand"] = moved(query, reference, "tsne", np.zeros(query.n_obs, int))
    by_hand = scivis.tl.ingest(query, reference, key="tsne", use_rep="by hand", copy=True, n_iter=0)
    assert_allclose(query.obsm["X_tsne"], by_hand.obsm["X_tsne"], atol=1e-3)


def test_the_importance_of_genes_is_measured_at_the_integrated_cells(reference):
    scivis.tl.feature_importance(reference, n_cells=100)
    model = scivis.get.model(reference)
    rows = np.sort(np.random.default_rng(0).choice(reference.n_obs, 100, replace=False))
    at = reference.obsm["X_pca_harmony"][rows]
    step = reference.X[rows, 0].std() * reference.varm["PCs"][0].astype(np.float32)
    expected = np.linalg.norm(model.transform(at + step) - model.transform(at), axis=1).mean()
    # Values of two random cells differ by 1.13 standard deviations on average.
    assert reference.var["ivis_importance"].iloc[0] == pytest.approx(1.13 * expected, rel=0.3)


WRONG = {
    "batch_key without correction": ({"key": "plain", "batch_key": "batch"}, "set correct=True"),
    "batch_key with correct=False": ({"correct": False, "batch_key": "batch"}, "set correct=True"),
    "batch_key with a representation": ({"use_rep": "X_pca_harmony", "batch_key": "batch"}, "set correct=True"),
    "correct with distances": ({"key": "tsne", "correct": True, "distances": 0}, "distances replace the input"),
    "batch_key with distances": ({"key": "tsne", "batch_key": "batch", "distances": 0}, "distances replace the input"),
    "an unknown column": ({"batch_key": "donor"}, "batch_key='donor' is not a column"),
    "correct of another type": ({"correct": "yes"}, "correct='yes' must be True, False or None"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_bad_arguments_are_rejected(query, reference, contents, arguments, message):
    query.obsm["X_pca_harmony"] = projected(query, reference)
    before = contents(query)
    with pytest.raises((ValueError, KeyError), match=message):
        scivis.tl.ingest(query, reference, **arguments)
    assert contents(query) == before


def test_correction_is_logged(query, reference):
    sc.settings.logfile, sc.settings.verbosity = io.StringIO(), "info"
    scivis.tl.ingest(query, reference, batch_key="batch")
    assert "correcting 2 batches toward the reference" in sc.settings.logfile.getvalue()


@pytest.mark.slow
def test_a_reference_of_genes_cannot_correct(query, reference):
    scivis.tl.ivis(reference, use_rep="X", **FITS["ivis"])
    with pytest.raises(ValueError, match="correct=True needs a reference that was fitted on a PCA"):
        scivis.tl.ingest(query, reference, correct=True)


@pytest.mark.slow
def test_many_genes_that_are_read_through_components_can_be_corrected(query, reference, tmp_path):
    bare = ad.AnnData(reference.X, obs=reference.obs, var=reference.var[[]])
    bare.write_h5ad(tmp_path / "bare.h5ad")
    backed = ad.read_h5ad(tmp_path / "bare.h5ad", backed="r")  # whose components are computed block by block
    scivis.tl.ivis(backed, **FITS["ivis"])
    assert not entry_of(backed, "ivis")["correction"]["is_integrated"]
    plain = scivis.tl.ingest(query, backed, copy=True)
    corrected = scivis.tl.ingest(query, backed, correct=True, copy=True)
    assert not np.allclose(plain.obsm["X_ivis"], corrected.obsm["X_ivis"], atol=0.1)
    backed.file.close()
