"""`scivis.pl.compare`, `scivis.pl.trust` and `scivis.pl.raster`: the plotted cells are the stored ones."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose, assert_array_equal

import scivis
from scivis.pl._cells import MAX_DOTS, rasterize


def test_trust_has_one_color_scale_for_all_panels(measured):
    axes = scivis.pl.trust(measured, show=False)
    assert [ax.get_title().split(":")[0] for ax in axes] == ["umap", "other"]
    for ax, name in zip(axes, ("umap", "other"), strict=True):
        values = measured.obs[f"{name}_trust"].to_numpy()
        order = np.argsort(-values, kind="stable")
        assert_allclose(ax.collections[0].get_offsets(), measured.obsm[f"X_{name}"][order], rtol=1e-6)
    [bar] = [ax for ax in axes[0].figure.axes if ax not in axes]
    assert bar.get_ylim()[1] == 1
    lowest = min(np.quantile(measured.obs[f"{name}_trust"], 0.01) for name in ("umap", "other"))
    assert bar.get_ylim()[0] == pytest.approx(min(0.9, lowest))


def test_panels_have_equal_scales_and_the_colors_of_scanpy(measured):
    axes = scivis.pl.compare(measured, ["umap", "pca"], color="bulk_labels", show=False)
    assert [ax.get_title() for ax in axes] == ["umap", "pca"]
    palette = dict(zip(measured.obs["bulk_labels"].cat.categories, measured.uns["bulk_labels_colors"], strict=True))
    expected = np.array([to_rgb(palette[label]) for label in measured.obs["bulk_labels"]])
    for ax, key in zip(axes, ("X_umap", "X_pca"), strict=True):
        dots = ax.collections[0]
        place = {tuple(xy): i for i, xy in enumerate(measured.obsm[key][:, :2].astype(float).tolist())}
        rows = [place[tuple(xy)] for xy in np.asarray(dots.get_offsets()).tolist()]
        assert sorted(rows) == list(range(700))
        assert rows != sorted(rows)
        assert_allclose(dots.get_facecolors()[:, :3], expected[rows], atol=1e-6)
        assert np.diff(ax.get_xlim()) == pytest.approx(np.diff(ax.get_ylim()))
        assert ax.get_box_aspect() == 1
    assert axes[0].get_legend() is None
    assert {t.get_text() for t in axes[1].get_legend().get_texts()} == set(palette)


def test_the_legend_is_inside_the_figure_and_outside_the_panels(measured):
    axes = scivis.pl.compare(measured, ["umap", "other"], color="bulk_labels", show=False)
    figure = axes[0].figure
    figure.canvas.draw()
    legend = axes[-1].get_legend().get_window_extent()
    assert legend.x0 >= axes[-1].get_window_extent().x1
    assert legend.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= legend.y0 < legend.y1 <= figure.bbox.y1


@pytest.mark.parametrize("plot", ["compare", "raster", "ivis", "ingest", "probability"])
def test_a_long_legend_does_not_lie_on_the_next_panel(plot, predicted):
    query = predicted[:50].copy()
    calls = {
        "compare": lambda **kwargs: scivis.pl.compare(predicted, "umap", **kwargs),
        "raster": lambda **kwargs: scivis.pl.raster(predicted, "umap", **kwargs),
        "ivis": lambda **kwargs: scivis.pl.ivis(predicted, **kwargs),
        "ingest": lambda **kwargs: scivis.pl.ingest(query, predicted, **kwargs),
        "probability": lambda **kwargs: scivis.pl.probability(predicted, classes="x", **kwargs),
    }
    axes = calls[plot](color=["bulk_labels", "n_genes"], show=False)
    axes[0].figure.canvas.draw()
    first, second = (next(i for i, ax in enumerate(axes) if ax.get_title().endswith(c)) for c in ("labels", "n_genes"))
    assert axes[first].get_legend().get_window_extent().x1 < axes[second].get_tightbbox().x0


def test_numbers_and_genes_have_a_color_bar(measured):
    for color in ("n_genes", measured.var_names[0]):
        panel = scivis.pl.compare(measured, "umap", color=color, show=False)
        [bar] = [ax for ax in panel.figure.axes if ax is not panel]
        values = sc.get.obs_df(measured, keys=[color])[color]
        assert bar.get_ylim() == pytest.approx((values.min(), values.max()))


def test_cells_without_a_value_are_gray(measured):
    measured.obs["some"] = np.where(np.arange(700) < 10, np.nan, 1.5)
    measured.obs["kind"] = pd.Categorical(np.where(np.arange(700) < 10, None, "a"))
    for color in ("some", "kind"):
        ax = scivis.pl.compare(measured, "umap", color=color, show=False)
        gray = np.isclose(ax.collections[0].get_facecolors()[:, :3], to_rgb("#d3d3d3")).all(axis=1)
        assert gray.sum() == 10
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "NA"]


def test_many_cells_are_an_image():
    n = MAX_DOTS + 1
    cells = sc.AnnData(obsm={"X_map": np.random.default_rng(0).normal(size=(n, 2))})
    ax = scivis.pl.compare(cells, show=False)
    assert len(ax.images) == 1
    assert not ax.collections


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"basis": "nowhere"}, KeyError, "basis='nowhere' is not in adata.obsm"),
        ({"basis": "one"}, ValueError, r"adata.obsm\['X_one'\] has shape \(700, 1\), but a plot needs two axes"),
        ({"basis": "umap", "color": "shade"}, KeyError, "color='shade' is neither in adata.obs"),
    ],
)
def test_missing_embeddings_and_colors_are_named(measured, arguments, error, message):
    measured.obsm["X_one"] = np.zeros((700, 1))
    for plot in (scivis.pl.compare, scivis.pl.raster):
        with pytest.raises(error, match=message):
            plot(measured, show=False, **arguments)


def test_the_image_covers_the_embedding(measured):
    _, given = plt.subplots()
    ax = scivis.pl.raster(measured, "umap", color="louvain", n_pixels=64, ax=given)
    assert ax is given
    assert max(ax.images[0].get_array().shape) == 64
    low, high = measured.obsm["X_umap"].min(axis=0), measured.obsm["X_umap"].max(axis=0)
    left, right, bottom, top = ax.images[0].get_extent()
    assert_allclose([left, bottom], low, rtol=1e-6)
    assert right >= high[0] - 1e-4
    assert top >= high[1] - 1e-4
    assert (ax.get_xlabel(), ax.get_title()) == ("umap1", "louvain")


def test_the_number_of_pixels_must_be_positive(measured):
    for n_pixels in (0, 10**7, 2.5):
        with pytest.raises(ValueError, match=f"n_pixels={n_pixels} must be an integer between 1 and 10000"):
            scivis.pl.raster(measured, "umap", n_pixels=n_pixels)


def test_each_pixel_has_the_mean_color_of_its_cells():
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
    assert image[counts > 0, 3].min() >= 0.5
    assert image[..., 3].max() == 1


def test_pixels_of_one_cell_each_are_opaque():
    corners = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    image, _ = rasterize(np.repeat(corners, 100, axis=0), np.zeros((400, 3)), 2)
    assert_array_equal(image[..., 3], 1)


@pytest.mark.parametrize("n", [20, 100, 700, 2000, 10_000])
def test_few_cells_cover_as_much_of_an_image_as_many(n):
    xy = np.random.default_rng(0).uniform(size=(n, 2))
    image, _ = rasterize(xy, np.zeros((n, 3)), 400)
    assert (image[..., 3] > 0).mean() > 0.035
    assert (image[..., 3] >= 0.5).mean() > 0.035


def test_a_disc_is_around_its_cell_and_mixes_with_its_neighbors():
    xy = np.array([[0.0, 0.0], [4.0, 4.0]])
    image, (left, right, bottom, top) = rasterize(xy, np.array([[1.0, 0, 0], [0, 0, 1]]), 80)
    rows, columns = np.nonzero((image[..., 0] == 1) & (image[..., 3] > 0))
    height, width = image.shape[:2]
    assert left + (columns.mean() + 0.5) / width * (right - left) == pytest.approx(0, abs=0.05)
    assert bottom + (rows.mean() + 0.5) / height * (top - bottom) == pytest.approx(0, abs=0.05)
    same, _ = rasterize(np.zeros((2, 2)), np.array([[1.0, 0, 0], [0, 0, 1]]), 80)
    assert_allclose(same[same[..., 3] > 0][:, :3], np.broadcast_to([0.5, 0, 0.5], (np.count_nonzero(same[..., 3]), 3)))


def test_the_number_of_an_axis_is_apart_from_a_number_in_the_name(measured):
    measured.obsm["weight_0_5"] = measured.obsm["X_umap"]
    ax = scivis.pl.raster(measured, "weight_0_5", show=False)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("weight_0_5 1", "weight_0_5 2")
    ax = scivis.pl.ivis(measured, key="weight_0_5", show=False)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("weight_0_5 1", "weight_0_5 2")


def test_each_color_has_a_row_of_panels_with_its_own_legend(measured):
    axes = scivis.pl.compare(measured, ["umap", "pca"], color=["bulk_labels", "n_genes"], show=False)
    assert [ax.get_title() for ax in axes] == [
        "umap: bulk_labels", "pca: bulk_labels", "umap: n_genes", "pca: n_genes",
    ]  # fmt: skip
    axes[0].figure.canvas.draw()
    tops = [ax.get_position().y1 for ax in axes]
    assert tops[0] == pytest.approx(tops[1])
    assert tops[2] == pytest.approx(tops[3])
    assert tops[0] > tops[2]
    assert [ax.get_legend() is not None for ax in axes] == [False, True, False, False]
    assert len(axes[0].figure.axes) == 5


def test_names_are_written_at_the_medians_of_their_cells(measured):
    ax = scivis.pl.raster(measured, "umap", color="louvain", legend_loc="on data", show=False)
    expected = pd.DataFrame(measured.obsm["X_umap"]).groupby(measured.obs["louvain"].to_numpy(), observed=True).median()
    written = {text.get_text(): text.get_position() for text in ax.texts}
    assert set(written) == set(expected.index)
    assert_allclose([written[name] for name in expected.index], expected, rtol=1e-5)
    assert ax.get_legend() is None


@pytest.mark.parametrize("xy", [np.zeros((3, 2)), np.array([[0.0, 0], [0, 1]]), np.array([[1.0, 7]])])
def test_embeddings_without_extent_can_be_plotted(xy):
    image, _ = rasterize(xy, np.ones((len(xy), 3)), 10)
    assert image[..., 3].max() == 1
    ax = scivis.pl.raster(sc.AnnData(obsm={"X_map": xy}), "map", n_pixels=10, show=False)
    ax.figure.canvas.draw()


def test_trust_of_an_embedding_without_measures_is_an_error(measured):
    measured.obsm["X_new"] = measured.obsm["X_umap"]
    with pytest.raises(KeyError, match=r"Did not find 'new_trust' in adata\.obs"):
        scivis.pl.trust(measured, "new", show=False)
