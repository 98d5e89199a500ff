"""Which representation is chosen, and which graph belongs to it."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scanpy as sc

from scivis._adata.choice import Choice, choose, choose_graph, search_metric


@pytest.fixture
def cells(adata):
    """60 cells with two representations of 20 columns, without a graph."""
    cells = adata[:60].copy()
    del cells.obsp, cells.uns["neighbors"]
    cells.obsm["X_pca"] = cells.obsm["X_pca"][:, :20]
    cells.obsm["X_other"] = np.random.default_rng(0).normal(size=(60, 20)).astype(np.float32)
    return cells


GRAPHS = {
    "the PCA": ({}, Choice("obsm", "X_pca")),
    "the PCA by name": ({"use_rep": "X_pca"}, Choice("obsm", "X_pca")),
    "ten components": ({"n_pcs": 10}, Choice("obsm", "X_pca", 10)),
    "genes": ({"use_rep": "X"}, Choice("X", "X")),
    "no components": ({"n_pcs": 0}, Choice("X", "X")),
    "another": ({"use_rep": "X_other"}, Choice("obsm", "X_other")),
    "columns of another": ({"use_rep": "X_other", "n_pcs": 7}, Choice("obsm", "X_other", 7)),
}


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_default_is_the_representation_of_the_graph(cells, graph):
    arguments, expected = GRAPHS[graph]
    sc.pp.neighbors(cells, **arguments)
    chosen = choose(cells)
    assert chosen == expected
    assert choose_graph(cells, chosen, None) == "neighbors"


def test_each_graph_belongs_to_its_own_representation_only(cells):
    for graph, (arguments, own) in GRAPHS.items():
        sc.pp.neighbors(cells, **arguments, key_added=graph)
        cells.uns["neighbors"] = cells.uns[graph]
        fitting = {name for name, (_, choice) in GRAPHS.items() if choose_graph(cells, choice, None)}
        assert fitting == {name for name, (_, choice) in GRAPHS.items() if choice == own}, graph


def test_all_columns_are_the_same_whether_they_are_counted_or_not(cells):
    sc.pp.neighbors(cells)
    assert choose_graph(cells, choose(cells, n_pcs=20), None) == "neighbors"
    assert choose_graph(cells, choose(cells, use_rep="X_pca"), None) == "neighbors"


def test_scanpy_uses_few_genes_whatever_the_number_of_components(cells):
    few = cells[:, :40].copy()
    sc.pp.neighbors(few, n_pcs=10)
    assert choose(few) == Choice("X", "X")


def test_a_pca_without_expression_is_read_itself():
    without = ad.AnnData(obsm={"X_pca": np.zeros((5, 3)), "X_umap": np.zeros((5, 2))})
    assert choose(without) == Choice("obsm", "X_pca")
    assert choose(ad.AnnData(obsm={"X_umap": np.zeros((5, 2))})) == Choice("X", "X")
    assert choose(ad.AnnData(np.zeros((5, 4)), obsm={"X_pca": np.zeros((5, 3))})) == Choice("X", "X")


def test_a_named_graph_brings_its_representation(cells):
    sc.pp.neighbors(cells)
    sc.pp.neighbors(cells, use_rep="X_other", key_added="mine")
    assert choose(cells, neighbors_key="mine") == Choice("obsm", "X_other")
    assert choose(cells, neighbors_key="mine", use_rep="X_pca") == Choice("obsm", "X_pca")


def test_a_layer_has_no_graph(cells):
    cells.layers["logs"] = cells.X
    sc.pp.neighbors(cells, use_rep="X")
    assert choose_graph(cells, choose(cells, layer="logs"), None) == ""


def test_a_graph_of_another_representation_is_used_only_if_it_is_named_and_with_a_warning(cells, said):
    sc.settings.verbosity = "info"
    sc.pp.neighbors(cells)
    other = choose(cells, use_rep="X_other")
    said()
    assert choose_graph(cells, other, None) == ""
    what = "The graph 'neighbors' was computed from adata.obsm['X_pca'], but the cells are represented by adata.obsm['X_other']"
    assert f"{what}: searching neighbors" in said()
    sc.settings.verbosity = "warning"
    assert choose_graph(cells, other, "neighbors") == "neighbors"
    assert f"{what}. The graph is used because it is named" in said()
    assert choose_graph(cells, choose(cells), "neighbors") == "neighbors"
    assert not said()


def test_a_representation_of_the_graph_that_is_gone_is_named(cells):
    sc.pp.neighbors(cells, use_rep="X_other")
    del cells.obsm["X_other"]
    with pytest.raises(KeyError, match=r"computed from adata\.obsm\['X_other'\], which does not exist.*use_rep"):
        choose(cells)
    assert choose(cells, use_rep="X_pca").key == "X_pca"


@pytest.mark.parametrize(
    "params",
    [
        None,
        3,
        {},
        {"use_rep": 3, "n_pcs": "x"},
        {"n_pcs": np.array([20])},
        {"use_rep": np.array(["X_pca"]), "n_pcs": -1},
    ],
    ids=str,
)
def test_odd_records_are_those_of_the_default(cells, params):
    sc.pp.neighbors(cells)
    cells.uns["neighbors"]["params"] = params
    chosen = choose(cells)
    assert (chosen.kind, chosen.key) == ("obsm", "X_pca")
    assert choose_graph(cells, chosen, None) == "neighbors"
    assert search_metric(cells, chosen) == "euclidean"


@pytest.mark.parametrize(("metric", "found"), [("cosine", "cosine"), ("correlation", "euclidean")])
def test_a_search_has_the_metric_of_the_graph_of_the_same_representation(cells, metric, found):
    assert search_metric(cells, choose(cells)) == "euclidean"
    sc.pp.neighbors(cells, metric=metric)
    assert search_metric(cells, choose(cells)) == found
    assert search_metric(cells, choose(cells, use_rep="X_other")) == "euclidean"
