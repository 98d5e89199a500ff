"""`scivis.tl.adopt`: a map stays as it is, is learned as far as it can be, and takes new cells from a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from numpy.testing import assert_allclose, assert_array_equal

import scivis
from scivis._methods import entry_of
from scivis._store.digest import sealed
from scivis._store.packed import packed

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from anndata import AnnData

pytestmark = pytest.mark.usefixtures("op_by_op")

WRITTEN_BY_SCANPY = {"a": 0.58, "b": 1.33}


def made(n: int, seed: int) -> AnnData:
    """Cells with five features, and maps with one to three axes that are smooth functions of them."""
    x = np.random.default_rng(seed).normal(size=(n, 5)).astype(np.float32)
    adata = ad.AnnData(x)
    adata.obsm["X_umap"] = np.column_stack([10 + 3 * np.tanh(x[:, 0]), 100 - 2 * x[:, 1]])
    adata.obsm["time"] = adata.obsm["X_umap"][:, :1]
    adata.obsm["X_space"] = np.column_stack([adata.obsm["X_umap"], x[:, 2]])
    return adata


@pytest.fixture(scope="module")
def _adopted(eagerly: Callable[[], AbstractContextManager[None]]) -> AnnData:
    adata = made(300, 0)
    adata.uns["umap"] = {"params": dict(WRITTEN_BY_SCANPY)}
    with eagerly():
        scivis.tl.adopt(adata, epochs=20, noise=0.1)
    return adata


@pytest.fixture
def adopted(_adopted: AnnData) -> AnnData:
    """300 cells whose map was learned."""
    return _adopted.copy()


def test_the_map_and_what_scanpy_wrote_stay(adopted: AnnData) -> None:
    assert_array_equal(adopted.obsm["X_umap"], made(300, 0).obsm["X_umap"])
    assert adopted.uns["umap"]["params"].items() >= WRITTEN_BY_SCANPY.items()
    assert list(adopted.obsm) == ["X_umap", "time", "X_space"]


def test_misfit_is_the_distance_from_the_map_in_its_standard_deviations(adopted: AnnData) -> None:
    learned = scivis.get.model(adopted, "umap").encoder_.predict(adopted.X, verbose=0)
    places = adopted.obsm["X_umap"]
    unit = np.sqrt((places[:, 0].var() + places[:, 1].var()) / 2)
    misfit = adopted.obs["umap_misfit"]
    assert_allclose(misfit, np.sqrt(((learned - places) ** 2).sum(axis=1)) / unit, atol=1e-5)
    assert misfit.median() < 0.2
    explained = adopted.uns["umap"]["explained"]
    assert explained["network"] == pytest.approx(1 - np.mean(misfit**2) / 2, abs=1e-4)
    assert 0.6 < explained["neighbors"] < 1


def test_new_cells_fall_where_the_map_would_have_them(adopted: AnnData) -> None:
    new, truth = made(200, 1), made(200, 1).obsm["X_umap"]
    del new.obsm["X_umap"]
    scivis.tl.ingest(new, adopted, key="umap")
    off = np.linalg.norm(new.obsm["X_umap"] - truth, axis=1)
    assert np.median(off) < 0.25 * truth.std(axis=0).mean()
    assert {"umap_novelty", "umap_pvalue"} <= set(new.obs)
    assert scivis.pl.ingest(new, adopted, key="umap", show=False).collections
    scivis.tl.drift(new, adopted, key="umap")
    assert new.uns["umap_drift"]["pvalue_any"] > 0.01


def test_new_cells_are_placed_better_than_by_the_network_alone(adopted: AnnData) -> None:
    model = scivis.get.model(adopted, "umap")
    new = made(200, 1)
    truth = new.obsm.pop("X_umap")
    scivis.tl.ingest(new, adopted, key="umap")
    assert_array_equal(model.transform(new.X), new.obsm["X_umap"])
    by_network = model.encoder_.predict(new.X, verbose=0)
    off = [np.median(np.linalg.norm(places - truth, axis=1)) for places in (new.obsm["X_umap"], by_network)]
    assert off[0] < 0.9 * off[1]


def test_cells_unlike_all_landmarks_stay_where_the_network_puts_them(adopted: AnnData) -> None:
    strange = ad.AnnData(made(20, 1).X + 20)
    scivis.tl.ingest(strange, adopted, key="umap", prepare="none")
    assert (strange.obs["umap_novelty"] > 2).all()
    model = scivis.get.model(adopted, "umap")
    assert_allclose(strange.obsm["X_umap"], model.encoder_.predict(strange.X, verbose=0), rtol=1e-4)


def test_models_of_earlier_versions_place_by_the_network(adopted: AnnData) -> None:
    entry = entry_of(adopted, "umap")
    for name in ("landmark_places", "landmark_residuals", "landmark_spacing"):
        del entry["model"][name]
    del entry["digest"]
    adopted.uns["umap"] = sealed(packed(entry))
    new = made(20, 1)
    scivis.tl.ingest(new, adopted, key="umap")
    model = scivis.get.model(adopted, "umap")
    assert_allclose(new.obsm["X_umap"], model.encoder_.predict(new.X, verbose=0), rtol=1e-4)
    assert new.obs["umap_novelty"].notna().all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("landmark_places", np.zeros((3, 2), np.float32), "landmark_places have shapes"),
        ("landmark_residuals", np.full((300, 2), np.nan, np.float32), "landmark_residuals"),
        ("landmark_spacing", -1.0, "landmark_spacing is not a number of at least 0"),
    ],
)
def test_places_of_landmarks_that_cannot_be_are_refused(adopted: AnnData, name: str, value: Any, message: str) -> None:
    entry = entry_of(adopted, "umap")
    entry["model"][name] = value
    del entry["digest"]
    adopted.uns["umap"] = sealed(packed(entry))
    with pytest.raises(ValueError, match=message):
        scivis.tl.ingest(made(5, 1), adopted, key="umap")


@pytest.mark.slow
def test_a_file_without_the_cells_of_the_reference_is_enough(
    adopted: AnnData, tmp_path: Path, fresh_process: Callable[..., str]
) -> None:
    ad.AnnData(uns={"umap": adopted.uns["umap"]}).write_h5ad(tmp_path / "model.h5ad")
    new = made(20, 1)
    scivis.tl.ingest(new, adopted, key="umap")
    printed = fresh_process(f"""
        import anndata as ad, numpy as np, scivis
        new = ad.AnnData(np.array({new.X.tolist()}, np.float32))
        scivis.tl.ingest(new, ad.read_h5ad({str(tmp_path / "model.h5ad")!r}), key="umap")
        print(new.obsm["X_umap"].tolist())
    """)
    assert_allclose(np.array(eval(printed.splitlines()[-1])), new.obsm["X_umap"], atol=1e-4)


@pytest.mark.parametrize("basis", ["time", "space"])
def test_maps_have_one_to_three_axes(basis: str) -> None:
    adata = made(100, 0)
    scivis.tl.adopt(adata, basis, epochs=1)
    key = "time" if basis == "time" else "X_space"
    new = made(5, 1)
    scivis.tl.ingest(new, adata, key=basis)
    assert new.obsm[key].shape == (5, adata.obsm[key].shape[1])


def test_the_map_of_many_cells_is_learned_from_a_subsample() -> None:
    adata = made(150, 0)
    scivis.tl.adopt(adata, epochs=1, max_train_cells=100)
    assert adata.uns["umap"]["params"]["n_train_cells"] == 100
    assert adata.obs["umap_misfit"].notna().all()


def test_more_noise_fits_the_cells_of_the_map_worse() -> None:
    adata = made(100, 0)
    for noise in (0.0, 2.0):
        scivis.tl.adopt(adata, epochs=8, noise=noise, key_added=f"noise {noise:.0f}")
    assert adata.obs["noise 0_misfit"].median() < adata.obs["noise 2_misfit"].median()


def test_a_map_can_be_learned_again(adopted: AnnData) -> None:
    before = adopted.uns["umap"]["digest"]
    scivis.tl.adopt(adopted, epochs=1)
    assert adopted.uns["umap"]["digest"] != before
    assert adopted.uns["umap"]["params"].items() >= WRITTEN_BY_SCANPY.items()


def test_the_network_of_a_map_is_not_fitted_to_neighbors(adopted: AnnData) -> None:
    with pytest.raises(ValueError, match="learned the coordinates of a map"):
        scivis.get.model(adopted, "umap").fit(adopted.X)


def shuffled(adata: AnnData) -> None:
    adata.obsm["X_umap"] = np.random.default_rng(0).permutation(adata.obsm["X_umap"])


def wide(adata: AnnData) -> None:
    adata.obsm["X_umap"] = np.ones((100, 4))


def torn(adata: AnnData) -> None:
    adata.obsm["X_umap"][[3, 5]] = np.nan


def flat(adata: AnnData) -> None:
    adata.obsm["X_umap"] = np.ones((100, 2))


def with_images(adata: AnnData) -> None:
    adata.uns["umap"] = {"a slide": {"images": {}}}


def with_model(adata: AnnData) -> None:
    adata.uns["umap"] = {"model": {}, "params": {}}


@pytest.mark.parametrize(
    ("change", "arguments", "error", "message"),
    [
        (shuffled, {}, ValueError, "neighbors in adata.X .* explain .* of the variance of the map 'X_umap'"),
        (wide, {}, ValueError, "a map has one to three columns"),
        (torn, {}, ValueError, "2 cells have no finite coordinates"),
        (flat, {}, ValueError, "All cells have the same coordinates"),
        (with_images, {}, ValueError, r"holds something else \(\['a slide'\]\).*key_added"),
        (with_model, {}, ValueError, "holds another model.*key_added"),
        (None, {"basis": "X_tsne"}, KeyError, "basis='X_tsne' is not in adata.obsm"),
        (None, {"basis": ["X_umap"]}, ValueError, "must be the name of one map"),
        (None, {"use_rep": "X_umap"}, ValueError, "would be learned from itself"),
        (None, {"noise": -1.0}, ValueError, "noise=-1.0"),
        (None, {"epochs": 0}, ValueError, "epochs=0"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_cannot_work_is_refused_and_adata_left_as_it_was(
    change: Callable[[AnnData], None] | None,
    arguments: dict[str, Any],
    error: type[Exception],
    message: str,
    contents: Callable[[AnnData], str],
) -> None:
    adata = made(100, 0)
    if change is not None:
        change(adata)
    before = contents(adata)
    with pytest.raises(error, match=message):
        scivis.tl.adopt(adata, **{"epochs": 1} | arguments)
    assert contents(adata) == before


def test_a_doubtful_map_is_learned_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    adata = made(300, 0)
    sc.settings.logfile = sys.stderr  # the one that pytest reads now
    adata.obsm["X_umap"][::3] = adata.obsm["X_umap"][::-3]
    scivis.tl.adopt(adata, epochs=1)
    assert "Was it made from another representation" in "".join(capsys.readouterr())
