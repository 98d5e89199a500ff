"""Neighbours by Annoy and by labels, looked up when asked for, and the draws that training makes from them."""

from __future__ import annotations

import copy
import gc
import pickle
import threading

import numpy as np
import pytest
from annoy import AnnoyIndex
from scipy import sparse

from scivis.neighbors import (
    AnnoyKnnMatrix,
    LabeledNeighbourMap,
    LazyNeighbors,
    Neighbors,
    NeighbourMatrix,
    build_annoy_index,
    find_neighbors,
)
from scivis.neighbors import _annoy as annoy_room
from scivis.nn.pairs import draw_negatives, draw_positives

QUIET = {"verbose": 0, "random_state": 0, "n_jobs": 2}
EXACT = {"search_k": 100_000}  # looks at all 200 rows in all trees


@pytest.fixture(scope="module")
def x():
    """200 rows of 6 numbers; the first 30 are equal."""
    x = np.random.default_rng(3).normal(size=(200, 6)).astype(np.float32)
    x[:30] = x[0]
    return x


@pytest.fixture(scope="module")
def matrix(x):
    return AnnoyKnnMatrix.build(x, k=7, metric="euclidean", **EXACT, ntrees=5, **QUIET)


def distances_by_hand(x, metric):
    x = x.astype(np.float64)
    difference = x[:, None] - x[None]
    directions = x / np.linalg.norm(x, axis=1, keepdims=True)
    return {
        "euclidean": lambda: np.sqrt((difference**2).sum(axis=2)),
        "manhattan": lambda: np.abs(difference).sum(axis=2),
        "angular": lambda: np.sqrt(np.maximum(2 - 2 * directions @ directions.T, 0)),
        "hamming": lambda: ((x[:, None] > 0.5) != (x[None] > 0.5)).sum(axis=2).astype(float),
        "dot": lambda: x @ x.T,
    }[metric]()


# --- the rows of an Annoy matrix


@pytest.mark.parametrize("metric", ["angular", "euclidean", "manhattan", "hamming", "dot"])
def test_rows_and_distances_are_those_of_the_metric(x, metric):
    """Compared by distance rather than by number, as some distances are equal."""
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


def test_the_same_rows_as_the_search_that_fills_the_table(x, matrix):
    table = find_neighbors(x, 7, backend="annoy", **EXACT, n_trees=5, random_state=0)
    np.testing.assert_array_equal([list(row) for row in matrix], table.indices)


def test_no_row_is_its_own_neighbour_even_among_duplicates(matrix):
    assert not [i for i, row in enumerate(matrix) if i in row]


def test_integers_and_slices_index_like_a_list(matrix):
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
def test_batches_and_all_rows_are_the_rows_whatever_the_threads(matrix, n_jobs, monkeypatch):
    monkeypatch.setattr(annoy_room, "_BLOCK", 16)
    rows = list(matrix)
    assert matrix.get_neighbour_indices(n_jobs=n_jobs) == rows
    monkeypatch.setattr(matrix, "n_jobs", n_jobs)
    assert matrix.get_batch(np.array([7, 199, 0, 7] * 20)) == [rows[7], rows[199], rows[0], rows[7]] * 20
    assert matrix.get_batch([]) == []


def test_as_many_threads_look_up_rows_as_n_jobs_says(matrix, monkeypatch):
    found, look_up = set(), annoy_room._nearest
    meeting = threading.Barrier(2, timeout=30)

    def spy(index, row, *settings):
        found.add(threading.get_ident())
        if row in (0, 100):
            meeting.wait()  # passes only if two threads come
        return look_up(index, row, *settings)

    monkeypatch.setattr(annoy_room, "_nearest", spy)
    matrix.get_neighbour_indices(n_jobs=2)
    assert len(found) == 2
    found.clear()
    monkeypatch.setattr(meeting, "wait", lambda: None)
    matrix.get_neighbour_indices(n_jobs=1)
    assert len(found) == 1


@pytest.mark.parametrize("include_distances", [False, True])
def test_precomputed_rows_are_the_same_and_outlive_the_index(x, include_distances):
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


