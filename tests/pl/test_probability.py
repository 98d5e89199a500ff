"""`scivis.pl.probability`."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

import scivis


def test_the_default_color_is_the_certainty(predicted):
    ax = scivis.pl.probability(predicted, show=False)
    assert ax.get_title() == "ivis_certainty"
    assert ax.collections[0].get_clim() == (0, 1)
    assert_allclose(np.sort(ax.collections[0].get_array()), np.sort(predicted.obs["ivis_certainty"]))


def test_there_is_one_panel_per_class(predicted):
    axes = scivis.pl.probability(predicted, classes=["z", "x"], show=False)
    assert [ax.get_title() for ax in axes] == ["z", "x"]
    assert_allclose(np.sort(axes[0].collections[0].get_array()), np.sort(predicted.obsm["ivis_scores"][:, 2]))
    assert scivis.pl.probability(predicted, classes="y", show=False).get_title() == "y"
    assert "z" not in predicted.obs


def test_arguments_are_passed_to_scanpy(predicted):
    assert isinstance(scivis.pl.probability(predicted, return_fig=True), Figure)
    assert scivis.pl.probability(predicted, vmin=0.3, show=False).collections[0].get_clim() == (0.3, 1)


def test_further_colors_have_their_own_panels_and_scales(predicted):
    axes = scivis.pl.probability(predicted, classes="y", color=["bulk_labels", "n_genes"], show=False)
    assert [ax.get_title() for ax in axes] == ["y", "bulk_labels", "n_genes"]
    assert axes[0].collections[0].get_clim() == (0, 1)
    assert axes[2].collections[0].get_clim() == pytest.approx(tuple(predicted.obs["n_genes"].agg(["min", "max"])))
    with pytest.raises(KeyError, match="color='shade'"):
        scivis.pl.probability(predicted, color="shade", show=False)


def test_missing_classes_embeddings_and_predictions_are_named(predicted):
    with pytest.raises(KeyError, match=r"the predicted classes are \['x', 'y', 'z'\]"):
        scivis.pl.probability(predicted, classes=["q"])
    with pytest.raises(KeyError, match=r"Did not find 'X_n2d' in adata\.obsm"):
        scivis.pl.probability(predicted, key="n2d")
    del predicted.obs["ivis_certainty"]
    with pytest.raises(KeyError, match=r"Did not find 'ivis_certainty' in adata\.obs"):
        scivis.pl.probability(predicted)
