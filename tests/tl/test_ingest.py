"""`scivis.tl.ingest` with models of ivis, compared with the same computation in NumPy."""

import io
import json

import anndata as ad
import keras
import numpy as np
import pytest
import scanpy as sc
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist
from scipy.stats import binom

import scivis
from scivis._methods import entry_of
from scivis._store.packed import unpacked

pytestmark = pytest.mark.usefixtures("op_by_op")

TINY = {"network": [8], "epochs": 1, "batch_size": 100, "n_neighbors": 5}
N_REFERENCE, N_GENES, N_PCS = 500, 120, 10
# The embedding has a standard deviation of 5, and is computed in float32 there and in double precision here.
CLOSE = 2e-4


@pytest.fixture(scope="module")
def expression():
    """Log counts of 700 cells, sparse: the first 500 are the reference, the others the query."""
    cells = sc.datasets.pbmc68k_reduced().raw.to_adata()
    busiest = np.argsort(-np.asarray(cells.X.mean(axis=0)).ravel(), kind="stable")[:N_GENES]
    order = np.random.default_rng(0).permutation(cells.n_obs)
    return ad.AnnData(cells.X[order][:, busiest], obs=cells.obs.iloc[order], var=cells.var.iloc[busiest])


@pytest.fixture(scope="module")
def fitted(expression, eagerly):
    cells = expression[:N_REFERENCE].copy()
    sc.pp.pca(cells, n_comps=N_PCS)
    with eagerly():
        scivis.tl.ivis(cells, **TINY)
    return cells


@pytest.fixture
def reference(fitted):
    return fitted.copy()


@pytest.fixture
def query(expression):
    return expression[N_REFERENCE:].copy()


@pytest.fixture
def messages():
    sc.settings.logfile = log = io.StringIO()
    return log


def dense(matrix):
    return np.asarray(matrix.todense() if sparse.issparse(matrix) else matrix, np.float64)


def projected(cells, reference):
    """Principal components by the loadings and means of the reference."""
    return (dense(cells) - dense(reference.X).mean(axis=0)) @ reference.varm["PCs"].astype(np.float64)


def embedded(x, reference):
    """The stored network in NumPy: standardized input, one SELU layer, output layer, linear path, output scale."""
    stored = entry_of(reference, "ivis")["model"]
    plan = json.loads(stored["config"])["architecture"]
    by_shape = {weight.shape: weight.astype(np.float64) for weight in stored["weights"].values()}
    width, dims = x.shape[1], plan["n_components"]
    x = (x - np.array(plan["offset"])) * plan["scale"]
    hidden = x @ by_shape[width, 8] + by_shape[8,]
    hidden = 1.0507009873554805 * np.where(hidden > 0, hidden, 1.6732632423543772 * np.expm1(hidden))
    return (hidden @ by_shape[8, dims] + by_shape[dims,] + x @ by_shape[width, dims]) * plan["output_scale"]


def novelty(x, reference, rep="X_pca", key="ivis"):
    """Mean distance to the 15 nearest reference cells over their own, with 0.3 of the average one, in the stored unit."""
    known = reference.obsm[rep]
    between = np.sort(cdist(known, known), axis=1)[:, 1:16].mean(axis=1)
    distances = cdist(x, known)
    found = np.argsort(distances, axis=1)[:, :15]
    scale = between[found].mean(axis=1) + 0.3 * between.mean()
    return (
        np.take_along_axis(distances, found, 1).mean(axis=1)
        / scale
        / entry_of(reference, key)["model"]["landmark_unit"]
    )


# From expression


def test_coordinates_and_novelty_are_those_of_numpy(query, reference):
    assert scivis.tl.ingest(query, reference) is None
    x = projected(query.X, reference)
    assert query.obsm["X_ivis"].dtype == np.float32
    assert_allclose(query.obsm["X_ivis"], embedded(x, reference), atol=CLOSE)
    assert_allclose(query.obs["ivis_novelty"], novelty(x, reference), rtol=1e-2)
    assert query.obs["ivis_novelty"].dtype == np.float32


def test_expression_of_the_reference_gives_its_coordinates(reference):
    again = ad.AnnData(reference.X, obs=reference.obs, var=reference.var)
    scivis.tl.ingest(again, reference)
    assert_allclose(again.obsm["X_ivis"], reference.obsm["X_ivis"], atol=CLOSE)


