"""Searches against brute force in NumPy, and graphs against their entries."""

from __future__ import annotations

import sys
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pytest
import scanpy as sc
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from scipy import sparse
from sklearn.base import clone
from sklearn.metrics import pairwise_distances

from scivis.neighbors import AnnoyTransformer, Neighbors, find_neighbors, from_graph
from scivis.neighbors._search import EXACT_UP_TO, resolve

METRICS = ["euclidean", "cosine", "manhattan"]


def distances_by_hand(x, metric):
    x = x.astype(np.float64)
    difference = x[:, None] - x[None]
    match metric:
        case "euclidean":
            return np.sqrt((difference**2).sum(axis=2))
        case "manhattan":
            return np.abs(difference).sum(axis=2)
    lengths = np.linalg.norm(x, axis=1)
    return 1 - x @ x.T / np.outer(lengths, lengths)


def nearest_by_hand(x, k, metric="euclidean"):
    distances = distances_by_hand(x, metric)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1)[:, :k]


def share_found(found, wanted):
    return np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, wanted, strict=True)])


# --- searches


@pytest.mark.parametrize("metric", METRICS)
def test_exact_is_brute_force(points, metric):
    found = find_neighbors(points, 15, backend="exact", metric=metric)
    np.testing.assert_array_equal(found.indices, nearest_by_hand(points, 15, metric))
    assert (found.counts == 15).all()


@pytest.mark.parametrize("metric", METRICS)
def test_annoy_finds_the_neighbours(points, metric):
    found = find_neighbors(points, 15, backend="annoy", metric=metric)
    assert share_found(found.indices, nearest_by_hand(points, 15, metric)) >= 0.95


@pytest.fixture(scope="module")
def cloud():
    """Two thousand rows, enough for many lists, of which many lie about as near."""
    return np.random.default_rng(0).normal(size=(2000, 8)).astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
def test_an_inverted_file_finds_the_neighbours_nearest_first(cloud, metric):
    found = find_neighbors(cloud, 5, backend="ivf", metric=metric)
    assert (found.counts == 5).all()
    assert 0.9 <= share_found(found.indices, nearest_by_hand(cloud, 5, metric)) < 1
    distances = np.take_along_axis(distances_by_hand(cloud, metric), found.indices.astype(int), axis=1)
    assert (np.diff(distances, axis=1) >= -1e-5).all()


@pytest.mark.parametrize("metric", METRICS)
def test_an_inverted_file_whose_lists_are_all_probed_is_exact(points, metric):
    found = find_neighbors(points, 15, backend="ivf", metric=metric)  # fewer than eight lists
    np.testing.assert_array_equal(found.indices, nearest_by_hand(points, 15, metric))


def test_an_inverted_file_is_the_same_in_blocks_and_by_the_same_seed(cloud, monkeypatch):
    whole, other = (find_neighbors(cloud, 5, backend="ivf", random_state=seed).indices for seed in (1, 2))
    monkeypatch.setattr("scivis.neighbors._ivf._BLOCK", 300)
    np.testing.assert_array_equal(find_neighbors(cloud, 5, backend="ivf", random_state=1).indices, whole)
    assert (whole != other).any()


def test_rows_on_lists_that_are_too_short_are_compared_with_all(monkeypatch):
    # Lists by first number: 90 rows near 0, and 10 far away that are too few for 14 neighbours and the row itself.
    rows = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    rows[90:] += 1000
    monkeypatch.setattr("scivis.neighbors._ivf._PROBES", 1)
    monkeypatch.setattr("scivis.neighbors._ivf._ROOM", 3)
    found = find_neighbors(rows, 14, backend="ivf")
    np.testing.assert_array_equal(found.indices[90:], nearest_by_hand(rows, 14)[90:])


# PyNNDescent takes a minute to compile itself. Before 0.7 its searches also run uncompiled, which takes seconds.
UNCOMPILED = {"NUMBA_DISABLE_JIT": "1"} if Version(version("pynndescent")) < Version("0.7") else {"NUMBA_OPT": "0"}


@pytest.fixture(scope="module")
def by_pynndescent(_points, fresh_process, tmp_path_factory):
    """Tables that PyNNDescent fills: of the points, of the same once more, and of points with duplicates."""
    folder = tmp_path_factory.mktemp("pynndescent")
    np.savez(folder / "rows.npz", points=_points[:150], duplicates=with_duplicates(_points[:150]))
    code = """
        import sys, numpy as np
        from scivis.neighbors import find_neighbors

        folder = sys.stdin.read()
        rows = np.load(folder + "/rows.npz")

        def search(points):
            found = find_neighbors(rows[points], 10, backend="pynndescent", random_state=1)
            assert (found.counts == 10).all()
            return found.indices

        np.savez(folder + "/found.npz", points=search("points"), again=search("points"), duplicates=search("duplicates"))
        """
    fresh_process(code, stdin=str(folder), **UNCOMPILED)
    return np.load(folder / "found.npz")


