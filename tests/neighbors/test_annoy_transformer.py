"""Annoy as a neighbor search of scanpy."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
from scipy import sparse
from sklearn.base import clone
from sklearn.metrics import pairwise_distances

from scivis.neighbors import AnnoyTransformer, from_graph


def graphs_by_scanpy(adata, transformer):
    """Graphs of scanpy without and with a transformer."""
    common = {"n_neighbors": 15, "use_rep": "X_pca", "method": "gauss"}
    sc.pp.neighbors(adata, **common, key_added="exact")
    sc.pp.neighbors(adata, **common, key_added="annoy", transformer=transformer)
    return adata.obsp["exact_distances"], adata.obsp["annoy_distances"]


def test_annoy_in_scanpy_finds_most_neighbors(adata, recall):
    exact, annoy = map(from_graph, graphs_by_scanpy(adata, AnnoyTransformer(15)))
    assert (annoy.counts >= 14).all()
    assert recall(annoy.indices[:, :14], exact.indices) >= 0.9


def test_annoy_in_scanpy_is_exact_if_it_inspects_all_cells(adata):
    exact, annoy = graphs_by_scanpy(adata[:300].copy(), AnnoyTransformer(15, search_k=100_000))
    tables = [np.sort(from_graph(graph).indices[:, :14], axis=1) for graph in (exact, annoy)]
    np.testing.assert_array_equal(*tables)
    cells = np.arange(300)[:, None]
    wanted, found = (graph.toarray()[cells, tables[0]] for graph in (exact, annoy))
    np.testing.assert_allclose(wanted, found, rtol=1e-3)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
def test_the_graph_holds_distances_of_the_metric(points, metric):
    graph = AnnoyTransformer(10, metric=metric).fit_transform(points)
    wanted = pairwise_distances(points, metric=metric)
    rows, columns = graph.nonzero()
    np.testing.assert_allclose(np.asarray(graph[rows, columns]).ravel(), wanted[rows, columns], rtol=1e-3, atol=1e-5)


def test_the_graph_has_a_row_for_each_query_and_a_column_for_each_fitted_row(points, recall):
    transformer = AnnoyTransformer(5).fit(points[:300])
    graph = transformer.transform(points[300:])
    assert graph.shape == (100, 300)
    distances = pairwise_distances(points[300:], points[:300])
    wanted = np.argsort(distances, axis=1)[:, :5]
    assert recall([graph[[i]].indices for i in range(100)], wanted) >= 0.95


def test_the_transformer_is_an_estimator_of_scikit_learn():
    transformer = AnnoyTransformer(7, metric="manhattan", n_trees=9, search_k=100, random_state=3)
    assert clone(transformer).get_params() == transformer.get_params()
    assert transformer.get_params()["n_trees"] == 9


def test_a_seed_repeats_the_graph(points):
    def graph(seed):
        return AnnoyTransformer(5, n_trees=1, search_k=10, random_state=seed).fit_transform(points)

    assert (graph(1) != graph(1)).nnz == 0
    assert (graph(1) != graph(2)).nnz > 0


def test_rows_can_be_sparse(points):
    points[np.abs(points) < 1] = 0
    dense, as_sparse = (AnnoyTransformer(5).fit_transform(x) for x in (points, sparse.csr_matrix(points)))
    assert (dense != as_sparse).nnz == 0
