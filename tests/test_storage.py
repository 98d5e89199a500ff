"""What is stored, that it survives files, and that no file can run code or exhaust the memory."""

import ast
import copy
import json
import pickle
from pathlib import Path

import anndata as ad
import keras
import numpy as np
import pytest
import scanpy as sc
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

import scivis
from scivis._ivis.pack import FORMAT

TINY = {"network": [8], "epochs": 2, "batch_size": 350}


@pytest.fixture(scope="module", autouse=True)
def op_by_op():
    """Runs training without compiling it, which takes longer than the training of so little."""
    tf.config.run_functions_eagerly(run_eagerly=True)
    yield
    tf.config.run_functions_eagerly(run_eagerly=False)


@pytest.fixture(scope="module")
def _fitted():
    adata = sc.datasets.pbmc68k_reduced()
    sc.pp.pca(adata, n_comps=10)
    scivis.tl.ivis(adata, learning_rate=0.01, global_weight=0.25, **TINY)
    scivis.tl.ivis(adata, key_added="genes", use_rep="X", n_components=1, **TINY)
    return adata


@pytest.fixture
def fitted(_fitted):
    adata = _fitted.copy()
    adata.uns = copy.deepcopy(dict(adata.uns))
    return adata


# The schema


def test_the_keys_are_those_that_are_documented(fitted):
    entry = fitted.uns["ivis"]
    assert set(entry) == {"method", "params", "history", "model", "expression", "predictions"}
    assert set(entry["history"]) == {"loss"}
    assert set(entry["model"]) == {
        "format",
        "config",
        "weights",
        "head",
        "classes",
        "scale",
        "landmarks",
        "landmark_unit",
    }
    assert set(entry["expression"]) == {"genes", "means", "layer", "loadings", "offset"}
    documented = (Path(__file__).parents[1] / "docs" / "storage.md").read_text()
    for key in entry:
        assert f'uns["ivis"]["{key}"]' in documented
    for key in entry["model"]:
        assert f"`{key}`" in documented


def test_the_values_are_what_the_keys_say(fitted):
    entry = fitted.uns["ivis"]
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
    assert list(fitted.uns["genes"]["expression"]["genes"]) == list(fitted.var_names)
    assert fitted.uns["genes"]["expression"]["loadings"].size == 0


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
    for path, value in leaves(fitted.uns[key]):
        if isinstance(value, np.ndarray):
            assert value.dtype.kind in "fiu" or all(isinstance(name, str) for name in value), path
        else:
            assert type(value) in (str, int, float, bool), path
    json.loads(fitted.uns[key]["model"]["config"])


def test_anndata_can_write_it(fitted):
    if not hasattr(fitted, "unwriteable"):
        pytest.skip("this version of anndata cannot tell")
    del fitted.raw
    assert not fitted.unwriteable()


def test_few_landmarks_are_kept_of_many_cells():
    x = np.random.default_rng(0).normal(size=(2300, 5)).astype(np.float32)
    adata = ad.AnnData(x)
    scivis.tl.ivis(adata, n_neighbors=3, network=[8], epochs=1, batch_size=2300)
    landmarks = adata.uns["ivis"]["model"]["landmarks"]
    assert landmarks.shape == (2000, 5)
    rows = {row.tobytes() for row in x}
    assert all(row.tobytes() in rows for row in landmarks)


# Round trips


def written(adata, folder: Path, fmt: str) -> Path:
    path = folder / f"cells.{fmt}"
    (adata.write_h5ad if fmt == "h5ad" else adata.write_zarr)(path)
    return path


READERS = {"h5ad": ad.read_h5ad, "zarr": ad.read_zarr}


@pytest.mark.filterwarnings("ignore::UserWarning")  # zarr and anndata disagree about formats that are to come
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_fresh_process_reads_the_model_from_either_file(fitted, tmp_path, fresh_process):
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


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("fmt", READERS)
def test_a_file_gives_back_what_was_stored(fitted, tmp_path, fmt):
    back = READERS[fmt](written(fitted, tmp_path, fmt))
    before, after = (dict(leaves(adata.uns["ivis"])) for adata in (fitted, back))
    assert set(after) == set(before)
    for path, value in before.items():
        if isinstance(value, np.ndarray):
            assert_array_equal(np.asarray(after[path], dtype=value.dtype), value, err_msg=path)
        else:
            assert after[path] == value
    assert_array_equal(back.obsm["X_ivis"], fitted.obsm["X_ivis"])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("fmt", READERS)
