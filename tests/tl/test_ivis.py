"""`scivis.tl.ivis`: representation, neighbors, settings, losses, networks, randomness and messages."""

import inspect
import io
import random
from itertools import pairwise

import anndata as ad
import keras
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist

import scivis
from scivis._ivis.presets import CLASSIC
from scivis._methods import entry_of
from scivis.nn.losses import TRIPLET_LOSSES

pytestmark = pytest.mark.usefixtures("op_by_op")

TINY = {"network": [8], "epochs": 1, "batch_size": 350}
FOR_80_CELLS = TINY | {"batch_size": 40, "n_neighbors": 5}
BACKENDS = ["exact", "ivf", "pynndescent", "annoy"]


class BeforeTrainingError(Exception):
    """Raised where training would begin."""


@pytest.fixture
def handed_on(monkeypatch):
    """Calls the tool and, instead of training, returns the parameters of the estimator and its input, `x`."""

    def call(adata, **arguments):
        seen = {}

        def stop(model, rows, _targets=None):
            seen.update(model.get_params(deep=False), x=rows.x)
            raise BeforeTrainingError

        with monkeypatch.context() as patch:
            patch.setattr(scivis.Ivis, "fit", stop)
            with pytest.raises(BeforeTrainingError):
                scivis.tl.ivis(adata, **arguments)
        return seen

    return call


@pytest.fixture
def no_search(monkeypatch):
    """Makes any neighbor search fail the test."""
    monkeypatch.setattr(
        "scivis._ivis.arguments.find_neighbors", lambda *_, **__: pytest.fail("neighbors were searched")
    )


def check_embedding(adata, x):
    """The stored model computes the stored coordinates from `x`."""
    model = scivis.get.model(adata)
    assert model.n_features_in_ == x.shape[1]
    assert_allclose(model.transform(x), adata.obsm["X_ivis"], atol=1e-5)


# Representation


def test_the_pca_is_the_default_representation(adata):
    scivis.tl.ivis(adata, **TINY)
    check_embedding(adata, adata.obsm["X_pca"])
    params = adata.uns["ivis"]["params"]
    assert (params["use_rep"], params["representation"], params["n_features"]) == ("X_pca", "obsm", 50)


@pytest.mark.parametrize("key", ["X_umap", "X_other"])
def test_use_rep_names_another_representation(adata, handed_on, key):
    adata.obsm["X_other"] = np.random.default_rng(0).normal(size=(700, 7))
    assert_array_equal(handed_on(adata, use_rep=key, n_neighbors=5)["x"], adata.obsm[key].astype(np.float32))


def test_n_pcs_selects_the_first_columns(adata):
    scivis.tl.ivis(adata, n_pcs=10, **TINY)
    check_embedding(adata, adata.obsm["X_pca"][:, :10])
    assert adata.uns["ivis"]["params"]["n_features"] == 10


@pytest.mark.parametrize("arguments", [{"use_rep": "X"}, {"n_pcs": 0}])
def test_use_rep_x_and_n_pcs_0_select_x(adata, handed_on, arguments):
    assert_array_equal(handed_on(adata, **arguments)["x"], adata.X)


def test_the_model_of_x_reads_x(adata):
    few = adata[:, :60].copy()
    scivis.tl.ivis(few, use_rep="X", **TINY)
    check_embedding(few, few.X)
    assert few.uns["ivis"]["params"]["representation"] == "X"


def test_x_is_read_when_it_has_at_most_50_genes(adata, handed_on):
    few = adata[:, :50].copy()
    assert_array_equal(handed_on(few)["x"], few.X)
    assert handed_on(adata[:, :51].copy())["x"].shape == (700, 50)
    sc.settings.N_PCS = 60
    assert handed_on(adata[:, :60].copy())["x"].shape == (700, 60)


def test_a_layer_is_embedded(adata):
    few = adata[:, :60].copy()
    few.layers["half"] = few.X / 2
    scivis.tl.ivis(few, layer="half", **TINY)
    check_embedding(few, few.layers["half"])
    params = few.uns["ivis"]["params"]
    assert (params["use_rep"], params["representation"]) == ("half", "layer")