def test_pynndescent_finds_the_neighbours(points, by_pynndescent):
    assert share_found(by_pynndescent["points"], nearest_by_hand(points[:150], 10)) >= 0.95


def with_duplicates(points):
    return np.concatenate([np.repeat(points[:1], 30, axis=0), points[30:]])


@pytest.mark.parametrize("backend", ["exact", "ivf", "annoy", "pynndescent"])
def test_no_cell_is_its_own_neighbour_even_among_duplicates(points, backend, request):
    if backend == "pynndescent":
        found = request.getfixturevalue("by_pynndescent")["duplicates"]
    else:
        found = find_neighbors(with_duplicates(points[:150]), 10, backend=backend).indices
    assert found.shape == (150, 10)
    assert (found != np.arange(150)[:, None]).all()
    assert (found[:30] < 30).all()  # all neighbours of a duplicate are other duplicates
    assert all(len(set(row)) == 10 for row in found)


def test_a_seed_repeats_an_approximate_search(points, by_pynndescent):
    first, second = (
        find_neighbors(points, 15, backend="annoy", n_trees=1, search_k=30, random_state=1) for _ in range(2)
    )
    np.testing.assert_array_equal(first.indices, second.indices)
    np.testing.assert_array_equal(by_pynndescent["points"], by_pynndescent["again"])


def test_the_seed_reaches_annoy(points):
    first, second = (
        find_neighbors(points, 15, backend="annoy", n_trees=1, search_k=30, random_state=seed) for seed in (1, 2)
    )
    assert first.indices.shape != second.indices.shape or (first.indices != second.indices).any()


def test_more_annoy_trees_find_more(points):
    wanted = nearest_by_hand(points, 15)
    few, many = (
        find_neighbors(points, 15, backend="annoy", n_trees=n, search_k=search_k) for n, search_k in ((1, 20), (50, -1))
    )
    assert share_found(few.indices, wanted) < share_found(many.indices, wanted) - 0.1


def test_annoy_rows_may_be_short_and_end_in_minus_one(points):
    found = find_neighbors(points, 100, backend="annoy", n_trees=1, search_k=1)
    assert found.counts.min() < 100
    assert ((found.indices >= 0).sum(axis=1) == found.counts).all()


def test_pynndescent_gets_the_metric_the_seed_and_the_threads(points, monkeypatch):
    seen = {}

    class Index:
        def __init__(self, x, **settings):
            seen.update(settings)
            others = nearest_by_hand(x, 3)
            self.neighbor_graph = (np.hstack([np.arange(len(x))[:, None], others]), None)

    monkeypatch.setitem(sys.modules, "pynndescent", SimpleNamespace(NNDescent=Index))
    found = find_neighbors(points, 3, backend="pynndescent", metric="cosine", random_state=5, n_jobs=2)
    assert (seen["metric"], seen["random_state"], seen["n_jobs"], seen["n_neighbors"]) == ("cosine", 5, 2, 4)
    np.testing.assert_array_equal(found.indices, nearest_by_hand(points, 3))


def test_auto_is_exact_for_small_data_and_an_inverted_file_for_large(points):
    assert resolve("auto", EXACT_UP_TO) == "exact"
    assert resolve("auto", EXACT_UP_TO + 1) == "ivf"
    assert resolve("annoy", 10**7) == "annoy"
    np.testing.assert_array_equal(find_neighbors(points, 15).indices, nearest_by_hand(points, 15))


def test_all_other_cells_can_be_neighbours(points):
    found = find_neighbors(points[:6], 5)
    assert [sorted(row) for row in found.indices] == [[j for j in range(6) if j != i] for i in range(6)]


@pytest.mark.parametrize("n_neighbors", [-3, 0, 6, 100, 2.5, "3"])
def test_a_number_of_neighbours_the_data_cannot_give_is_refused(points, n_neighbors):
    with pytest.raises(ValueError, match=rf"n_neighbors={n_neighbors!r} must lie between 1 and 5.*6 cells"):
        find_neighbors(points[:6], n_neighbors)


def test_an_unknown_backend_is_refused_with_the_known_ones(points):
    with pytest.raises(ValueError, match=r"backend='faiss' is not one of .*'exact'.*'ivf'.*'pynndescent'.*'annoy'"):
        find_neighbors(points, 5, backend="faiss")