def test_a_second_round_trip_works_too(fitted, tmp_path, fmt):
    once = READERS[fmt](written(fitted, tmp_path, fmt))
    (tmp_path / "again").mkdir()
    twice = READERS[fmt](written(once, tmp_path / "again", fmt))
    assert_allclose(scivis.get.model(twice).transform(twice.obsm["X_pca"]), fitted.obsm["X_ivis"], atol=1e-5)


def test_backed_files_hold_the_model(fitted, tmp_path):
    backed = ad.read_h5ad(written(fitted, tmp_path, "h5ad"), backed="r")
    assert_allclose(scivis.get.model(backed).transform(backed.obsm["X_pca"]), fitted.obsm["X_ivis"], atol=1e-5)
    backed.file.close()


def test_concatenation_keeps_the_model_on_request(fitted):
    halves = [fitted[:300].copy(), fitted[300:].copy()]
    whole = ad.concat(halves, uns_merge="same")
    assert_allclose(scivis.get.model(whole).transform(whole.obsm["X_pca"]), whole.obsm["X_ivis"], atol=1e-5)


def own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_pred[0] - y_pred[1]), axis=-1)


def test_a_loss_of_ones_own_is_not_needed_to_embed(fitted, tmp_path):
    scivis.tl.ivis(fitted, loss=own_loss, **TINY)
    back = ad.read_h5ad(written(fitted, tmp_path, "h5ad"))
    assert_allclose(scivis.get.model(back).transform(back.obsm["X_pca"]), back.obsm["X_ivis"], atol=1e-5)


# What is truncated or altered is refused


@pytest.fixture
def nothing_is_built(monkeypatch):
    """A forged entry must be refused before a network of its size is allocated."""
    monkeypatch.setattr("scivis.nn.build_encoder", lambda *_, **__: pytest.fail("a network was built"))


def refused(adata, message, error=ValueError):
    for use in (scivis.get.model, lambda reference: scivis.tl.ingest(reference[:5].copy(), reference)):
        with pytest.raises(error, match=message):
            use(adata)


PARTS = ["format", "config", "weights", "landmarks", "landmark_unit"]


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_named(fitted, part):
    del fitted.uns["ivis"]["model"][part]
    refused(fitted, rf"stored model cannot be used: it lacks \['{part}'\]. Fit it again")


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("value", [None, 5, "model", [1.0], np.zeros(3)], ids=repr)
def test_a_model_that_is_no_dictionary(fitted, value):
    fitted.uns["ivis"]["model"] = value
    refused(fitted, f"it is a {type(value).__name__}, not a dictionary")


@pytest.mark.usefixtures("nothing_is_built")
def test_a_newer_format_asks_for_an_update(fitted):
    fitted.uns["ivis"]["model"]["format"] = FORMAT + 1
    refused(fitted, r"has format 2, but this scivis reads up to 1. Update scivis")


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("value", [0, -1, 1.0, "1", None, np.array([1, 1])], ids=repr)
def test_a_format_that_is_no_number(fitted, value):
    fitted.uns["ivis"]["model"]["format"] = value
    refused(fitted, "stored model cannot be used: its format is")


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize(
    "value",
    ["", "{", "[]", "5", "null", '"text"', "[" * 100_000, b"\x80\x04N.", np.zeros(3), None],
    ids=lambda v: repr(v)[:12],
)
def test_a_config_that_is_no_object(fitted, value):
    fitted.uns["ivis"]["model"]["config"] = value
    refused(fitted, "its config is not")


def forge(adata, part, **changes):
    """Change one part of the stored config; `None` removes a field."""
    model = adata.uns["ivis"]["model"]
    config = json.loads(model["config"])
    config[part] = {k: v for k, v in (config[part] | changes).items() if v is not None}
    model["config"] = json.dumps(config)