def test_precomputed_rows_are_looked_up_once(x, monkeypatch):
    matrix = AnnoyKnnMatrix.build(x, k=5, precompute=True, **QUIET)
    monkeypatch.setattr(annoy_room, "_nearest", None)
    assert len(matrix.get_batch([3, 4])) == 2


def test_few_inspected_nodes_find_fewer_neighbours_and_keep_rows_ragged(x):
    rows = AnnoyKnnMatrix.build(x, k=100, search_k=1, ntrees=1, precompute=True, **QUIET)[:]
    assert min(map(len, rows)) < 100
    assert all(j >= 0 for row in rows for j in row)


def test_more_trees_find_more_neighbours():
    x = np.random.default_rng(0).normal(size=(600, 20)).astype(np.float32)
    nearest = find_neighbors(x, 10, backend="exact").indices

    def found(ntrees):
        matrix = AnnoyKnnMatrix.build(x, k=10, metric="euclidean", ntrees=ntrees, **QUIET)
        return np.mean([len(np.intersect1d(*pair)) for pair in zip(matrix[:], nearest, strict=True)]) / 10

    assert found(1) < 0.7 < 0.95 < found(60)


def test_the_seed_decides(x):
    def rows(seed):
        return AnnoyKnnMatrix.build(x, k=9, ntrees=1, search_k=12, verbose=0, random_state=seed)[:]

    assert rows(1) == rows(1) != rows(2)


def test_only_an_unseeded_forest_is_built_by_several_threads(x, tmp_path, monkeypatch):
    import annoy

    asked = []

    class Spy(AnnoyIndex):
        def build(self, n_trees, n_jobs=-1):
            asked.append((n_trees, n_jobs))
            return super().build(n_trees, n_jobs=n_jobs)

    monkeypatch.setattr(annoy, "AnnoyIndex", Spy)
    build_annoy_index(x, tmp_path / "a", ntrees=3, verbose=0, n_jobs=2)
    build_annoy_index(x, tmp_path / "b", ntrees=4, verbose=0, n_jobs=2, random_state=1)
    assert asked == [(3, 2), (4, 1)]


def test_any_kind_of_rows_can_be_indexed(x, matrix):
    kinds = {
        "sparse": sparse.csc_array(x),
        "images": x.reshape(200, 3, 2),
        "double": x.astype(float),
        "list": x.tolist(),
    }
    for kind, rows in kinds.items():
        found = AnnoyKnnMatrix.build(rows, k=7, metric="euclidean", **EXACT, ntrees=5, **QUIET)
        assert found[:] == matrix[:], kind


def test_progress_is_shown_on_request_only(x, capfd):
    AnnoyKnnMatrix.build(x, k=5, precompute=True, verbose=0)
    assert capfd.readouterr() == ("", "")
    AnnoyKnnMatrix.build(x, k=5, precompute=True, verbose=1)
    shown = capfd.readouterr().err
    assert "indexing" in shown
    assert "neighbours" in shown


# --- index files


def folders(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir())


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder of its own for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_each_matrix_has_a_file_of_its_own_that_goes_with_it(x, temporary):
    first, second = (AnnoyKnnMatrix.build(rows, k=5, **QUIET) for rows in (x, x[:100]))
    assert first.index_path != second.index_path
    assert all(matrix.index_path.stat().st_size for matrix in (first, second))
    path = second.index_path
    del first
    gc.collect()
    assert [folder / "annoy.index" for folder in temporary.iterdir()] == [path]
    assert len(second[99]) == 5
    del second
    gc.collect()
    assert not list(temporary.iterdir())


def test_files_are_removed_when_the_process_ends(fresh_process, temporary):
    code = """
        import numpy as np
        from scivis.neighbors import AnnoyKnnMatrix

        matrix = AnnoyKnnMatrix.build(np.eye(9), k=3, verbose=0)
        print(matrix.index_path.stat().st_size)
        """
    assert int(fresh_process(code, TMPDIR=str(temporary))) > 0
    assert not list(temporary.iterdir())