def test_obsm_may_hold_a_data_frame(adata, handed_on):
    frame = pd.DataFrame(adata.obsm["X_pca"][:, :4], index=adata.obs_names, columns=list("abcd"))
    adata.obsm["frame"] = frame
    assert_array_equal(handed_on(adata, use_rep="frame")["x"], frame.to_numpy())


def test_the_pca_key_of_scanpy_2_is_recognized(adata, handed_on):
    adata.obsm["pca"] = adata.obsm.pop("X_pca")[:, :20]
    assert_array_equal(handed_on(adata)["x"], adata.obsm["pca"])


def test_a_missing_pca_is_computed_with_a_warning(adata):
    raw = adata.raw.to_adata()
    del raw.obsm["X_pca"]
    expected = sc.pp.pca(raw, n_comps=12, copy=True)
    with pytest.warns(
        UserWarning, match=r"no PCA of these cells yet: computing 12 components, stored in adata.obsm\['X_pca'\]"
    ):
        scivis.tl.ivis(raw, n_pcs=12, **TINY)
    assert raw.varm["PCs"].shape == (765, 12)
    assert_allclose(np.abs(raw.obsm["X_pca"]), np.abs(expected.obsm["X_pca"]), atol=1e-3)
    check_embedding(raw, raw.obsm["X_pca"])


def test_a_pca_computed_for_a_copy_is_not_written_to_the_original(adata, contents):
    del adata.obsm["X_pca"]
    before = contents(adata)
    with pytest.warns(UserWarning, match="computing 50 components"):
        changed = scivis.tl.ivis(adata, copy=True, **TINY)
    assert contents(adata) == before
    assert changed.obsm["X_pca"].shape == (700, 50)


def counts():
    """Counts of 30 genes in 80 cells of two types."""
    rng = np.random.default_rng(0)
    rates = np.where(np.arange(80)[:, None] < 40, 1.0, 4.0) * rng.uniform(0.1, 1.0, size=30)
    return rng.poisson(rates)


def as_dask(x):
    import dask.array as da

    return da.from_array(x, chunks=(30, -1))


