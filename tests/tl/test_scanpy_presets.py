"""The presets of scanpy 1.13: other keys of the PCA and of embeddings, and other plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import scanpy as sc

import scivis
from scivis._methods import entry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from anndata import AnnData

pytestmark = pytest.mark.usefixtures("op_by_op")
PRESETS = ["scanpy-v1", "scanpy-v2-preview"]
FITS = {
    "ivis": {"epochs": 2, "labels": "type"},
    "tsne": {"n_iter": 10, "early_exaggeration_iter": 5},
    "n2d": {"n_clusters": 3, "architecture": [8], "epochs": 1, "manifold": "ivis"},
}


@pytest.fixture(scope="module", params=PRESETS)
def preset(request: pytest.FixtureRequest) -> Iterator[str]:
    """Sets a preset, if this scanpy has presets and the packages that it needs."""
    if not hasattr(sc.settings, "preset"):
        pytest.skip("this scanpy has no presets; 1.13 is the first that has")
    before = sc.settings.preset
    try:
        sc.settings.preset = request.param
    except (ImportError, ValueError) as error:
        pytest.skip(f"{error}")
    yield request.param
    sc.settings.preset = before


@pytest.fixture(scope="module")
def pair(
    preset: str, _counted: AnnData, eagerly: Callable[[], AbstractContextManager[None]]
) -> tuple[AnnData, AnnData]:
    """A reference with PCA, graph, UMAP and a model of each method, and new cells with nothing but expression."""
    cells = _counted.copy()
    sc.pp.normalize_total(cells)
    sc.pp.log1p(cells)
    cells.obs["type"] = cells.obs["type"].astype("category")
    reference, new = cells[:250].copy(), cells[250:].copy()
    sc.pp.pca(reference, n_comps=10)
    sc.pp.neighbors(reference)
    reference.obsm["X_umap" if preset == "scanpy-v1" else "umap"] = reference.obsm[pca_of(preset)][:, :2].copy()
    with eagerly():
        for name, arguments in FITS.items():
            getattr(scivis.tl, name)(reference, **arguments)
            scivis.tl.ingest(new, reference, key=name)
        scivis.tl.quality(reference, n_cells=50)
    return reference, new


def pca_of(preset: str) -> str:
    """Key of the PCA under a preset."""
    return "X_pca" if preset == "scanpy-v1" else "pca"


@pytest.mark.slow
@pytest.mark.parametrize("name", FITS)
def test_the_model_reads_the_pca_and_takes_genes(pair, preset, name):
    reference, new = pair
    entry = entry_of(reference, name)
    assert entry["params"]["use_rep"] == pca_of(preset)
    assert entry["expression"]["loadings"].shape == (200, 10)
    assert np.isfinite(new.obsm[f"X_{name}"]).all()
    assert set(new.obsm) == {"X_ivis", "ivis_scores", "X_tsne", "X_n2d", "X_n2d_latent", "n2d_proba"}


@pytest.mark.slow
def test_the_graph_of_scanpy_is_used(pair, preset):
    assert "neighbors" in pair[0].uns["ivis"]["params"]["neighbors"]


@pytest.mark.slow
def test_a_missing_pca_gets_the_key_of_the_preset(preset, counted, eagerly):
    with pytest.warns(UserWarning, match=rf"adata.obsm\['{pca_of(preset)}'\]"), eagerly():
        scivis.tl.quality(with_umap(counted), n_cells=50)
    assert pca_of(preset) in counted.obsm


def with_umap(adata: AnnData) -> AnnData:
    """The same object with random coordinates."""
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(adata.n_obs, 2))
    return adata


def with_ellipses(adata: AnnData) -> AnnData:
    """The same object with results of `scivis.tl.uncertainty`."""
    adata.obs["ivis_uncertainty"], adata.obsm["ivis_expected"] = 0.3, adata.obsm["X_ivis"]
    adata.obsm["ivis_ellipse"] = np.tile([0.3, 0.2, 45.0], (adata.n_obs, 1))
    return adata


PLOTS = {
    "ivis": lambda pl, reference, new: pl.ivis(reference, color=["type", "gene3"], show=False),
    "n2d": lambda pl, reference, new: pl.n2d(reference, show=False),
    "ingest": lambda pl, reference, new: pl.ingest(new, reference, show=False),
    "history": lambda pl, reference, new: pl.history(reference, show=False),
    "probability": lambda pl, reference, new: pl.probability(reference, show=False),
    "compare": lambda pl, reference, new: pl.compare(reference, color="type", show=False),
    "raster": lambda pl, reference, new: pl.raster(reference, "umap", color="type", show=False),
    "quality": lambda pl, reference, new: pl.quality(reference, show=False),
    "distances": lambda pl, reference, new: pl.distances(reference, show=False),
    "trust": lambda pl, reference, new: pl.trust(reference, show=False),
    "uncertainty": lambda pl, reference, new: pl.uncertainty(with_ellipses(reference), show=False),
}


def test_every_plot_is_tested():
    assert set(PLOTS) == set(scivis.pl.__all__)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLOTS)
def test_every_plot_is_drawn(pair, name):
    reference, new = pair
    axes = PLOTS[name](scivis.pl, reference.copy(), new.copy())
    assert np.ravel(axes)[0].figure is not None


@pytest.mark.slow
def test_embeddings_of_scanpy_are_found_under_the_keys_of_the_preset(pair):
    titles = [ax.get_title() for ax in scivis.pl.compare(pair[0].copy(), show=False)]
    assert titles == ["umap", "ivis", "tsne", "n2d"]
