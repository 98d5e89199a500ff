"""The pictures of maps and of their quality: what is drawn is what is stored."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

import scivis
from scivis.pl._cells import DOTS_UP_TO, rasterize


@pytest.fixture(scope="module")
def _judged(_pbmc):
    adata = _pbmc.copy()
    adata.obsm["X_other"] = adata.obsm["X_pca"][:, 2:4].copy()
    scivis.tl.quality(adata, ["umap", "other"], labels="bulk_labels", n_neighbors=[10, 30], n_cells=100)
    return adata


@pytest.fixture
def judged(_judged):
    return _judged.copy()


def texts(ax):
    return [text.get_text() for text in ax.texts]


# quality


def test_the_card_shows_the_numbers_of_the_table(judged):
    ax = scivis.pl.quality(judged, show=False)
    table = judged.uns["quality"]["table"]
    n_rows = len(table) // 3
    assert [t.get_text() for t in ax.get_xticklabels()] == ["PCA", "umap", "other"]
    numbers = np.array(texts(ax)[: 3 * n_rows], float).reshape(n_rows, 3)
    assert_allclose(numbers.T.ravel(), table["value"], atol=0.0005)
    rows = [t.get_text() for t in ax.get_yticklabels()]
    assert rows[:2] == ["neighbours kept, k = 10", "neighbours kept, k = 30"]
    assert texts(ax)[3 * n_rows :] == ["local", "density", "global", "labels"]


def test_the_best_of_a_row_is_bold_and_darkest(judged):
    ax = scivis.pl.quality(judged, show=False)
    shares = np.asarray(ax.images[0].get_array())
    assert_array_equal(shares.max(axis=1), 1)
    assert_array_equal(shares.min(axis=1), 0)
    weights = np.array([text.get_weight() == "bold" for text in ax.texts[: shares.size]]).reshape(shares.shape)
    assert_array_equal(weights, shares == 1)
    numbers = np.array(texts(ax)[: shares.size], float).reshape(shares.shape)
    assert (np.take_along_axis(numbers, shares.argmax(axis=1)[:, None], axis=1)[:, 0] == numbers.max(axis=1)).all()


def test_chosen_maps_in_the_order_asked_for(judged):
    ax = scivis.pl.quality(judged, ["other", "PCA"], show=False)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["other", "PCA"]


def test_the_card_draws_into_given_axes_and_does_not_show(judged, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("the plot was shown"))
    _, own = plt.subplots()
    sc.settings.autoshow = True
    assert scivis.pl.quality(judged, ax=own) is own


# distances


def test_boxes_are_those_of_the_card(judged):
    axes = scivis.pl.distances(judged, "umap", show=False)
    table = judged.uns["quality"]["table"].query("basis == 'X_umap'").set_index("measure")["value"]
    assert [ax.get_title() for ax in axes] == [f"umap: r = {table['pearson']:.2f}, ρ = {table['spearman']:.2f}"]
    stored = judged.uns["quality"]["distances"]
    which = list(stored["bases"]).index("X_umap")
    medians = [line.get_ydata()[0] for line in axes[0].lines if line.get_color() == "black"]
    full = stored["counts"] > 0
    assert_allclose(medians, stored["quantiles"][which, full, 2])
    [bars] = [ax for ax in axes[0].figure.axes if ax is not axes[0]]
    assert_array_equal([bar.get_height() for bar in bars.patches], stored["counts"])


def test_a_panel_for_every_map(judged):
    axes = scivis.pl.distances(judged, n_columns=2, show=False)
    assert [ax.get_title().split(":")[0] for ax in axes] == ["PCA", "umap", "other"]
    assert axes[0].get_position().y0 > axes[2].get_position().y1 - 0.01


# trust


def test_trust_colours_the_cells_on_one_scale(judged):
    axes = scivis.pl.trust(judged, show=False)
    assert [ax.get_title().split(":")[0] for ax in axes] == ["umap", "other"]
    for ax, name in zip(axes, ("umap", "other"), strict=True):
        values = judged.obs[f"{name}_trust"].to_numpy()
        order = np.argsort(-values, kind="stable")
        assert_allclose(ax.collections[0].get_offsets(), judged.obsm[f"X_{name}"][order], rtol=1e-6)
    [bar] = [ax for ax in axes[0].figure.axes if ax not in axes]
    assert bar.get_ylim()[1] == 1
    lowest = min(np.quantile(judged.obs[f"{name}_trust"], 0.01) for name in ("umap", "other"))
    assert bar.get_ylim()[0] == pytest.approx(min(0.9, lowest))


def test_a_map_that_was_not_judged(judged):
    judged.obsm["X_new"] = judged.obsm["X_umap"]
    with pytest.raises(KeyError, match=r"Did not find 'new_trust' in adata\.obs"):
        scivis.pl.trust(judged, "new", show=False)
    for plot in (scivis.pl.quality, scivis.pl.distances):
        with pytest.raises(KeyError, match=r"basis='new', but the card judges \['PCA', 'X_umap', 'X_other'\]"):
            plot(judged, "new", show=False)


@pytest.mark.parametrize("plot", [scivis.pl.quality, scivis.pl.distances, scivis.pl.trust])
def test_without_a_card(adata, plot):
    with pytest.raises(KeyError, match=r"adata.uns\['quality'\] holds no quality card. Run `scivis.tl.quality"):
        plot(adata, show=False)


@pytest.mark.parametrize(
    ("plot", "part", "altered"),
    [
        (scivis.pl.quality, "table", 3),
        (scivis.pl.quality, "table", pd.DataFrame({"basis": ["X"]})),
        (scivis.pl.quality, "table", "text"),
        (scivis.pl.distances, "distances", {}),
        (scivis.pl.distances, "distances", {"counts": np.ones(3, int)}),
        (scivis.pl.distances, "distances", {"edges": np.array(["a"] * 51)}),
    ],
)
def test_an_altered_card_is_refused(judged, plot, part, altered):
    card = judged.uns["quality"]
    if isinstance(altered, str):
        altered = card["table"].assign(value=altered)
    elif isinstance(altered, dict) and altered:
        altered = dict(card["distances"]) | altered
    judged.uns["quality"] = dict(card) | {part: altered}
    with pytest.raises(ValueError, match=r"The card in adata.uns\['quality'\] cannot be used"):
        plot(judged, show=False)


# compare


def test_maps_side_by_side_have_equal_scales_and_the_colours_of_scanpy(judged):
    axes = scivis.pl.compare(judged, ["umap", "pca"], color="bulk_labels", show=False)
    assert [ax.get_title() for ax in axes] == ["umap", "pca"]
    palette = dict(zip(judged.obs["bulk_labels"].cat.categories, judged.uns["bulk_labels_colors"], strict=True))
    expected = np.array([to_rgb(palette[label]) for label in judged.obs["bulk_labels"]])
    for ax, key in zip(axes, ("X_umap", "X_pca"), strict=True):
        dots = ax.collections[0]
        place = {tuple(xy): i for i, xy in enumerate(judged.obsm[key][:, :2].astype(float).tolist())}
        rows = [place[tuple(xy)] for xy in np.asarray(dots.get_offsets()).tolist()]
        assert sorted(rows) == list(range(700))
        assert rows != sorted(rows)
        assert_allclose(dots.get_facecolors()[:, :3], expected[rows], atol=1e-6)
        assert np.diff(ax.get_xlim()) == pytest.approx(np.diff(ax.get_ylim()))
        assert ax.get_box_aspect() == 1
    assert axes[0].get_legend() is None
    assert {t.get_text() for t in axes[1].get_legend().get_texts()} == set(palette)


def test_the_legend_lies_inside_the_figure_and_outside_the_panels(judged):
    axes = scivis.pl.compare(judged, ["umap", "other"], color="bulk_labels", show=False)
    figure = axes[0].figure
    figure.canvas.draw()
    legend = axes[-1].get_legend().get_window_extent()
    assert legend.x0 >= axes[-1].get_window_extent().x1
    assert legend.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= legend.y0 < legend.y1 <= figure.bbox.y1


def test_numbers_and_genes_have_a_colour_bar(judged):
    for color in ("n_genes", judged.var_names[0]):
        axes = scivis.pl.compare(judged, "umap", color=color, show=False)
        [bar] = [ax for ax in axes[0].figure.axes if ax not in axes]
        values = sc.get.obs_df(judged, keys=[color])[color]
        assert bar.get_ylim() == pytest.approx((values.min(), values.max()))


def test_cells_without_a_value_are_grey(judged):
    judged.obs["some"] = np.where(np.arange(700) < 10, np.nan, 1.5)
    judged.obs["kind"] = pd.Categorical(np.where(np.arange(700) < 10, None, "a"))
    for color in ("some", "kind"):
        [ax] = scivis.pl.compare(judged, "umap", color=color, show=False)
        grey = np.isclose(ax.collections[0].get_facecolors()[:, :3], to_rgb("#d3d3d3")).all(axis=1)
        assert grey.sum() == 10
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "NA"]


def test_up_to_ten_classes_without_colours_get_distinct_ones(judged):
    judged.uns.pop("bulk_labels_colors")
    [ax] = scivis.pl.compare(judged, "umap", color="bulk_labels", show=False)
    assert len({tuple(c) for c in ax.collections[0].get_facecolors()}) == 10
    assert "bulk_labels_colors" not in judged.uns


def test_compare_draws_many_cells_as_an_image():
    n = DOTS_UP_TO + 1
    cells = sc.AnnData(obsm={"X_map": np.random.default_rng(0).normal(size=(n, 2))})
    [ax] = scivis.pl.compare(cells, show=False)
    assert len(ax.images) == 1
    assert not ax.collections


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"basis": "nowhere"}, KeyError, "basis='nowhere' is not in adata.obsm"),
        ({"basis": "one"}, ValueError, r"adata.obsm\['X_one'\] has shape \(700, 1\); two axes"),
        ({"basis": "umap", "color": "shade"}, KeyError, "color='shade' is neither in adata.obs"),
    ],
)
def test_what_cannot_be_drawn_is_named(judged, arguments, error, message):
    judged.obsm["X_one"] = np.zeros((700, 1))
    for plot in (scivis.pl.compare, scivis.pl.raster):
        with pytest.raises(error, match=message):
            plot(judged, show=False, **arguments)


# raster


def test_every_cell_is_in_the_image():
    xy = np.random.default_rng(0).normal(size=(5000, 2))
    codes = (xy[:, 0] > 0).astype(float)
    image, (left, right, bottom, top) = rasterize(xy, np.stack([codes, codes, 1 - codes], axis=1), 50)
    assert image.shape[:2] == (50, 50) or max(image.shape[:2]) == 50
    counts, *_ = np.histogram2d(xy[:, 1], xy[:, 0], bins=image.shape[:2], range=((bottom, top), (left, right)))
    assert_array_equal(image[..., 3] > 0, counts > 0)
    share, *_ = np.histogram2d(
        xy[:, 1], xy[:, 0], bins=image.shape[:2], range=((bottom, top), (left, right)), weights=codes
    )
    assert_allclose(image[counts > 0, 0], (share / np.maximum(counts, 1))[counts > 0], atol=1e-12)
    order = np.argsort(counts[counts > 0])
    assert (np.diff(image[counts > 0, 3][order]) >= 0).all()
    assert image[counts > 0, 3].min() == pytest.approx(0.35)
    assert image[..., 3].max() == 1


@pytest.mark.parametrize("xy", [np.zeros((3, 2)), np.array([[0.0, 0], [0, 1]]), np.array([[1.0, 7]])])
def test_maps_without_extent_can_be_drawn(xy):
    image, _ = rasterize(xy, np.ones((len(xy), 3)), 10)
    assert image[..., 3].max() == 1
    ax = scivis.pl.raster(sc.AnnData(obsm={"X_map": xy}), "map", n_pixels=10, show=False)
    ax.figure.canvas.draw()


def test_raster_draws_where_the_map_is(judged):
    _, own = plt.subplots()
    ax = scivis.pl.raster(judged, "umap", color="louvain", n_pixels=64, ax=own)
    assert ax is own
    assert max(ax.images[0].get_array().shape) == 64
    low, high = judged.obsm["X_umap"].min(axis=0), judged.obsm["X_umap"].max(axis=0)
    left, right, bottom, top = ax.images[0].get_extent()
    assert_allclose([left, bottom], low, rtol=1e-6)
    assert right >= high[0] - 1e-4
    assert top >= high[1] - 1e-4
    assert (ax.get_xlabel(), ax.get_title()) == ("umap1", "louvain")


def test_raster_wants_pixels(judged):
    with pytest.raises(ValueError, match="n_pixels=0"):
        scivis.pl.raster(judged, "umap", n_pixels=0)


# probability


@pytest.fixture
def predicted(adata):
    rng = np.random.default_rng(0)
    scores = rng.dirichlet([1, 1, 1], 700).astype(np.float32)
    adata.obsm["X_ivis"] = rng.normal(size=(700, 2))
    adata.obsm["ivis_scores"] = scores
    adata.obs["ivis_certainty"] = scores.max(axis=1)
    adata.obs["ivis_label"] = pd.Categorical(np.array(["x", "y", "z"])[scores.argmax(axis=1)])
    return adata


def test_probability_colours_by_the_certainty(predicted):
    ax = scivis.pl.probability(predicted, show=False)
    assert ax.get_title() == "ivis_certainty"
    assert ax.collections[0].get_clim() == (0, 1)
    assert_allclose(np.sort(ax.collections[0].get_array()), np.sort(predicted.obs["ivis_certainty"]))


def test_probability_of_named_classes(predicted):
    axes = scivis.pl.probability(predicted, classes=["z", "x"], show=False)
    assert [ax.get_title() for ax in axes] == ["z", "x"]
    assert_allclose(np.sort(axes[0].collections[0].get_array()), np.sort(predicted.obsm["ivis_scores"][:, 2]))
    assert scivis.pl.probability(predicted, classes="y", show=False).get_title() == "y"
    assert "z" not in predicted.obs


def test_probability_passes_scanpys_arguments_on(predicted):
    assert isinstance(scivis.pl.probability(predicted, return_fig=True), Figure)
    assert scivis.pl.probability(predicted, vmin=0.3, show=False).collections[0].get_clim() == (0.3, 1)


def test_probability_names_what_is_missing(predicted):
    with pytest.raises(KeyError, match=r"the predicted classes are \['x', 'y', 'z'\]"):
        scivis.pl.probability(predicted, classes=["q"])
    with pytest.raises(KeyError, match=r"basis='n2d' is not in adata\.obsm"):
        scivis.pl.probability(predicted, key="n2d")
    del predicted.obs["ivis_certainty"]
    with pytest.raises(KeyError, match=r"Did not find 'ivis_certainty' in adata\.obs"):
        scivis.pl.probability(predicted)


@pytest.mark.parametrize("plot", ["quality", "distances", "trust", "compare"])
def test_plots_show_when_asked(judged, monkeypatch, plot):
    shown = []
    monkeypatch.setattr(plt, "show", lambda *_, **__: shown.append(True))
    assert getattr(scivis.pl, plot)(judged, show=True) is None
    assert shown == [True]