@pytest.mark.parametrize("dtype", [np.int32, np.float64], ids=["int", "double"])
@pytest.mark.parametrize(
    "container", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.csc_array, as_dask]
)
def test_containers_and_dtypes_give_the_same_input(container, dtype, handed_on):
    x = handed_on(ad.AnnData(container(counts().astype(dtype))), n_neighbors=5)["x"]
    assert x.dtype == np.float32
    assert_array_equal(x, counts())


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.csc_array, as_dask])
def test_every_container_can_be_embedded(container):
    adata = ad.AnnData(container(counts()))
    scivis.tl.ivis(adata, **FOR_80_CELLS)
    check_embedding(adata, counts())
    assert_allclose(entry_of(adata, "ivis")["expression"]["means"], counts().mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
def test_backed_expression_gives_the_embedding_of_expression_in_memory(container, tmp_path):
    ad.AnnData(container(counts().astype(np.float32))).write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    scivis.tl.ivis(backed, **FOR_80_CELLS)
    assert backed.isbacked
    check_embedding(backed, counts())
    in_memory = ad.AnnData(counts())
    scivis.tl.ivis(in_memory, **FOR_80_CELLS)
    assert_array_equal(backed.obsm["X_ivis"], in_memory.obsm["X_ivis"])
    backed.file.close()


def test_a_backed_csc_matrix_is_rejected_as_input_only(tmp_path):
    cells = ad.AnnData(sparse.csc_matrix(counts().astype(np.float32)), obsm={"X_pca": counts()[:, :6].astype(float)})
    cells.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    with pytest.raises(NotImplementedError, match=r"stored by columns \(CSC\) on disk.*tocsr"):
        scivis.tl.ivis(backed, use_rep="X", **FOR_80_CELLS)
    assert not backed.uns
    scivis.tl.ivis(backed, use_rep="X_pca", **FOR_80_CELLS)
    check_embedding(backed, backed.obsm["X_pca"])
    backed.file.close()


# Dimensions


@pytest.mark.slow
@pytest.mark.parametrize("n_components", [1, 2, 3, 10])
def test_the_embedding_has_n_components_dimensions(adata, n_components):
    scivis.tl.ivis(adata, n_components=n_components, **TINY)
    embedding = adata.obsm["X_ivis"]
    assert embedding.shape == (700, n_components)
    assert embedding.dtype == np.float32
    assert np.linalg.matrix_rank(embedding - embedding.mean(axis=0)) == n_components
    check_embedding(adata, adata.obsm["X_pca"])


def test_there_may_be_more_dimensions_than_features(adata):
    scivis.tl.ivis(adata, n_pcs=2, n_components=3, **TINY)
    assert np.isfinite(adata.obsm["X_ivis"]).all()
    assert adata.obsm["X_ivis"].shape == (700, 3)


# Neighbors


def rows_of(neighbors):
    return [row[:count].tolist() for row, count in zip(neighbors.indices, neighbors.counts, strict=True)]


def rows_of_graph(graph):
    """Indices of the stored entries of each row, nearest first."""
    parts = [(graph.indices[a:b], graph.data[a:b]) for a, b in pairwise(graph.indptr)]
    return [indices[np.argsort(distances, kind="stable")].tolist() for indices, distances in parts]


@pytest.mark.usefixtures("no_search")
def test_the_graph_of_scanpy_is_used_without_a_search(adata):
    scivis.tl.ivis(adata, **TINY)
    assert adata.uns["ivis"]["params"]["neighbors"] == "the graph 'neighbors'"


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("key", [None, "five"])
def test_neighbors_key_selects_the_graph(adata, handed_on, key):
    sc.pp.neighbors(adata, n_neighbors=6, method="gauss", key_added="five")  # "umap" would compile for half a minute
    name = "distances" if key is None else "five_distances"
    neighbors = handed_on(adata, neighbors_key=key)["neighbour_matrix"]
    assert rows_of(neighbors) == rows_of_graph(adata.obsp[name].tocsr())


@pytest.mark.usefixtures("no_search")
def test_cells_may_have_different_numbers_of_neighbors(adata, handed_on):
    graph = adata.obsp["distances"].tocoo()
    kept = (np.random.default_rng(0).random(graph.nnz) < 0.3) & (graph.row >= 20)
    ragged = sparse.csr_matrix((graph.data[kept], (graph.row[kept], graph.col[kept])), graph.shape)
    adata.obsp["distances"] = ragged
    neighbors = handed_on(adata)["neighbour_matrix"]
    assert rows_of(neighbors) == rows_of_graph(ragged)
    assert set(neighbors.counts[:20]) == {0}
    assert len(set(neighbors.counts)) > 3
    scivis.tl.ivis(adata, **TINY)
    assert np.isfinite(adata.obsm["X_ivis"]).all()


@pytest.mark.usefixtures("no_search")
def test_a_graph_without_knn_has_all_other_cells_as_neighbors(adata, handed_on):
    few = adata[:60].copy()
    sc.pp.neighbors(few, n_neighbors=5, method="gauss", knn=False)
    rows = rows_of(handed_on(few)["neighbour_matrix"])
    distances = cdist(few.obsm["X_pca"], few.obsm["X_pca"])
    assert [set(row) for row in rows] == [set(range(60)) - {i} for i in range(60)]
    assert [row[0] for row in rows] == [int(np.argsort(distances[i])[1]) for i in range(60)]


def test_a_graph_of_permuted_cells_is_rejected(adata):
    adata.obsm["X_pca"] = np.random.default_rng(0).permutation(adata.obsm["X_pca"])
    with pytest.raises(ValueError, match=r"'neighbors' does not belong to these cells: .* Run `sc.pp.neighbors` again"):
        scivis.tl.ivis(adata, **TINY)
    assert "X_ivis" not in adata.obsm


def test_a_graph_with_few_edges_after_subsetting_is_rejected(adata):
    few = adata[::35].copy()
    linked = (np.diff(few.obsp["distances"].tocsr().indptr) > 0).sum()
    assert linked < 10
    with pytest.raises(ValueError, match=f"has neighbors for only {linked} of 20 cells.*before subsetting"):
        scivis.tl.ivis(few, **TINY | {"batch_size": 10})


@pytest.mark.usefixtures("no_search")
def test_a_graph_of_a_large_subset_is_used(adata, handed_on):
    part = adata[:500].copy()
    assert rows_of(handed_on(part)["neighbour_matrix"]) == rows_of_graph(part.obsp["distances"].tocsr())


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
def test_a_search_finds_the_nearest_cells(adata, handed_on, metric):
    x = adata.obsm["X_pca"]
    distances = cdist(x, x, {"manhattan": "cityblock"}.get(metric, metric))
    np.fill_diagonal(distances, np.inf)
    expected = np.sort(np.argsort(distances, axis=1)[:, :7])
    found = handed_on(adata, n_neighbors=7, metric=metric)["neighbour_matrix"].indices
    assert (np.sort(found) == expected).mean() > 0.999  # float32 here, double there


@pytest.mark.parametrize("arguments", [{"n_neighbors": 5}, {"backend": "exact"}, {"metric": "cosine"}])
def test_each_setting_of_the_search_starts_a_search(adata, handed_on, arguments):
    counts = handed_on(adata, **arguments)["neighbour_matrix"].counts
    assert set(counts) == {arguments.get("n_neighbors", 25)}


def test_without_a_graph_neighbors_are_searched_and_no_graph_is_written(adata):
    del adata.uns["neighbors"], adata.obsp["distances"], adata.obsp["connectivities"]
    scivis.tl.ivis(adata, **TINY)
    assert adata.uns["ivis"]["params"]["neighbors"] == "25 per cell, found by exact, euclidean"
    assert not adata.obsp
    assert "neighbors" not in adata.uns


@pytest.mark.parametrize("backend", BACKENDS)
def test_backend_selects_the_search(adata, monkeypatch, handed_on, backend):
    called = []

    def search(x, n_neighbors, *_):
        called.append(backend)
        return np.argsort(cdist(x, x), axis=1)[:, 1 : n_neighbors + 1]

    for name in BACKENDS:
        forbidden = lambda *_, **__: pytest.fail("another backend was used")
        monkeypatch.setattr(f"scivis.neighbors._search.search_{name}", search if name == backend else forbidden)
    neighbors = handed_on(adata, backend=backend, n_neighbors=4)["neighbour_matrix"]
    assert called == [backend]
    assert set(neighbors.counts) == {4}


def test_annoy_finds_nearly_the_exact_neighbors(adata, handed_on):
    exact, annoy = (handed_on(adata, backend=b, n_neighbors=10)["neighbour_matrix"] for b in ("exact", "annoy"))
    shared = [len(set(a) & set(b)) for a, b in zip(rows_of(exact), rows_of(annoy), strict=True)]
    assert np.mean(shared) > 9.5


# Settings, losses and networks


def test_the_classic_preset_has_the_settings_of_ivis_2(adata, handed_on):
    upstream = {name: p.default for name, p in inspect.signature(scivis.Ivis).parameters.items()}
    seen = handed_on(adata, preset="classic", backend="exact")
    assert {name: seen[name] for name in CLASSIC} == {name: upstream[name] for name in CLASSIC}
    assert (seen["k"], seen["distance"], seen["model"]) == (150, "pn", "szubert")
    assert (seen["batch_size"], seen["epochs"], seen["n_epochs_without_progress"]) == (128, 1000, 20)
    assert (seen["optimizer"], seen["learning_rate"], seen["learning_rate_decay"]) == ("adam", 1e-3, False)
    assert (seen["global_weight"], seen["linear_path"], seen["standardize"]) == (0.0, False, False)
    assert set(seen["neighbour_matrix"].counts) == {150}


def test_the_classic_preset_trains(adata):
    scivis.tl.ivis(adata, preset="classic", n_neighbors=10, batch_size=350, epochs=2)
    assert adata.uns["ivis"]["params"]["preset"] == "classic"
    shapes = [w.shape for _, w in sorted(entry_of(adata, "ivis")["model"]["weights"].items())]
    assert shapes == [(50, 128), (128,), (128, 128), (128,), (128, 128), (128,), (128, 2), (2,)]
    check_embedding(adata, adata.obsm["X_pca"])


@pytest.mark.parametrize("preset", ["default", "classic"])
def test_arguments_override_the_preset(adata, handed_on, preset):
    changes = {
        "loss": "cosine",
        "global_weight": 0.5,
        "linear_path": False,
        "batch_size": 64,
        "epochs": 3,
        "patience": 2,
        "learning_rate": 0.5,
        "network": [5, 4],
        "n_neighbors": 9,
    }
    names = {"loss": "distance", "patience": "n_epochs_without_progress", "network": "model", "n_neighbors": "k"}
    seen = handed_on(adata, preset=preset, **changes)
    assert {name: seen[names.get(name, name)] for name in changes} == changes


def test_the_default_preset_adapts_to_the_number_of_cells(adata, handed_on):
    seen = handed_on(adata)
    assert seen["distance"] == "infonce"
    assert seen["linear_path"]
    assert seen["standardize"]
    assert seen["global_weight"] > 0
    assert seen["n_epochs_without_progress"] is None
    for n_cells in (4, 7, 100):
        assert 2 <= handed_on(adata[:n_cells].copy(), n_neighbors=3)["batch_size"] <= n_cells


@pytest.mark.slow
@pytest.mark.parametrize("loss", [*TRIPLET_LOSSES, "infonce"])
def test_every_loss_trains(adata, loss):
    scivis.tl.ivis(adata, loss=loss, **TINY | {"epochs": 2})
    assert adata.uns["ivis"]["params"]["loss"] == loss
    history = adata.uns["ivis"]["history"]["loss"]
    assert history.shape == (2,)
    assert np.isfinite(history).all()
    model = scivis.get.model(adata)
    assert np.abs(model.encoder_.get_layer("embedding").kernel).max() > 0  # it starts at zero
    check_embedding(adata, adata.obsm["X_pca"])


def test_there_are_ten_triplet_losses():
    distances = ("euclidean", "manhattan", "chebyshev", "cosine", "softmax_ratio")
    expected = {"pn", *distances, *(f"{name}_pn" for name in distances if name != "euclidean")}
    assert set(TRIPLET_LOSSES) == expected
    assert len(expected) == 10


def pull_together(y_true, y_pred):
    return keras.ops.sum(keras.ops.square(y_pred[0] - y_pred[1]), axis=-1)


def test_a_function_can_be_the_loss(adata):
    scivis.tl.ivis(adata, loss=pull_together, **TINY)
    assert adata.uns["ivis"]["params"]["loss"] == "custom"
    check_embedding(adata, adata.obsm["X_pca"])


def test_a_registered_loss_is_selected_by_name(adata, monkeypatch):
    monkeypatch.setattr("scivis.nn.losses.TRIPLET_LOSSES", losses := dict(TRIPLET_LOSSES))
    scivis.nn.register_loss(pull_together)
    assert "pull_together" in losses
    scivis.tl.ivis(adata, loss="pull_together", **TINY)
    assert adata.uns["ivis"]["params"]["loss"] == "pull_together"


@pytest.mark.parametrize(
    ("network", "widths"),
    [
        ("szubert", (128, 128, 128)),
        ("maaten", (500, 500, 2000)),
        ("hinton", (2000, 1000, 500)),
        ([30, 20], (30, 20)),
        ((9,), (9,)),
    ],
)
def test_names_and_widths_define_the_network(adata, network, widths):
    scivis.tl.ivis(adata, network=network, epochs=1, batch_size=700, n_pcs=5, linear_path=False)
    weights = [w for _, w in sorted(entry_of(adata, "ivis")["model"]["weights"].items())]
    sizes = [5, *widths, 2]
    expected = [shape for a, b in pairwise(sizes) for shape in ((a, b), (b,))]
    assert [w.shape for w in weights] == expected
    check_embedding(adata, adata.obsm["X_pca"][:, :5])


def functional():
    inputs = keras.Input((50,))
    return keras.Model(inputs, keras.layers.Dense(6, activation="tanh")(inputs))


def sequential():
    return keras.Sequential([keras.Input((50,)), keras.layers.Dense(6, activation="relu")])


@pytest.mark.parametrize("network", [functional, sequential])
def test_a_keras_model_can_be_the_network(adata, network):
    scivis.tl.ivis(adata, network=network(), epochs=1)
    with pytest.raises(ValueError, match="backbone=network"):
        scivis.get.model(adata)
    model = scivis.get.model(adata, backbone=network())
    assert_allclose(model.transform(adata.obsm["X_pca"]), adata.obsm["X_ivis"], atol=1e-5)


# Randomness


def test_an_integer_seed_is_recorded_and_a_generator_is_not(adata):
    by_seed, by_generator = (
        scivis.tl.ivis(adata, random_state=seed, copy=True, **TINY) for seed in (4, np.random.default_rng(5))
    )
    assert by_seed.uns["ivis"]["params"]["random_state"] == 4
    assert "random_state" not in by_generator.uns["ivis"]["params"]


def next_numbers():
    """The next numbers of every global generator."""
    return [
        random.random(),
        np.random.random(),  # noqa: NPY002 (the global generator is the point)
        *tf.random.uniform([2]).numpy(),
        *tf.random.get_global_generator().uniform([2]).numpy(),
        *keras.ops.convert_to_numpy(keras.random.uniform((2,))),
    ]


def seed_global_generators():
    keras.utils.set_random_seed(1)
    tf.random.set_global_generator(tf.random.Generator.from_seed(1))


@pytest.mark.slow
@pytest.mark.compiled
def test_the_global_generators_of_keras_and_tensorflow_are_neither_used_nor_changed(adata):
    seed_global_generators()
    first, second = next_numbers(), next_numbers()
    seed_global_generators()
    assert next_numbers() == first
    one = scivis.tl.ivis(adata, copy=True, **TINY)
    assert next_numbers() == second
    other = scivis.tl.ivis(adata, copy=True, **TINY)
    assert_array_equal(one.obsm["X_ivis"], other.obsm["X_ivis"])


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [{"loss": "pn", "network": "szubert", "n_neighbors": 5}, {"network": "residual"}])
def test_no_network_or_loss_uses_a_global_generator(adata, arguments):
    seed_global_generators()
    first, second = next_numbers(), next_numbers()
    seed_global_generators()
    assert next_numbers() == first
    scivis.tl.ivis(adata, epochs=1, **arguments)
    assert next_numbers() == second