def test_the_representation_of_the_reference_gives_its_coordinates(reference):
    again = ad.AnnData(obs=reference.obs, obsm={"X_pca": reference.obsm["X_pca"]})
    scivis.tl.ingest(again, reference, use_rep="X_pca")
    assert_allclose(again.obsm["X_ivis"], reference.obsm["X_ivis"], atol=1e-5)


def test_the_order_of_genes_does_not_matter(query, reference):
    shuffled = query[:, np.random.default_rng(1).permutation(N_GENES)].copy()
    for cells in (query, shuffled):
        scivis.tl.ingest(cells, reference)
    assert_array_equal(shuffled.obsm["X_ivis"], query.obsm["X_ivis"])
    assert_array_equal(shuffled.obs["ivis_novelty"], query.obs["ivis_novelty"])


def test_additional_genes_are_ignored(query, reference):
    further = ad.AnnData(np.full((query.n_obs, 3), np.nan, np.float32), obs=query.obs)
    further.var_names = ["new-1", "new-2", "new-3"]
    wider = ad.concat([query, further], axis=1)
    for cells in (query, wider):
        scivis.tl.ingest(cells, reference)
    assert_array_equal(wider.obsm["X_ivis"], query.obsm["X_ivis"])


def test_missing_genes_take_the_mean_of_the_reference(query, reference):
    missing = np.arange(N_GENES) % 3 == 0
    narrower = query[:, ~missing].copy()
    scivis.tl.ingest(narrower, reference)
    filled = dense(query.X)
    filled[:, missing] = dense(reference.X).mean(axis=0)[missing]
    x = projected(filled, reference)
    assert_allclose(narrower.obsm["X_ivis"], embedded(x, reference), atol=CLOSE)
    assert_allclose(narrower.obs["ivis_novelty"], novelty(x, reference), rtol=1e-2)


def test_a_pca_of_the_query_is_not_read(query, reference):
    scivis.tl.ingest(query, reference)
    expected = query.obsm["X_ivis"].copy()
    query.obsm["X_pca"] = np.random.default_rng(0).normal(size=(query.n_obs, N_PCS))
    scivis.tl.ingest(query, reference)
    assert_array_equal(query.obsm["X_ivis"], expected)


def test_genes_without_loadings_are_not_needed(expression):
    cells, new = expression[:N_REFERENCE].copy(), expression[N_REFERENCE:].copy()
    cells.var["highly_variable"] = np.arange(N_GENES) < 60
    sc.pp.pca(cells, n_comps=N_PCS)
    scivis.tl.ivis(cells, **TINY)
    assert list(entry_of(cells, "ivis")["expression"]["genes"]) == list(cells.var_names[:60])
    few = new[:, :60].copy()
    scivis.tl.ingest(few, cells, min_genes=1.0)
    mean = dense(cells.X).mean(axis=0)[:60]
    x = (dense(few.X) - mean) @ cells.varm["PCs"][:60].astype(np.float64)
    assert_allclose(few.obsm["X_ivis"], embedded(x, cells), atol=CLOSE)


def test_n_pcs_selects_the_first_loadings(query, reference):
    scivis.tl.ivis(reference, n_pcs=4, **TINY)
    scivis.tl.ingest(query, reference)
    assert_allclose(query.obsm["X_ivis"], embedded(projected(query.X, reference)[:, :4], reference), atol=CLOSE)


def test_expression_that_was_changed_after_the_pca_is_not_read(query, reference):
    reference.X = dense(reference.X) ** 2
    scivis.tl.ivis(reference, **TINY)
    assert entry_of(reference, "ivis")["expression"] == {}
    with pytest.raises(KeyError, match=r"reads obsm\['X_pca'\], which adata_new lacks.*Genes do not"):
        scivis.tl.ingest(query, reference)


@pytest.fixture(scope="module")
def fitted_on_genes(expression, eagerly):
    cells = expression[:N_REFERENCE].copy()
    with eagerly():
        scivis.tl.ivis(cells, use_rep="X", **TINY)
    return cells


