"""`scivis.tl.tsne`: its embedding is that of openTSNE, can be continued, and is stored with its model."""

import inspect
import io

import joblib
import numpy as np
import openTSNE
import openTSNE.affinity
import openTSNE.nearest_neighbors
import openTSNE.sklearn
import pytest
import scanpy as sc
from anndata import AnnData, read_h5ad, read_zarr
from numpy.testing import assert_allclose, assert_array_equal
from openTSNE.callbacks import ErrorApproximations, VerifyExaggerationError
from sklearn.base import clone
from sklearn.neighbors import kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import scivis
from scivis._methods import entry_of

# One thread is faster for few cells; the number of threads does not change a bit, as a test shows.
SHORT = {"early_exaggeration_iter": 50, "n_iter": 50, "n_jobs": 1}


@pytest.fixture(scope="module")
def _cells(_pbmc):
    """200 cells with a t-SNE, but without their graph, which holds neighbors of all 700."""
    adata = AnnData(_pbmc.X[:200].copy(), obs=_pbmc.obs[:200].copy(), var=_pbmc.var.copy())
    adata.obsm["X_pca"], adata.varm["PCs"] = _pbmc.obsm["X_pca"][:200].astype(np.float32), _pbmc.varm["PCs"].copy()
    scivis.tl.tsne(adata, **SHORT)
    return adata


@pytest.fixture
def fitted(_cells):
    return _cells.copy()


@pytest.fixture
def cells(_cells):
    adata = _cells.copy()
    del adata.obsm["X_tsne"], adata.uns["tsne"]
    return adata


def add_graph(adata, k, metric="euclidean", key="neighbors"):
    """Add a neighbor graph as `sc.pp.neighbors` stores it."""
    distances = kneighbors_graph(adata.obsm["X_pca"].astype(float), k, mode="distance", metric=metric)
    names = {"distances_key": f"{key}_distances", "connectivities_key": f"{key}_connectivities"}
    adata.obsp[names["distances_key"]] = distances
    weights = (distances > 0).astype(float)
    adata.obsp[names["connectivities_key"]] = weights.maximum(weights.T)
    adata.uns[key] = names | {"params": {"metric": metric, "n_neighbors": k + 1}}


@pytest.fixture
def logged():
    sc.settings.logfile, sc.settings.verbosity = (text := io.StringIO()), 2
    return text


# The same as openTSNE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("neighbors", "method", "initialization"),
    [
        ("exact", "bh", "pca"),
        ("annoy", "bh", "pca"),
        ("exact", "bh", "spectral"),
        ("exact", "bh", "random"),
        ("exact", "fft", "pca"),
    ],
)
def test_the_embedding_is_that_of_openTSNE(cells, neighbors, method, initialization):  # noqa: N802
    settings = SHORT | {"negative_gradient_method": method, "initialization": initialization, "random_state": 3}
    scivis.tl.tsne(cells, neighbors=neighbors, **settings)
    direct = openTSNE.TSNE(**settings, neighbors=neighbors).fit(cells.obsm["X_pca"])
    assert_array_equal(cells.obsm["X_tsne"], np.asarray(direct))
    # Threads sum the divergence in any order.
    assert_allclose(cells.uns["tsne"]["kl_divergence"], direct.kl_divergence, rtol=1e-10)


def test_the_estimator_of_openTSNE_gives_the_same_embedding_in_a_pipeline(cells):  # noqa: N802
    settings = SHORT | {"negative_gradient_method": "bh", "random_state": 3}
    estimator = openTSNE.sklearn.TSNE(**settings, neighbors="exact")
    assert clone(estimator).get_params() == estimator.get_params()
    scivis.tl.tsne(cells, **settings)
    steps = make_pipeline(FunctionTransformer(), estimator)
    assert_array_equal(steps.fit_transform(cells.obsm["X_pca"]), cells.obsm["X_tsne"])


def test_every_parameter_of_openTSNE_is_a_parameter_here():  # noqa: N802
    ours = set(inspect.signature(scivis.tl.tsne).parameters)
    assert set(inspect.signature(openTSNE.TSNE).parameters) - ours == {"verbose"}  # replaced by scanpy's verbosity


