"""`scivis.pl.quality` and `scivis.pl.distances`: the plotted values are the stored ones."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import scivis


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_the_heatmap_shows_the_values_of_the_table(measured):
    ax = scivis.pl.quality(measured, show=False)
    table = measured.uns["quality"]["table"]
    n_rows = len(table) // 3
    assert [t.get_text() for t in ax.get_xticklabels()] == ["PCA", "umap", "other"]
    values = np.array(texts(ax)[: 3 * n_rows], float).reshape(n_rows, 3)
    assert_allclose(values.T.ravel(), table["value"], atol=0.0005)
    rows = [t.get_text() for t in ax.get_yticklabels()]
    assert rows[:2] == ["neighbors kept, k = 10", "neighbors kept, k = 30"]
    assert texts(ax)[3 * n_rows :] == ["local", "density", "global", "labels"]


def test_the_best_value_of_a_row_is_bold_and_darkest(measured):
    ax = scivis.pl.quality(measured, show=False)
    shares = np.asarray(ax.images[0].get_array())
    assert_array_equal(shares.max(axis=1), 1)
    assert_array_equal(shares.min(axis=1), 0)
    weights = np.array([text.get_weight() == "bold" for text in ax.texts[: shares.size]]).reshape(shares.shape)
    assert_array_equal(weights, shares == 1)
    values = np.array(texts(ax)[: shares.size], float).reshape(shares.shape)
    assert (np.take_along_axis(values, shares.argmax(axis=1)[:, None], axis=1)[:, 0] == values.max(axis=1)).all()


def test_dots_and_bars_show_values_and_intervals_on_one_scale_per_row(measured):
    ax = scivis.pl.quality(measured, show=False)
    table = measured.uns["quality"]["table"]
    n_rows = len(table) // 3
    columns = np.tile(np.arange(3), n_rows)

    def drawn(name):
        return table[name].to_numpy().reshape(3, n_rows).T.ravel()

    _, chance, bars = (np.array(lines.get_segments()) for lines in ax.collections)
    [dots] = [line for line in ax.lines if len(line.get_xdata()) == 3 * n_rows]
    for row in range(n_rows):
        here = slice(3 * row, 3 * row + 3)
        places = np.concatenate([lines[here, :, 0].T - columns[here] for lines in (chance[:, :1], bars)]).ravel()
        places = np.append(places, dots.get_xdata()[here] - columns[here])
        numbers = np.concatenate([drawn(name)[here] for name in ("chance", "low", "high", "value")])
        assert_allclose(places, 0.8 * (numbers - numbers.min()) / np.ptp(numbers) - 0.4, atol=1e-6)


def test_a_card_of_an_earlier_version_is_drawn_without_intervals(measured):
    card = measured.uns["quality"]
    measured.uns["quality"] = dict(card) | {"table": card["table"].drop(columns=["low", "high", "chance"])}
    ax = scivis.pl.quality(measured, show=False)
    assert not ax.collections
    assert not ax.get_xlabel()
    assert float(texts(ax)[0]) == pytest.approx(card["table"]["value"][0], abs=0.0005)
    assert scivis.pl.distances(measured, "umap", show=False).get_title()


@pytest.mark.parametrize("width", [3.3, 6.0])
def test_values_do_not_touch_each_other_or_the_names(measured, width):
    figure, ax = plt.subplots(figsize=(width, 3), layout="constrained")
    scivis.pl.quality(measured, ax=ax)
    figure.canvas.draw()
    n_rows = len(ax.get_yticklabels())
    boxes = [text.get_window_extent() for text in ax.texts[: 3 * n_rows]]
    for row in range(n_rows):
        names, *values = ax.get_yticklabels()[row].get_window_extent(), *boxes[3 * row : 3 * row + 3]
        assert names.x0 >= 0
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise([names, *values]))
    assert all(above.y0 > below.y1 - 1 for above, below in zip(boxes, boxes[3:], strict=False))


def test_long_names_of_embeddings_are_slanted(measured):
    upright = scivis.pl.quality(measured, show=False).get_xticklabels()
    card = measured.uns["quality"]
    table = card["table"].replace({"basis": {"X_other": "X_pca_harmony"}})
    measured.uns["quality"] = dict(card) | {"table": table}
    slanted = scivis.pl.quality(measured, show=False).get_xticklabels()
    assert [{text.get_rotation() for text in texts} for texts in (upright, slanted)] == [{0}, {30}]


def test_columns_have_the_given_order(measured):
    ax = scivis.pl.quality(measured, ["other", "PCA"], show=False)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["other", "PCA"]


def test_boxes_are_those_of_the_card(measured):
    axes = [scivis.pl.distances(measured, "umap", show=False)]
    table = measured.uns["quality"]["table"].query("basis == 'X_umap'").set_index("measure")["value"]
    assert [ax.get_title() for ax in axes] == [f"umap: r = {table['pearson']:.2f}, ρ = {table['spearman']:.2f}"]
    stored = measured.uns["quality"]["distances"]
    which = list(stored["bases"]).index("X_umap")
    medians = [line.get_ydata()[0] for line in axes[0].lines if line.get_color() == "black"]
    filled = stored["counts"] > 0
    assert_allclose(medians, stored["quantiles"][which, filled, 2])
    [bars] = [ax for ax in axes[0].figure.axes if ax is not axes[0]]
    assert_array_equal([bar.get_height() for bar in bars.patches], stored["counts"])


@pytest.mark.slow
def test_distances_have_one_panel_per_embedding(measured):
    axes = scivis.pl.distances(measured, ncols=2, show=False)
    assert [ax.get_title().split(":")[0] for ax in axes] == ["PCA", "umap", "other"]
    assert axes[0].get_position().y0 > axes[2].get_position().y1 - 0.01


@pytest.mark.parametrize("plot", [scivis.pl.quality, scivis.pl.distances])
def test_an_embedding_that_is_not_in_the_card_is_an_error(measured, plot):
    measured.obsm["X_new"] = measured.obsm["X_umap"]
    message = r"basis='new' is not in the quality card, which holds \['PCA', 'X_umap', 'X_other'\]"
    with pytest.raises(KeyError, match=message):
        plot(measured, ["umap", "new"], show=False)
    with pytest.raises(ValueError, match=r"basis=\[\] names no embedding"):
        plot(measured, [], show=False)


@pytest.mark.parametrize("plot", [scivis.pl.quality, scivis.pl.distances, scivis.pl.trust])
def test_a_missing_card_is_an_error(adata, plot):
    with pytest.raises(KeyError, match=r"adata.uns\['quality'\] holds no quality card. Run `scivis.tl.quality"):
        plot(adata, show=False)
