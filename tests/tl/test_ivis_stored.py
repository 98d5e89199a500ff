"""Models that `scivis.tl.ivis` stores: their entries, and their way through files."""

import copy
import json
from pathlib import Path

import anndata as ad
import keras
import numpy as np
import pytest
import scanpy as sc
from numpy.testing import assert_allclose, assert_array_equal

import scivis
from scivis._methods import entry_of
from scivis._store.digest import sealed
from scivis._store.packed import packed, unpacked
from scivis._store.schema import FORMAT

pytestmark = pytest.mark.usefixtures("op_by_op")

TINY = {"network": [8], "epochs": 2, "batch_size": 350}


@pytest.fixture(scope="module")
def _fitted(eagerly):
    adata = sc.datasets.pbmc68k_reduced()
    sc.pp.pca(adata, n_comps=10)
    with eagerly():
        scivis.tl.ivis(adata, learning_rate=0.01, global_weight=0.25, **TINY)
        scivis.tl.ivis(adata, key_added="genes", use_rep="X", n_components=1, **TINY)
    return adata


@pytest.fixture
def fitted(_fitted):
    """Cells with a model of their PCA, and one of their genes."""
    adata = ad.AnnData(_fitted.X, _fitted.obs[[]], _fitted.var[[]], obsm=_fitted.obsm, varm=_fitted.varm)
    adata.uns = {key: copy.deepcopy(_fitted.uns[key]) for key in ("ivis", "genes")}
    return adata.copy()


# Entries


def test_the_keys_are_those_of_the_documentation(fitted):
    stored, entry = fitted.uns["ivis"], entry_of(fitted, "ivis")
    assert set(stored) == {"method", "params", "history", "model", "predictions", "digest"}
    assert set(entry) - set(stored) == {"expression", "correction"}
    assert set(entry["history"]) == {"loss"}
    assert set(entry["model"]) | {"head"} == {
        "format",
        "config",
        "weights",
        "head",
        "classes",
        "scale",
        "landmarks",
        "landmark_unit",
        "landmark_scales",
        "calibration",
    }
    assert set(entry["expression"]) == {"genes", "means", "layer", "loadings", "offset", "preparation"}
    documented = (Path(__file__).parents[2] / "docs" / "storage.md").read_text()
    for key in stored:
        assert f'uns["ivis"]["{key}"]' in documented
    for part in ("model", "expression", "correction"):
        assert f"`{part}/`" in documented
    for key in entry["model"]:
        assert f"`{key}`" in documented


@pytest.mark.parametrize("fmt", [None, "h5ad"])
def test_an_entry_prints_in_a_few_lines(fitted, tmp_path, fmt):
    read = READERS[fmt](written(fitted, tmp_path, fmt)) if fmt else fitted
    for adata in (read, read.copy(), read[:10], read[:10].copy()):
        text = str(adata.uns["ivis"])
        assert len(text) < 2000
        assert text.count("array(") <= 4  # losses, bytes, names and colors of classes


def test_entries_hold_settings_losses_weights_and_genes(fitted):
    entry = entry_of(fitted, "ivis")
    assert entry["params"] == {
        "preset": "default",
        "use_rep": "X_pca",
        "representation": "obsm",
        "n_features": 10,
        "n_train_cells": 700,
        "neighbors": "the graph 'neighbors'",
        "n_components": 2,
        "loss": "infonce",
        "batch_size": 350,
        "epochs": 2,
        "optimizer": "muon",
        "learning_rate": 0.01,
        "global_weight": 0.25,
        "linear_path": True,
        "random_state": 0,
    }
    assert entry["history"]["loss"].dtype == np.float64
    assert entry["history"]["loss"].shape == (2,)
    assert entry["model"]["format"] == FORMAT == 1
    assert list(entry["model"]["weights"]) == [f"{i:03d}" for i in range(5)]
    assert {w.dtype for w in entry["model"]["weights"].values()} == {np.dtype("float32")}
    assert_array_equal(entry["model"]["landmarks"], fitted.obsm["X_pca"])
    used = fitted.varm["PCs"].any(axis=1)
    assert list(entry["expression"]["genes"]) == list(fitted.var_names[used])
    assert_array_equal(entry["expression"]["loadings"], fitted.varm["PCs"][used].astype(np.float32))
    assert list(entry_of(fitted, "genes")["expression"]["genes"]) == list(fitted.var_names)
    assert entry_of(fitted, "genes")["expression"]["loadings"].size == 0


def leaves(value, path=""):
    if hasattr(value, "items"):
        for key, inner in value.items():
            assert isinstance(key, str)
            assert "/" not in key
            yield from leaves(inner, f"{path}/{key}")
    else:
        yield path, value


@pytest.mark.parametrize("key", ["ivis", "genes"])
def test_only_plain_values_are_stored(fitted, key):
    for path, value in [*leaves(fitted.uns[key]), *leaves(entry_of(fitted, key))]:
        if isinstance(value, np.ndarray):
            assert value.dtype.kind in "fiu" or all(isinstance(name, str) for name in value), path
        else:
            assert type(value) in (str, int, float, bool), path
    json.loads(entry_of(fitted, key)["model"]["config"])