def test_every_setting_reaches_openTSNE(cells, monkeypatch):  # noqa: N802
    seen = {}
    real = openTSNE.tsne.gradient_descent.__call__

    def spy(self, *args, **kwargs):
        seen.update(kwargs)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(openTSNE.tsne.gradient_descent, "__call__", spy)
    settings = {
        "dof": 0.8, "theta": 0.3, "n_interpolation_points": 2, "min_num_intervals": 20, "ints_in_interval": 2.0,
        "max_grad_norm": 3.0, "max_step_norm": 4.0, "n_jobs": 1, "learning_rate": 12.0, "exaggeration": 2,
    }  # fmt: skip
    scivis.tl.tsne(cells, **settings, early_exaggeration_iter=0, n_iter=2, final_momentum=0.6)
    assert {name: seen[name] for name in settings} == settings
    assert seen["momentum"] == 0.6


@pytest.mark.parametrize(
    ("neighbors", "metric", "kind"),
    [
        ("exact", "euclidean", "Sklearn"),
        ("annoy", "euclidean", "Annoy"),
        ("pynndescent", "euclidean", "NNDescent"),
        ("hnsw", "euclidean", "HNSW"),
        ("approx", "euclidean", "Annoy"),
        ("approx", "correlation", "NNDescent"),  # which Annoy does not support
        ("auto", "euclidean", "Sklearn"),
    ],
)
def test_the_search_of_the_settings_is_used(cells, monkeypatch, neighbors, metric, kind):
    seen = {}
    exact = openTSNE.nearest_neighbors.Sklearn

    class Spy(getattr(openTSNE.nearest_neighbors, kind)):
        def __new__(cls, x, k, **kwargs):
            seen.update(kwargs, k=k)
            return exact(x, k)

    monkeypatch.setattr(openTSNE.nearest_neighbors, kind, Spy)
    scivis.tl.tsne(
        cells, neighbors=neighbors, metric=metric, knn_kwargs={"n_trees": 3}, random_state=5, n_jobs=1, n_iter=0
    )
    expected = {"k": 90, "metric": metric, "metric_params": None, "knn_kwargs": {"n_trees": 3}}
    assert seen == expected | {"random_state": 5, "n_jobs": 1}


def test_a_seed_gives_the_same_bits_with_any_number_of_threads(cells):
    embeddings = []
    for seed, n_jobs in ((0, 1), (0, 2), (1, 1)):
        scivis.tl.tsne(cells, early_exaggeration_iter=20, n_iter=20, n_jobs=n_jobs, random_state=seed)
        embeddings.append(cells.obsm["X_tsne"])
    assert_array_equal(embeddings[0], embeddings[1])
    assert np.abs(embeddings[0] - embeddings[2]).max() > 1e-3


# Phases, and continuation of an earlier call


def test_without_iterations_the_initialization_is_stored(cells):
    scivis.tl.tsne(cells, n_iter=0)
    start = openTSNE.TSNE(neighbors="exact", random_state=0).prepare_initial(cells.obsm["X_pca"])
    assert_array_equal(cells.obsm["X_tsne"], np.asarray(start))
    assert len(cells.uns["tsne"]["history"]["iteration"]) == 0


@pytest.mark.parametrize("through_a_file", [False, True])
def test_a_continued_optimization_gives_the_bits_of_an_uninterrupted_one(cells, tmp_path, through_a_file):
    whole = cells.copy()
    scivis.tl.tsne(whole, early_exaggeration_iter=0, n_iter=60, n_jobs=1)
    scivis.tl.tsne(cells, early_exaggeration_iter=0, n_iter=25, n_jobs=1)
    if through_a_file:
        cells.write_h5ad(tmp_path / "cells.h5ad")
        cells = read_h5ad(tmp_path / "cells.h5ad")
    scivis.tl.tsne(cells, resume=True, n_iter=35)
    assert_array_equal(cells.obsm["X_tsne"], whole.obsm["X_tsne"])
    assert_allclose(cells.uns["tsne"]["kl_divergence"], whole.uns["tsne"]["kl_divergence"], rtol=1e-10)


