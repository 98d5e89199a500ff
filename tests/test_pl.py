"""`scivis.pl`: what comes back, and that what is drawn is what is stored."""

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scanpy as sc
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

import scivis

GREY = "#d9d9d9"


def with_map(adata, key="ivis", n_components=2, seed=0):
    """Coordinates and a training history as `tl.ivis` leaves them, without training."""
    rng = np.random.default_rng(seed)
    adata.obsm["X_ivis" if key == "ivis" else key] = rng.normal(size=(adata.n_obs, n_components)).astype(np.float32)
    adata.uns[key] = {"params": {"loss": "infonce"}, "history": {"loss": np.array([3.0, 2.0, 1.5])}}
    return adata


@pytest.fixture
def mapped(adata):
    return with_map(adata)


@pytest.fixture
def query(adata):
    cells = with_map(adata[:50].copy(), seed=1)
    del cells.uns["ivis"]
    cells.obs["ivis_novelty"] = np.linspace(0, 2, 50, dtype=np.float32)
    return cells


def offsets(axes):
    """Where each collection of dots stands."""
    return [np.asarray(dots.get_offsets()) for dots in axes.collections if len(dots.get_offsets())]


# pl.ivis


def test_ivis_returns_axes_that_show_the_map(mapped):
    axes = scivis.pl.ivis(mapped, show=False)
    assert isinstance(axes, Axes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("ivis1", "ivis2")
    (drawn,) = offsets(axes)
    assert_array_equal(drawn, mapped.obsm["X_ivis"])


def test_ivis_returns_one_axes_per_colour(mapped):
    panels = scivis.pl.ivis(mapped, color=["louvain", "n_genes"], show=False)
    assert all(isinstance(axes, Axes) for axes in panels)
    assert [axes.get_title() for axes in panels] == ["louvain", "n_genes"]


def test_ivis_returns_the_figure_on_request(mapped):
    assert isinstance(scivis.pl.ivis(mapped, return_fig=True), Figure)


def test_ivis_shows_when_asked(mapped, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda *_, **__: shown.append(True))
    assert scivis.pl.ivis(mapped, show=True) is None
    assert shown == [True]


def test_ivis_draws_into_given_axes(mapped):
    _, own = plt.subplots()
    scivis.pl.ivis(mapped, ax=own, show=False)
    assert own.get_xlabel() == "ivis1"
    assert_array_equal(offsets(own)[0], mapped.obsm["X_ivis"])


def test_ivis_draws_categories_in_their_colours(mapped):
    axes = scivis.pl.ivis(mapped, color="bulk_labels", show=False)
    palette = dict(zip(mapped.obs["bulk_labels"].cat.categories, mapped.uns["bulk_labels_colors"], strict=True))
    expected = np.array([to_rgba(palette[label]) for label in mapped.obs["bulk_labels"]])
    colors = np.concatenate([dots.get_facecolors() for dots in axes.collections if len(dots.get_offsets())])
    drawn = np.concatenate(offsets(axes))
    order = [int(np.flatnonzero((mapped.obsm["X_ivis"] == place).all(axis=1))[0]) for place in drawn]
    assert sorted(order) == list(range(700))
    assert_allclose(colors, expected[order], atol=1e-6)
    texts = {text.get_text() for text in axes.get_legend().get_texts()}
    assert texts == set(palette)


def test_ivis_passes_scanpys_arguments_on(mapped):
    axes = scivis.pl.ivis(mapped, color="n_genes", size=7, title="cells", components="2,1", show=False)
    assert axes.get_title() == "cells"
    assert axes.get_xlabel() == "ivis2"
    assert set(axes.collections[0].get_sizes()) == {7}
    assert_array_equal(np.sort(offsets(axes)[0], axis=0), np.sort(mapped.obsm["X_ivis"][:, ::-1], axis=0))


def test_ivis_draws_the_map_of_another_key(adata):
    axes = scivis.pl.ivis(with_map(adata, "mine", n_components=3), key="mine", show=False)
    assert axes.get_xlabel() == "mine1"
    assert_array_equal(offsets(axes)[0], adata.obsm["mine"][:, :2])


def test_ivis_names_the_maps_there_are(adata):
    with pytest.raises(KeyError, match=r"Did not find 'X_ivis' in adata.obsm; it holds \['X_pca', 'X_umap'\]. Run"):
        scivis.pl.ivis(adata)


def test_ivis_refuses_a_map_of_one_axis(adata):
    with pytest.raises(ValueError, match="has one axis"):
        scivis.pl.ivis(with_map(adata, n_components=1))


def test_plots_leave_the_data_alone(mapped, query):
    def contents():
        return joblib.hash([(dict(a.obsm), a.obs, dict(a.uns)) for a in (mapped, query)])

    before = contents()
    scivis.pl.ivis(mapped, color="n_genes", show=False)
    scivis.pl.history(mapped, show=False)
    scivis.pl.ingest(query, mapped, show=False)
    assert contents() == before


# pl.history


def test_history_draws_the_loss_of_each_epoch(mapped):
    axes = scivis.pl.history(mapped, show=False)
    assert isinstance(axes, Axes)
    (line,) = axes.lines
    assert_array_equal(line.get_xdata(), [1, 2, 3])
    assert_array_equal(line.get_ydata(), [3.0, 2.0, 1.5])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "infonce loss")
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


