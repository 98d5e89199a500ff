"""`scivis.tl.ivis` and `scivis.tl.ingest` on data that are on disk or lazy, and on more cells than are trained on."""

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
import tensorflow as tf
from scipy import sparse

import scivis
from scivis._adata import model_input as _input
from scivis.neighbors import find_neighbors

TINY = {"network": [8], "epochs": 1, "n_neighbors": 5}


@pytest.fixture(scope="module")
def expressed():
    """700 cells whose X is sparse, and a layer; only part of the genes are marked."""
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


def stored(adata, kind, folder):
    """The same data where `kind` says."""
    path = folder / ("cells.zarr" if "zarr" in kind else "cells.h5ad")
    adata = adata.copy()
    if kind == "memory":
        return adata
    adata.X = adata.X.toarray() if kind.endswith("dense") else adata.X
    if not path.exists():
        (adata.write_zarr if "zarr" in kind else adata.write_h5ad)(path)
    return ad.experimental.read_lazy(path) if "lazy" in kind else ad.read_h5ad(path, backed="r")


KINDS = ["h5ad csr", "h5ad dense", "h5ad lazy", "zarr lazy"]


@pytest.fixture(autouse=True, scope="module")
def op_by_op():
    """Runs training without compiling it, which takes longer than the training of so little."""
    tf.config.run_functions_eagerly(run_eagerly=True)
    yield
    tf.config.run_functions_eagerly(run_eagerly=False)


@pytest.fixture(scope="module")
def in_memory(expressed):
    """The maps of the data in memory, by what is read."""
    maps = {}
    for key, arguments in ARGUMENTS.items():
        adata = expressed.copy()
        scivis.tl.ivis(adata, **arguments, **TINY)
        maps[key] = adata.obsm["X_ivis"]
    return maps


ARGUMENTS = {
    "obsm": {"use_rep": "X_pca"},
    "X": {"use_rep": "X"},
    "layer": {"layer": "half"},
    "mask": {"use_rep": "X", "mask_var": "highly_variable"},
    "sample": {"use_rep": "X", "max_train_cells": 300},
}


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # anndata's lazy reading is experimental
@pytest.mark.parametrize("kind", KINDS)
def test_where_the_data_lie_does_not_change_the_map(expressed, in_memory, kind, tmp_path):
    for key, arguments in ARGUMENTS.items():
        adata = stored(expressed, kind, tmp_path)
        scivis.tl.ivis(adata, **arguments, **TINY)
        np.testing.assert_allclose(adata.obsm["X_ivis"], in_memory[key], atol=1e-3, err_msg=key)
        if adata.isbacked:
            adata.file.close()


def test_columns_on_disk_are_refused_with_the_way_to_convert(expressed, tmp_path):
    adata = expressed.copy()
    adata.X = adata.X.tocsc()
    adata.write_h5ad(tmp_path / "x.h5ad")
    backed = ad.read_h5ad(tmp_path / "x.h5ad", backed="r")
    with pytest.raises(NotImplementedError, match=r"stored by columns .* adata\.X\.tocsr\(\)"):
        scivis.tl.ivis(backed, use_rep="X", **TINY)
    assert "X_ivis" not in backed.obsm
    backed.file.close()


# --- a part of the genes, and components of very many


def test_marked_genes_are_read_and_no_others(expressed):
    adata = expressed.copy()
    scivis.tl.ivis(adata, use_rep="X", mask_var="highly_variable", **TINY)
    marked = adata.var_names[adata.var["highly_variable"]]
    assert adata.uns["ivis"]["expression"]["genes"].tolist() == marked.tolist()
    np.testing.assert_allclose(
        scivis.get.model(adata).transform(adata[:, marked].X), adata.obsm["X_ivis"], atol=1e-5
    )  # fmt: skip
    query = adata[:50].copy()
    query.X = query.X.toarray()
    query.X[:, ~adata.var["highly_variable"]] = 1000
    del query.obsm
    scivis.tl.ingest(query, adata)
    np.testing.assert_allclose(query.obsm["X_ivis"], adata.obsm["X_ivis"][:50], atol=1e-4)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        ("variable", KeyError, r"mask_var='variable' is not a column of adata\.var"),
        (np.ones(3, bool), ValueError, "true or false for each of the 765 genes"),
        (np.ones(765), ValueError, "true or false"),
        (np.zeros(765, bool), ValueError, "true for at least one"),
    ],
)
def test_a_mask_that_is_none_is_refused(expressed, mask, error, message):
    with pytest.raises(error, match=message):
        scivis.tl.ivis(expressed.copy(), use_rep="X", mask_var=mask, **TINY)


