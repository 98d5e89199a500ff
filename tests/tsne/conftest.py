"""Small data for t-SNE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from anndata import AnnData

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def x() -> np.ndarray:
    """120 rows of 5 normally distributed numbers; no test may change them."""
    return np.random.default_rng(2).normal(size=(120, 5)).astype(np.float32)


@pytest.fixture(scope="session")
def part(_pbmc: AnnData) -> Callable[[slice], AnnData]:
    """Some cells with their PCA, but without their graph, which holds neighbors of all 700."""

    def cells(rows: slice) -> AnnData:
        adata = AnnData(_pbmc.X[rows].copy(), obs=_pbmc.obs[rows].copy(), var=_pbmc.var.copy())
        adata.obsm["X_pca"] = _pbmc.obsm["X_pca"][rows].astype(np.float32)
        adata.varm["PCs"] = _pbmc.varm["PCs"].copy()
        return adata

    return cells
