"""`scivis.tl.ivis` on backed and lazy data, on very many genes, and on more cells than are used for training."""

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
import zarr
from scipy import sparse

import scivis
from scivis._adata import model_input
from scivis._methods import entry_of
from scivis.neighbors import find_neighbors

pytestmark = pytest.mark.usefixtures("op_by_op")

TINY = {"network": [8], "epochs": 1, "n_neighbors": 5}


@pytest.fixture(scope="module", autouse=True)
def few_clusters():
    """Subsamples are stratified by 8 clusters instead of 256, which would take longer than training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scivis.data._sampling._CENTERS", 8)
        yield


@pytest.fixture(scope="module")
def expressed():
    """700 cells with sparse expression, a layer, a graph, and some genes marked as highly variable."""
    adata = sc.datasets.pbmc68k_reduced()
    adata = ad.AnnData(
        sparse.csr_matrix(adata.raw[:, adata.var_names].X), adata.obs[["bulk_labels"]], adata.var[["highly_variable"]],
        obsm={"X_pca": adata.obsm["X_pca"]},
    )  # fmt: skip
    adata.layers["half"] = adata.X * 0.5
    near = find_neighbors(adata.obsm["X_pca"], 15)
    rows = np.repeat(np.arange(700), 15)
    distances = np.linalg.norm(adata.obsm["X_pca"][rows] - adata.obsm["X_pca"][near.indices.ravel()], axis=1)
    adata.obsp["distances"] = sparse.csr_matrix((distances, (rows, near.indices.ravel())), (700, 700))
    adata.uns["graph"] = {"distances_key": "distances", "params": {"method": "umap"}}
    return adata


@pytest.fixture(scope="module")
def few(expressed):
    """300 cells and 100 genes of them."""
    return expressed[:300, :100].copy()


def stored(adata, kind, folder):
    """The same data in memory, in a backed file, or read lazily."""
    path = folder / ("cells.zarr" if "zarr" in kind else "cells.h5ad")
    adata = adata.copy()
    if kind == "memory":
        return adata
    adata.X = adata.X.toarray() if kind.endswith("dense") else adata.X
    if not path.exists():
        (adata.write_zarr if "zarr" in kind else adata.write_h5ad)(path)
    if "dataset" in kind:
        group = zarr.open_group(path, mode="r")
        parts = {name: ad.io.read_elem(group[name]) for name in ("obs", "var", "obsm")}
        layers = {name: ad.io.sparse_dataset(layer) for name, layer in group["layers"].groups()}
        return ad.AnnData(ad.io.sparse_dataset(group["X"]), layers=layers, **parts)
    return ad.experimental.read_lazy(path) if "lazy" in kind else ad.read_h5ad(path, backed="r")


KINDS = ["h5ad csr", "h5ad dense", "h5ad lazy", "zarr lazy", "zarr dataset"]


@pytest.fixture(scope="module")
def in_memory(few, eagerly):
    """The embeddings of the data in memory, by representation."""
    embeddings = {}
    with eagerly():
        for key, arguments in ARGUMENTS.items():
            adata = few.copy()
            scivis.tl.ivis(adata, **arguments, **TINY)
            embeddings[key] = adata.obsm["X_ivis"]
    return embeddings


ARGUMENTS = {
    "obsm": {"use_rep": "X_pca"},
    "X": {"use_rep": "X"},
    "layer": {"layer": "half"},
    "mask": {"use_rep": "X", "mask_var": "highly_variable"},
    "subsample": {"use_rep": "X", "max_train_cells": 200},
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # anndata's lazy reading is experimental
@pytest.mark.parametrize("kind", KINDS)
def test_backed_and_lazy_data_give_the_embedding_of_data_in_memory(few, in_memory, kind, tmp_path):
    for key, arguments in ARGUMENTS.items():
        adata = stored(few, kind, tmp_path)
        scivis.tl.ivis(adata, **arguments, **TINY)
        np.testing.assert_allclose(adata.obsm["X_ivis"], in_memory[key], atol=1e-3, err_msg=key)
        if adata.isbacked:
            adata.file.close()


# Genes: a mask, or principal components


def test_only_the_genes_of_mask_var_are_read(expressed):
    adata = expressed.copy()
    scivis.tl.ivis(adata, use_rep="X", mask_var="highly_variable", **TINY)
    marked = adata.var_names[adata.var["highly_variable"]]
    assert entry_of(adata, "ivis")["expression"]["genes"].tolist() == marked.tolist()
    np.testing.assert_allclose(
        scivis.get.model(adata).transform(adata[:, marked].X), adata.obsm["X_ivis"], atol=1e-5
    )  # fmt: skip
    query = adata[:50].copy()
    query.X = query.X.toarray()
    others = np.flatnonzero(~adata.var["highly_variable"])
    query.X[:, others] = query.X[::-1, others]
    del query.obsm
    scivis.tl.ingest(query, adata)
    np.testing.assert_allclose(query.obsm["X_ivis"], adata.obsm["X_ivis"][:50], atol=1e-4)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        ("variable", KeyError, r"mask_var='variable' is not a column of adata\.var"),
        (np.ones(3, bool), ValueError, "a boolean for each of the 765 genes"),
        (np.ones(765), ValueError, "a boolean for each"),
        (np.zeros(765, bool), ValueError, "true for at least one"),
    ],
    ids=["missing column", "other length", "floats", "no gene"],
)
def test_bad_masks_are_rejected(expressed, mask, error, message):
    with pytest.raises(error, match=message):
        scivis.tl.ivis(expressed.copy(), use_rep="X", mask_var=mask, **TINY)


@pytest.mark.parametrize("kind", ["memory", "h5ad csr"])
def test_very_many_genes_are_projected_on_components_which_ingest_repeats(expressed, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(model_input, "_MAX_VALUES", 1000)
    adata = stored(expressed, kind, tmp_path)
    scivis.tl.ivis(adata, use_rep="X", **TINY)
    expression = entry_of(adata, "ivis")["expression"]
    marked = expressed.var_names[expressed.var["highly_variable"]]
    assert expression["genes"].tolist() == marked.tolist()  # as sc.pp.pca chooses
    assert expression["loadings"].shape == (len(marked), 50)
    reference = ad.AnnData(np.zeros((700, 1)), obsm=dict(adata.obsm), uns=dict(adata.uns))
    query = ad.AnnData(expressed.X[:40], var=expressed.var[[]])
    scivis.tl.ingest(query, reference)
    np.testing.assert_allclose(query.obsm["X_ivis"], adata.obsm["X_ivis"][:40], atol=1e-3)
    if adata.isbacked:
        adata.file.close()


def test_components_preserve_the_neighbors_of_the_genes(expressed, monkeypatch):
    """Most of the 15 nearest cells by genes are among the 30 nearest by components."""
    monkeypatch.setattr(model_input, "_MAX_VALUES", 1000)
    adata = expressed.copy()
    adata.var["highly_variable"] = True
    scivis.tl.ivis(adata, use_rep="X", **TINY)
    entry = entry_of(adata, "ivis")["expression"]
    components = adata.X @ entry["loadings"] + entry["offset"]
    exact = sc.pp.pca(adata.X.toarray(), n_comps=50)
    near, wide = find_neighbors(exact, 15).indices, find_neighbors(components, 30).indices
    assert np.mean([np.isin(a, b).mean() for a, b in zip(near, wide, strict=True)]) > 0.97


# Subsamples


def test_a_model_of_a_subsample_embeds_all_cells(expressed):
    adata = expressed.copy()
    scivis.tl.ivis(adata, use_rep="X_pca", max_train_cells=200, **TINY)
    params = adata.uns["ivis"]["params"]
    assert (params["n_train_cells"], adata.obsm["X_ivis"].shape) == (200, (700, 2))
    model = scivis.get.model(adata)
    np.testing.assert_allclose(model.transform(adata.obsm["X_pca"]), adata.obsm["X_ivis"], atol=1e-5)


def test_max_train_cells_none_or_all_takes_no_subsample(few, in_memory):
    for most in (300, None):
        adata = few.copy()
        scivis.tl.ivis(adata, use_rep="X_pca", max_train_cells=most, **TINY)
        np.testing.assert_array_equal(adata.obsm["X_ivis"], in_memory["obsm"])


def test_auto_subsamples_only_many_cells(few, in_memory, monkeypatch):
    adata = few.copy()
    scivis.tl.ivis(adata, use_rep="X_pca", **TINY)
    np.testing.assert_array_equal(adata.obsm["X_ivis"], in_memory["obsm"])
    monkeypatch.setattr("scivis._ivis.arguments._ALL_UP_TO", 299)
    monkeypatch.setattr("scivis._ivis.arguments._SUBSAMPLE", 150)
    scivis.tl.ivis(adata, use_rep="X_pca", **TINY)
    assert adata.uns["ivis"]["params"]["n_train_cells"] == 150
    monkeypatch.setattr("scivis._ivis.presets._SMALL_UP_TO", 149)
    scivis.tl.ivis(adata, use_rep="X_pca", **TINY | {"batch_size": 20})
    assert adata.uns["ivis"]["params"]["global_weight"] == 0.6  # of a subsample of many cells


def test_a_graph_of_all_cells_is_used_with_a_subsample(expressed, monkeypatch):
    """Anchors are the cells of the subsample; their neighbors may be any cells."""
    adata = expressed.copy()
    monkeypatch.setattr(
        "scivis._ivis.arguments.find_neighbors", lambda *_, **__: pytest.fail("neighbors were searched")
    )
    fitted = []
    fit = scivis.Ivis.fit
    monkeypatch.setattr(scivis.Ivis, "fit", lambda self, *a: fitted.append(self) or fit(self, *a))
    scivis.tl.ivis(adata, neighbors_key="graph", use_rep="X_pca", max_train_cells=150, network=[8], epochs=1)
    assert len(fitted[0].anchors) == 150
    assert fitted[0].neighbour_matrix_.n_cells == 700
    assert adata.uns["ivis"]["params"]["n_train_cells"] == 150


@pytest.mark.slow
def test_labels_are_those_of_the_subsample(expressed):
    """Each training cell gets its own label, so that the classes are learned."""
    adata = expressed[expressed.obs["bulk_labels"].isin(["CD19+ B", "CD14+ Monocyte", "Dendritic"])].copy()
    arguments = TINY | {"epochs": 8, "batch_size": 84, "network": [32], "learning_rate": 0.05}
    scivis.tl.ivis(adata, labels="bulk_labels", supervision_weight=0.8, max_train_cells=250, **arguments)
    assert (adata.obs["ivis_label"] == adata.obs["bulk_labels"]).mean() > 0.9


@pytest.mark.parametrize("most", [0, -3, 2.5, True, "all"])
def test_bad_values_of_max_train_cells_are_rejected(expressed, most):
    with pytest.raises(ValueError, match=rf"max_train_cells={most!r} must be an integer"):
        scivis.tl.ivis(expressed.copy(), max_train_cells=most)


@pytest.mark.slow
def test_rows_too_large_for_memory_are_searched_by_annoy(expressed, monkeypatch):
    """Annoy finds nearly the exact neighbors here, so that the embeddings differ little."""
    monkeypatch.setattr("scivis.data._reading.MAX_BYTES", 1000)
    adata = expressed.copy()
    scivis.tl.ivis(adata, use_rep="X_pca", **TINY)
    assert "annoy" in adata.uns["ivis"]["params"]["neighbors"]
    exact = expressed.copy()
    monkeypatch.undo()
    scivis.tl.ivis(exact, use_rep="X_pca", **TINY)
    assert np.abs(adata.obsm["X_ivis"] - exact.obsm["X_ivis"]).mean() < 1


# Annoy index in a file


def test_an_existing_index_is_used(expressed, tmp_path, monkeypatch):
    path = tmp_path / "cells.index"
    first, again = expressed.copy(), expressed.copy()
    scivis.tl.ivis(first, use_rep="X_pca", backend="annoy", annoy_index_path=path, **TINY)
    assert path.stat().st_size > 700 * 50 * 4
    monkeypatch.setattr("scivis.neighbors._annoy_file.build_annoy_index", lambda *_, **__: pytest.fail("built again"))
    scivis.tl.ivis(again, use_rep="X_pca", backend="annoy", annoy_index_path=path, **TINY)
    np.testing.assert_array_equal(again.obsm["X_ivis"], first.obsm["X_ivis"])


def test_an_index_of_other_cells_or_for_another_backend_is_rejected(expressed, tmp_path):
    path = tmp_path / "cells.index"
    scivis.tl.ivis(expressed[:600].copy(), use_rep="X_pca", backend="annoy", annoy_index_path=path, **TINY)
    with pytest.raises(ValueError, match="index holds 600 rows, but the data have 700"):
        scivis.tl.ivis(expressed.copy(), use_rep="X_pca", backend="annoy", annoy_index_path=path, **TINY)
    with pytest.raises(ValueError, match=r"annoy_index_path=.* backend='annoy', but backend is None"):
        scivis.tl.ivis(expressed.copy(), annoy_index_path=path, **TINY)
