"""AnnData objects as users have them: in a MuData or SpatialData object, in a backed file, and as views of views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest
import scanpy as sc

import scivis

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]
# What other packages warn of when they are imported, or read and write files, is not tested here.
other_packages = pytest.mark.filterwarnings("default")
FEW = {"epochs": 2, "n_neighbors": 5}


@pytest.fixture
def cells(counted: AnnData) -> AnnData:
    """Normalized expression of 300 cells with a PCA."""
    sc.pp.normalize_total(counted)
    sc.pp.log1p(counted)
    sc.pp.pca(counted, n_comps=10)
    return counted


def expect_usable(adata: AnnData, expected: np.ndarray) -> None:
    """The stored model gives the stored coordinates, and takes genes."""
    np.testing.assert_array_equal(adata.obsm["X_ivis"], expected)
    rows = np.asarray(adata.obsm["X_pca"], np.float32)
    np.testing.assert_allclose(scivis.get.model(adata).transform(rows), expected, atol=1e-4)
    new = ad.AnnData(adata.X[:20], var=adata.var[[]])
    scivis.tl.ingest(new, adata)
    np.testing.assert_allclose(new.obsm["X_ivis"], expected[:20], atol=1e-2)


def embedding_of(cells: AnnData) -> np.ndarray:
    """Coordinates of the same cells in an object of their own."""
    adata = cells.copy()
    scivis.tl.ivis(adata, **FEW)
    return adata.obsm["X_ivis"]


@other_packages
def test_a_modality_of_mudata(cells: AnnData, tmp_path: Path) -> None:
    mudata = pytest.importorskip("mudata")
    expected = embedding_of(cells)
    proteins = ad.AnnData(np.ones((cells.n_obs, 2), np.float32), obs=cells.obs[[]])
    both = mudata.MuData({"rna": cells, "protein": proteins})
    scivis.tl.ivis(both["rna"], **FEW)
    both.write(tmp_path / "both.h5mu")
    expect_usable(mudata.read(tmp_path / "both.h5mu")["rna"], expected)


@other_packages
def test_a_table_of_spatialdata(cells: AnnData, tmp_path: Path) -> None:
    spatialdata = pytest.importorskip("spatialdata")
    expected = embedding_of(cells)
    tissue = spatialdata.SpatialData(tables={"table": cells})
    scivis.tl.ivis(tissue.tables["table"], **FEW)
    tissue.write(tmp_path / "tissue.zarr")
    expect_usable(spatialdata.read_zarr(tmp_path / "tissue.zarr").tables["table"], expected)


def test_a_backed_file(cells: AnnData, tmp_path: Path) -> None:
    expected = embedding_of(cells)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    scivis.tl.ivis(backed, **FEW)
    backed.write_h5ad(tmp_path / "mapped.h5ad")
    backed.file.close()
    assert "ivis" not in ad.read_h5ad(tmp_path / "cells.h5ad").uns
    expect_usable(ad.read_h5ad(tmp_path / "mapped.h5ad"), expected)


@pytest.mark.filterwarnings("ignore::anndata.ImplicitModificationWarning")
def test_a_view_of_a_view(cells: AnnData) -> None:
    view = cells[:250][20:]
    expected = embedding_of(view)
    assert view.is_view
    scivis.tl.ivis(view, **FEW)
    assert "ivis" not in cells.uns
    assert "X_ivis" not in cells.obsm
    expect_usable(view, expected)
    new = cells[250:][5:]
    scivis.tl.ingest(new, view)
    assert new.obsm["X_ivis"].shape == (45, 2)
    assert "X_ivis" not in cells.obsm