def test_a_forked_process_leaves_the_file_to_its_parent(x, temporary, monkeypatch):
    from scivis.neighbors._annoy_file import OwnFile

    file = OwnFile()
    file.path.write_bytes(b"index")
    with monkeypatch.context() as as_child:
        as_child.setattr("os.getpid", lambda: -1)
        file.remove()
    assert file.path.exists()


def test_nothing_is_left_of_a_building_that_fails(x, temporary, tmp_path, monkeypatch):
    monkeypatch.setattr("scivis.data._reading._BLOCK_BYTES", 20 * x[0].nbytes)
    x = x.copy()
    x[150, 2] = np.nan
    with pytest.raises(ValueError, match=r"NaN.*row 150"):
        AnnoyKnnMatrix.build(x, k=5, **QUIET)
    (tmp_path / "x.index").write_bytes(b"an index of yesterday")
    with pytest.raises(ValueError, match="NaN"):
        AnnoyKnnMatrix.build(x, tmp_path / "x.index", k=5, **QUIET)
    gc.collect()
    assert not list(temporary.iterdir())
    assert folders(tmp_path) == ["temporary", "x.index"]
    assert (tmp_path / "x.index").read_bytes() == b"an index of yesterday"


def test_an_index_may_stay_in_memory(x, temporary, matrix):
    in_memory = AnnoyKnnMatrix.build(x, k=7, metric="euclidean", build_index_on_disk=False, **EXACT, ntrees=5, **QUIET)
    assert in_memory.index_path is None
    assert not list(temporary.iterdir())
    assert in_memory[:] == matrix[:]


@pytest.mark.parametrize("on_disk", [True, False])
def test_on_disk_the_file_grows_while_rows_are_read(x, tmp_path, on_disk):
    seen = []

    class Rows:
        shape = x.shape

        def __getitem__(self, rows):
            seen.append(len(list(tmp_path.iterdir())))
            return x[rows]

    build_annoy_index(Rows(), tmp_path / "x.index", build_index_on_disk=on_disk, verbose=0)
    assert seen == [int(on_disk)]
    assert folders(tmp_path) == ["x.index"]


def test_a_file_of_the_callers_stays_and_can_be_loaded(x, tmp_path, matrix):
    path = tmp_path / "x.index"
    built = AnnoyKnnMatrix.build(x, path, k=7, metric="euclidean", **EXACT, ntrees=5, **QUIET)
    assert built[:] == matrix[:]
    del built
    gc.collect()
    loaded = AnnoyKnnMatrix.load(path, x.shape, k=7, metric="euclidean", **EXACT)
    assert loaded[:] == matrix[:]
    assert AnnoyKnnMatrix.load(str(path), (200, 3, 2), k=7, metric="euclidean", **EXACT)[:] == matrix[:]
    del loaded
    gc.collect()
    assert path.exists()


def test_writing_over_an_index_in_use_leaves_its_reader_alone(x, tmp_path):
    path = tmp_path / "x.index"
    reader = AnnoyKnnMatrix.build(x, path, k=5, **QUIET)
    rows = reader[:]
    AnnoyKnnMatrix.build(x[::-1][:100], path, k=5, **QUIET)
    assert reader[:] == rows
    assert len(AnnoyKnnMatrix.load(path, (100, 6), k=5)) == 100


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_saved_index_loads_again(x, tmp_path, on_disk):
    matrix = AnnoyKnnMatrix.build(x, k=5, build_index_on_disk=on_disk, **QUIET)
    matrix.save(tmp_path / "saved")
    rows = matrix[:]
    del matrix
    gc.collect()
    assert AnnoyKnnMatrix.load(tmp_path / "saved", x.shape, k=5)[:] == rows
    assert folders(tmp_path) == ["saved"]


def test_an_index_that_annoy_cannot_save_is_refused(x, tmp_path):
    index = AnnoyIndex(6, "angular")
    index.on_disk_build(str(tmp_path / "x.index"))
    for i, row in enumerate(x):
        index.add_item(i, row)
    index.build(2)
    matrix = AnnoyKnnMatrix(index, 200, k=5)
    with pytest.raises(ValueError, match="index_path"):
        matrix.save(tmp_path / "saved")
    assert folders(tmp_path) == ["x.index"]


