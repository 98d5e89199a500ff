"""`scivis.pl.ivis`: an embedding by the scatter plot of scanpy."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

import scivis


def test_axes_show_the_embedding(embedded, offsets):
    axes = scivis.pl.ivis(embedded, show=False)
    assert isinstance(axes, Axes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("ivis1", "ivis2")
    (plotted,) = offsets(axes)
    assert_array_equal(plotted, embedded.obsm["X_ivis"])


def test_there_is_one_panel_per_color(embedded):
    panels = scivis.pl.ivis(embedded, color=["louvain", "n_genes"], show=False)
    assert all(isinstance(axes, Axes) for axes in panels)
    assert [axes.get_title() for axes in panels] == ["louvain", "n_genes"]


def test_the_figure_is_returned_on_request(embedded):
    assert isinstance(scivis.pl.ivis(embedded, return_fig=True), Figure)


def test_given_axes_are_used(embedded, offsets):
    _, given = plt.subplots()
    scivis.pl.ivis(embedded, ax=given, show=False)
    assert given.get_xlabel() == "ivis1"
    assert_array_equal(offsets(given)[0], embedded.obsm["X_ivis"])


def test_categories_have_their_colors(embedded, offsets):
    axes = scivis.pl.ivis(embedded, color="bulk_labels", show=False)
    palette = dict(zip(embedded.obs["bulk_labels"].cat.categories, embedded.uns["bulk_labels_colors"], strict=True))
    expected = np.array([to_rgba(palette[label]) for label in embedded.obs["bulk_labels"]])
    colors = np.concatenate([dots.get_facecolors() for dots in axes.collections if len(dots.get_offsets())])
    plotted = np.concatenate(offsets(axes))
    order = [int(np.flatnonzero((embedded.obsm["X_ivis"] == xy).all(axis=1))[0]) for xy in plotted]
    assert sorted(order) == list(range(700))
    assert_allclose(colors, expected[order], atol=1e-6)
    texts = {text.get_text() for text in axes.get_legend().get_texts()}
    assert texts == set(palette)


def test_arguments_are_passed_to_scanpy(embedded, offsets):
    axes = scivis.pl.ivis(embedded, color="n_genes", size=7, title="cells", components="2,1", show=False)
    assert axes.get_title() == "cells"
    assert axes.get_xlabel() == "ivis2"
    assert set(axes.collections[0].get_sizes()) == {7}
    assert_array_equal(np.sort(offsets(axes)[0], axis=0), np.sort(embedded.obsm["X_ivis"][:, ::-1], axis=0))


def test_the_dots_of_few_cells_are_not_larger_than_those_of_500(embedded):
    sizes = [
        scivis.pl.ivis(cells, show=False).collections[0].get_sizes()[0] for cells in (embedded[:30], embedded[:500])
    ]
    assert sizes[0] == sizes[1] == 240
    assert scivis.pl.ivis(embedded, show=False).collections[0].get_sizes()[0] == pytest.approx(120_000 / 700)


def test_an_embedding_of_another_key(adata, add_embedding, offsets):
    axes = scivis.pl.ivis(add_embedding(adata, "mine", n_components=3), key="mine", show=False)
    assert axes.get_xlabel() == "mine1"
    assert_array_equal(offsets(axes)[0], adata.obsm["mine"][:, :2])


def test_a_missing_embedding_is_an_error_that_names_the_existing_ones(adata):
    with pytest.raises(KeyError, match=r"Did not find 'X_ivis' in adata.obsm; it holds \['X_pca', 'X_umap'\]. Run"):
        scivis.pl.ivis(adata)


def test_an_embedding_of_one_axis_is_rejected(adata, add_embedding):
    with pytest.raises(ValueError, match="has one axis"):
        scivis.pl.ivis(add_embedding(adata, n_components=1))