def test_at_most_4000_landmarks_are_stored():
    x = np.random.default_rng(0).normal(size=(4300, 5)).astype(np.float32)
    adata = ad.AnnData(x)
    scivis.tl.ivis(adata, n_neighbors=3, network=[8], epochs=1, batch_size=4300)
    landmarks = entry_of(adata, "ivis")["model"]["landmarks"]
    assert landmarks.shape == (4000, 5)
    rows = {row.tobytes() for row in x}
    assert all(row.tobytes() in rows for row in landmarks)


# Round trips


def written(adata, folder: Path, fmt: str) -> Path:
    path = folder / f"cells.{fmt}"
    (adata.write_h5ad if fmt == "h5ad" else adata.write_zarr)(path)
    return path


READERS = {"h5ad": ad.read_h5ad, "zarr": ad.read_zarr}


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning"
)  # zarr and anndata disagree about coming formats
def test_a_new_process_reads_the_model_from_h5ad_and_zarr(fitted, tmp_path, fresh_process):
    paths = [written(fitted, tmp_path, fmt) for fmt in READERS]
    query = ad.AnnData(fitted.X[:40, ::-1], obs=fitted.obs[:40], var=fitted.var[::-1])
    query.write_h5ad(tmp_path / "query.h5ad")
    out = fresh_process(f"""
        import json, warnings
        warnings.simplefilter("ignore")
        import anndata as ad, numpy as np
        import scivis

        far = {{}}
        for path in {[str(path) for path in paths]}:
            adata = (ad.read_zarr if path.endswith("zarr") else ad.read_h5ad)(path)
            model, genes = scivis.get.model(adata), scivis.get.model(adata, "genes")
            query = ad.read_h5ad({str(tmp_path / "query.h5ad")!r})
            scivis.tl.ingest(query, adata)
            scivis.tl.ingest(query, adata, key="genes")
            far[path] = [
                float(np.abs(placed - adata.obsm[key][: len(placed)]).max())
                for placed, key in [
                    (model.transform(adata.obsm["X_pca"]), "X_ivis"),
                    (genes.transform(adata.X), "genes"),
                    (query.obsm["genes"], "genes"),
                    (query.obsm["X_ivis"], "X_ivis"),
                ]
            ]
        print(json.dumps(far))
    """)
    far = json.loads(out.splitlines()[-1])
    assert len(far) == 2
    for differences in far.values():
        assert max(differences[:3]) < 1e-5
        assert differences[3] < 2e-4  # one projection more, in float32


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("fmt", READERS)
def test_files_return_the_stored_entries_and_a_second_file_the_model(fitted, tmp_path, fmt):
    back = READERS[fmt](written(fitted, tmp_path, fmt))
    before, after = (dict(leaves(adata.uns["ivis"])) for adata in (fitted, back))
    assert set(after) == set(before)
    for path, value in before.items():
        if isinstance(value, np.ndarray):
            assert_array_equal(np.asarray(after[path], dtype=value.dtype), value, err_msg=path)
        else:
            assert after[path] == value
    assert_array_equal(back.obsm["X_ivis"], fitted.obsm["X_ivis"])
    (tmp_path / "again").mkdir()
    twice = READERS[fmt](written(back, tmp_path / "again", fmt))
    assert_allclose(scivis.get.model(twice).transform(twice.obsm["X_pca"]), fitted.obsm["X_ivis"], atol=1e-5)


def test_backed_data_have_the_model(fitted, tmp_path):
    backed = ad.read_h5ad(written(fitted, tmp_path, "h5ad"), backed="r")
    assert_allclose(scivis.get.model(backed).transform(backed.obsm["X_pca"]), fitted.obsm["X_ivis"], atol=1e-5)
    backed.file.close()


def test_concatenation_can_keep_the_model(fitted):
    halves = [fitted[:300].copy(), fitted[300:].copy()]
    whole = ad.concat(halves, uns_merge="same")
    assert_allclose(scivis.get.model(whole).transform(whole.obsm["X_pca"]), whole.obsm["X_ivis"], atol=1e-5)


def pull_together(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_pred[0] - y_pred[1]), axis=-1)


def test_a_loss_function_is_not_needed_to_embed(fitted, tmp_path):
    scivis.tl.ivis(fitted, loss=pull_together, **TINY)
    back = ad.read_h5ad(written(fitted, tmp_path, "h5ad"))
    assert_allclose(scivis.get.model(back).transform(back.obsm["X_pca"]), back.obsm["X_ivis"], atol=1e-5)


# Altered entries that remain models


def test_weights_in_half_precision_are_weights(fitted):
    entry = entry_of(fitted, "ivis")
    weights = entry["model"]["weights"]
    for key, array in weights.items():
        weights[key] = array.astype(np.float16)
    fitted.uns["ivis"] = sealed(packed(entry))
    assert_allclose(scivis.get.model(fitted).transform(fitted.obsm["X_pca"]), fitted.obsm["X_ivis"], atol=0.1)


def test_parameters_that_are_gone_are_not_needed_or_named(fitted):
    fitted.uns["ivis"] = unpacked(fitted.uns["ivis"])
    for name in ("params", "correction", "digest"):
        del fitted.uns["ivis"][name]
    query = fitted[:5].copy()
    scivis.tl.ingest(query, fitted)
    assert_allclose(query.obsm["X_ivis"], fitted.obsm["X_ivis"][:5], atol=2e-4)
    fitted.uns["ivis"] = fitted.uns["ivis"] | {"expression": {}}
    with pytest.raises(ValueError, match="stored model cannot be used"):
        scivis.tl.ingest(query, fitted)