def test_an_index_of_other_data_is_refused(x, tmp_path):
    path = tmp_path / "x.index"
    index = build_annoy_index(x, path, "angular", verbose=0)
    for shape in [(199, 6), (201, 6), (200, 5), (200, 40)]:
        with pytest.raises(ValueError, match=r"other data|no Annoy index of"):
            AnnoyKnnMatrix.load(path, shape, k=5)
    with pytest.raises(ValueError, match="no Annoy index of 6 features and metric 'euclidean'"):
        AnnoyKnnMatrix.load(path, x.shape, k=5, metric="euclidean")
    with pytest.raises(ValueError, match="holds 200 rows, but the data have 150"):
        AnnoyKnnMatrix(index, 150, k=5)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.index"):
        AnnoyKnnMatrix.load(tmp_path / "nowhere.index", x.shape, k=5)
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="no Annoy index"):
        AnnoyKnnMatrix.load(tmp_path / "empty", x.shape, k=5)


def test_deleting_an_index_deletes_its_file_only(x, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "thesis.txt").write_text("unique")
    matrix = AnnoyKnnMatrix.build(x, folder / "x.index", k=5, **QUIET)
    with pytest.raises(OSError, match=r"other files than the index x\.index"):
        matrix.delete_index(parent=True)
    assert folders(folder) == ["thesis.txt", "x.index"]
    assert len(matrix[0]) == 5
    matrix.delete_index()
    assert folders(folder) == ["thesis.txt"]
    with pytest.raises(RuntimeError, match="unloaded"):
        matrix[0]
    matrix.delete_index()  # nothing left to do
    assert folders(folder) == ["thesis.txt"]


def test_deleting_an_index_with_its_folder(x, tmp_path, temporary):
    (tmp_path / "folder").mkdir()
    AnnoyKnnMatrix.build(x, tmp_path / "folder" / "x.index", k=5, **QUIET).delete_index(parent=True)
    matrix = AnnoyKnnMatrix.build(x, k=5, **QUIET)
    matrix.delete_index(parent=True)
    matrix.delete_index(parent=True)
    AnnoyKnnMatrix.build(x, k=5, **QUIET).delete_index()
    AnnoyKnnMatrix.build(x, k=5, build_index_on_disk=False, **QUIET).delete_index(parent=True)
    assert folders(tmp_path) == ["temporary"]
    assert not list(temporary.iterdir())


def pickled(matrix):
    return pickle.loads(pickle.dumps(matrix))