@pytest.mark.parametrize("kind", ["memory", "h5ad csr"])
def test_very_many_genes_are_read_through_components_and_new_cells_need_genes_only(
    expressed, kind, tmp_path, monkeypatch
):
    monkeypatch.setattr(_input, "_MAX_VALUES", 1000)
    adata = stored(expressed, kind, tmp_path)
    scivis.tl.ivis(adata, use_rep="X", **TINY)
    expression = adata.uns["ivis"]["expression"]
    marked = expressed.var_names[expressed.var["highly_variable"]]
    assert expression["genes"].tolist() == marked.tolist()  # as sc.pp.pca chooses
    assert expression["loadings"].shape == (len(marked), 50)
    reference = ad.AnnData(np.zeros((700, 1)), obsm=dict(adata.obsm), uns=dict(adata.uns))
    query = ad.AnnData(expressed.X[:40], var=expressed.var[[]])
    scivis.tl.ingest(query, reference)
    np.testing.assert_allclose(query.obsm["X_ivis"], adata.obsm["X_ivis"][:40], atol=1e-3)
    if adata.isbacked:
        adata.file.close()


def test_components_keep_what_the_genes_tell(expressed, monkeypatch):
    """Most of the 15 nearest cells by genes are among the 30 nearest by components."""
    monkeypatch.setattr(_input, "_MAX_VALUES", 1000)
    adata = expressed.copy()
    adata.var["highly_variable"] = True
    scivis.tl.ivis(adata, use_rep="X", **TINY)
    entry = adata.uns["ivis"]["expression"]
    components = adata.X @ entry["loadings"] + entry["offset"]
    exact = sc.pp.pca(adata.X.toarray(), n_comps=50)
    near, wide = find_neighbors(exact, 15).indices, find_neighbors(components, 30).indices
    assert np.mean([np.isin(a, b).mean() for a, b in zip(near, wide, strict=True)]) > 0.97


# --- more cells than are trained on


def test_the_sample_is_trained_on_and_all_cells_are_mapped(expressed):
    adata = expressed.copy()
    scivis.tl.ivis(adata, use_rep="X_pca", max_train_cells=200, **TINY)
    params = adata.uns["ivis"]["params"]
    assert (params["n_train_cells"], adata.obsm["X_ivis"].shape) == (200, (700, 2))
    model = scivis.get.model(adata)
    np.testing.assert_allclose(model.transform(adata.obsm["X_pca"]), adata.obsm["X_ivis"], atol=1e-5)


def test_as_many_cells_as_there_are_is_no_sample(expressed, in_memory):
    for most in (700, None):
        adata = expressed.copy()
        scivis.tl.ivis(adata, use_rep="X_pca", max_train_cells=most, **TINY)
        np.testing.assert_array_equal(adata.obsm["X_ivis"], in_memory["obsm"])


def test_auto_takes_a_sample_of_many_cells_only(expressed, in_memory, monkeypatch):
    adata = expressed.copy()
    scivis.tl.ivis(adata, use_rep="X_pca", **TINY)
    np.testing.assert_array_equal(adata.obsm["X_ivis"], in_memory["obsm"])
    monkeypatch.setattr("scivis._ivis.arguments._ALL_UP_TO", 699)
    monkeypatch.setattr("scivis._ivis.arguments._SAMPLE", 250)
    scivis.tl.ivis(adata, use_rep="X_pca", **TINY)
    assert adata.uns["ivis"]["params"]["n_train_cells"] == 250
    assert adata.uns["ivis"]["params"]["global_weight"] == 0.6


