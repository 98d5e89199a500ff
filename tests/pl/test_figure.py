"""What all plots have in common: figures are shown or returned as in scanpy, and `adata` is not changed."""

import matplotlib.pyplot as plt
import pytest
import scanpy as sc

import scivis

PLOTS = {
    "compare": lambda adata, query, **kwargs: scivis.pl.compare(adata, color="bulk_labels", **kwargs),
    "distances": lambda adata, query, **kwargs: scivis.pl.distances(adata, **kwargs),
    "history": lambda adata, query, **kwargs: scivis.pl.history(adata, **kwargs),
    "ingest": lambda adata, query, **kwargs: scivis.pl.ingest(query, adata, **kwargs),
    "ivis": lambda adata, query, **kwargs: scivis.pl.ivis(adata, color="n_genes", **kwargs),
    "n2d": lambda adata, query, **kwargs: scivis.pl.n2d(adata, truth="bulk_labels", **kwargs),
    "probability": lambda adata, query, **kwargs: scivis.pl.probability(adata, **kwargs),
    "quality": lambda adata, query, **kwargs: scivis.pl.quality(adata, **kwargs),
    "raster": lambda adata, query, **kwargs: scivis.pl.raster(adata, "umap", color="bulk_labels", **kwargs),
    "trust": lambda adata, query, **kwargs: scivis.pl.trust(adata, **kwargs),
}
BY_SCIVIS = [name for name in PLOTS if name not in ("ivis", "probability")]
INTO_AXES = ["history", "ingest", "quality", "raster"]


@pytest.fixture
def complete(predicted, _measured):
    """Cells with everything that any plot needs."""
    predicted.uns["quality"] = _measured.uns["quality"]
    for name in ("umap_trust", "other_trust"):
        predicted.obs[name] = _measured.obs[name]
    predicted.obsm["X_other"] = _measured.obsm["X_other"]
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
@pytest.mark.parametrize("name", BY_SCIVIS)
def test_plots_show_by_scanpys_setting_unless_told_otherwise(name, autoshow, complete, query, shown):
    sc.settings.autoshow = autoshow
    returned = PLOTS[name](complete, query)
    assert (returned is None) == bool(shown) == autoshow
    shown.clear()
    returned = PLOTS[name](complete, query, show=not autoshow)
    assert (returned is None) == bool(shown) == (not autoshow)


@pytest.mark.parametrize("name", INTO_AXES)
def test_plots_in_given_axes_are_not_shown(name, complete, query, shown):
    _, given = plt.subplots()
    sc.settings.autoshow = True
    assert PLOTS[name](complete, query, ax=given) is given
    assert given.has_data()
    assert shown == []


@pytest.mark.parametrize("name", PLOTS)
def test_plots_do_not_change_the_data(name, complete, query, contents):
    before = contents(complete), contents(query)
    PLOTS[name](complete, query, show=False)
    assert (contents(complete), contents(query)) == before
