"""Neighbors by an Annoy index, searched on demand or in advance."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from scipy import sparse

from scivis.neighbors import AnnoyKnnMatrix, _annoy_index, build_annoy_index, find_neighbors

QUIET = {"verbose": 0, "random_state": 0, "n_jobs": 2}
EXACT = {"search_k": 100_000}  # inspects all 200 rows in all trees


@pytest.mark.parametrize("metric", ["angular", "euclidean", "manhattan", "hamming", "dot"])
def test_neighbors_are_the_nearest_rows_by_the_metric(x, metric, distances_by_hand):
    """Distances are compared instead of indices because some of them are equal."""
    matrix = AnnoyKnnMatrix.build(x, k=7, metric=metric, include_distances=True, **EXACT, ntrees=5, **QUIET)
    wanted = distances_by_hand(x, metric)
    others = wanted.copy()
    np.fill_diagonal(others, -np.inf if metric == "dot" else np.inf)
    nearest = -np.sort(-others, axis=1)[:, :7] if metric == "dot" else np.sort(others, axis=1)[:, :7]
    for i, (rows, distances) in enumerate(matrix):
        np.testing.assert_allclose(distances, wanted[i, rows], rtol=1e-3, atol=2e-3)
        np.testing.assert_allclose(distances, nearest[i], rtol=1e-3, atol=2e-3)
        assert i not in rows
        assert len(set(rows)) == 7


def test_neighbors_are_those_of_find_neighbors(x, matrix):
    table = find_neighbors(x, 7, backend="annoy", **EXACT, n_trees=5, random_state=0)
    np.testing.assert_array_equal([list(row) for row in matrix], table.indices)


def test_no_row_is_its_own_neighbor_even_among_duplicates(matrix):
    assert not [i for i, row in enumerate(matrix) if i in row]


def test_indexing_is_that_of_a_list(matrix):
    rows = list(matrix)
    assert len(rows) == len(matrix) == 200
    assert matrix[3] == matrix[np.int64(3)] == rows[3]
    assert matrix[-1] == rows[-1]
    assert matrix[190:] == rows[190:]
    assert matrix[5:60:7] == rows[5:60:7]
    assert matrix[9:2] == []
    assert all(isinstance(j, int) for j in matrix[3])
    for outside in (200, -201):
        with pytest.raises(IndexError):
            matrix[outside]
    with pytest.raises(TypeError):
        matrix[1.0]


@pytest.mark.parametrize("n_jobs", [1, 3, -1])
def test_batches_and_all_rows_do_not_depend_on_the_number_of_threads(matrix, n_jobs, monkeypatch):
    monkeypatch.setattr(_annoy_index, "_BLOCK", 16)
    rows = list(matrix)
    assert matrix.get_neighbour_indices(n_jobs=n_jobs) == rows
    monkeypatch.setattr(matrix, "n_jobs", n_jobs)
    assert matrix.get_batch(np.array([7, 199, 0, 7] * 20)) == [rows[7], rows[199], rows[0], rows[7]] * 20
    assert matrix.get_batch([]) == []


def test_n_jobs_threads_search_neighbors(matrix, monkeypatch):
    threads, query = set(), _annoy_index._query
    meeting = threading.Barrier(2, timeout=30)

    def spy(index, row, *settings):
        threads.add(threading.get_ident())
        if row in (0, 100):
            meeting.wait()  # passes only if two threads come
        return query(index, row, *settings)

    monkeypatch.setattr(_annoy_index, "_query", spy)
    matrix.get_neighbour_indices(n_jobs=2)
    assert len(threads) == 2
    threads.clear()
    monkeypatch.setattr(meeting, "wait", lambda: None)
    matrix.get_neighbour_indices(n_jobs=1)
    assert len(threads) == 1


@pytest.mark.parametrize("include_distances", [False, True])
def test_precomputed_neighbors_are_the_same_and_do_not_need_the_index(x, include_distances):
    options = {"k": 5, "include_distances": include_distances, **QUIET}
    lazy, eager = (AnnoyKnnMatrix.build(x, precompute=precompute, **options) for precompute in (False, True))
    rows = lazy[:]
    assert isinstance(rows[0], tuple if include_distances else list)
    eager.unload()
    assert eager[:] == eager.get_neighbour_indices() == rows
    assert eager[11] == rows[11]
    lazy.unload()
    with pytest.raises(RuntimeError, match="unloaded"):
        lazy[0]


def test_precomputed_neighbors_are_searched_once(x, monkeypatch):
    matrix = AnnoyKnnMatrix.build(x, k=5, precompute=True, **QUIET)
    monkeypatch.setattr(_annoy_index, "_query", None)
    assert len(matrix.get_batch([3, 4])) == 2


def test_rows_are_shorter_if_few_nodes_are_inspected(x):
    rows = AnnoyKnnMatrix.build(x, k=100, search_k=1, ntrees=1, precompute=True, **QUIET)[:]
    assert min(map(len, rows)) < 100
    assert all(j >= 0 for row in rows for j in row)


def test_more_trees_find_more_neighbors(recall):
    x = np.random.default_rng(0).normal(size=(600, 20)).astype(np.float32)
    nearest = find_neighbors(x, 10, backend="exact").indices

    def found(ntrees):
        matrix = AnnoyKnnMatrix.build(x, k=10, metric="euclidean", ntrees=ntrees, **QUIET)
        return recall(matrix[:], nearest)

    assert found(1) < 0.7 < 0.95 < found(60)


def test_the_seed_determines_the_neighbors(x):
    def rows(seed):
        return AnnoyKnnMatrix.build(x, k=9, ntrees=1, search_k=12, verbose=0, random_state=seed)[:]

    assert rows(1) == rows(1) != rows(2)


def test_an_index_can_be_built_from_any_kind_of_rows(x, matrix):
    kinds = {
        "sparse": sparse.csc_array(x),
        "images": x.reshape(200, 3, 2),
        "double": x.astype(float),
        "list": x.tolist(),
    }
    for kind, rows in kinds.items():
        found = AnnoyKnnMatrix.build(rows, k=7, metric="euclidean", **EXACT, ntrees=5, **QUIET)
        assert found[:] == matrix[:], kind


@pytest.mark.usefixtures("bars_at_once")
def test_progress_is_shown_if_verbose(x, capfd):
    AnnoyKnnMatrix.build(x, k=5, precompute=True, verbose=0)
    assert capfd.readouterr() == ("", "")
    AnnoyKnnMatrix.build(x, k=5, precompute=True, verbose=1)
    shown = capfd.readouterr().err
    assert "indexing" in shown
    assert "neighbors" in shown


# --- arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k=0 must be an integer between 1 and 199"),
        ({"k": 200}, "k=200 must be an integer between 1 and 199"),
        ({"k": 2.0}, r"k=2\.0 must be an integer between 1 and 199"),
        ({"metric": "cosine"}, "metric='cosine' is not one of"),
        ({"search_k": 0}, "search_k=0"),
        ({"ntrees": 0}, "ntrees=0"),
        ({"random_state": -1}, "random_state=-1"),
        ({"random_state": 2**31}, "random_state=2147483648"),
    ],
)
def test_invalid_arguments_are_rejected_before_any_work(x, arguments, message, temporary):
    with pytest.raises(ValueError, match=message):
        AnnoyKnnMatrix.build(x, **{"k": 5} | arguments)
    assert not list(temporary.iterdir())


def test_invalid_arguments_are_rejected_when_an_index_is_loaded(x, tmp_path):
    build_annoy_index(x, tmp_path / "x.index", verbose=0)
    with pytest.raises(ValueError, match="k=150 must be an integer between 1 and 99"):
        AnnoyKnnMatrix.load(tmp_path / "x.index", (100, 6))
    with pytest.raises(ValueError, match="metric='cosine'"):
        AnnoyKnnMatrix.load(tmp_path / "x.index", x.shape, k=5, metric="cosine")
