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


def test_numbers_and_genes_have_a_color_bar(measured):
    for color in ("n_genes", measured.var_names[0]):
        axes = scivis.pl.compare(measured, "umap", color=color, show=False)
        [bar] = [ax for ax in axes[0].figure.axes if ax not in axes]
        values = sc.get.obs_df(measured, keys=[color])[color]
        assert bar.get_ylim() == pytest.approx((values.min(), values.max()))


def test_cells_without_a_value_are_gray(measured):
    measured.obs["some"] = np.where(np.arange(700) < 10, np.nan, 1.5)
    measured.obs["kind"] = pd.Categorical(np.where(np.arange(700) < 10, None, "a"))
    for color in ("some", "kind"):
        [ax] = scivis.pl.compare(measured, "umap", color=color, show=False)
        gray = np.isclose(ax.collections[0].get_facecolors()[:, :3], to_rgb("#d3d3d3")).all(axis=1)
        assert gray.sum() == 10
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "NA"]


def test_ten_classes_without_stored_colors_have_distinct_ones(measured):
    measured.uns.pop("bulk_labels_colors")
    [ax] = scivis.pl.compare(measured, "umap", color="bulk_labels", show=False)
    assert len({tuple(c) for c in ax.collections[0].get_facecolors()}) == 10
    assert "bulk_labels_colors" not in measured.uns


def test_many_cells_are_an_image():
    n = MAX_DOTS + 1
    cells = sc.AnnData(obsm={"X_map": np.random.default_rng(0).normal(size=(n, 2))})
    [ax] = scivis.pl.compare(cells, show=False)
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
    with pytest.raises(ValueError, match="n_pixels=0"):
        scivis.pl.raster(measured, "umap", n_pixels=0)


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
    assert image[counts > 0, 3].min() == pytest.approx(0.35)
    assert image[..., 3].max() == 1


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