@pytest.mark.parametrize("again", [pickled, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("on_disk", [True, False])
def test_copies_carry_an_index_of_their_own(x, temporary, again, on_disk):
    matrix = AnnoyKnnMatrix.build(x, k=5, include_distances=True, build_index_on_disk=on_disk, **QUIET)
    rows, other = matrix[:], again(matrix)
    assert other.index_path != matrix.index_path
    matrix.delete_index()
    assert other[:] == rows
    del other, matrix
    gc.collect()
    assert not list(temporary.iterdir())


def test_copies_name_a_file_of_the_callers(x, tmp_path, temporary):
    matrix = AnnoyKnnMatrix.build(x, tmp_path / "x.index", k=5, **QUIET)
    other = pickled(matrix)
    assert other.index_path == matrix.index_path
    assert other[:] == matrix[:]
    assert not list(temporary.iterdir())
    content = pickle.dumps(matrix)
    assert len(content) < 2000
    build_annoy_index(x[:100], tmp_path / "x.index", verbose=0)
    with pytest.raises(ValueError, match="holds 100 rows, but the data have 200"):
        pickle.loads(content)
    matrix.delete_index()
    with pytest.raises(FileNotFoundError, match=r"x\.index"):
        pickle.loads(content)


def test_copies_of_precomputed_rows_need_no_index(x):
    matrix = AnnoyKnnMatrix.build(x, k=5, precompute=True, **QUIET)
    matrix.delete_index()
    assert pickled(matrix)[:] == matrix[:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k=0 must lie between 1 and 199"),
        ({"k": 200}, "k=200 must lie between"),
        ({"k": 2.0}, "k=2.0 must lie between"),
        ({"metric": "cosine"}, "metric='cosine' is not one of"),
        ({"search_k": 0}, "search_k=0"),
        ({"ntrees": 0}, "ntrees=0"),
        ({"random_state": -1}, "random_state=-1"),
        ({"random_state": 2**31}, "random_state=2147483648"),
    ],
)
def test_what_is_not_possible_is_refused_before_any_work(x, arguments, message, temporary):
    with pytest.raises(ValueError, match=message):
        AnnoyKnnMatrix.build(x, **{"k": 5} | arguments)
    assert not list(temporary.iterdir())


def test_loading_refuses_what_building_does(x, tmp_path):
    build_annoy_index(x, tmp_path / "x.index", verbose=0)
    with pytest.raises(ValueError, match="k=150 must lie between 1 and 99"):
        AnnoyKnnMatrix.load(tmp_path / "x.index", (100, 6))
    with pytest.raises(ValueError, match="metric='cosine'"):
        AnnoyKnnMatrix.load(tmp_path / "x.index", x.shape, k=5, metric="cosine")


# --- the base class, and neighbours by label


class Ring(NeighbourMatrix):
    """Each of ten rows lies between two others."""

    def __len__(self):
        return 10

    def __getitem__(self, idx):
        if not 0 <= idx < 10:
            raise IndexError(idx)
        return [(idx - 1) % 10, (idx + 1) % 10][: idx + 1]


def test_a_subclass_needs_rows_and_their_number_only():
    ring = Ring()
    assert ring.k == 2
    assert ring.get_batch([0, 4]) == [[9], [3, 5]]
    assert [len(row) for row in ring] == [1] + 9 * [2]
    with pytest.raises(TypeError, match="abstract"):
        NeighbourMatrix()


def test_a_subclass_may_set_k():
    class Known(Ring):
        def __init__(self):
            self.k = 5

    assert Known().k == 5


@pytest.mark.parametrize(
    "labels",
    [["T", "B", "T", "NK", "T"], [2, 0, 2, 1, 2], [2.5, 0.0, 2.5, -3.0, 2.5], np.array([1, 0, 1, 7, 1], np.uint8)],
)
def test_rows_of_one_label_are_neighbours(labels):
    matrix = LabeledNeighbourMap(labels)
    assert [row.tolist() for row in matrix] == [[2, 4], [], [0, 4], [], [0, 2]]
    assert [row.tolist() for row in matrix[::2]] == [[2, 4], [0, 4], [0, 2]]
    assert matrix[-1].tolist() == [0, 2]
    assert (len(matrix), matrix.k) == (5, 2)
    with pytest.raises(IndexError):
        matrix[5]


@pytest.mark.parametrize(
    "labels", [[-1, 4, -1, 4], [-1.0, 4.0, np.nan, 4.0], [None, "b", None, "b"], [np.nan, "b", None, "b"]]
)
def test_rows_without_a_label_have_no_neighbours(labels):
    assert [row.tolist() for row in LabeledNeighbourMap(np.array(labels))] == [[], [3], [], [1]]


def test_labels_may_be_categorical_and_all_missing():
    import pandas as pd

    labels = pd.Series(["b", None, "b"], dtype="category", index=["x", "y", "z"])
    assert [row.tolist() for row in LabeledNeighbourMap(labels)] == [[2], [], [0]]
    assert [row.tolist() for row in LabeledNeighbourMap([-1, -1])] == [[], []]


def test_labels_of_two_axes_are_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        LabeledNeighbourMap([[0, 1], [1, 0]])


# --- what training reads


def draws(neighbors):
    """Positives and negatives of two epochs of batches."""
    rng, found = np.random.default_rng(5), []
    for anchors in np.random.default_rng(6).permutation(2 * neighbors.n_cells).reshape(-1, 5) % neighbors.n_cells:
        indices, counts = neighbors.take(anchors)
        assert indices.dtype == counts.dtype == np.int32
        assert ((indices >= 0) == (np.arange(indices.shape[1]) < counts[:, None])).all()
        found += [
            *draw_positives(anchors, indices, counts, rng, 3),
            draw_negatives(anchors, indices, counts, neighbors.n_cells, rng),
        ]
    return np.concatenate(found).tolist()


RAGGED = [[1, 2, 1, 0], [], [2], [9, 4, 3, 9, 8], [5, -1], [4, -1, -1], [0, 1, 2], [], [7, 9], [8]]
LABELS = np.random.default_rng(8).integers(-1, 5, 60)


@pytest.mark.parametrize(
    "lists",
    [RAGGED, np.array([[i, (i + 1) % 10, (i + 3) % 10] for i in range(10)]), Ring(), LabeledNeighbourMap(LABELS)],
    ids=["lists", "array", "class", "labels"],
)
def test_lazy_draws_are_those_of_the_table(lists):
    table = Neighbors.from_indices(lists if isinstance(lists, np.ndarray) else [list(row) for row in lists])
    assert draws(LazyNeighbors(lists)) == draws(table)


def test_draws_do_not_depend_on_precompute(x):
    lazy, eager = (AnnoyKnnMatrix.build(x, k=7, precompute=precompute, **QUIET) for precompute in (False, True))
    assert draws(LazyNeighbors(lazy)) == draws(LazyNeighbors(eager)) == draws(Neighbors.from_indices(lazy[:]))


def test_rows_without_neighbours_give_an_empty_table():
    indices, counts = LazyNeighbors(RAGGED).take(np.array([1, 7, 2]))
    assert indices.shape == (3, 0)
    assert counts.tolist() == [0, 0, 0]
    assert LazyNeighbors(RAGGED).n_cells == 10


def test_batches_are_asked_for_where_they_can_be_and_only_for_the_rows_needed():
    class Spy(Ring):
        asked = ()

        def get_batch(self, idx_seq):
            self.asked += (idx_seq,)
            return super().get_batch(idx_seq)

    spy = Spy()
    LazyNeighbors(spy).take(np.array([3, 9], np.int32))
    assert spy.asked == ([3, 9],)
    assert all(type(i) is int for i in spy.asked[0])

    rows = []

    class Plain:
        def __len__(self):
            return 10

        def __getitem__(self, i):
            rows.append(i)
            return [0]

    LazyNeighbors(Plain()).take(np.array([3, 9]))
    assert rows == [3, 9]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1, 3], r"row 1 name row 3, but there are only rows 0 to 2"),
        ([0, -2], r"row 1 name row -2"),
        ([0.0, 1.0], r"row 1 are no list of row numbers, but \[0\.0, 1\.0\]"),
        (([0, 2], [0.1, 0.2]), r"row 1 are no list of row numbers"),
        (2, "no list of row numbers, but 2"),
        ("ab", "no list of row numbers"),
        ([True, False], "no list of row numbers"),
    ],
)
def test_what_is_no_row_of_neighbours_is_refused_by_name(row, message):
    with pytest.raises(ValueError, match=message):
        LazyNeighbors([[1], row, [0]]).take(np.array([0, 1]))


def test_a_batch_of_another_length_is_refused():
    class Short(Ring):
        def get_batch(self, idx_seq):
            return [[1]]

    with pytest.raises(ValueError, match="returned 1 rows, but was asked for 2"):
        LazyNeighbors(Short()).take(np.array([4, 5]))


def test_naming_the_classes_loads_neither_annoy_nor_tensorflow(fresh_process):
    code = """
        import sys
        from scivis.neighbors import AnnoyKnnMatrix, LabeledNeighbourMap, LazyNeighbors
        from scivis.data import ImageDataset
        from scivis.data._reading import read_rows

        read_rows([[1, 2], [3, 4]])
        print([name for name in ("annoy", "tensorflow", "keras", "h5py", "dask", "zarr", "PIL") if name in sys.modules])
        """
    assert fresh_process(code).strip() == "[]"