@pytest.mark.parametrize("backend", ["exact", "ivf", "annoy", "pynndescent"])
def test_an_unknown_metric_is_refused_with_the_known_ones(points, backend):
    with pytest.raises(ValueError, match=r"metric='bogus' is not one of .*'euclidean'"):
        find_neighbors(points, 5, backend=backend, metric="bogus")


# --- the table


def test_lists_of_unequal_length_become_a_padded_table_without_own_numbers():
    table = Neighbors.from_indices([[0, 2, 1], [], [2], [1]])
    assert table.indices.tolist() == [[2, 1], [-1, -1], [-1, -1], [1, -1]]
    assert table.counts.tolist() == [2, 0, 0, 1]
    assert table.indices.dtype == table.counts.dtype == np.int32
    assert table.n_cells == 4


@given(st.integers(2, 8).flatmap(lambda n: st.lists(st.permutations(range(n)), min_size=n, max_size=n)), st.data())
def test_the_order_of_given_neighbours_is_kept(orders, data):
    lists = [order[: data.draw(st.integers(0, len(orders)))] for order in orders]
    table = Neighbors.from_indices(lists)
    for i, given_row in enumerate(lists):
        assert table.indices[i, : table.counts[i]].tolist() == [j for j in given_row if j != i]
        assert (table.indices[i, table.counts[i] :] == -1).all()


def test_an_index_array_is_not_changed_and_may_hold_gaps():
    given_table = np.array([[0, 1, 2], [-1, 2, 0], [2, -1, 1]])
    table = Neighbors.from_indices(given_table)
    assert table.indices.tolist() == [[1, 2], [2, 0], [1, -1]]
    assert given_table.tolist() == [[0, 1, 2], [-1, 2, 0], [2, -1, 1]]


@pytest.mark.parametrize("as_array", [True, False])
def test_a_neighbour_named_twice_counts_once(as_array):
    """Twice in a row, it would throw off the numbering of the negatives."""
    lists = [[1, 1, 2], [2, 2, 2], [0, 1, 0]]
    table = Neighbors.from_indices(np.array(lists) if as_array else lists)
    assert table.indices.tolist() == [[1, 2], [2, -1], [0, 1]]
    assert table.counts.tolist() == [2, 1, 2]


@pytest.mark.parametrize(
    ("indices", "counts", "message"),
    [
        ([[1], [5]], [1, 1], r"row 5, but there are only 2 rows"),
        ([[0], [0]], [1, 1], r"own neighbour"),
        ([[1], [0]], [1, 0], r"as many neighbours as counts"),
        ([[1], [0]], [1, 1, 1], r"counts has shape \(3,\), but indices has 2 rows"),
        ([[-1, 1], [0, -1]], [1, 1], r"neighbours first and -1 afterwards"),
        ([[1, 1], [0, -1]], [2, 1], r"twice"),
    ],
)
def test_a_table_that_is_none_is_refused(indices, counts, message):
    with pytest.raises(ValueError, match=message):
        Neighbors(np.array(indices, np.int32), np.array(counts, np.int32))


# --- graphs


@given(st.integers(1, 9), st.integers(0, 2**32 - 1), st.sampled_from([sparse.csr_array, sparse.csr_matrix]))
def test_a_graph_gives_its_stored_entries_nearest_first(n, seed, kind):
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


def test_stored_zeros_are_neighbours_and_the_diagonal_is_none():
    graph = sparse.csr_array(([0.0, 0.0, 5.0], ([0, 0, 1], [0, 1, 0])), shape=(3, 3))
    table = from_graph(graph)
    assert table.indices.tolist() == [[1], [0], [-1]]
    assert table.counts.tolist() == [1, 1, 0]


@pytest.mark.parametrize("form", ["csc", "coo"])
def test_graphs_of_other_sparse_formats(form):
    dense = np.array([[0, 2.0, 1.0], [2.0, 0, 0], [1.0, 3.0, 0]])
    assert from_graph(sparse.csr_array(dense).asformat(form)).indices.tolist() == [[2, 1], [0, -1], [0, 1]]


def test_a_dense_graph_links_all_pairs(points):
    graph = pairwise_distances(points[:7].astype(np.float64))
    np.fill_diagonal(graph, 0)
    np.testing.assert_array_equal(from_graph(graph).indices, nearest_by_hand(points[:7], 6))


def test_the_graph_is_left_as_it_is(points):
    graph = sparse.random_array((50, 50), density=0.2, rng=0, format="csr")
    before = graph.copy()
    from_graph(graph)
    assert (graph != before).nnz == 0