def test_the_history_holds_exaggeration_and_learning_rate_of_each_phase(cells):
    scivis.tl.tsne(cells, early_exaggeration_iter=50, n_iter=0, callbacks_every_iters=25, n_jobs=1)
    scivis.tl.tsne(cells, resume=True, n_iter=25, exaggeration=4)
    scivis.tl.tsne(cells, resume=True, n_iter=25, exaggeration=1)
    scivis.tl.tsne(cells, resume=True, n_iter=30, learning_rate=7.0)
    history = cells.uns["tsne"]["history"]
    assert history["iteration"].tolist() == [25, 50, 75, 100, 125, 130]
    assert history["exaggeration"].tolist() == [12, 12, 4, 1, 1, 1]
    assert_allclose(history["learning_rate"], [200 / 12, 200 / 12, 50, 200, 7, 7])
    assert history["kl_divergence"][-1] == cells.uns["tsne"]["kl_divergence"]
    assert cells.uns["tsne"]["params"]["learning_rate"] == 7


def test_exaggeration_makes_groups_more_compact(fitted):
    def neighbor_distance():
        x = fitted.obsm["X_tsne"]
        distances = np.linalg.norm(x[:, None] - x, axis=2) + np.diag(np.full(len(x), np.inf))
        return distances.min(axis=1).mean()

    before = neighbor_distance()
    scivis.tl.tsne(fitted, resume=True, n_iter=100, exaggeration=4)
    assert neighbor_distance() < 0.6 * before


def test_a_continued_optimization_can_have_another_perplexity(cells):
    scivis.tl.tsne(cells, early_exaggeration_iter=0, n_iter=20, perplexity=60, n_jobs=1)
    scivis.tl.tsne(cells, resume=True, n_iter=20, perplexity=10)
    assert cells.uns["tsne"]["params"]["perplexity"] == 10


@pytest.mark.parametrize(
    "argument",
    [{"n_components": 3}, {"initialization": "pca"}, {"use_rep": "X_pca"}, {"layer": "a"}, {"preset": "art"}],
)
def test_some_arguments_are_for_the_first_call_only(fitted, argument):
    with pytest.raises(ValueError, match=f"leave out .*{next(iter(argument))}"):
        scivis.tl.tsne(fitted, resume=True, **argument)


def test_only_an_earlier_embedding_can_be_continued(cells):
    with pytest.raises(KeyError, match="holds no model"):
        scivis.tl.tsne(cells, resume=True)


# Callbacks


def test_callbacks_get_the_embedding_and_can_end_the_optimization(cells):
    seen = []

    def stop(iteration, error, embedding):
        seen.append((iteration, error, np.array(embedding)))
        return len(seen) == 3

    scivis.tl.tsne(cells, early_exaggeration_iter=20, n_iter=500, callbacks=stop, callbacks_every_iters=10, n_jobs=1)
    assert [iteration for iteration, _, _ in seen] == [10, 20, 10]
    assert_array_equal(cells.obsm["X_tsne"], seen[-1][2])
    assert cells.uns["tsne"]["kl_divergence"] == seen[-1][1]
    assert cells.uns["tsne"]["history"]["iteration"].tolist() == [10, 20, 30]


def test_callbacks_of_openTSNE_can_be_used(cells):  # noqa: N802
    scivis.tl.tsne(cells, **SHORT)
    model = scivis.get.model(cells, "tsne")
    errors = ErrorApproximations(model.affinities.P)
    scivis.tl.tsne(cells, resume=True, n_iter=50, callbacks=[errors])
    assert_allclose(errors.bh_errors, errors.exact_errors, rtol=0.02)
    # During exaggeration, callbacks get the divergence of P itself.
    check = VerifyExaggerationError(model)
    model.optimize(10, exaggeration=4, callbacks=[check], callbacks_every_iters=5)


def test_callbacks_must_be_callable(cells):
    with pytest.raises(ValueError, match=r"callbacks=\[3\] must be a function or a list of functions, but 3 is none"):
        scivis.tl.tsne(cells, callbacks=[3])


