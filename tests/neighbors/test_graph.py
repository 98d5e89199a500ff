"""Neighbors from the entries of graphs."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import pairwise_distances

from scivis.neighbors import find_neighbors, from_graph
from scivis.neighbors._graph import sorted_entries


@given(st.integers(1, 9), st.integers(0, 2**32 - 1), st.sampled_from([sparse.csr_array, sparse.csr_matrix]))
def test_neighbors_are_the_stored_entries_nearest_first(n, seed, kind):
    rng = np.random.default_rng(seed)
    distances = rng.permuted(np.arange(n * n, dtype=float)).reshape(n, n)  # one of them is a stored zero
    stored = rng.random((n, n)) < 0.5
    rows, columns = np.nonzero(stored)
    indptr = np.concatenate([[0], np.cumsum(stored.sum(axis=1))])
    table = from_graph(kind((distances[stored], columns, indptr), shape=(n, n)))
    for i in range(n):
        wanted = sorted((j for j in range(n) if stored[i, j] and j != i), key=lambda j: distances[i, j])
        assert table.indices[i, : table.counts[i]].tolist() == wanted
    assert table.counts.sum() == (rows != columns).sum()


def test_stored_zeros_are_neighbors_and_the_diagonal_is_left_out():
    graph = sparse.csr_array(([0.0, 0.0, 5.0], ([0, 0, 1], [0, 1, 0])), shape=(3, 3))
    table = from_graph(graph)
    assert table.indices.tolist() == [[1], [0], [-1]]
    assert table.counts.tolist() == [1, 1, 0]


@pytest.mark.parametrize("form", ["csc", "coo"])
def test_graphs_can_have_other_sparse_formats(form):
    dense = np.array([[0, 2.0, 1.0], [2.0, 0, 0], [1.0, 3.0, 0]])
    assert from_graph(sparse.csr_array(dense).asformat(form)).indices.tolist() == [[2, 1], [0, -1], [0, 1]]


def test_all_nonzero_entries_of_a_dense_graph_are_neighbors(points, nearest_by_hand):
    graph = pairwise_distances(points[:7].astype(np.float64))
    np.fill_diagonal(graph, 0)
    np.testing.assert_array_equal(from_graph(graph).indices, nearest_by_hand(points[:7], 6))


def test_the_graph_is_not_changed():
    graph = sparse.random_array((50, 50), density=0.2, random_state=0, format="csr")
    before = graph.copy()
    from_graph(graph)
    assert (graph != before).nnz == 0


def test_cells_of_a_graph_without_entries_have_no_neighbors():
    table = from_graph(sparse.csr_array((4, 4)))
    assert table.counts.tolist() == [0, 0, 0, 0]


def test_a_graph_that_is_not_square_is_rejected():
    with pytest.raises(ValueError, match=r"\(3, 4\).*square"):
        from_graph(sparse.csr_array((3, 4)))


def test_a_graph_of_scanpy_holds_the_nearest_cells(adata):
    # "gauss": computes the connectivities, which are not needed here, without compiling UMAP.
    sc.pp.neighbors(adata, n_neighbors=15, use_rep="X_pca", method="gauss")
    table = from_graph(adata.obsp["distances"])
    exact = find_neighbors(adata.obsm["X_pca"], 14, backend="exact")  # scanpy counts the cell itself
    assert (table.counts == 14).all()
    np.testing.assert_array_equal(np.sort(table.indices, axis=1), np.sort(exact.indices, axis=1))


def test_the_stored_graph_of_the_data_is_read_nearest_first(adata):
    graph = adata.obsp["distances"]
    table = from_graph(graph)
    np.testing.assert_array_equal(table.counts, (graph.toarray() > 0).sum(axis=1))
    for cell in (0, 350, 699):
        row = graph[[cell]].toarray().ravel()
        assert (np.diff(row[table.indices[cell, : table.counts[cell]]]) >= 0).all()


@pytest.mark.parametrize("skip_diagonal", [True, False])
@pytest.mark.parametrize("form", ["csr", "csc", "coo", "dense"])
def test_entries_are_sorted_by_row_and_distance(form, skip_diagonal):
    """In a dense graph, zeros are entries, too."""
    matrix = np.array([[3.0, 2.0, 1.0], [0.0, 0.0, 5.0]])
    wanted = [(0, 2, 1), (0, 1, 2), (0, 0, 3), *([(1, 0, 0), (1, 1, 0)] if form == "dense" else []), (1, 2, 5)]
    wanted = [entry for entry in wanted if not skip_diagonal or entry[0] != entry[1]]
    graph = matrix if form == "dense" else sparse.csr_array(matrix).asformat(form)
    rows, columns, distances = sorted_entries(graph, skip_diagonal=skip_diagonal)
    assert list(zip(rows, columns, distances, strict=True)) == wanted