def test_a_model_of_genes_reads_genes(query, fitted_on_genes):
    missing = np.arange(N_GENES) < 20
    narrower = query[:, ~missing][:, ::-1].copy()
    for cells in (query, narrower):
        scivis.tl.ingest(cells, fitted_on_genes)
    x = dense(query.X)
    assert_allclose(query.obsm["X_ivis"], embedded(x, fitted_on_genes), atol=CLOSE)
    x[:, missing] = dense(fitted_on_genes.X).mean(axis=0)[missing]
    assert_allclose(narrower.obsm["X_ivis"], embedded(x, fitted_on_genes), atol=CLOSE)


def test_a_model_of_a_layer_reads_this_layer_or_the_given_one(query, reference):
    reference.layers["half"] = reference.X / 2
    scivis.tl.ivis(reference, layer="half", **TINY)
    with pytest.raises(KeyError, match=r"Did not find 'half' in adata.*layers"):
        scivis.tl.ingest(query, reference)
    query.layers["half"], query.layers["other"] = query.X / 2, query.X / 4
    scivis.tl.ingest(query, reference)
    assert_allclose(query.obsm["X_ivis"], embedded(dense(query.X) / 2, reference), atol=CLOSE)
    scivis.tl.ingest(query, reference, layer="other")
    assert_allclose(query.obsm["X_ivis"], embedded(dense(query.X) / 4, reference), atol=CLOSE)


def test_a_model_of_a_pca_of_a_layer_reads_this_layer(expression, query):
    cells = expression[:N_REFERENCE].copy()
    cells.layers["log"], cells.X = cells.X.copy(), cells.X * 0
    sc.pp.pca(cells, layer="log", n_comps=N_PCS)
    scivis.tl.ivis(cells, **TINY)
    assert entry_of(cells, "ivis")["expression"]["layer"] == "log"
    query.layers["log"] = query.X.copy()
    scivis.tl.ingest(query, cells)
    x = (dense(query.X) - dense(cells.layers["log"]).mean(axis=0)) @ cells.varm["PCs"].astype(np.float64)
    assert_allclose(query.obsm["X_ivis"], embedded(x, cells), atol=CLOSE)


# Containers and sizes


