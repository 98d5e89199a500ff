"""Neighbor searches, compared with all pairs in NumPy."""

from __future__ import annotations

import sys
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from packaging.version import Version

from scivis.neighbors import find_neighbors
from scivis.neighbors._ivf import _nearest_members
from scivis.neighbors._search import EXACT_UP_TO, resolve_backend

METRICS = ["euclidean", "cosine", "manhattan"]


@pytest.mark.parametrize("metric", METRICS)
def test_exact_search_compares_all_pairs(points, metric, nearest_by_hand):
    found = find_neighbors(points, 15, backend="exact", metric=metric)
    np.testing.assert_array_equal(found.indices, nearest_by_hand(points, 15, metric))
    assert (found.counts == 15).all()


@pytest.mark.parametrize("metric", METRICS)
def test_annoy_finds_most_neighbors(points, metric, nearest_by_hand, recall):
    found = find_neighbors(points, 15, backend="annoy", metric=metric)
    assert recall(found.indices, nearest_by_hand(points, 15, metric)) >= 0.95


@pytest.fixture(scope="module")
def cloud():
    """1,200 rows, enough for many lists, and so close that the lists overlap."""
    return np.random.default_rng(0).normal(size=(1200, 8)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
def test_an_inverted_file_finds_most_neighbors_nearest_first(cloud, metric, distances_by_hand, recall):
    found = find_neighbors(cloud, 5, backend="ivf", metric=metric)
    assert (found.counts == 5).all()
    distances = distances_by_hand(cloud, metric)
    found_distances = np.take_along_axis(distances, found.indices.astype(int), axis=1)
    assert (np.diff(found_distances, axis=1) >= -1e-5).all()
    np.fill_diagonal(distances, np.inf)
    assert 0.9 <= recall(found.indices, np.argpartition(distances, 5, axis=1)[:, :5]) < 1


@pytest.mark.parametrize("metric", METRICS)
def test_an_inverted_file_is_exact_if_all_lists_are_probed(points, metric, nearest_by_hand):
    found = find_neighbors(points, 15, backend="ivf", metric=metric)  # fewer than eight lists
    np.testing.assert_array_equal(found.indices, nearest_by_hand(points, 15, metric))


def test_an_inverted_file_depends_on_the_seed_and_not_on_the_size_of_blocks(cloud, monkeypatch):
    whole, other = (find_neighbors(cloud[:500], 5, backend="ivf", random_state=seed).indices for seed in (1, 2))
    monkeypatch.setattr("scivis.neighbors._ivf._BLOCK", 300)
    np.testing.assert_array_equal(find_neighbors(cloud[:500], 5, backend="ivf", random_state=1).indices, whole)
    assert (whole != other).any()


@pytest.mark.parametrize("metric", METRICS)
def test_lists_are_compared_in_parts_that_fit_into_memory(cloud, metric, monkeypatch):
    whole = find_neighbors(cloud, 5, backend="ivf", metric=metric).indices
    monkeypatch.setattr("scivis.neighbors._ivf._PAIRS", 1)  # a row at a time
    assert (find_neighbors(cloud, 5, backend="ivf", metric=metric).indices == whole).mean() > 0.999  # but for rounding


@given(
    members=arrays(np.float32, (9, 3), elements=st.integers(-2, 2).map(float)),
    rows=arrays(np.float32, (4, 3), elements=st.integers(-2, 2).map(float)),
    k=st.integers(1, 9),
    offset=st.sampled_from([0.0, 1e4]),
)
def test_the_nearest_members_of_a_list_are_those_by_hand_also_with_ties_and_far_from_zero(members, rows, k, offset):
    by_hand = ((rows[:, None] - members) ** 2).sum(axis=2)
    near, which = _nearest_members(rows + np.float32(offset), members + np.float32(offset), k, "euclidean")
    within = 0.05 if offset else 1e-4
    np.testing.assert_allclose(near, np.take_along_axis(by_hand, which, axis=1), atol=within)
    np.testing.assert_allclose(np.sort(near), np.sort(by_hand)[:, :k], atol=within)
    assert all(len(set(positions)) == k for positions in which.tolist())


def test_rows_on_short_lists_are_compared_with_all_rows(monkeypatch, nearest_by_hand):
    # Lists by first number: 90 rows near 0, and 10 far away which are too few for 14 neighbors and the row itself.
    rows = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    rows[90:] += 1000
    monkeypatch.setattr("scivis.neighbors._ivf._PROBES", 1)
    monkeypatch.setattr("scivis.neighbors._ivf._MIN_LENGTH", 3)
    found = find_neighbors(rows, 14, backend="ivf")
    np.testing.assert_array_equal(found.indices[90:], nearest_by_hand(rows, 14)[90:])


# Compiling PyNNDescent takes a minute. Versions before 0.7 also run uncompiled, which takes seconds.
UNCOMPILED = {"NUMBA_DISABLE_JIT": "1"} if Version(version("pynndescent")) < Version("0.7") else {"NUMBA_OPT": "0"}


@pytest.fixture(scope="module")
def by_pynndescent(_points, fresh_process, tmp_path_factory):
    """Neighbors by PyNNDescent: of the points, of the points again, and of points with duplicates."""
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


def with_duplicates(points):
    return np.concatenate([np.repeat(points[:1], 30, axis=0), points[30:]])


@pytest.mark.parametrize("backend", ["exact", "ivf", "annoy", pytest.param("pynndescent", marks=pytest.mark.slow)])
def test_no_cell_is_its_own_neighbor_even_among_duplicates(points, backend, request):
    if backend == "pynndescent":
        found = request.getfixturevalue("by_pynndescent")["duplicates"]
    else:
        found = find_neighbors(with_duplicates(points[:150]), 10, backend=backend).indices
    assert found.shape == (150, 10)
    assert (found != np.arange(150)[:, None]).all()
    assert (found[:30] < 30).all()  # all neighbors of a duplicate are other duplicates
    assert all(len(set(row)) == 10 for row in found)


def test_a_seed_repeats_the_search_of_annoy(points):
    first, second = (
        find_neighbors(points, 15, backend="annoy", n_trees=1, search_k=30, random_state=1) for _ in range(2)
    )
    np.testing.assert_array_equal(first.indices, second.indices)


@pytest.mark.slow  # PyNNDescent takes seconds to import
def test_pynndescent_finds_most_neighbors_and_the_same_again(points, by_pynndescent, nearest_by_hand, recall):
    assert recall(by_pynndescent["points"], nearest_by_hand(points[:150], 10)) >= 0.95
    np.testing.assert_array_equal(by_pynndescent["points"], by_pynndescent["again"])


def test_the_seed_is_passed_to_annoy(points):
    first, second = (
        find_neighbors(points, 15, backend="annoy", n_trees=1, search_k=30, random_state=seed) for seed in (1, 2)
    )
    assert first.indices.shape != second.indices.shape or (first.indices != second.indices).any()


def test_more_trees_of_annoy_find_more_neighbors(points, nearest_by_hand, recall):
    wanted = nearest_by_hand(points, 15)
    few, many = (
        find_neighbors(points, 15, backend="annoy", n_trees=n, search_k=search_k) for n, search_k in ((1, 20), (50, -1))
    )
    assert recall(few.indices, wanted) < recall(many.indices, wanted) - 0.1


def test_rows_of_annoy_can_be_short_and_end_in_minus_one(points):
    found = find_neighbors(points, 100, backend="annoy", n_trees=1, search_k=1)
    assert found.counts.min() < 100
    assert ((found.indices >= 0).sum(axis=1) == found.counts).all()


def test_settings_are_passed_to_pynndescent(points, monkeypatch, nearest_by_hand):
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


def test_auto_is_exact_for_small_data_and_an_inverted_file_for_large_data(points, nearest_by_hand):
    assert resolve_backend("auto", EXACT_UP_TO) == "exact"
    assert resolve_backend("auto", EXACT_UP_TO + 1) == "ivf"
    assert resolve_backend("annoy", 10**7) == "annoy"
    np.testing.assert_array_equal(find_neighbors(points, 15).indices, nearest_by_hand(points, 15))


def test_all_other_cells_can_be_neighbours(points):
    found = find_neighbors(points[:6], 5)
    assert [sorted(row) for row in found.indices] == [[j for j in range(6) if j != i] for i in range(6)]


@pytest.mark.parametrize("n_neighbors", [-3, 0, 6, 100, 2.5, "3"])
def test_impossible_numbers_of_neighbors_are_rejected(points, n_neighbors):
    with pytest.raises(ValueError, match=rf"n_neighbors={n_neighbors!r} must be an integer between 1 and 5.*6 cells"):
        find_neighbors(points[:6], n_neighbors)


def test_the_error_for_an_unknown_backend_lists_all_backends(points):
    with pytest.raises(ValueError, match=r"backend='faiss' is not one of .*'exact'.*'ivf'.*'pynndescent'.*'annoy'"):
        find_neighbors(points, 5, backend="faiss")


@pytest.mark.parametrize("backend", ["exact", "ivf", "annoy", "pynndescent"])
def test_the_error_for_an_unknown_metric_lists_all_metrics(points, backend):
    with pytest.raises(ValueError, match=r"metric='bogus' is not one of .*'euclidean'"):
        find_neighbors(points, 5, backend=backend, metric="bogus")


@pytest.mark.usefixtures("bars_at_once")
@pytest.mark.parametrize("backend", ["ivf", "annoy"])
def test_long_searches_have_a_progress_bar_on_request(points, backend, capsys):
    silent = find_neighbors(points, 5, backend=backend)
    assert capsys.readouterr() == ("", "")
    found = find_neighbors(points, 5, backend=backend, bar="searching")
    assert "searching: 100%" in capsys.readouterr().err
    np.testing.assert_array_equal(found.indices, silent.indices)
