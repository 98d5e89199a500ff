"""`scivis.tl.extend`: old cells stay, new types get ground of their own, and the file remains a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from numpy.testing import assert_allclose, assert_array_equal

import scivis

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from anndata import AnnData

pytestmark = pytest.mark.usefixtures("op_by_op")

FEATURES, KINDS = 6, 4


def made(kinds: list[int], n: int, seed: int) -> AnnData:
    """`n` cells of each of these kinds, which lie apart."""
    rng = np.random.default_rng(seed)
    kind = np.repeat(kinds, n)
    x = rng.normal(size=(len(kind), FEATURES)) + 6 * np.eye(KINDS, FEATURES)[kind]
    adata = ad.AnnData(x.astype(np.float32))
    adata.obs["kind"] = kind.astype(str)
    return adata


@pytest.fixture(scope="module")
def _reference(eagerly: Callable[[], AbstractContextManager[None]]) -> AnnData:
    adata = made([0, 1, 2], 40, 0)
    with eagerly():
        scivis.tl.ivis(adata, n_neighbors=8, network=[32], epochs=15)
    return adata


@pytest.fixture
def reference(_reference: AnnData) -> AnnData:
    """Cells of three kinds with a model."""
    return _reference.copy()


@pytest.fixture(scope="module")
def _extended(_reference: AnnData, eagerly: Callable[[], AbstractContextManager[None]]) -> tuple[AnnData, AnnData]:
    reference, new = _reference.copy(), made([0, 3], 30, 1)
    with eagerly():
        scivis.tl.extend(reference, new, epochs=25)
    return reference, new


@pytest.fixture
def extended(_extended: tuple[AnnData, AnnData]) -> tuple[AnnData, AnnData]:
    """Reference and new cells, half of them of a new kind, after the extension."""
    reference, new = _extended
    return reference.copy(), new.copy()


def test_displacement_is_that_of_the_coordinates(reference: AnnData, extended: tuple[AnnData, AnnData]) -> None:
    after, _ = extended
    before = reference.obsm["X_ivis"]
    unit = np.sqrt(before.var(axis=0).mean())
    distances = np.linalg.norm(after.obsm["X_ivis"] - before, axis=1) / unit
    assert_allclose(after.obs["ivis_moved"], distances, atol=1e-4)
    assert np.median(distances) < 0.1


def test_a_new_kind_opens_ground_and_a_known_one_does_not(extended: tuple[AnnData, AnnData]) -> None:
    _, new = extended
    is_new = (new.obs["kind"] == "3").to_numpy()
    assert new.obs["ivis_opened"].dtype == bool
    assert new.obs["ivis_opened"][is_new].mean() > 0.8
    assert new.obs["ivis_opened"][~is_new].mean() < 0.3
    # Novelty is that before the extension.
    assert (new.obs["ivis_pvalue"][is_new] < 0.05).all()
    assert new.obs["ivis_novelty"][is_new].min() > new.obs["ivis_novelty"][~is_new].median()


def test_the_extended_file_places_the_new_cells_where_they_are(extended: tuple[AnnData, AnnData]) -> None:
    reference, new = extended
    again = ad.AnnData(new.X)
    scivis.tl.ingest(again, ad.AnnData(uns={"ivis": reference.uns["ivis"]}))
    assert_allclose(again.obsm["X_ivis"], new.obsm["X_ivis"], atol=1e-4)
    assert again.obs["ivis_novelty"].median() < 1
    assert scivis.get.model(reference).loss_history_ == []
    assert len(reference.uns["ivis"]["history"]["loss"]) == 15 + 25


def test_several_extensions_follow_one_another(extended: tuple[AnnData, AnnData]) -> None:
    reference, new = extended
    scivis.tl.extend(reference, made([1], 10, 2), epochs=3)
    assert reference.uns["ivis"]["params"]["n_extended"].tolist() == [60, 10]
    # The cells of the first extension are held by their landmarks.
    moved = scivis.get.model(reference).transform(new.X) - new.obsm["X_ivis"]
    assert np.median(np.linalg.norm(moved, axis=1)) < 0.3 * new.obsm["X_ivis"].std()


def test_landmarks_hold_the_map_where_the_cells_are_not_at_hand(reference: AnnData) -> None:
    file = ad.AnnData(uns={"ivis": reference.uns["ivis"]})
    scivis.tl.extend(file, made([3], 20, 1), epochs=5)
    assert "X_ivis" not in file.obsm
    placed = scivis.get.model(file).transform(reference.X)
    assert np.median(np.linalg.norm(placed - reference.obsm["X_ivis"], axis=1)) < 0.3 * reference.obsm["X_ivis"].std()


def test_a_seed_gives_the_same_bits_and_a_copy_leaves_both_as_they_were(
    reference: AnnData, contents: Callable[[AnnData], str]
) -> None:
    new = made([3], 20, 1)
    before = contents(reference), contents(new)
    one, same, other = (scivis.tl.extend(reference, new, epochs=1, random_state=seed, copy=True) for seed in (0, 0, 1))
    assert (contents(reference), contents(new)) == before
    assert_array_equal(one.obsm["X_ivis"], same.obsm["X_ivis"])
    assert not np.array_equal(one.obsm["X_ivis"], other.obsm["X_ivis"])
    scivis.tl.extend(reference, new, epochs=1)
    assert_array_equal(reference.obsm["X_ivis"], one.obsm["X_ivis"])


def test_new_cells_are_read_once_and_judged_by_the_model_before(reference: AnnData, said: Callable[[], str]) -> None:
    new, file = made([3], 20, 1), ad.AnnData(uns={"ivis": reference.uns["ivis"]})
    before = scivis.tl.ingest(new, file, copy=True)
    said()
    sc.settings.verbosity = "hint"
    scivis.tl.extend(file, new, epochs=1)
    printed = said()
    assert printed.count("found 6 of the 6 genes") == 1
    assert "before the extension; 100.0% of the cells have p ≤ 0.01" in printed
    assert printed.count("'X_ivis', coordinates") == 1
    assert_array_equal(new.obs["ivis_pvalue"], before.obs["ivis_pvalue"])
    assert new.uns["ivis_verdict"]["kind"] == before.uns["ivis_verdict"]["kind"]


def test_cells_without_a_way_to_read_them_are_refused_before_training(reference: AnnData) -> None:
    with pytest.raises(ValueError, match="are two inputs"):
        scivis.tl.extend(reference, made([3], 20, 1), use_rep="X_pca", layer="counts")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"key": "other"}, KeyError, r"adata_ref.uns\['other'\] holds no model"),
        ({"epochs": 0}, ValueError, "epochs=0"),
        ({"key": "umap"}, ValueError, "is a model of scivis.tl.adopt"),
        ({"use_rep": "X_nothing"}, KeyError, "X_nothing"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_and_both_left_as_they_were(
    arguments: dict[str, Any],
    error: type[Exception],
    message: str,
    reference: AnnData,
    contents: Callable[[AnnData], str],
) -> None:
    new = made([3], 20, 1)
    reference.uns["umap"] = {"model": {}, "basis": "X_umap"}
    before = contents(reference), contents(new)
    with pytest.raises(error, match=message):
        scivis.tl.extend(reference, new, **arguments)
    assert (contents(reference), contents(new)) == before