@pytest.mark.parametrize("container", [dense, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_containers_give_the_same_coordinates(query, reference, container):
    other = ad.AnnData(container(query.X), obs=query.obs, var=query.var)
    for cells in (query, other):
        scivis.tl.ingest(cells, reference)
    assert_allclose(other.obsm["X_ivis"], query.obsm["X_ivis"], atol=1e-5)


def test_integers_give_the_coordinates_of_floats(query, reference):
    query.X = np.rint(dense(query.X)).astype(np.int64)
    floats = ad.AnnData(query.X.astype(np.float32), obs=query.obs, var=query.var)
    for cells in (query, floats):
        scivis.tl.ingest(cells, reference, prepare="none")  # they look like counts
    assert_array_equal(query.obsm["X_ivis"], floats.obsm["X_ivis"])


@pytest.mark.parametrize("container", [dense, sparse.csr_matrix], ids=["dense", "csr"])
def test_a_backed_query_gives_the_results_of_one_in_memory(query, reference, container, tmp_path):
    ad.AnnData(container(query.X).astype(np.float32), obs=query.obs, var=query.var).write_h5ad(tmp_path / "q.h5ad")
    backed = ad.read_h5ad(tmp_path / "q.h5ad", backed="r")
    for cells in (query, backed):
        scivis.tl.ingest(cells, reference)
    assert backed.isbacked
    assert_allclose(backed.obsm["X_ivis"], query.obsm["X_ivis"], atol=1e-5)
    assert_allclose(backed.obs["ivis_novelty"], query.obs["ivis_novelty"], rtol=1e-4)
    backed.file.close()


def test_coordinates_do_not_depend_on_the_other_cells_of_the_query(query, reference):
    scivis.tl.ingest(query, reference)
    alone = query[7].copy()
    del alone.obsm["X_ivis"], alone.obs["ivis_novelty"], alone.obs["ivis_pvalue"]
    scivis.tl.ingest(alone, reference)
    assert alone.obsm["X_ivis"].shape == (1, 2)
    assert_allclose(alone.obsm["X_ivis"][0], query.obsm["X_ivis"][7], atol=1e-5)
    assert_allclose(alone.obs["ivis_novelty"].iloc[0], query.obs["ivis_novelty"].iloc[7], rtol=1e-4)


def test_a_query_without_cells_gets_empty_results(query, reference):
    none = query[:0].copy()
    scivis.tl.ingest(none, reference)
    assert none.obsm["X_ivis"].shape == (0, 2)
    assert none.obsm["X_ivis"].dtype == np.float32
    assert none.obs["ivis_novelty"].dtype == np.float32


def test_the_size_of_blocks_has_no_effect(query, reference, monkeypatch):
    scivis.tl.ingest(query, reference)
    expected = query.obsm["X_ivis"].copy()
    monkeypatch.setattr("scivis.data._streaming.BLOCK", 64)
    monkeypatch.setattr("scivis.data._streaming._BLOCK_VALUES", 0)
    scivis.tl.ingest(query, reference)
    assert_allclose(query.obsm["X_ivis"], expected, atol=1e-5)


# From .obsm


@pytest.fixture(scope="module")
def fitted_on_latent(expression, eagerly):
    """A reference whose representation is not a projection of genes."""
    latent = np.random.default_rng(0).normal(size=(N_REFERENCE, 6)).astype(np.float32)
    cells = ad.AnnData(expression.X[:N_REFERENCE], obs=expression.obs[:N_REFERENCE], var=expression.var)
    cells.obsm["X_latent"] = latent
    with eagerly():
        scivis.tl.ivis(cells, use_rep="X_latent", **TINY)
    return cells


def test_a_representation_is_read_from_the_same_key(query, fitted_on_latent):
    assert entry_of(fitted_on_latent, "ivis")["expression"] == {}
    latent = np.random.default_rng(1).normal(size=(query.n_obs, 6))
    query.obsm["X_latent"] = latent
    scivis.tl.ingest(query, fitted_on_latent)
    assert_allclose(query.obsm["X_ivis"], embedded(latent, fitted_on_latent), atol=CLOSE)
    assert_allclose(query.obs["ivis_novelty"], novelty(latent, fitted_on_latent, "X_latent"), rtol=1e-2)


def test_use_rep_selects_another_key_whose_additional_columns_are_ignored(query, fitted_on_latent):
    latent = np.random.default_rng(1).normal(size=(query.n_obs, 9))
    query.obsm["X_mapped"] = latent
    scivis.tl.ingest(query, fitted_on_latent, use_rep="X_mapped")
    assert_allclose(query.obsm["X_ivis"], embedded(latent[:, :6], fitted_on_latent), atol=CLOSE)


def test_a_missing_or_too_narrow_representation_is_rejected(query, fitted_on_latent):
    with pytest.raises(KeyError, match=r"reads obsm\['X_latent'\], which adata_new lacks"):
        scivis.tl.ingest(query, fitted_on_latent)
    query.obsm["X_latent"] = np.zeros((query.n_obs, 5))
    with pytest.raises(ValueError, match=r"obsm\['X_latent'\] has 5 columns, but the model reads 6"):
        scivis.tl.ingest(query, fitted_on_latent)
    assert "X_ivis" not in query.obsm


def test_a_keras_model_is_passed_as_backbone(query, reference):
    network = keras.Sequential([keras.Input((N_PCS,)), keras.layers.Dense(6, activation="tanh")])
    scivis.tl.ivis(reference, **TINY | {"network": network})
    with pytest.raises(ValueError, match="backbone=network"):
        scivis.tl.ingest(query, reference)
    scivis.tl.ingest(query, reference, backbone=network)
    expected = scivis.get.model(reference, backbone=network).transform(projected(query.X, reference))
    assert_allclose(query.obsm["X_ivis"], expected, atol=CLOSE)


# Results


def test_everything_else_is_unchanged(query, reference, contents):
    before, cells = contents(reference), contents(query)
    scivis.tl.ingest(query, reference)
    assert contents(reference) == before
    del query.obsm["X_ivis"], query.obs["ivis_novelty"], query.obs["ivis_pvalue"], query.uns["ivis_verdict"]
    assert contents(query) == cells


def test_a_copy_leaves_the_query_unchanged(query, reference, contents):
    before = contents(query)
    placed = scivis.tl.ingest(query, reference, copy=True)
    assert contents(query) == before
    assert placed is not query
    scivis.tl.ingest(query, reference)
    assert_array_equal(placed.obsm["X_ivis"], query.obsm["X_ivis"])


def test_inplace_is_the_former_name_of_the_opposite_of_copy(query, reference):
    with pytest.warns(FutureWarning, match="inplace=False is deprecated, use copy=True"):
        placed = scivis.tl.ingest(query, reference, inplace=False)
    assert "X_ivis" not in query.obsm
    with pytest.warns(FutureWarning, match="inplace=True is deprecated, use copy=False"):
        assert scivis.tl.ingest(query, reference, inplace=True) is None
    assert_array_equal(placed.obsm["X_ivis"], query.obsm["X_ivis"])
    with pytest.warns(FutureWarning, match="use copy=True"):
        assert "ivis_drift" in scivis.tl.drift(query, reference, inplace=False).uns
    assert "ivis_drift" not in query.uns


def test_exchanged_arguments_are_recognized(query, reference):
    with pytest.raises(KeyError, match=r"adata_ref, the second argument, has no model.*adata_new.*exchange the two"):
        scivis.tl.ingest(reference, query)
    with pytest.raises(KeyError, match="exchange the two"):
        scivis.tl.drift(reference, query)


def test_a_copy_of_a_backed_query_is_rejected(query, reference, tmp_path):
    query.write_h5ad(tmp_path / "q.h5ad")
    backed = ad.read_h5ad(tmp_path / "q.h5ad", backed="r")
    with pytest.raises(ValueError, match="copy=True needs the cells in memory"):
        scivis.tl.ingest(backed, reference, copy=True)
    backed.file.close()


def test_key_selects_the_model_and_the_keys_of_the_results(query, reference):
    scivis.tl.ivis(reference, key_added="mine", n_components=3, **TINY)
    scivis.tl.ingest(query, reference, key="mine")
    assert query.obsm["mine"].shape == (200, 3)
    assert_allclose(query.obs["mine_novelty"], novelty(projected(query.X, reference), reference, key="mine"), rtol=1e-2)
    assert "X_ivis" not in query.obsm
    assert "ivis_novelty" not in query.obs


@pytest.mark.parametrize("n_components", [1, 3])
def test_any_number_of_dimensions(query, reference, n_components):
    scivis.tl.ivis(reference, n_components=n_components, **TINY)
    scivis.tl.ingest(query, reference)
    assert_allclose(query.obsm["X_ivis"], embedded(projected(query.X, reference), reference), atol=CLOSE)


# Novelty


def test_novelty_is_up_to_1_for_similar_cells_and_above_for_others(query, reference):
    scivis.tl.ingest(query, reference)
    assert (query.obs["ivis_novelty"] <= 1).mean() > 0.9
    strange = query.copy()
    strange.X = dense(query.X) + np.where(np.arange(N_GENES) < 40, 2.0, 0.0)
    scivis.tl.ingest(strange, reference)
    assert (strange.obs["ivis_novelty"] > 1).mean() > 0.9
    own = ad.AnnData(reference.X, obs=reference.obs, var=reference.var)
    scivis.tl.ingest(own, reference)
    assert (own.obs["ivis_novelty"] <= 1).mean() >= 0.99


def test_p_values_are_ranks_among_reference_cells_that_were_held_out(query, reference):
    scivis.tl.ingest(query, reference)
    calibration, score = entry_of(reference, "ivis")["model"]["calibration"], query.obs["ivis_novelty"].to_numpy()
    by_hand = (1 + (calibration[None] >= score[:, None]).sum(axis=1)) / (1 + len(calibration))
    assert_allclose(query.obs["ivis_pvalue"], by_hand, rtol=1e-12)
    # Query and reference are random parts of one experiment.
    assert 0.02 < (query.obs["ivis_pvalue"] <= 0.1).mean() < 0.2


def test_p_values_hold_after_a_split_that_came_after_the_pca():
    cells = sc.datasets.pbmc68k_reduced()  # 50 components of 765 genes fit much noise of the 700 cells
    is_new = np.random.default_rng(0).random(cells.n_obs) < 0.3
    reference, query = cells[~is_new].copy(), cells[is_new].copy()
    scivis.tl.ivis(reference, **TINY)
    scivis.tl.ingest(query, reference)
    # The shares among new cells and among those of the calibration both vary.
    n = int(1 / (1 / query.n_obs + 1 / reference.n_obs))
    low, high = binom.interval(0.999, n, 0.1)
    assert low <= n * (query.obs["ivis_pvalue"] <= 0.1).mean() <= high


def test_a_model_of_an_earlier_version_gives_distances_and_no_p_values(query, reference, messages):
    scivis.tl.ingest(query, reference)
    reference.uns["ivis"] = unpacked(reference.uns["ivis"])
    for added in ("landmark_scales", "calibration"):
        del reference.uns["ivis"]["model"][added]
    del reference.uns["ivis"]["digest"]
    reference.uns["ivis"]["model"]["landmark_unit"] = 2.0
    sc.settings.verbosity = "info"
    scivis.tl.ingest(query, reference)
    distances = cdist(projected(query.X, reference), reference.obsm["X_pca"])
    assert_allclose(query.obs["ivis_novelty"], np.sort(distances, axis=1)[:, :5].mean(axis=1) / 2, rtol=1e-4)
    assert "ivis_pvalue" not in query.obs
    assert "has no p-values: fit it again to get them" in messages.getvalue()


def test_novelty_grows_with_the_distance(query, reference):
    latent = projected(query.X, reference)
    scores = []
    for shift in (0, 10, 100):
        query.obsm["shifted"] = latent + shift
        scivis.tl.ingest(query, reference, use_rep="shifted")
        scores.append(query.obs["ivis_novelty"].to_numpy())
    assert (scores[0] < scores[1]).all()
    assert (scores[1] * 5 < scores[2]).all()


# Messages


def test_without_novelty_coordinates_are_the_same_and_nothing_is_said_of_strangers(query, reference, monkeypatch):
    scivis.tl.ingest(query, reference)
    both = query.copy()
    monkeypatch.setattr("scivis.neighbors._novelty.nearest_landmarks", None)  # the search of landmarks does not run
    scivis.tl.ingest(query, reference, novelty=False)
    assert_array_equal(query.obsm["X_ivis"], both.obsm["X_ivis"])
    assert set(both.obs) - set(query.obs) == {"ivis_novelty", "ivis_pvalue"}  # of the earlier call
    assert set(both.uns) - set(query.uns) == {"ivis_verdict"}


def test_unknown_cells_need_novelty(query, reference, rejects):
    message = r"unknown=0.01 marks cells by their p-values, which need novelty=True"
    rejects(query, reference, ValueError, message, unknown=0.01, novelty=False)


def test_verbosity_hint_logs_genes_results_and_novelty(query, reference, messages):
    sc.settings.verbosity = "hint"
    scivis.tl.ingest(query, reference)
    logged = messages.getvalue()
    assert "found 120 of the 120 genes" in logged
    assert "'X_ivis', coordinates in the embedding of the reference (adata_new.obsm)" in logged
    assert "'ivis_novelty', novelty with respect to the reference (adata_new.obs)" in logged
    assert "'ivis_verdict', verdict on the query as a whole (adata_new.uns)" in logged
    assert "'ivis_pvalue', p-value of belonging to the reference (adata_new.obs)" in logged
    fraction = (query.obs["ivis_pvalue"] <= 0.01).mean()
    assert f"{fraction:.1%} of the cells have p ≤ 0.01, where 1% are expected." in logged


def test_missing_genes_are_logged_as_a_warning(query, reference, messages):
    sc.settings.verbosity = "warning"
    scivis.tl.ingest(query, reference)
    assert messages.getvalue() == ""
    scivis.tl.ingest(query[:, 20:].copy(), reference)
    assert "WARNING" in messages.getvalue()
    assert "found 100 of the 120 genes" in messages.getvalue()


def test_nothing_is_logged_at_verbosity_0(query, reference, messages, capfd):
    sc.settings.verbosity = 0
    scivis.tl.ingest(query[:, 20:].copy(), reference)
    assert messages.getvalue() == ""
    assert capfd.readouterr() == ("", "")


# Errors


@pytest.fixture
def rejects(contents):
    """Checks that the tool raises an error with a message and changes neither object."""

    def check(query, reference, error, message, **arguments):
        before = contents(query), contents(reference)
        with pytest.raises(error, match=message):
            scivis.tl.ingest(query, reference, **arguments)
        assert (contents(query), contents(reference)) == before

    return check


def test_too_few_genes_are_rejected_with_names_of_both_kinds(query, reference, rejects):
    genes = list(reference.var_names[:3])
    query.var_names = [f"ENSG{i:05d}" for i in range(N_GENES)]
    rejects(query, reference, ValueError, rf"has 0 of the 120 genes.*min_genes=0.5 requires 60.*{genes[0]}.*ENSG00000")


def test_min_genes_is_the_minimum_fraction(query, reference, rejects):
    narrower = query[:, :60].copy()
    rejects(
        narrower,
        reference,
        ValueError,
        "has 60 of the 120 genes that the model reads, but min_genes=0.51 requires 62",
        min_genes=0.51,
    )
    scivis.tl.ingest(narrower, reference, min_genes=0.5)
    assert "X_ivis" in narrower.obsm


@pytest.mark.parametrize("min_genes", [-0.1, 1.5, np.nan])
def test_min_genes_must_be_between_0_and_1(query, reference, min_genes, rejects):
    rejects(query, reference, ValueError, f"min_genes={min_genes}.*between 0 and 1", min_genes=min_genes)


def test_a_reference_with_duplicated_gene_names_takes_new_cells_by_their_representation(expression, messages):
    cells = expression[:N_REFERENCE].copy()
    cells.var_names = [cells.var_names[1], *cells.var_names[1:]]
    sc.pp.pca(cells, n_comps=N_PCS)
    scivis.tl.ivis(cells, **TINY)
    assert "because adata.var_names holds duplicates; run adata.var_names_make_unique()" in messages.getvalue()
    new = ad.AnnData(obs=cells.obs, obsm={"X_pca": cells.obsm["X_pca"]})
    scivis.tl.ingest(new, cells)
    assert_allclose(new.obsm["X_ivis"], cells.obsm["X_ivis"], atol=1e-5)


@pytest.mark.parametrize("representation", [{"use_rep": "X"}, {"layer": "again"}], ids=["X", "layer"])
def test_genes_with_duplicated_names_are_rejected_as_input_of_a_model(expression, representation):
    cells = expression[:100].copy()
    cells.layers["again"] = cells.X
    cells.var_names = [cells.var_names[1], *cells.var_names[1:]]
    with pytest.raises(
        ValueError, match=r"adata.var_names holds duplicates.*run `adata.var_names_make_unique\(\)` first"
    ):
        scivis.tl.ivis(cells, **representation, **TINY)


def test_duplicated_gene_names_are_rejected(query, reference, rejects):
    names = list(query.var_names)
    query.var_names = [names[1], *names[1:]]
    rejects(query, reference, ValueError, "duplicates.*var_names_make_unique")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinite_values_are_rejected_with_their_row(query, reference, value, rejects):
    query.X = dense(query.X).astype(np.float32)
    query.X[130, 5] = value
    rejects(query, reference, ValueError, "adata_new's expression holds NaN or infinite values.*row 130")


def test_rows_are_counted_over_all_blocks(reference, rejects):
    cells = ad.AnnData(np.zeros((8200, N_GENES), np.float32))
    cells.var_names = reference.var_names
    cells.X[8195, 0] = np.nan
    rejects(cells, reference, ValueError, "row 8195")


def test_a_missing_model_is_rejected_with_the_existing_ones(query, reference, rejects):
    rejects(
        query,
        reference,
        KeyError,
        r"uns\['mine'\] holds no model of scivis; it has models under \['ivis'\]",
        key="mine",
    )
    del reference.uns["ivis"]
    rejects(
        query,
        reference,
        KeyError,
        r"adata_ref.uns\['ivis'\] holds no model of scivis; run `scivis.tl.ivis`",
        key="ivis",
    )
    rejects(query, reference, KeyError, r"run `scivis.tl.tsne` first", key="tsne")


def test_keys_that_the_query_lacks_are_rejected(query, reference, rejects):
    rejects(query, reference, KeyError, "Did not find 'raw' in adata", layer="raw")
    rejects(query, reference, KeyError, "Did not find 'X_pca2' in adata", use_rep="X_pca2")


def test_layer_and_use_rep_together_are_rejected(query, reference, rejects):
    query.obsm["X_pca"], query.layers["log"] = np.zeros((query.n_obs, N_PCS)), query.X
    rejects(
        query, reference, ValueError, "use_rep='X_pca'.*layer='log'|layer='log'.*use_rep", use_rep="X_pca", layer="log"
    )


def test_a_query_without_expression_is_rejected(query, reference, rejects):
    empty = ad.AnnData(obs=query.obs, var=query.var)
    rejects(empty, reference, ValueError, "X is None.*use_rep")