@pytest.mark.parametrize("loss", [np.array([2.5]), 2.5, np.float64(2.5)], ids=["array", "number", "scalar"])
def test_history_of_a_single_epoch_is_a_visible_point(mapped, loss):
    mapped.uns["ivis"]["history"]["loss"] = loss
    (line,) = scivis.pl.history(mapped, show=False).lines
    assert_array_equal(line.get_ydata(), [2.5])
    assert line.get_marker() not in ("None", "", " ")


def test_history_draws_into_given_axes_and_does_not_show(mapped, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("the plot was shown"))
    _, own = plt.subplots()
    assert scivis.pl.history(mapped, ax=own) is own
    assert len(own.lines) == 1


@pytest.mark.parametrize("autoshow", [True, False])
def test_history_shows_as_scanpys_setting_says(mapped, monkeypatch, autoshow):
    shown = []
    monkeypatch.setattr(plt, "show", lambda *_, **__: shown.append(True))
    sc.settings.autoshow = autoshow
    returned = scivis.pl.history(mapped)
    assert (returned is None) == bool(shown) == autoshow
    shown.clear()
    returned = scivis.pl.history(mapped, show=not autoshow)
    assert (returned is None) == bool(shown) == (not autoshow)


@pytest.mark.parametrize("key", ["ivis", "neighbors", "louvain_colors"])
def test_history_that_is_not_there_is_an_error(adata, key):
    with pytest.raises(KeyError, match=rf"uns\['{key}'\] holds no training history. Run `scivis.tl.ivis"):
        scivis.pl.history(adata, key=key)


# pl.ingest


def test_ingest_draws_the_query_over_the_reference_in_grey(query, mapped):
    axes = scivis.pl.ingest(query, mapped, show=False)
    assert isinstance(axes, Axes)
    below, above = axes.collections[:2]
    assert_array_equal(below.get_offsets(), mapped.obsm["X_ivis"])
    assert {to_hex(color) for color in below.get_facecolors()} == {GREY}
    assert below.get_zorder() <= above.get_zorder()
    drawn = np.asarray(above.get_offsets())
    order = np.argsort(query.obs["ivis_novelty"], kind="stable")  # scanpy draws high values last
    assert_array_equal(drawn, query.obsm["X_ivis"][order])
    assert_allclose(above.get_array(), query.obs["ivis_novelty"].to_numpy()[order])
    assert axes.get_title() == "ivis_novelty"
    assert axes.get_xlabel() == "ivis1"


def test_ingest_shows_both_whole(query, mapped):
    mapped.obsm["X_ivis"][0] = (100, -100)
    query.obsm["X_ivis"][0] = (-100, 100)
    axes = scivis.pl.ingest(query, mapped, show=False)
    (left, right), (bottom, top) = sorted(axes.get_xlim()), sorted(axes.get_ylim())
    assert left < -100 < 100 < right
    assert bottom < -100 < 100 < top


def test_ingest_colours_by_a_column_or_a_gene(query, mapped):
    axes = scivis.pl.ingest(query, mapped, color="bulk_labels", show=False)
    assert axes.get_title() == "bulk_labels"
    shown = {to_hex(c) for dots in axes.collections[1:] for c in dots.get_facecolors()}
    palette = dict(zip(query.obs["bulk_labels"].cat.categories, query.uns["bulk_labels_colors"], strict=True))
    assert shown == {to_hex(palette[label]) for label in query.obs["bulk_labels"]}
    gene = query.var_names[0]
    assert scivis.pl.ingest(query, mapped, color=gene, show=False).get_title() == gene


def test_ingest_takes_scanpys_arguments(query, mapped):
    axes = scivis.pl.ingest(query, mapped, size=9, title="new cells", show=False)
    assert axes.get_title() == "new cells"
    assert set(axes.collections[1].get_sizes()) == {9}


def test_ingest_draws_into_given_axes_and_does_not_show(query, mapped, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("the plot was shown"))
    _, own = plt.subplots()
    assert scivis.pl.ingest(query, mapped, ax=own) is own
    assert len(own.collections) == 2


def test_ingest_shows_when_asked(query, mapped, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda *_, **__: shown.append(True))
    assert scivis.pl.ingest(query, mapped, show=True) is None
    assert shown == [True]


def test_ingest_of_another_key(adata):
    reference = with_map(adata, "mine", n_components=3)
    cells = with_map(adata[:20].copy(), "mine", n_components=3, seed=1)
    cells.obs["mine_novelty"] = 0.5
    axes = scivis.pl.ingest(cells, reference, key="mine", show=False)
    assert axes.get_title() == "mine_novelty"
    assert_array_equal(axes.collections[0].get_offsets(), reference.obsm["mine"][:, :2])


def test_ingest_names_what_is_missing(query, mapped, adata):
    bare = adata[:10].copy()
    bare.obsm.pop("X_ivis")
    with pytest.raises(KeyError, match="Did not find 'X_ivis' in adata"):
        scivis.pl.ingest(bare, mapped)
    with pytest.raises(KeyError, match="Did not find 'X_ivis' in adata"):
        scivis.pl.ingest(query, bare)
    with pytest.raises(KeyError, match="shade"):
        scivis.pl.ingest(query, mapped, color="shade", show=False)


def test_ingest_refuses_maps_of_one_axis(adata):
    reference = with_map(adata, n_components=1)
    cells = adata[:10].copy()
    with pytest.raises(ValueError, match="has one axis"):
        scivis.pl.ingest(cells, reference, show=False)


def test_ingest_of_no_cells_shows_the_reference(query, mapped):
    axes = scivis.pl.ingest(query[:0].copy(), mapped, show=False)
    assert_array_equal(axes.collections[0].get_offsets(), mapped.obsm["X_ivis"])