# Neighbor graph of scanpy


def test_a_neighbor_graph_replaces_the_search(cells, monkeypatch):
    scivis.tl.tsne(cells, n_iter=0, perplexity=10)
    searched = scivis.get.model(cells, "tsne").affinities.P.toarray()
    add_graph(cells, 30)
    monkeypatch.setattr("scivis._tsne.affinities.opentsne_index", None)
    for key in ("neighbors", None):  # named, or because it has enough neighbors
        scivis.tl.tsne(cells, early_exaggeration_iter=0, n_iter=2, perplexity=10, neighbors_key=key)
        p = scivis.get.model(cells, "tsne").affinities.P.toarray()
        assert_allclose(p, searched, atol=1e-5 * searched.max())
        assert cells.uns["tsne"]["params"]["neighbors"] == "the graph 'neighbors'"


@pytest.mark.parametrize("neighbors_key", [None, "mine"])
def test_the_metric_of_a_graph_or_a_search_is_used(cells, neighbors_key):
    add_graph(cells, 30, "cosine", key="mine")
    search = {} if neighbors_key else {"metric": "cosine"}
    scivis.tl.tsne(cells, n_iter=0, perplexity=10, neighbors_key=neighbors_key, **search)
    p = scivis.get.model(cells, "tsne").affinities.P
    exact = openTSNE.affinity.PerplexityBasedNN(
        cells.obsm["X_pca"].astype(float), 10, method="exact", metric="cosine"
    ).P
    assert_allclose(p.toarray(), exact.toarray(), atol=1e-5 * exact.max())
    assert cells.uns["tsne"]["params"]["metric"] == "cosine"


def test_a_graph_with_few_neighbors_gets_uniform_affinities_unless_a_perplexity_is_given(cells):
    add_graph(cells, 14)
    scivis.tl.tsne(cells, n_iter=0)  # too few neighbors to be used without its name
    assert cells.uns["tsne"]["params"]["neighbors"] == "searched, exact"
    scivis.tl.tsne(cells, n_iter=0, neighbors_key="neighbors")
    assert cells.uns["tsne"]["params"]["affinity"] == "uniform"
    with pytest.raises(ValueError, match=r"only 14 neighbors.*but 90.*n_neighbors=91"):
        scivis.tl.tsne(cells, neighbors_key="neighbors", perplexity=30)
    scivis.tl.tsne(cells, n_iter=0, neighbors_key="neighbors", perplexity=4)
    assert cells.uns["tsne"]["params"]["affinity"] == "perplexity"


def test_connectivities_are_the_weights_of_a_graph(cells):
    add_graph(cells, 14)
    weights = cells.obsp["neighbors_connectivities"].toarray()
    scivis.tl.tsne(cells, n_iter=0, affinity="connectivities", neighbors_key="neighbors")
    assert_array_equal(cells.obsp["neighbors_connectivities"].toarray(), weights)
    assert_allclose(scivis.get.model(cells, "tsne").affinities.P.toarray(), weights / weights.sum())
    del cells.uns["neighbors"]
    with pytest.raises(ValueError, match="requires a graph"):
        scivis.tl.tsne(cells, affinity="connectivities")


def test_a_graph_of_other_cells_is_rejected(cells, adata):
    part = adata[:200].copy()  # a graph of 700 cells, of which 500 were removed
    with pytest.raises(ValueError, match=r"before cells were removed.*sc.pp.neighbors"):
        scivis.tl.tsne(part, neighbors_key="neighbors")
    add_graph(cells, 30)
    cells.obsm["X_pca"] = cells.obsm["X_pca"][np.random.default_rng(0).permutation(200)]
    with pytest.raises(ValueError, match="does not belong to these cells"):
        scivis.tl.tsne(cells, neighbors_key="neighbors", perplexity=10)


