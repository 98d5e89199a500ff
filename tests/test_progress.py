"""Long stages of all tools have progress bars, also at scanpy's default verbosity; short ones and verbosity 0 have none."""

from __future__ import annotations

import sys
import types

import pytest
import scanpy as sc
from sklearn.decomposition import PCA

import scivis
from scivis import _progress

pytestmark = pytest.mark.usefixtures("op_by_op")

IVIS = {"network": [4], "epochs": 2, "n_neighbors": 5}


def importance(adata):
    scivis.tl.ivis(adata, **IVIS)
    scivis.tl.feature_importance(adata, n_cells=20)


TOOLS = {
    "ivis": (lambda adata: scivis.tl.ivis(adata, **IVIS), "training"),
    "tsne": (lambda adata: scivis.tl.tsne(adata, early_exaggeration_iter=0, n_iter=50, perplexity=5), "t-SNE"),
    "n2d": (
        lambda adata: scivis.tl.n2d(adata, 2, architecture=[4], epochs=2, manifold=PCA(2)),
        "training",
    ),
    "feature_importance": (importance, "features"),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_long_stages_have_a_bar_unless_verbosity_is_0(adata, tool, monkeypatch, capfd):
    call, title = TOOLS[tool]
    cells = adata[:60].copy()
    del cells.uns["neighbors"]
    sc.settings.verbosity = 1
    call(cells.copy())
    assert capfd.readouterr().err == ""  # a short stage
    monkeypatch.setattr(_progress, "DELAY", 0)
    call(cells.copy())
    assert f"{title}: 100%" in capfd.readouterr().err
    sc.settings.verbosity = 0
    call(cells.copy())
    assert capfd.readouterr().err == ""


def test_umap_has_a_bar(adata, monkeypatch):
    made = []
    monkeypatch.setattr(_progress, "DELAY", 1)
    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=lambda **params: made.append(params)))
    for verbosity in (0, 1):
        sc.settings.verbosity = verbosity
        with pytest.raises(ValueError, match="manifold=None"):
            scivis.tl.n2d(adata[:60].copy(), 2, architecture=[4], epochs=1)
    assert [params["tqdm_kwds"] for params in made] == [{"disable": True, "delay": 1}, {"disable": False, "delay": 1}]


def test_a_bar_is_a_widget_in_notebooks(monkeypatch):
    """`tqdm.auto` decides; nothing else of tqdm is imported."""
    seen = {}
    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=lambda *_, **kwargs: seen.update(kwargs)))
    _progress.progress_bar(total=3)
    assert seen == {"total": 3, "delay": _progress.DELAY}
