"""Tools read the representation of the neighbor graph, and no graph of another representation."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc

import scivis

pytestmark = pytest.mark.usefixtures("op_by_op")

TOOLS = {
    "ivis": lambda adata, **given: scivis.tl.ivis(adata, network=[4], epochs=1, **given),
    "tsne": lambda adata, **given: scivis.tl.tsne(adata, perplexity=4, early_exaggeration_iter=0, n_iter=0, **given),
    "n2d": lambda adata, **given: scivis.tl.n2d(adata, 2, architecture=[4], epochs=1, manifold="tsne", **given),
    "quality": lambda adata, **given: scivis.tl.quality(adata, "umap", n_neighbors=[5], n_cells=20, **given),
}


@pytest.fixture
def cells(adata):
    """60 cells with other representations and two graphs: `neighbors` of the PCA and `mine` of `X_other`."""
    cells = adata[:60].copy()
    del cells.obsp, cells.uns["neighbors"]
    cells.obsm["X_other"] = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    cells.obsm["X_near"] = 2 * cells.obsm["X_other"]
    sc.pp.neighbors(cells)
    sc.pp.neighbors(cells, use_rep="X_other", key_added="mine")
    return cells


@pytest.mark.parametrize("tool", TOOLS)
def test_the_representation_is_that_of_the_graph(cells, tool):
    cells.uns["neighbors"] = cells.uns["mine"]
    TOOLS[tool](cells)
    assert cells.uns[tool]["params"]["use_rep"] == "X_other"


@pytest.mark.parametrize("tool", ["ivis", "tsne"])
def test_a_graph_of_another_representation_is_not_used_unless_it_is_named(cells, tool, said):
    TOOLS[tool](cells)
    assert cells.uns[tool]["params"]["neighbors"] == "the graph 'neighbors'"
    TOOLS[tool](cells, neighbors_key="mine")
    params = cells.uns[tool]["params"]
    assert (params["neighbors"], params["use_rep"]) == ("the graph 'mine'", "X_other")
    assert not said()
    TOOLS[tool](cells, neighbors_key="mine", use_rep="X_near")
    assert "was computed from adata.obsm['X_other']" in said()
    assert cells.uns[tool]["params"]["neighbors"] == "the graph 'mine'"
    TOOLS[tool](cells, use_rep="X_near", **({"n_neighbors": 5} if tool == "ivis" else {}))
    assert "graph" not in cells.uns[tool]["params"]["neighbors"]


def test_a_continued_tsne_warns_of_a_graph_of_another_representation(cells, said):
    TOOLS["tsne"](cells, use_rep="X_near", neighbors_key="mine")
    assert said()
    scivis.tl.tsne(cells, resume=True, n_iter=1)
    assert "The graph 'mine' was computed from adata.obsm['X_other']" in said()
