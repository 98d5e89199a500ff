"""`scivis.pl.uncertainty`: ellipses have the axes of the results, and are spread over the map."""

import numpy as np
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

import scivis


@pytest.fixture
def cells():
    rng, n = np.random.default_rng(0), 2000
    adata = AnnData(obsm={"X_ivis": rng.normal(size=(n, 2))})
    adata.obs["ivis_uncertainty"] = rng.gamma(2, 0.1, n)
    adata.obs["kind"] = np.where(rng.random(n) < 0.5, "a", "b")
    adata.obsm["ivis_expected"] = adata.obsm["X_ivis"] + 0.1
    adata.obsm["ivis_ellipse"] = np.tile([0.3, 0.2, 45.0], (n, 1))
    return adata


def test_ellipses_are_those_of_the_results(cells):
    ax = scivis.pl.uncertainty(cells, show=False, n_ellipses=100)
    ellipses = ax.collections[-1]
    assert 30 < len(ellipses.get_offsets()) <= 100
    assert_allclose(ellipses.get_widths(), 0.6)
    assert_allclose(ellipses.get_heights(), 0.4)
    assert_allclose(ellipses.get_angles(), 45)


def test_cells_can_have_other_colors(cells):
    ax = scivis.pl.uncertainty(cells, color="kind", show=False)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]


def test_without_results_the_error_names_the_tool(cells):
    del cells.obs["ivis_uncertainty"]
    with pytest.raises(KeyError, match=r"scivis\.tl\.uncertainty"):
        scivis.pl.uncertainty(cells)
