"""Building of index files."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from scivis.neighbors import build_annoy_index
from scivis.neighbors._annoy_index import build_index, estimate_size
from scivis.neighbors._annoy_library import new_index


@pytest.mark.parametrize("on_disk", [True, False])
def test_an_index_on_disk_is_in_its_file_while_rows_are_read(x, tmp_path, on_disk):
    seen = []

    class Rows:
        shape = x.shape

        def __getitem__(self, rows):
            seen.append(len(list(tmp_path.iterdir())))
            return x[rows]

    build_annoy_index(Rows(), tmp_path / "x.index", build_index_on_disk=on_disk, verbose=0)
    assert seen == [int(on_disk)]
    assert [path.name for path in tmp_path.iterdir()] == ["x.index"]


def test_an_index_with_a_seed_is_built_by_one_thread(x, tmp_path, monkeypatch):
    requested = []

    class Spy(type(new_index(1, "angular"))):
        def build(self, n_trees, n_jobs=-1):
            requested.append((n_trees, n_jobs))
            return super().build(n_trees, n_jobs=n_jobs)

    monkeypatch.setattr("scivis.neighbors._annoy_index.new_index", Spy)
    build_annoy_index(x, tmp_path / "a", ntrees=3, verbose=0, n_jobs=2)
    build_annoy_index(x, tmp_path / "b", ntrees=4, verbose=0, n_jobs=2, random_state=1)
    assert requested == [(3, 2), (4, 1)]


@pytest.mark.parametrize("kind", ["normal", "equal"])
@pytest.mark.parametrize("metric", ["angular", "euclidean", "manhattan", "hamming", "dot"])
@pytest.mark.parametrize("n_features", [1, 2, 20, 130])
def test_the_estimated_size_is_an_upper_bound_and_no_more_than_three_times_the_size(tmp_path, n_features, metric, kind):
    shape = (600, n_features)
    rows = np.random.default_rng(0).normal(size=shape) if kind == "normal" else np.ones(shape)
    build_index([rows.astype(np.float32)], n_features, metric, 10, random_state=1).save(str(tmp_path / "index"))
    size = (tmp_path / "index").stat().st_size
    assert size <= estimate_size(600, n_features, metric, 10) <= 3 * size


def test_an_index_that_does_not_fit_on_the_disk_is_an_error_before_it_is_built(x, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
    monkeypatch.setattr("scivis.neighbors._annoy_index.new_index", None)
    with pytest.raises(OSError, match=r"The Annoy index needs up to .*, but .* has 1\.0 kB left. Choose a larger disk"):
        build_annoy_index(x, tmp_path / "new" / "x.index", verbose=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_disk_that_is_too_small_is_an_error_and_does_not_end_the_process(disk, on_disk):
    x = np.random.default_rng(0).normal(size=(5000, 20)).astype(np.float32)
    folder = disk(1)
    with pytest.raises(OSError, match=r"needs up to 2\.2 MB|its disk is full"):
        build_annoy_index(x, folder / "x.index", ntrees=20, verbose=0, build_index_on_disk=on_disk, random_state=0)
    assert not list(folder.iterdir())
