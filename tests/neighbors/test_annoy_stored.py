"""Index files: where they are, how long they exist, and copies of matrices that use them."""

from __future__ import annotations

import copy
import gc
import pickle

import numpy as np
import pytest

from scivis.neighbors import AnnoyKnnMatrix, build_annoy_index
from scivis.neighbors._annoy_library import new_index
from scivis.neighbors._annoy_stored import TemporaryIndexFile

QUIET = {"verbose": 0, "random_state": 0, "n_jobs": 2}
EXACT = {"search_k": 100_000}  # inspects all 200 rows in all trees


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_each_matrix_has_a_temporary_file_that_is_removed_with_it(x, temporary):
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


@pytest.mark.slow
def test_temporary_files_are_removed_when_the_process_ends(fresh_process, temporary):
    code = """
        import numpy as np
        from scivis.neighbors import AnnoyKnnMatrix

        matrix = AnnoyKnnMatrix.build(np.eye(9), k=3, verbose=0)
        print(matrix.index_path.stat().st_size)
        """
    assert int(fresh_process(code, TMPDIR=str(temporary))) > 0
    assert not list(temporary.iterdir())


def test_a_forked_process_does_not_remove_the_file_of_its_parent(temporary, monkeypatch):
    file = TemporaryIndexFile()
    file.path.write_bytes(b"index")
    with monkeypatch.context() as as_child:
        as_child.setattr("os.getpid", lambda: -1)
        file.remove()
    assert file.path.exists()
    assert temporary in file.path.parents


def test_a_failed_build_leaves_no_files_and_does_not_replace_an_index(x, temporary, tmp_path, monkeypatch):
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
    assert names(tmp_path) == ["temporary", "x.index"]
    assert (tmp_path / "x.index").read_bytes() == b"an index of yesterday"


def test_an_index_can_be_kept_in_memory(x, temporary, matrix):
    in_memory = AnnoyKnnMatrix.build(x, k=7, metric="euclidean", build_index_on_disk=False, **EXACT, ntrees=5, **QUIET)
    assert in_memory.index_path is None
    assert not list(temporary.iterdir())
    assert in_memory[:] == matrix[:]


def test_a_file_with_a_name_is_kept_and_can_be_loaded(x, tmp_path, matrix):
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


def test_replacing_the_file_of_an_index_does_not_affect_its_readers(x, tmp_path):
    path = tmp_path / "x.index"
    reader = AnnoyKnnMatrix.build(x, path, k=5, **QUIET)
    rows = reader[:]
    AnnoyKnnMatrix.build(x[::-1][:100], path, k=5, **QUIET)
    assert reader[:] == rows
    assert len(AnnoyKnnMatrix.load(path, (100, 6), k=5)) == 100


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_saved_index_can_be_loaded(x, tmp_path, on_disk):
    matrix = AnnoyKnnMatrix.build(x, k=5, build_index_on_disk=on_disk, **QUIET)
    matrix.save(tmp_path / "saved")
    rows = matrix[:]
    del matrix
    gc.collect()
    assert AnnoyKnnMatrix.load(tmp_path / "saved", x.shape, k=5)[:] == rows
    assert names(tmp_path) == ["saved"]


def test_saving_an_index_without_a_known_file_that_annoy_built_on_disk_is_an_error(x, tmp_path):
    index = new_index(6, "angular")
    index.on_disk_build(str(tmp_path / "x.index"))
    for i, row in enumerate(x):
        index.add_item(i, row)
    index.build(2)
    matrix = AnnoyKnnMatrix(index, 200, k=5)
    with pytest.raises(ValueError, match="index_path"):
        matrix.save(tmp_path / "saved")
    assert names(tmp_path) == ["x.index"]


def test_an_index_of_other_data_is_rejected(x, tmp_path):
    path = tmp_path / "x.index"
    index = build_annoy_index(x, path, "angular", verbose=0)
    for shape in [(199, 6), (201, 6), (200, 5), (200, 40)]:
        with pytest.raises(ValueError, match=r"other data|not an Annoy index of"):
            AnnoyKnnMatrix.load(path, shape, k=5)
    with pytest.raises(ValueError, match="not an Annoy index of 6 features and metric 'euclidean'"):
        AnnoyKnnMatrix.load(path, x.shape, k=5, metric="euclidean")
    with pytest.raises(ValueError, match="holds 200 rows, but the data have 150"):
        AnnoyKnnMatrix(index, 150, k=5)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.index"):
        AnnoyKnnMatrix.load(tmp_path / "nowhere.index", x.shape, k=5)
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="not an Annoy index"):
        AnnoyKnnMatrix.load(tmp_path / "empty", x.shape, k=5)


def test_delete_index_deletes_only_the_file(x, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "thesis.txt").write_text("unique")
    matrix = AnnoyKnnMatrix.build(x, folder / "x.index", k=5, **QUIET)
    with pytest.raises(OSError, match=r"other files than the index x\.index"):
        matrix.delete_index(parent=True)
    assert names(folder) == ["thesis.txt", "x.index"]
    assert len(matrix[0]) == 5
    matrix.delete_index()
    assert names(folder) == ["thesis.txt"]
    with pytest.raises(RuntimeError, match="unloaded"):
        matrix[0]
    matrix.delete_index()  # nothing left to do
    assert names(folder) == ["thesis.txt"]


def test_delete_index_can_delete_the_folder(x, tmp_path, temporary):
    (tmp_path / "folder").mkdir()
    AnnoyKnnMatrix.build(x, tmp_path / "folder" / "x.index", k=5, **QUIET).delete_index(parent=True)
    matrix = AnnoyKnnMatrix.build(x, k=5, **QUIET)
    matrix.delete_index(parent=True)
    matrix.delete_index(parent=True)
    AnnoyKnnMatrix.build(x, k=5, **QUIET).delete_index()
    AnnoyKnnMatrix.build(x, k=5, build_index_on_disk=False, **QUIET).delete_index(parent=True)
    assert names(tmp_path) == ["temporary"]
    assert not list(temporary.iterdir())


# --- copies


def pickled(matrix):
    return pickle.loads(pickle.dumps(matrix))


@pytest.mark.slow
@pytest.mark.parametrize("again", [pickled, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("on_disk", [True, False])
def test_copies_contain_an_index_in_a_temporary_file_or_in_memory(x, temporary, again, on_disk):
    matrix = AnnoyKnnMatrix.build(x, k=5, include_distances=True, build_index_on_disk=on_disk, **QUIET)
    rows, other = matrix[:], again(matrix)
    assert other.index_path != matrix.index_path
    matrix.delete_index()
    assert other[:] == rows
    del other, matrix
    gc.collect()
    assert not list(temporary.iterdir())


def test_copies_refer_to_a_file_with_a_name(x, tmp_path, temporary):
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


def test_copies_of_precomputed_neighbors_need_no_index(x):
    matrix = AnnoyKnnMatrix.build(x, k=5, precompute=True, **QUIET)
    matrix.delete_index()
    assert pickled(matrix)[:] == matrix[:]