@pytest.mark.parametrize("part", ["architecture", "estimator"])
@pytest.mark.parametrize("value", [None, [], "residual", 5])
def test_a_config_without_a_part(fitted, part, value):
    model = fitted.uns["ivis"]["model"]
    model["config"] = json.dumps(json.loads(model["config"]) | {part: value})
    refused(fitted, "stored model cannot be used: its (architecture|estimator)")


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize(
    "change",
    [
        {"network": "resnet"},
        {"network": []},
        {"network": [0]},
        {"network": [-8]},
        {"network": [8.5]},
        {"network": [True]},
        {"network": ["8"]},
        {"network": [[8]]},
        {"network": {"class_name": "Dense"}},
        {"network": 8},
        {"n_features": 0},
        {"n_features": -10},
        {"n_features": 10.0},
        {"n_features": "10"},
        {"n_components": 0},
        {"n_components": True},
        {"linear_path": 1},
        {"linear_path": "yes"},
        {"scale": "1"},
        {"scale": float("nan")},
        {"scale": 10**400},
        {"output_scale": float("inf")},
        {"output_scale": [1.0]},
        {"offset": [0.0] * 9},
        {"offset": [float("nan")] * 10},
        {"offset": ["0"] * 10},
        {"offset": 0.0},
        {"offset": None},
        {"layers": [8]},
    ],
    ids=lambda change: f"{change}"[:40],
)
def test_an_architecture_of_other_fields_or_values(fitted, change):
    forge(fitted, "architecture", **change)
    refused(fitted, "stored model cannot be used: its ")


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize(
    "change",
    [
        {"network": [1_000_000]},
        {"network": [10**12]},
        {"network": [1_000_000] * 3},
        {"network": [2000] * 1000},
        {"network": [8] * 100_000},
        {"n_components": 1_000_000},
        {"n_features": 1_000_000, "offset": []},
    ],
    ids=lambda change: f"{change}"[:40],
)
def test_an_architecture_of_forged_size_allocates_nothing(fitted, change):
    forge(fitted, "architecture", **change)
    refused(fitted, "stored model cannot be used: its ")


@pytest.mark.parametrize(
    "change",
    [
        {"network": "hinton"},
        {"network": "residual"},
        {"network": [9]},
        {"network": [8, 8]},
        {"n_components": 3},
        {"n_features": 11, "offset": []},
        {"linear_path": False},
    ],
    ids=str,
)
def test_an_architecture_that_its_weights_do_not_fit(fitted, change):
    forge(fitted, "architecture", **change)
    refused(fitted, "stored model cannot be used: its ")


@pytest.mark.usefixtures("nothing_is_built")
def test_empty_weights_of_huge_shape_allocate_nothing(fitted):
    wide = 1_000_000
    forge(fitted, "architecture", n_features=wide, network=[wide, wide], offset=[])
    weights = fitted.uns["ivis"]["model"]["weights"]
    for key in weights:
        weights[key] = np.empty((wide, 0), np.float32)
    refused(fitted, "stored model cannot be used: its ")


@pytest.mark.parametrize(
    "change",
    [
        {"callbacks": "x"},
        {"model": "residual"},
        {"k": [5]},
        {"distance": {"class_name": "Lambda"}},
        {"embedding_dims": 3},
        {"embedding_dims": 10**12},
        {"embedding_dims": "2"},
    ],
    ids=str,
)
def test_parameters_of_the_estimator_that_it_does_not_have(fitted, change):
    forge(fitted, "estimator", **change)
    refused(fitted, "stored model cannot be used: its ")