# Messages


@pytest.mark.slow
def test_a_process_prints_nothing_at_verbosity_0(fresh_process):
    printed = fresh_process("""
        import os
        os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
        import scanpy as sc
        import scivis

        sc.settings.verbosity = 0
        adata = sc.datasets.pbmc68k_reduced()
        query = adata[:50].copy()
        os.dup2(1, 2)  # standard error joins standard output
        scivis.tl.ivis(adata, network=[8], epochs=1)
        for _ in range(7):
            scivis.tl.ingest(query, adata)
    """)
    assert printed == ""


@pytest.fixture
def messages():
    """What the logger of scanpy writes, at the verbosity that the test sets."""
    sc.settings.logfile = log = io.StringIO()
    return log


def test_nothing_is_logged_at_verbosity_warning(adata, messages, capfd):
    sc.settings.verbosity = "warning"
    scivis.tl.ivis(adata, **TINY)
    assert messages.getvalue() == ""
    assert capfd.readouterr() == ("", "")


def test_verbosity_info_logs_representation_and_neighbors(adata, messages, capfd):
    sc.settings.verbosity = "info"
    scivis.tl.ivis(adata, **TINY)
    logged = messages.getvalue()
    assert "computing ivis" in logged
    assert "using adata.obsm['X_pca'], 50 columns" in logged
    assert "neighbors: the graph 'neighbors'" in logged
    assert "finished" in logged
    assert "added" not in logged
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("bars_at_once")
def test_verbosity_hint_logs_results_and_shows_a_progress_bar(adata, messages, capfd):
    sc.settings.verbosity = "hint"
    scivis.tl.ivis(adata, key_added="mine", n_neighbors=5, **TINY | {"epochs": 4})
    logged = messages.getvalue()
    assert "5 per cell, found by exact, euclidean" in logged
    assert "'mine', ivis coordinates (adata.obsm)" in logged
    assert "'mine', ivis model (adata.uns)" in logged
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "training: 100%" in printed.err
    assert "4/4" in printed.err
    assert f"loss={adata.uns['mine']['history']['loss'][-1]:.4g}" in printed.err
