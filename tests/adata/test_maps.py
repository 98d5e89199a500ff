"""Embeddings by their names."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

from scivis._adata.maps import basis_keys


def with_keys(*keys: str, ncols: int = 2) -> AnnData:
    return AnnData(np.zeros((4, 1)), obsm={key: np.zeros((4, ncols)) for key in keys})


def test_embeddings_are_named_by_both_conventions_of_scanpy():
    names = ["X_umap", "X_mine", "umap", "tsne", "diffmap", "graph_fa"]
    assert basis_keys(with_keys(*names, "spatial", "umap_scores", "pca_scores"), None) == names
    assert basis_keys(with_keys("X_umap"), None) == ["X_umap"]


def test_of_matrices_of_more_columns_none_is_taken_by_default():
    with pytest.raises(ValueError, match="names no embedding"):
        basis_keys(with_keys("X_pca", "pca", ncols=3), None)


@pytest.mark.parametrize("stored", ["umap", "X_umap"])
@pytest.mark.parametrize("given", ["umap", "X_umap"])
def test_a_name_is_found_with_and_without_its_prefix(stored, given):
    assert basis_keys(with_keys(stored), given) == [stored]


def test_the_exact_name_comes_first():
    adata = with_keys("umap", "X_umap")
    assert [basis_keys(adata, name) for name in ("umap", "X_umap")] == [["umap"], ["X_umap"]]
