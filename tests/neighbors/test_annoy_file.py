"""Building of index files."""

from __future__ import annotations

import pytest
from annoy import AnnoyIndex

from scivis.neighbors import build_annoy_index


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
    import annoy

    requested = []

    class Spy(AnnoyIndex):
        def build(self, n_trees, n_jobs=-1):
            requested.append((n_trees, n_jobs))
            return super().build(n_trees, n_jobs=n_jobs)

    monkeypatch.setattr(annoy, "AnnoyIndex", Spy)
    build_annoy_index(x, tmp_path / "a", ntrees=3, verbose=0, n_jobs=2)
    build_annoy_index(x, tmp_path / "b", ntrees=4, verbose=0, n_jobs=2, random_state=1)
    assert requested == [(3, 2), (4, 1)]
