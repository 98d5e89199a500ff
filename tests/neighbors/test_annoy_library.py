"""The package Annoy, the copy in openTSNE, and neither of them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import scivis
from scivis.neighbors import AnnoyKnnMatrix, AnnoyTransformer, build_annoy_index, find_neighbors
from scivis.neighbors._annoy_library import new_index


@pytest.fixture
def hide(monkeypatch):
    """Makes modules behave as if they were not installed."""
    return lambda *names: [monkeypatch.setitem(sys.modules, name, None) for name in names]


def test_the_package_is_used_if_it_is_installed():
    annoy = pytest.importorskip("annoy")
    assert type(new_index(3, "euclidean")) is annoy.AnnoyIndex


def test_without_the_package_opentsne_has_the_index(hide):
    hide("annoy")
    index = new_index(3, "euclidean")
    from openTSNE.dependencies.annoy import AnnoyIndex

    assert type(index) is AnnoyIndex


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
def test_both_find_the_same_neighbors(points, hide, metric):
    pytest.importorskip("annoy")
    options = {"backend": "annoy", "metric": metric, "n_trees": 30, "search_k": 10_000}
    by_package = find_neighbors(points, 10, **options)
    hide("annoy")
    np.testing.assert_array_equal(find_neighbors(points, 10, **options).indices, by_package.indices)


@pytest.mark.parametrize("built_without", [True, False])
@pytest.mark.parametrize("metric", ["angular", "euclidean", "manhattan", "hamming", "dot"])
def test_each_reads_the_files_of_the_other(points, tmp_path, monkeypatch, metric, built_without):
    pytest.importorskip("annoy")
    path = tmp_path / "x.index"
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "annoy", None if built_without else sys.modules["annoy"])
        index = build_annoy_index(points, path, metric, verbose=0, random_state=0)
        expected = [index.get_nns_by_item(row, 10) for row in range(5)]
    monkeypatch.setitem(sys.modules, "annoy", sys.modules["annoy"] if built_without else None)
    loaded = AnnoyKnnMatrix.load(path, points.shape, metric=metric).index
    assert type(loaded) is not type(index)
    assert [loaded.get_nns_by_item(row, 10) for row in range(5)] == expected


@pytest.mark.parametrize(
    "search",
    [
        lambda x, path: find_neighbors(x, 5, backend="annoy"),
        lambda x, path: build_annoy_index(x, path / "new", verbose=0),
        lambda x, path: AnnoyKnnMatrix.load(path / "x.index", x.shape),
        lambda x, path: AnnoyTransformer().fit(x),
    ],
    ids=["find_neighbors", "build_annoy_index", "load", "transformer"],
)
def test_without_either_the_error_says_what_to_install(points, tmp_path, hide, search):
    build_annoy_index(points, tmp_path / "x.index", verbose=0)
    hide("annoy", "openTSNE", "openTSNE.dependencies", "openTSNE.dependencies.annoy")
    with pytest.raises(ImportError, match=r"Annoy is not installed.*pip install annoy.*C\+\+ compiler.*backend='ivf'"):
        search(points, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("op_by_op")
def test_a_model_that_was_saved_with_an_index_loads_without_the_package(points, tmp_path, hide):
    pytest.importorskip("annoy")
    model = scivis.Ivis(k=5, epochs=1, verbose=0, random_state=0).fit(points)
    model.save_model(tmp_path / "model")
    hide("annoy")
    loaded = scivis.Ivis().load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.transform(points), model.transform(points))