GOOD = np.zeros((10, 8), np.float32)
WEIGHTS = {
    "too narrow": GOOD[:, :7],
    "too short": GOOD[:9],
    "flat": GOOD.ravel(),
    "transposed": GOOD.T,
    "one axis more": GOOD[None],
    "scalar": np.float32(0.0),
    "nan": np.full_like(GOOD, np.nan),
    "infinite": np.full_like(GOOD, np.inf),
    "infinite in float32": np.full((10, 8), 1e300),
    "objects": GOOD.astype(object),
    "integers": GOOD.astype(int),
    "complex": GOOD.astype(complex),
    "texts": GOOD.astype(str),
    "bytes": GOOD.astype("S"),
    "no numbers": np.full((10, 8), None),
    "text": "weights",
    "none": None,
    "dictionary": {"000": GOOD},
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_of_another_shape_or_type(fitted, kind):
    weights = fitted.uns["ivis"]["model"]["weights"]
    first = next(key for key in weights if weights[key].shape == GOOD.shape)
    weights[first] = WEIGHTS[kind]
    refused(fitted, "stored model cannot be used: (its weights .*shapes|weight 00. is not an array of finite)")


@pytest.mark.parametrize(
    "rename", [{"000": None}, {"004": None}, {"000": "0"}, {"004": "005"}, {"004": "4"}, {"000": "../000"}], ids=str
)
def test_weights_that_are_not_numbered_through(fitted, rename):
    weights = fitted.uns["ivis"]["model"]["weights"]
    for old, new in rename.items():
        array = weights.pop(old)
        if new is not None:
            weights[new] = array
    refused(fitted, "stored model cannot be used: its weights")


def test_weights_in_half_precision_are_weights(fitted):
    weights = fitted.uns["ivis"]["model"]["weights"]
    for key, array in weights.items():
        weights[key] = array.astype(np.float16)
    assert_allclose(scivis.get.model(fitted).transform(fitted.obsm["X_pca"]), fitted.obsm["X_ivis"], atol=0.1)


def test_weights_beyond_those_of_the_network(fitted):
    fitted.uns["ivis"]["model"]["weights"]["005"] = GOOD
    refused(fitted, "stored model cannot be used: its weights .*shapes")


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("value", [None, [], "000", np.zeros(3), 5], ids=repr)
def test_weights_that_are_no_dictionary(fitted, value):
    fitted.uns["ivis"]["model"]["weights"] = value
    refused(fitted, "stored model cannot be used: its weights")


LANDMARKS = {
    "too narrow": ("landmarks", np.zeros((700, 9), np.float32)),
    "too few": ("landmarks", np.zeros((1, 10), np.float32)),
    "flat": ("landmarks", np.zeros(10, np.float32)),
    "nan": ("landmarks", np.full((700, 10), np.nan, np.float32)),
    "objects": ("landmarks", np.zeros((700, 10), object)),
    "none": ("landmarks", None),
    "unit 0": ("landmark_unit", 0.0),
    "unit below 0": ("landmark_unit", -1.0),
    "unit nan": ("landmark_unit", np.nan),
    "unit a text": ("landmark_unit", "1"),
    "unit none": ("landmark_unit", None),
    "two units": ("landmark_unit", np.ones(2)),
}


@pytest.mark.parametrize("kind", LANDMARKS)
def test_landmarks_that_do_not_fit(fitted, kind):
    part, value = LANDMARKS[kind]
    fitted.uns["ivis"]["model"][part] = value
    refused(fitted, "stored model cannot be used: (its )?landmark")


@pytest.mark.parametrize("part", ["genes", "means", "layer", "loadings", "offset"])
def test_a_missing_part_of_the_way_from_expression_is_named(fitted, part):
    del fitted.uns["ivis"]["expression"][part]
    with pytest.raises(ValueError, match=rf"its expression entry lacks \['{part}'\]"):
        scivis.tl.ingest(fitted[:5].copy(), fitted)


EXPRESSION = {
    "few genes": {"genes": lambda genes: genes[:2]},
    "genes and means in a table": {"genes": lambda genes: genes[:, None], "means": lambda means: means[:, None]},
    "genes a number": {"genes": lambda _: 5},
    "few means": {"means": lambda means: means[:3]},
    "means nan": {"means": lambda means: means * np.nan},
    "means objects": {"means": lambda means: means.astype(object)},
    "offset too short": {"offset": lambda offset: offset[1:]},
    "offset a table": {"offset": lambda offset: offset[:, None]},
    "offset infinite": {"offset": lambda offset: offset + np.inf},
    "loadings too narrow": {"loadings": lambda loadings: loadings[:, 1:]},
    "all narrower than the model": {"loadings": lambda loadings: loadings[:, 1:], "offset": lambda offset: offset[1:]},
    "loadings transposed": {"loadings": lambda loadings: loadings.T},
    "no loadings": {"loadings": lambda loadings: loadings[:0, :0]},
    "loadings nan": {"loadings": lambda loadings: loadings * np.nan},
    "loadings a number": {"loadings": lambda _: 1.0},
    "loadings bytes": {"loadings": lambda _: b"\x80\x04N."},
}


@pytest.mark.parametrize("kind", EXPRESSION)
def test_a_way_from_expression_that_does_not_fit(fitted, kind):
    entry = fitted.uns["ivis"]["expression"]
    for part, alter in EXPRESSION[kind].items():
        entry[part] = alter(entry[part])
    query = fitted[:5].copy()
    del query.obsm["X_ivis"]
    with pytest.raises(ValueError, match=r"stored model cannot be used|model was fitted on rows of shape"):
        scivis.tl.ingest(query, fitted)
    assert "X_ivis" not in query.obsm


@pytest.mark.parametrize("part", ["params", "expression", "predictions"])
@pytest.mark.parametrize("value", [None, "text", 5, np.zeros(3)], ids=repr)
def test_parts_beside_the_model_that_are_no_dictionaries(fitted, part, value):
    fitted.uns["ivis"][part] = value
    query = fitted[:5].copy()
    rep = "X_pca" if part == "params" else None
    with pytest.raises(ValueError, match=r"stored model cannot be used|does not say which genes"):
        scivis.tl.ingest(query, fitted, use_rep=rep)


def test_parameters_that_are_gone_are_not_needed_or_named(fitted):
    del fitted.uns["ivis"]["params"]
    query = fitted[:5].copy()
    scivis.tl.ingest(query, fitted)
    assert_allclose(query.obsm["X_ivis"], fitted.obsm["X_ivis"][:5], atol=2e-4)
    fitted.uns["ivis"]["expression"] = {}
    with pytest.raises(ValueError, match="stored model cannot be used"):
        scivis.tl.ingest(query, fitted)


# A file from a stranger runs no code


@pytest.fixture
def marker(tmp_path):
    """A file that planted code would create."""
    return tmp_path / "planted-code-ran"


def bomb(marker) -> bytes:
    class Bomb:
        def __reduce__(self):
            return Path.touch, (marker,)

    return pickle.dumps(Bomb())


def lambda_config(marker):
    """A Keras layer whose function creates the marker, as Keras stores it."""
    path = str(marker)
    layer = keras.layers.Lambda(lambda x: (open(path, "w").close(), x)[1])  # noqa: PTH123 (must run by itself)
    return keras.saving.serialize_keras_object(layer)


@pytest.fixture
def a_stranger_reads(fitted, tmp_path, marker):
    """Writes the entry to a file, reads it back as a stranger would, and expects a refusal without a trace."""

    def read(message):
        fitted.write_h5ad(tmp_path / "stranger.h5ad")
        stranger = ad.read_h5ad(tmp_path / "stranger.h5ad")
        refused(stranger, message)
        assert not marker.exists()

    return read


def test_the_planted_pickle_would_work(marker):
    pickle.loads(bomb(marker))
    assert marker.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_planted_lambda_would_work(marker):
    layer = keras.saving.deserialize_keras_object(lambda_config(marker), safe_mode=False)
    layer(np.zeros((1, 2), np.float32))
    assert marker.exists()


def test_a_pickle_as_config(fitted, marker, a_stranger_reads):
    fitted.uns["ivis"]["model"]["config"] = np.frombuffer(bomb(marker), np.uint8)
    a_stranger_reads("its config is not JSON")


def test_a_pickle_as_text_of_the_config(fitted, marker, a_stranger_reads):
    fitted.uns["ivis"]["model"]["config"] = bomb(marker).hex()
    a_stranger_reads("its config is not")


@pytest.mark.parametrize("part", ["weights", "landmarks"])
def test_a_pickle_as_array(fitted, marker, a_stranger_reads, part):
    planted = np.frombuffer(bomb(marker), np.uint8)
    model = fitted.uns["ivis"]["model"]
    if part == "weights":
        model["weights"]["000"] = planted
    else:
        model[part] = planted
    a_stranger_reads("is not an array of finite floating-point numbers")


@pytest.mark.parametrize("field", ["network", "n_features", "n_components", "linear_path", "scale", "offset"])
def test_a_lambda_in_the_architecture(fitted, marker, a_stranger_reads, field):
    forge(fitted, "architecture", **{field: lambda_config(marker)})
    a_stranger_reads("stored model cannot be used: its ")


def test_a_lambda_in_the_list_of_widths(fitted, marker, a_stranger_reads):
    forge(fitted, "architecture", network=[8, lambda_config(marker)])
    a_stranger_reads("its network is")


def test_a_keras_model_with_a_lambda_as_config(fitted, marker, a_stranger_reads):
    inputs = keras.Input((10,))
    outputs = keras.layers.Lambda(lambda x: x)(inputs)
    config = keras.saving.serialize_keras_object(keras.Model(inputs, outputs))
    fitted.uns["ivis"]["model"]["config"] = json.dumps({"architecture": config, "estimator": {}} | config)
    a_stranger_reads("its architecture does not hold exactly")


@pytest.mark.parametrize("field", ["distance", "k", "learning_rate"])
def test_a_lambda_among_the_estimators_parameters(fitted, marker, a_stranger_reads, field):
    forge(fitted, "estimator", **{field: lambda_config(marker)})
    a_stranger_reads("its estimator's parameters")


def test_a_lambda_as_name_of_the_loss_is_only_a_name(fitted, marker, tmp_path):
    forge(fitted, "estimator", distance=json.dumps(lambda_config(marker)))
    fitted.write_h5ad(tmp_path / "stranger.h5ad")
    stranger = ad.read_h5ad(tmp_path / "stranger.h5ad")
    model = scivis.get.model(stranger)
    model.transform(stranger.obsm["X_pca"])
    assert not marker.exists()


# Whatever reads an object, and not numbers or text, out of a file or a string.
EVALUATES = {
    "pickle", "cPickle", "dill", "cloudpickle", "joblib.load", "np.load", "numpy.load", "marshal", "shelve", "allow_pickle", "eval", "exec", "compile_command",
    "__import__", "load_model", "load_weights", "model_from_json", "model_from_config", "from_config", "clone_model",
    "deserialize", "deserialize_keras_object", "safe_mode", "enable_unsafe_deserialization", "saved_model", "unsafe_load",
}  # fmt: skip


def words(tree):
    """Every name that the code uses, and every text in it that could be one: no comments, docstrings or definitions."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield from (node.attr, ast.unparse(node))
        elif isinstance(node, ast.keyword):
            yield node.arg
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            for imported in node.names:
                yield from (f"{module}.{imported.name}", *module.split("."), *imported.name.split("."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads as read",
        "from joblib import load",
        "joblib.load(path)",
        "keras.models.load_model(path)",
        "from keras.models import load_model",
        "np.load(path, allow_pickle=True)",
        "np.load(path, **{'allow_pickle': True})",
        "getattr(keras.saving, 'load_model')(path)",
        "read = eval",
        "def load(path):\n    'Not pickle.'\n    return Model.from_config(path)",
    ],
)
def test_the_search_for_what_evaluates_finds_it(code):
    assert set(words(ast.parse(code))) & EVALUATES


def test_nothing_in_the_package_can_unpickle_or_evaluate():
    """But `saved_model`, the folder that scivis exports to and never reads, arrays without pickle, and a copy of the optimizer
    that the user handed over.
    """
    source = Path(scivis.__file__).parent
    allowed = {
        ("_saving.py", "saved_model"),
        ("_checkpoint.py", "np.load"),
        ("_checkpoint.py", "allow_pickle"),
        ("datasets/_images.py", "np.load"),
        ("datasets/_images.py", "allow_pickle"),
        ("n2d/_training.py", "from_config"),
    }
    for name in ("_checkpoint.py", "datasets/_images.py"):
        calls = [line for line in (source / name).read_text().splitlines() if "np.load" in line]
        assert len(calls) == 1
        assert "allow_pickle=False" in calls[0]
    assert "type(optimizer).from_config(optimizer.get_config())" in (source / "n2d" / "_training.py").read_text()
    for path in source.rglob("*.py"):
        found = set(words(ast.parse(path.read_text()))) & EVALUATES
        assert {(path.relative_to(source).as_posix(), word) for word in found} <= allowed, f"{path} holds {found}"
