"""Tools adapt their defaults to few cells, down to three."""

from __future__ import annotations

import pytest
import scanpy as sc

import scivis

pytestmark = pytest.mark.usefixtures("op_by_op")

TOOLS = {
    "ivis": lambda adata: scivis.tl.ivis(adata, epochs=1),
    "classic": lambda adata: scivis.tl.ivis(adata, preset="classic", epochs=1),
    "tsne": lambda adata: scivis.tl.tsne(adata, early_exaggeration_iter=5, n_iter=5),
    "n2d": lambda adata: scivis.tl.n2d(adata, 2, architecture=[4], epochs=1, manifold="tsne"),
    "quality": lambda adata: scivis.tl.quality(adata, "umap"),
}
MODELS = {"ivis": "ivis", "classic": "ivis", "tsne": "tsne", "n2d": "n2d"}


def first_cells(adata, n):
    """So many cells, without the graph of all."""
    cells = adata[:n].copy()
    del cells.obsp, cells.uns["neighbors"]
    return cells


@pytest.mark.parametrize("n", [3, 5, 10, 30])
@pytest.mark.parametrize("tool", TOOLS)
def test_few_cells_need_no_settings(adata, tool, n, said):
    cells, query = first_cells(adata, n), adata[n : n + 2].copy()
    TOOLS[tool](cells)
    if tool in MODELS:
        key = MODELS[tool]
        scivis.tl.ingest(query, cells, key=key)
        assert query.obsm[f"X_{key}"].shape == (2, 2)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("tool", TOOLS)
def test_fewer_than_three_cells_are_rejected_with_a_sentence(adata, tool, n):
    with pytest.raises(ValueError, match=rf"adata has {n} cells?, but at least 3 are needed\."):
        TOOLS[tool](first_cells(adata, n))


@pytest.mark.parametrize(("n", "found"), [(3, [1]), (10, [4]), (30, [14]), (31, [15]), (101, [15, 50])])
def test_quality_counts_as_many_neighbors_as_can_be_told_from_chance(adata, n, found):
    cells = first_cells(adata, n)
    scivis.tl.quality(cells, "umap")
    assert cells.uns["quality"]["params"]["n_neighbors"].tolist() == found


@pytest.mark.parametrize("n", [3, 10])
def test_the_graph_of_few_cells_is_used(adata, n):
    cells = first_cells(adata, n)
    sc.pp.neighbors(cells)
    for tool in ("ivis", "tsne"):
        TOOLS[tool](cells)


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 7, 8])
def test_umap_embeds_few_cells(adata, n):
    cells = first_cells(adata, n)
    scivis.tl.n2d(cells, 2, architecture=[4], epochs=1)
    scivis.tl.ingest(adata[n : n + 2].copy(), cells, key="n2d")