def test_a_graph_of_all_cells_serves_the_sample(expressed, monkeypatch):
    """Anchors are the cells of the sample; their neighbours may be any."""
    adata = expressed.copy()
    for name in ("_exact.search_exact", "_annoy.search_annoy"):
        monkeypatch.setattr(f"scivis.neighbors.{name}", lambda *_, **__: pytest.fail("a search was made"))
    fitted = []
    fit = scivis.Ivis.fit
    monkeypatch.setattr(scivis.Ivis, "fit", lambda self, *a: fitted.append(self) or fit(self, *a))
    scivis.tl.ivis(adata, neighbors_key="graph", use_rep="X_pca", max_train_cells=150, network=[8], epochs=1)
    assert len(fitted[0].anchors) == 150
    assert fitted[0].neighbour_matrix_.n_cells == 700
    assert adata.uns["ivis"]["params"]["n_train_cells"] == 150


def test_labels_follow_the_sample(expressed):
    """The labels of the cells that are trained on reach them: their classes are learned."""
    adata = expressed[expressed.obs["bulk_labels"].isin(["CD19+ B", "CD14+ Monocyte", "Dendritic"])].copy()
    arguments = TINY | {"epochs": 10, "network": [32], "learning_rate": 0.05}
    scivis.tl.ivis(adata, labels="bulk_labels", supervision_weight=0.8, max_train_cells=250, **arguments)
    assert (adata.obs["ivis_label"] == adata.obs["bulk_labels"]).mean() > 0.9


@pytest.mark.parametrize("most", [0, -3, 2.5, True, "all"])
def test_a_number_of_cells_that_is_none_is_refused(expressed, most):
    with pytest.raises(ValueError, match=rf"max_train_cells={most!r} must be a whole number"):
        scivis.tl.ivis(expressed.copy(), max_train_cells=most)


def test_rows_too_large_for_memory_are_mapped_from_a_file_and_indexed_on_disk(expressed, monkeypatch, tmp_path):
    """Annoy finds nearly the exact neighbours here, so that the maps differ little."""
    monkeypatch.setattr(_input, "_MAX_BYTES", 1000)
    adata = expressed.copy()
    scivis.tl.ivis(adata, use_rep="X_pca", **TINY)
    assert "annoy" in adata.uns["ivis"]["params"]["neighbors"]
    exact = expressed.copy()
    monkeypatch.undo()
    scivis.tl.ivis(exact, use_rep="X_pca", **TINY)
    assert np.abs(adata.obsm["X_ivis"] - exact.obsm["X_ivis"]).mean() < 1


# --- the index of neighbours


def test_an_index_on_disk_is_built_once(expressed, tmp_path, monkeypatch):
    path = tmp_path / "cells.index"
    first, again = expressed.copy(), expressed.copy()
    scivis.tl.ivis(first, use_rep="X_pca", backend="annoy", annoy_index_path=path, **TINY)
    assert path.stat().st_size > 700 * 50 * 4
    monkeypatch.setattr("scivis.neighbors._annoy_file.build_annoy_index", lambda *_, **__: pytest.fail("built again"))
    scivis.tl.ivis(again, use_rep="X_pca", backend="annoy", annoy_index_path=path, **TINY)
    np.testing.assert_array_equal(again.obsm["X_ivis"], first.obsm["X_ivis"])


def test_an_index_of_other_cells_is_refused(expressed, tmp_path):
    path = tmp_path / "cells.index"
    scivis.tl.ivis(expressed[:600].copy(), use_rep="X_pca", backend="annoy", annoy_index_path=path, **TINY)
    with pytest.raises(ValueError, match="index holds 600 rows, but the data have 700"):
        scivis.tl.ivis(expressed.copy(), use_rep="X_pca", backend="annoy", annoy_index_path=path, **TINY)
    with pytest.raises(ValueError, match=r"annoy_index_path=.* is for backend='annoy', but backend is None"):
        scivis.tl.ivis(expressed.copy(), annoy_index_path=path, **TINY)