def test_a_graph_and_a_search_exclude_each_other(cells):
    add_graph(cells, 30)
    with pytest.raises(ValueError, match="leave one of them out"):
        scivis.tl.tsne(cells, neighbors_key="neighbors", metric="cosine")
    with pytest.raises(KeyError, match=r"neighbors_key='other' is not in adata\.uns"):
        scivis.tl.tsne(cells, neighbors_key="other")


# Initialization and presets


def test_given_coordinates_keep_their_proportions_and_are_scaled(cells):
    cells.obsm["X_mine"] = np.column_stack([np.arange(200.0), np.arange(200.0)[::-1] / 2, np.ones(200)])
    scivis.tl.tsne(cells, n_iter=0, initialization="X_mine")
    by_key = cells.obsm["X_tsne"]
    assert_allclose(by_key[:, 0].std(), 1e-4, rtol=0.01)
    assert_allclose(by_key, cells.obsm["X_mine"][:, :2] * 1e-4 / np.arange(200).std(), atol=5e-6)
    scivis.tl.tsne(cells, n_iter=0, initialization=cells.obsm["X_mine"])
    assert_array_equal(cells.obsm["X_tsne"], by_key)


@pytest.mark.parametrize(
    ("start", "error"),
    [
        ("X_other", "neither one of"),
        (np.zeros((200, 2)), "not all equal"),
        (np.zeros((3, 2)), r"shape \(3, 2\)"),
        (np.full((200, 2), np.nan), "NaN or infinite"),
        (np.full((200, 2), "a"), r"numbers of shape \(200, 2\) are required"),
    ],
    ids=["unknown key", "all equal", "shape", "NaN", "text"],
)
def test_invalid_initial_coordinates_are_rejected(cells, start, error):
    with pytest.raises((KeyError, ValueError), match=error):
        scivis.tl.tsne(cells, initialization=start)


def test_arguments_replace_settings_of_a_preset(cells):
    scivis.tl.tsne(cells, preset="million", n_iter=1, early_exaggeration_iter=0)
    params = cells.uns["tsne"]["params"]
    assert (params["affinity"], params["n_neighbors"], params["exaggeration"]) == ("uniform", 15, 4)
    scivis.tl.tsne(cells, preset="million", n_neighbors=9, n_iter=0)
    assert cells.uns["tsne"]["params"]["n_neighbors"] == 9


# What is stored


def test_scanpy_plots_the_embedding_and_scivis_its_history(fitted):
    assert sc.pl.tsne(fitted, color="louvain", show=False).get_xlabel() == "tSNE1"
    assert scivis.pl.history(fitted, key="tsne", show=False).get_ylabel() == "Kullback-Leibler divergence"


def test_pbic_follows_its_formula(fitted):
    entry = fitted.uns["tsne"]
    assert_allclose(entry["pbic"], 2 * entry["kl_divergence"] + np.log(200) * 30 / 200)
    scivis.tl.tsne(fitted, n_iter=0, affinity="uniform")
    assert "pbic" not in fitted.uns["tsne"]


@pytest.mark.filterwarnings("ignore::UserWarning")  # about future formats of zarr
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_a_model_from_a_file_continues_with_the_same_bits(fitted, tmp_path, suffix):
    path = tmp_path / f"cells.{suffix}"
    (fitted.write_h5ad if suffix == "h5ad" else fitted.write_zarr)(path)
    again = (read_h5ad if suffix == "h5ad" else read_zarr)(path)
    assert_array_equal(again.obsm["X_tsne"], fitted.obsm["X_tsne"])
    one, other = (scivis.get.model(a, "tsne").optimize(5) for a in (fitted, again))
    assert_array_equal(np.asarray(one), np.asarray(other))
    assert scivis.get.model(again, "tsne").kl_divergence == fitted.uns["tsne"]["kl_divergence"]


def test_the_model_is_an_embedding_of_openTSNE(fitted):  # noqa: N802
    model = scivis.get.model(fitted, "tsne")
    direct = openTSNE.TSNE(**SHORT, neighbors="exact", random_state=0).fit(fitted.obsm["X_pca"])
    assert isinstance(model, openTSNE.TSNEEmbedding)
    assert_allclose(model.kl_divergence, direct.kl_divergence, rtol=1e-10)
    assert (abs(model.affinities.P - direct.affinities.P) > 1e-12 * model.affinities.P.max()).nnz == 0
    rows = fitted.obsm["X_pca"][:5]
    assert_allclose(np.asarray(model.prepare_partial(rows)), np.asarray(direct.prepare_partial(rows)))


