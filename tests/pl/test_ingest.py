"""`scivis.pl.ingest`: query cells over the reference."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal

import scivis

GRAY = "#d9d9d9"


def layers(axes):
    """The dots of the reference, and those of the query."""
    dots = [part for part in axes.collections if len(part.get_offsets())]
    return sorted(dots, key=lambda part: part.get_zorder())


def test_the_query_is_plotted_over_the_reference_in_gray(query, embedded):
    axes = scivis.pl.ingest(query, embedded, show=False)
    assert isinstance(axes, Axes)
    below, above = layers(axes)
    assert_array_equal(below.get_offsets(), embedded.obsm["X_ivis"])
    assert {to_hex(color) for color in below.get_facecolors()} == {GRAY}
    assert below.get_zorder() < above.get_zorder()
    plotted = np.asarray(above.get_offsets())
    order = np.argsort(query.obs["ivis_novelty"], kind="stable")  # scanpy plots high values last
    assert_array_equal(plotted, query.obsm["X_ivis"][order])
    assert_allclose(above.get_array(), query.obs["ivis_novelty"].to_numpy()[order])
    assert axes.get_title() == "ivis_novelty"
    assert axes.get_xlabel() == "ivis1"
    assert above.colorbar.ax.get_ylabel() == "novelty (99 % of the reference lie below 1)"


def test_strangers_stand_out_and_the_title_is_the_verdict(query, embedded):
    query.obs["ivis_pvalue"] = np.where(np.arange(50) < 10, 0.005, 0.5)
    query.uns["ivis_verdict"] = {"kind": "population"}
    axes = scivis.pl.ingest(query, embedded, show=False)
    assert axes.get_title() == "query: a population that the reference lacks"
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["p > 0.01 (40 cells)", "p ≤ 0.01 (10 cells)"]
    colors = [to_hex(color) for color in layers(axes)[1].get_facecolors()]
    assert colors == ["#56b4e9"] * 40 + ["#d55e00"] * 10  # strangers are drawn last
    assert len(set(layers(axes)[1].get_sizes()[:40])) == 1
    assert (layers(axes)[1].get_sizes()[40:] > layers(axes)[1].get_sizes()[0]).all()
    assert_array_equal(layers(axes)[1].get_offsets()[40:], query.obsm["X_ivis"][:10])
    assert set(query.uns) >= {"ivis_verdict"}
    assert "query: a population that the reference lacks" not in query.obs


def test_a_query_without_strangers_and_without_a_verdict(query, embedded):
    query.obs["ivis_pvalue"] = 0.5
    axes = scivis.pl.ingest(query, embedded, show=False)
    assert axes.get_title() == "query"
    assert {to_hex(color) for color in layers(axes)[1].get_facecolors()} == {"#56b4e9"}


def test_all_cells_are_within_the_limits(query, embedded):
    embedded.obsm["X_ivis"][0] = (100, -100)
    query.obsm["X_ivis"][0] = (-100, 100)
    axes = scivis.pl.ingest(query, embedded, show=False)
    (left, right), (bottom, top) = sorted(axes.get_xlim()), sorted(axes.get_ylim())
    assert left < -100 < 100 < right
    assert bottom < -100 < 100 < top


def test_colors_are_by_a_column_or_a_gene(query, embedded):
    axes = scivis.pl.ingest(query, embedded, color="bulk_labels", show=False)
    assert axes.get_title() == "bulk_labels"
    shown = {to_hex(c) for dots in layers(axes)[1:] for c in dots.get_facecolors()}
    palette = dict(zip(query.obs["bulk_labels"].cat.categories, query.uns["bulk_labels_colors"], strict=True))
    assert shown == {to_hex(palette[label]) for label in query.obs["bulk_labels"]}
    gene = query.var_names[0]
    assert scivis.pl.ingest(query, embedded, color=gene, show=False).get_title() == gene


def test_a_list_of_colors_has_a_panel_each_over_the_reference(query, embedded):
    axes = scivis.pl.ingest(query, embedded, color=["bulk_labels", "n_genes"], show=False)
    assert [panel.get_title() for panel in axes] == ["bulk_labels", "n_genes"]
    for panel in axes:
        assert_array_equal(layers(panel)[0].get_offsets(), embedded.obsm["X_ivis"])


@pytest.mark.parametrize(
    ("arguments", "columns"),
    [
        ({"components": "2,3"}, [[1, 2]]),
        ({"dimensions": (0, 2)}, [[0, 2]]),
        ({"components": ["1,3", "3,2"]}, [[0, 2], [2, 1]]),
        ({"components": "all"}, [[0, 1], [0, 2], [1, 2]]),
    ],
)
def test_other_components_are_those_of_the_reference_too(query, embedded, arguments, columns):
    for cells in (query, embedded):
        cells.obsm["X_ivis"] = np.column_stack([cells.obsm["X_ivis"], cells.obs["n_genes"]])
    figure = scivis.pl.ingest(query, embedded, color=["bulk_labels", "n_genes"], return_fig=True, **arguments)
    panels = [panel for panel in figure.axes if panel.get_xlabel().startswith("ivis")]
    for panel, shown in zip(panels, 2 * columns, strict=True):
        below, above = layers(panel)
        assert_allclose(below.get_offsets(), embedded.obsm["X_ivis"][:, shown])
        assert [panel.get_xlabel(), panel.get_ylabel()] == [f"ivis{column + 1}" for column in shown]
        assert_allclose(np.sort(above.get_offsets(), axis=0), np.sort(query.obsm["X_ivis"][:, shown], axis=0))


def test_categories_have_the_colors_of_the_reference(query, embedded):
    embedded.uns["bulk_labels_colors"] = [f"#0000{i:02x}" for i in range(10)]
    del query.uns["bulk_labels_colors"]
    query.obs["bulk_labels"] = query.obs["bulk_labels"].cat.remove_unused_categories()
    scivis.pl.ingest(query, embedded, color="bulk_labels", show=False)
    known = dict(zip(embedded.obs["bulk_labels"].cat.categories, embedded.uns["bulk_labels_colors"], strict=True))
    assert list(query.uns["bulk_labels_colors"]) == [known[name] for name in query.obs["bulk_labels"].cat.categories]


def test_categories_that_the_reference_lacks_have_unused_colors(query, embedded):
    embedded.obs["type"] = ["a", "c"] * (embedded.n_obs // 2)
    query.obs["type"] = (["a", "b", "c", "d"] * query.n_obs)[: query.n_obs]
    embedded.uns["type_colors"] = ["#ff7f0e", "#0000ff"]  # the first is the second default color of matplotlib
    scivis.pl.ingest(query, embedded, color="type", show=False)
    assert list(query.uns["type_colors"]) == ["#ff7f0e", "#1f77b4", "#0000ff", "#2ca02c"]


def test_arguments_are_passed_to_scanpy(query, embedded):
    axes = scivis.pl.ingest(query, embedded, size=9, title="new cells", show=False)
    assert axes.get_title() == "new cells"
    assert set(layers(axes)[1].get_sizes()) == {9}


def test_an_embedding_of_another_key(adata, add_embedding):
    reference = add_embedding(adata, "mine", n_components=3)
    cells = add_embedding(adata[:20].copy(), "mine", n_components=3, seed=1)
    cells.obs["mine_novelty"] = 0.5
    axes = scivis.pl.ingest(cells, reference, key="mine", show=False)
    assert axes.get_title() == "mine_novelty"
    assert_array_equal(layers(axes)[0].get_offsets(), reference.obsm["mine"][:, :2])


def test_missing_embeddings_and_colors_are_named(query, embedded):
    bare = embedded[:10].copy()
    bare.obsm.pop("X_ivis")
    with pytest.raises(
        KeyError, match=r"Did not find 'X_ivis' in adata.*Run `scivis\.tl\.ingest\(adata_new, adata_ref\)`"
    ):
        scivis.pl.ingest(bare, embedded)
    with pytest.raises(KeyError, match=r"Did not find 'X_ivis' in adata.*Run `scivis\.tl\.ivis`"):
        scivis.pl.ingest(query, bare)
    with pytest.raises(KeyError, match="shade"):
        scivis.pl.ingest(query, embedded, color="shade", show=False)


def test_embeddings_of_one_axis_are_rejected(adata, add_embedding):
    reference = add_embedding(adata, n_components=1)
    cells = adata[:10].copy()
    with pytest.raises(ValueError, match="has one axis"):
        scivis.pl.ingest(cells, reference, show=False)


def test_a_query_without_cells_shows_the_reference(query, embedded):
    axes = scivis.pl.ingest(query[:0].copy(), embedded, show=False)
    assert_array_equal(layers(axes)[0].get_offsets(), embedded.obsm["X_ivis"])
