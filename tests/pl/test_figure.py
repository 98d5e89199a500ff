"""What all plots have in common: figures are shown or returned as in scanpy, and `adata` is not changed."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import scivis
from scivis.pl._colors import default_colors

PLOTS = {
    "compare": lambda adata, query, **kwargs: scivis.pl.compare(adata, "umap", **kwargs),
    "distances": lambda adata, query, **kwargs: scivis.pl.distances(adata, "umap", **kwargs),
    "history": lambda adata, query, **kwargs: scivis.pl.history(adata, **kwargs),
    "ingest": lambda adata, query, **kwargs: scivis.pl.ingest(query, adata, **kwargs),
    "ivis": lambda adata, query, **kwargs: scivis.pl.ivis(adata, **kwargs),
    "n2d": lambda adata, query, **kwargs: scivis.pl.n2d(adata, **kwargs),
    "probability": lambda adata, query, **kwargs: scivis.pl.probability(adata, **kwargs),
    "quality": lambda adata, query, **kwargs: scivis.pl.quality(adata, **kwargs),
    "raster": lambda adata, query, **kwargs: scivis.pl.raster(adata, "umap", **kwargs),
    "trust": lambda adata, query, **kwargs: scivis.pl.trust(adata, "umap", **kwargs),
    "uncertainty": lambda adata, query, **kwargs: scivis.pl.uncertainty(adata, **kwargs),
}
# Functions whose panels are colored by what the user names.
COLORED = ["compare", "ingest", "ivis", "n2d", "probability", "raster"]


@pytest.fixture
def complete(predicted, _measured):
    """Cells with everything that any plot needs."""
    predicted.uns["quality"] = _measured.uns["quality"]
    for name in ("umap_trust", "other_trust"):
        predicted.obs[name] = _measured.obs[name]
    predicted.obsm["X_other"] = _measured.obsm["X_other"]
    predicted.obs["ivis_uncertainty"], predicted.obsm["ivis_expected"] = 0.3, predicted.obsm["X_ivis"] + 0.1
    predicted.obsm["ivis_ellipse"] = np.tile([0.3, 0.2, 45.0], (predicted.n_obs, 1))
    predicted.obsm["X_n2d"], predicted.obs["n2d"] = predicted.obsm["X_umap"], predicted.obs["louvain"]
    return predicted


@pytest.fixture
def shown(monkeypatch):
    """Calls of `plt.show`."""
    calls = []
    monkeypatch.setattr(plt, "show", lambda *_, **__: calls.append(True))
    return calls


def test_all_plots_are_tested_here():
    assert set(PLOTS) == set(scivis.pl.__all__)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLOTS)
def test_plots_show_on_request_and_then_return_nothing(name, complete, query, shown):
    assert PLOTS[name](complete, query, show=True) is None
    assert shown == [True]


@pytest.mark.parametrize("autoshow", [True, False])
@pytest.mark.parametrize("name", PLOTS)
def test_plots_show_by_scanpys_setting_unless_told_otherwise(name, autoshow, complete, query, shown):
    sc.settings.autoshow = autoshow
    returned = PLOTS[name](complete, query)
    assert (returned is None) == bool(shown) == autoshow
    shown.clear()
    returned = PLOTS[name](complete, query, show=not autoshow)
    assert (returned is None) == bool(shown) == (not autoshow)


@pytest.mark.parametrize("name", PLOTS)
def test_plots_in_given_axes_are_not_shown(name, complete, query, shown):
    _, given = plt.subplots()
    sc.settings.autoshow = True
    assert PLOTS[name](complete, query, ax=given) is given
    assert given.has_data()
    assert shown == []


@pytest.mark.parametrize("name", PLOTS)
def test_plots_do_not_change_the_data(name, complete, query, contents):
    complete.uns["n2d_colors"] = ["#000000"] * complete.obs["n2d"].nunique()
    before = contents(complete), contents(query)
    PLOTS[name](complete, query, show=False)
    assert (contents(complete), contents(query)) == before


@pytest.mark.parametrize("name", PLOTS)
def test_one_panel_is_returned_as_axes_or_as_its_figure(name, complete, query, shown):
    assert isinstance(PLOTS[name](complete, query, show=False), Axes)
    figure = PLOTS[name](complete, query, return_fig=True, show=True)
    assert isinstance(figure, Figure)
    assert figure.axes
    assert shown == []


@pytest.mark.parametrize("name", PLOTS)
def test_plots_are_saved_as_in_scanpy(name, complete, query, tmp_path):
    sc.settings.figdir = tmp_path
    axes = PLOTS[name](complete, query, show=False, save="_a.png")
    assert isinstance(axes, Axes)
    assert [file.name for file in tmp_path.iterdir()] == [f"{name}_a.png"]
    assert (tmp_path / f"{name}_a.png").read_bytes()[1:4] == b"PNG"


def test_the_settings_of_scanpy_name_format_and_default(complete, query, tmp_path):
    sc.settings.figdir = tmp_path / "new"
    sc.settings.file_format_figs = "svg"
    sc.settings.autosave = True
    for name in ("ivis", "quality"):
        PLOTS[name](complete, query, show=False)
        PLOTS[name](complete, query, show=False, save="_2")
        PLOTS[name](complete, query, show=False, save=False)
    names = {file.name for file in (tmp_path / "new").iterdir()}
    assert names == {"ivis.svg", "ivis_2.svg", "quality.svg", "quality_2.svg"}
    assert sc.settings.autosave


@pytest.mark.parametrize("name", COLORED)
def test_color_is_a_text_or_a_list(name, complete, query):
    gene = complete.var_names[0]
    for color in ("bulk_labels", "n_genes", gene, ["bulk_labels"]):
        panels = PLOTS[name](complete, query, color=color, show=False)
        assert len(panels) == 2 if name == "probability" else isinstance(panels, Axes)
    panels = PLOTS[name](complete, query, color=["bulk_labels", gene], show=False)
    assert len(panels) == 2 + (name == "probability")
    assert all(isinstance(panel, Axes) for panel in panels)


@pytest.mark.parametrize("name", COLORED)
def test_several_panels_do_not_fit_into_one(name, complete, query):
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="ax"):
        PLOTS[name](complete, query, color=["bulk_labels", "n_genes"], ax=ax, show=False)


@pytest.mark.parametrize("name", ["compare", "distances", "trust"])
def test_several_embeddings_do_not_fit_into_one_panel(name, complete):
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="ax holds one panel, but 2 are plotted"):
        getattr(scivis.pl, name)(complete, ["umap", "other"], ax=ax, show=False)


@pytest.mark.parametrize("name", COLORED)
def test_legends_are_where_they_are_asked_for(name, complete, query):
    for place in ("right margin", "on data", "best", None):
        panels = PLOTS[name](complete, query, color="louvain", legend_loc=place, show=False)
        panel = panels[-1] if name == "probability" else panels
        assert (panel.get_legend() is not None) == (place in ("right margin", "best"))
        assert bool(panel.texts) == (place == "on data")


PALETTES = {"map": "Set2", "list": ["red", "#00ff00"], "dict": {str(i): "blue" for i in range(11)}}


@pytest.mark.parametrize("name", COLORED)
def test_palettes_are_stored_as_by_scanpy(name, complete, query):
    by_scanpy, plotted = complete.copy(), query if name == "ingest" else complete
    plotted.obs["louvain"] = plotted.obs["louvain"].cat.set_categories(complete.obs["louvain"].cat.categories)
    for palette in PALETTES.values():
        sc.pl.umap(by_scanpy, color="louvain", palette=palette, show=False)
        PLOTS[name](complete, query, color="louvain", palette=palette, show=False)
        assert list(plotted.uns["louvain_colors"]) == list(by_scanpy.uns["louvain_colors"])


@pytest.mark.parametrize("n", [2, 10, 15, 25, 60, 110])
def test_default_colors_are_those_of_scanpy_and_stored_once(n, complete):
    complete.obs["kind"] = [f"{i % n:03d}" for i in range(700)]
    by_scanpy = complete.copy()
    sc.pl.umap(by_scanpy, color="kind", show=False)
    scivis.pl.compare(complete, "umap", color="kind", show=False)
    assert list(map(to_hex, complete.uns["kind_colors"])) == list(map(to_hex, by_scanpy.uns["kind_colors"]))
    complete.uns["kind_colors"] = stored = ["#123456"] * n
    scivis.pl.compare(complete, "umap", color="kind", show=False)
    assert complete.uns["kind_colors"] == stored


@pytest.mark.parametrize("name", COLORED)
def test_plots_store_the_same_colors(name, complete, query):
    plotted = query if name == "ingest" else complete
    for adata in (complete, query):
        adata.obs["kind"] = pd.Categorical(np.arange(adata.n_obs).astype(str).astype("U1"))
    PLOTS[name](complete, query, color="kind", show=False)
    assert list(map(to_hex, plotted.uns["kind_colors"])) == default_colors(10)


@pytest.mark.parametrize("palette", ["no such map", ["red", "no color"], {"0": "red"}], ids=["map", "list", "dict"])
def test_a_palette_that_is_none_is_an_error(palette, complete, query):
    with pytest.raises(ValueError, match="is neither a colormap"):
        PLOTS["compare"](complete, query, color="louvain", palette=palette, show=False)


def test_a_view_stays_a_view(complete):
    del complete.uns["louvain_colors"]
    view = complete[:100]
    scivis.pl.compare(view, "umap", color="louvain", show=False)
    assert view.is_view


def test_an_empty_list_of_colors_is_an_error(complete):
    with pytest.raises(ValueError, match=r"color=\[\] names no panel"):
        scivis.pl.compare(complete, "umap", color=[], show=False)