def test_a_model_is_restored_by_its_key(cells):
    scivis.tl.tsne(cells, n_iter=0, key_added="mine")
    assert cells.uns["mine"]["method"] == "tsne"
    assert scivis.get.model(cells, "mine").shape == (200, 2)


def test_layers_and_genes_can_be_embedded(cells):
    cells.layers["raw"] = cells.X.copy()
    for choice in ({"layer": "raw"}, {"use_rep": "X"}, {"n_pcs": 0}):
        scivis.tl.tsne(cells, n_iter=0, **choice)
        assert cells.uns["tsne"]["params"]["n_features"] == 765
    scivis.tl.tsne(cells, n_iter=0, n_pcs=7)
    assert cells.uns["tsne"]["params"]["n_features"] == 7


# Bad input


@pytest.mark.parametrize(
    "argument",
    [
        {"n_components": 0}, {"n_components": 4}, {"n_iter": -1}, {"early_exaggeration_iter": 1.5}, {"perplexity": 0},
        {"perplexity": [30, -1]}, {"exaggeration": 0}, {"early_exaggeration": "much"}, {"learning_rate": -1},
        {"dof": 0}, {"theta": -1}, {"initial_momentum": 1}, {"final_momentum": -0.1}, {"max_grad_norm": 0},
        {"max_step_norm": -1}, {"n_jobs": 0}, {"neighbors": "best"}, {"affinity": "best"}, {"metric": "precomputed"},
        {"metric": 3}, {"metric_params": 3}, {"negative_gradient_method": "best"}, {"callbacks_every_iters": 0},
        {"sigma": 1.0}, {"n_neighbors": 5}, {"n_interpolation_points": 0}, {"min_num_intervals": 0},
        {"ints_in_interval": 0}, {"preset": "best"},
    ],
    ids=str,
)  # fmt: skip
def test_invalid_arguments_are_named_and_change_nothing(cells, argument):
    before = joblib.hash((dict(cells.obsm), dict(cells.uns)))
    with pytest.raises(ValueError, match=next(iter(argument))):
        scivis.tl.tsne(cells, **argument)
    assert joblib.hash((dict(cells.obsm), dict(cells.uns))) == before


@pytest.mark.parametrize(
    "argument",
    [
        {"n_components": 3, "negative_gradient_method": "fft"},
        {"affinity": "uniform", "n_neighbors": 200},
        {"affinity": "fixed_sigma"},
        {"affinity": "fixed_sigma", "sigma": 1e-9},
    ],
    ids=str,
)
def test_invalid_combinations_of_arguments_are_rejected(cells, argument):
    with pytest.raises(ValueError, match=r"n_components=3|n_neighbors=200|sigma="):
        scivis.tl.tsne(cells, **argument)
    assert "X_tsne" not in cells.obsm


def test_a_perplexity_above_a_third_of_the_cells_is_decreased_with_a_warning_if_it_was_given(cells, logged):
    few = cells[:40].copy()
    sc.settings.verbosity = 1
    scivis.tl.tsne(few, n_iter=0)
    assert not logged.getvalue()
    scivis.tl.tsne(few, n_iter=0, perplexity=30)
    assert few.uns["tsne"]["params"]["perplexity"] == 13
    assert "more than a third of the 40 cells: using 13.0" in logged.getvalue()


def test_only_arrays_numbers_and_strings_are_stored(fitted):
    def plain(value):
        if hasattr(value, "items"):
            return all(isinstance(key, str) and "/" not in key and plain(v) for key, v in value.items())
        return isinstance(value, str | int | float | np.number | np.ndarray)

    assert plain(fitted.uns["tsne"])
    assert not any(
        array.dtype.hasobject for name, array in entry_of(fitted, "tsne")["model"].items() if name == "gains"
    )