def test_a_graph_without_entries_has_cells_without_neighbours():
    table = from_graph(sparse.csr_array((4, 4)))
    assert table.counts.tolist() == [0, 0, 0, 0]


def test_a_graph_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match=r"\(3, 4\).*square"):
        from_graph(sparse.csr_array((3, 4)))


def test_scanpys_graph_holds_the_nearest_cells(adata):
    # "gauss": the connectivities, which are not needed here, are then computed without compiling UMAP.
    sc.pp.neighbors(adata, n_neighbors=15, use_rep="X_pca", method="gauss")
    table = from_graph(adata.obsp["distances"])
    exact = find_neighbors(adata.obsm["X_pca"], 14, backend="exact")  # scanpy counts the cell itself
    assert (table.counts == 14).all()
    np.testing.assert_array_equal(np.sort(table.indices, axis=1), np.sort(exact.indices, axis=1))


def test_the_graph_that_ships_with_the_data(adata):
    graph = adata.obsp["distances"]
    table = from_graph(graph)
    np.testing.assert_array_equal(table.counts, (graph.toarray() > 0).sum(axis=1))
    for cell in (0, 350, 699):
        row = graph[[cell]].toarray().ravel()
        assert (np.diff(row[table.indices[cell, : table.counts[cell]]]) >= 0).all()


# --- Annoy for scanpy


def graphs_by_scanpy(adata, transformer):
    """Scanpy's own graph, and the one it makes with a transformer."""
    common = {"n_neighbors": 15, "use_rep": "X_pca", "method": "gauss"}
    sc.pp.neighbors(adata, **common, key_added="exact")
    sc.pp.neighbors(adata, **common, key_added="annoy", transformer=transformer)
    return adata.obsp["exact_distances"], adata.obsp["annoy_distances"]


def test_annoy_in_scanpy_finds_most_exact_neighbours(adata):
    exact, annoy = map(from_graph, graphs_by_scanpy(adata, AnnoyTransformer(15)))
    assert (annoy.counts >= 14).all()
    assert share_found(annoy.indices[:, :14], exact.indices) >= 0.9


def test_annoy_in_scanpy_is_exact_when_it_looks_at_all_cells(adata):
    exact, annoy = graphs_by_scanpy(adata, AnnoyTransformer(15, search_k=100_000))
    tables = [np.sort(from_graph(graph).indices[:, :14], axis=1) for graph in (exact, annoy)]
    np.testing.assert_array_equal(*tables)
    cells = np.arange(700)[:, None]
    near, same = (graph.toarray()[cells, tables[0]] for graph in (exact, annoy))
    np.testing.assert_allclose(near, same, rtol=1e-3)


@pytest.mark.parametrize("metric", METRICS)
def test_annoys_graph_holds_distances_of_the_metric(points, metric):
    graph = AnnoyTransformer(10, metric=metric).fit_transform(points)
    wanted = pairwise_distances(points, metric=metric)
    rows, columns = graph.nonzero()
    np.testing.assert_allclose(np.asarray(graph[rows, columns]).ravel(), wanted[rows, columns], rtol=1e-3, atol=1e-5)


def test_annoys_graph_has_a_row_for_each_query_and_a_column_for_each_fitted_row(points):
    transformer = AnnoyTransformer(5).fit(points[:300])
    graph = transformer.transform(points[300:])
    assert graph.shape == (100, 300)
    distances = pairwise_distances(points[300:], points[:300])
    wanted = np.argsort(distances, axis=1)[:, :5]
    assert share_found([graph[[i]].indices for i in range(100)], wanted) >= 0.95


def test_annoy_for_scanpy_is_a_scikit_learn_estimator():
    transformer = AnnoyTransformer(7, metric="manhattan", n_trees=9, search_k=100, random_state=3)
    assert clone(transformer).get_params() == transformer.get_params()
    assert transformer.get_params()["n_trees"] == 9


def test_annoy_for_scanpy_repeats_with_its_seed(points):
    def graph(seed):
        return AnnoyTransformer(5, n_trees=1, search_k=10, random_state=seed).fit_transform(points)

    assert (graph(1) != graph(1)).nnz == 0
    assert (graph(1) != graph(2)).nnz > 0


def test_annoy_for_scanpy_reads_sparse_rows(points):
    points[np.abs(points) < 1] = 0
    dense, as_sparse = (AnnoyTransformer(5).fit_transform(x) for x in (points, sparse.csr_matrix(points)))
    assert (dense != as_sparse).nnz == 0
