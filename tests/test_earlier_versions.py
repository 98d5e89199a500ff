"""Models that earlier versions stored load, place cells where they placed them, and can be trained further."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest

import scivis

if TYPE_CHECKING:
    from collections.abc import Mapping

_STORED = Path(__file__).parent / "data"
# 120 cells in 4 groups, which every stored model was fitted on; new cells are every third of them, moved by 0.25.
_TOLERANCE = {"rtol": 0, "atol": 1e-5}
# UMAP optimizes the places of new cells, by steps that amplify the rounding of the processor: 1.2 between two of them, where
# groups are 3 to 13 apart. What it starts from, the latent coordinates, is exact.
_TOLERANCE_OF_UMAP = {"X_n2d": 1.5, "n2d_proba": 0.1}


@pytest.fixture(scope="module", params=["0.1.0"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked models of one version."""
    unpacked = tmp_path_factory.mktemp("models")
    with zipfile.ZipFile(_STORED / f"models-{request.param}.zip") as archive:
        archive.extractall(unpacked)
    return unpacked


@pytest.fixture(scope="module")
def expected(folder: Path) -> Mapping[str, np.ndarray]:
    """What that version gave."""
    with np.load(folder / "expected.npz") as recorded:
        return dict(recorded)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """The rows that the saved estimators were fitted on."""
    rng = np.random.default_rng(0)
    groups = np.arange(120) % 4
    centers = rng.normal(size=(4, 12)) * 3
    return np.round(centers[groups] + rng.normal(size=(120, 12)), 2).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ivis", "ivis_labels", "tsne", "n2d"])
def test_new_cells_fall_where_the_earlier_version_placed_them(
    name: str, folder: Path, expected: Mapping[str, np.ndarray]
) -> None:
    reference = ad.read_h5ad(folder / f"{name}.h5ad")
    new = ad.AnnData(expected["ivis/X"].astype(np.float32))
    new.var_names = reference.var_names
    scivis.tl.ingest(new, reference, key=name.partition("_")[0])
    recorded = {key.partition("/")[2]: value for key, value in expected.items() if key.startswith(f"{name}/")}
    recorded.pop("X", None)
    assert recorded
    for key, value in recorded.items():
        tolerance = {"rtol": 0, "atol": _TOLERANCE_OF_UMAP.get(key, _TOLERANCE["atol"])}
        if key in new.obsm:
            np.testing.assert_allclose(new.obsm[key], value, err_msg=key, **tolerance)
        elif value.dtype.kind == "U":
            assert new.obs[key].astype(str).tolist() == value.tolist()
        else:
            np.testing.assert_allclose(new.obs[key], value, err_msg=key, **tolerance)


@pytest.mark.parametrize("name", ["ivis", "ivis_labels"])
def test_stored_networks_embed_the_reference_where_it_lies(name: str, folder: Path) -> None:
    adata = ad.read_h5ad(folder / f"{name}.h5ad")
    embedding = scivis.get.model(adata).transform(np.asarray(adata.obsm["X_pca"]))
    np.testing.assert_allclose(embedding, adata.obsm["X_ivis"], **_TOLERANCE)


def test_a_stored_tsne_goes_on(folder: Path) -> None:
    adata = ad.read_h5ad(folder / "tsne.h5ad")
    before = adata.uns["tsne"]["kl_divergence"]
    scivis.tl.tsne(adata, resume=True, n_iter=100)
    assert adata.uns["tsne"]["kl_divergence"] <= before
    assert adata.uns["tsne"]["history"]["iteration"].max() == 250


def test_a_saved_estimator_embeds_predicts_and_trains_on(
    folder: Path, expected: Mapping[str, np.ndarray], rows: np.ndarray
) -> None:
    model = scivis.Ivis(verbose=0).load_model(folder / "model")
    np.testing.assert_allclose(model.transform(rows), expected["model/embedding"], **_TOLERANCE)
    np.testing.assert_allclose(model.score_samples(rows), expected["model/scores"], **_TOLERANCE)
    np.testing.assert_allclose(model.novelty(rows), expected["model/novelty"], **_TOLERANCE)
    np.testing.assert_allclose(model.loss_history_, expected["model/losses"], rtol=1e-6)
    model.fit(rows, np.arange(120) % 4)
    # Training adds rounding up over many steps, so that other processors come out a little apart.
    np.testing.assert_allclose(model.transform(rows), expected["model/embedding_after_another_fit"], rtol=0, atol=1e-2)


def test_a_saved_n2d_embeds_and_clusters(folder: Path, expected: Mapping[str, np.ndarray], rows: np.ndarray) -> None:
    model = scivis.n2d.load_n2d(folder / "n2d_model.h5")
    np.testing.assert_allclose(model.transform(rows), expected["n2d_model/embedding"], **_TOLERANCE)
    assert model.predict(rows).tolist() == expected["n2d_model/clusters"].tolist()
    np.testing.assert_allclose(model.novelty(rows), expected["n2d_model/novelty"], **_TOLERANCE)
