"""`scivis.pl.n2d`: clusters in the colors of their labels; and the plots of all methods for a model of N2D."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb
from sklearn.decomposition import PCA

import scivis


@pytest.fixture
def clustered():
    """Three labels, three clusters that agree with them except for one cell, and one cell without a cluster."""
    labels = pd.Categorical(["a"] * 4 + ["b"] * 3 + ["c"] * 3)
    clusters = pd.Categorical(["2"] * 4 + ["0"] * 3 + ["1"] * 2 + [None], ["0", "1", "2"])
    obs = pd.DataFrame({"type": labels, "n2d": clusters}, index=[str(i) for i in range(10)])
    coordinates = np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)
    return ad.AnnData(obs=obs, obsm={"X_n2d": coordinates})


def colors_by_position(ax):
    """Position and color of every dot."""
    found = {}
    for part in ax.collections:
        places = np.round(np.ma.filled(part.get_offsets(), np.nan).astype(float), 4)
        colors = np.broadcast_to(part.get_facecolors(), (len(places), 4)) if len(places) else []
        found |= {tuple(place): tuple(np.round(color, 3)) for place, color in zip(places, colors, strict=True)}
    return found


def test_clusters_have_the_colors_of_their_labels_and_every_cell_is_shown(clustered):
    clusters, labels = scivis.pl.n2d(clustered, truth="type", show=False)
    left, right = colors_by_position(clusters), colors_by_position(labels)
    places = [tuple(np.round(place, 4)) for place in clustered.obsm["X_n2d"].astype(float)]
    assert set(left) == set(right) == set(places)
    assert [left[place] == right[place] for place in places] == [True] * 9 + [False]
    assert len({right[place] for place in places}) == 3
    assert clusters.get_title() == "n2d: 100.0% as in type"
    legend = [text.get_text() for text in clusters.get_legend().get_texts()]
    assert legend[:3] == ["0: b", "1: c", "2: a"]
    stored = dict(zip(clustered.obs["type"].cat.categories, clustered.uns["type_colors"], strict=True))
    drawn = {kind: right[place][:3] for kind, place in zip(clustered.obs["type"], places, strict=True)}
    assert drawn == {kind: tuple(np.round(to_rgb(color), 3)) for kind, color in stored.items()}


def test_labels_keep_the_colors_that_they_have_in_other_plots(clustered):
    clustered.uns["type_colors"] = ["#102030", "#405060", "#708090"]
    clustered.obs["n2d"] = pd.Categorical(["2"] * 4 + ["0"] * 3 + ["1", "3", "4"])
    clusters, _ = scivis.pl.n2d(clustered, truth="type", show=False)
    shown = [colors_by_position(clusters)[tuple(np.round(xy, 4))] for xy in clustered.obsm["X_n2d"].astype(float)]
    named = [to_hex(color) for color in shown]
    assert named[:7] == ["#102030"] * 4 + ["#405060"] * 3
    assert "#708090" in named[7:]
    assert len(set(named)) == 5


def test_color_replaces_the_clusters(clustered):
    clustered.obs["age"] = np.arange(10.0)
    axes = scivis.pl.n2d(clustered, color=["type", "age"], show=False)
    assert [ax.get_title() for ax in axes] == ["type", "age"]
    with pytest.raises(ValueError, match="are two plots"):
        scivis.pl.n2d(clustered, color="type", truth="type", show=False)


def test_without_truth_there_is_one_panel(clustered):
    ax = scivis.pl.n2d(clustered, show=False)
    assert ax.get_title() == "n2d"
    assert len(colors_by_position(ax)) == 10


def test_more_cells_than_the_library_n2d_plots_are_shown():
    rng = np.random.default_rng(0)
    clusters = pd.Categorical.from_codes(rng.integers(0, 3, 6000), ["0", "1", "2"])
    many = ad.AnnData(
        obs=pd.DataFrame({"n2d": clusters}, index=np.arange(6000).astype(str)),
        obsm={"X_n2d": rng.normal(size=(6000, 2))},
    )
    ax = scivis.pl.n2d(many, show=False)
    assert sum(len(part.get_offsets()) for part in ax.collections) == 6000


def test_missing_columns_and_embeddings_are_named(clustered):
    with pytest.raises(KeyError, match="'nothing'"):
        scivis.pl.n2d(clustered, truth="nothing", show=False)
    with pytest.raises(KeyError, match="'other'"):
        scivis.pl.n2d(clustered, key="other", show=False)


@pytest.mark.usefixtures("op_by_op")
def test_history_and_ingest_plots_show_n2d(adata):
    query = adata[:30].copy()
    scivis.tl.n2d(adata, 6, architecture=[8], epochs=1, manifold=PCA(2))
    assert scivis.pl.history(adata, key="n2d", show=False).get_ylabel() == "mse loss"
    scivis.tl.ingest(query, adata, key="n2d", manifold=PCA(2).fit(adata.obsm["X_n2d_latent"]))
    assert scivis.pl.ingest(query, adata, key="n2d", show=False).get_title() == "query: nothing unusual"
