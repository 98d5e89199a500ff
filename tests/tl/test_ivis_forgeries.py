"""Stored models of `scivis.tl.ivis` that were altered: rejected without running code or exhausting the memory."""

import copy
import json
import pickle
from pathlib import Path

import anndata as ad
import keras
import numpy as np
import pytest
import scanpy as sc
from numpy.testing import assert_allclose

import scivis
from scivis._store.schema import FORMAT

pytestmark = pytest.mark.usefixtures("op_by_op")

TINY = {"network": [8], "epochs": 2, "batch_size": 350}


@pytest.fixture(scope="module")
def _fitted(eagerly):
    adata = sc.datasets.pbmc68k_reduced()
    sc.pp.pca(adata, n_comps=10)
    with eagerly():
        scivis.tl.ivis(adata, **TINY)
    return adata


@pytest.fixture
def fitted(_fitted):
    """Cells with a model of their PCA."""
    adata = _fitted.copy()
    adata.uns = copy.deepcopy(dict(adata.uns))
    return adata


@pytest.fixture
def nothing_is_built(monkeypatch):
    """A forged entry must be rejected before a network of its size is allocated."""
    monkeypatch.setattr("scivis.nn.build_encoder", lambda *_, **__: pytest.fail("a network was built"))


def rejected(adata, message, error=ValueError):
    for use in (scivis.get.model, lambda reference: scivis.tl.ingest(reference[:5].copy(), reference)):
        with pytest.raises(error, match=message):
            use(adata)


PARTS = ["format", "config", "weights", "landmarks", "landmark_unit"]


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_named(fitted, part):
    del fitted.uns["ivis"]["model"][part]
    rejected(fitted, rf"stored model cannot be used: it lacks \['{part}'\]. Fit it again")


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("value", [None, 5, "model", [1.0], np.zeros(3)], ids=repr)
def test_a_model_that_is_no_dictionary(fitted, value):
    fitted.uns["ivis"]["model"] = value
    rejected(fitted, f"it is a {type(value).__name__}, not a dictionary")


@pytest.mark.usefixtures("nothing_is_built")
def test_a_newer_format_asks_for_an_update(fitted):
    fitted.uns["ivis"]["model"]["format"] = FORMAT + 1
    rejected(fitted, r"has format 2, but this scivis reads up to 1. Update scivis")


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("value", [0, -1, 1.0, "1", None, np.array([1, 1])], ids=repr)
def test_a_format_that_is_no_number(fitted, value):
    fitted.uns["ivis"]["model"]["format"] = value
    rejected(fitted, "stored model cannot be used: its format is")


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize(
    "value",
    ["", "{", "[]", "5", "null", '"text"', "[" * 100_000, b"\x80\x04N.", np.zeros(3), None],
    ids=lambda v: repr(v)[:12],
)
def test_a_config_that_is_no_object(fitted, value):
    fitted.uns["ivis"]["model"]["config"] = value
    rejected(fitted, "its config is not")


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
    rejected(fitted, "stored model cannot be used: its (architecture|estimator)")


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
    rejected(fitted, "stored model cannot be used: its ")


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
    rejected(fitted, "stored model cannot be used: its ")


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
    rejected(fitted, "stored model cannot be used: its ")


@pytest.mark.usefixtures("nothing_is_built")
def test_empty_weights_of_huge_shape_allocate_nothing(fitted):
    wide = 1_000_000
    forge(fitted, "architecture", n_features=wide, network=[wide, wide], offset=[])
    weights = fitted.uns["ivis"]["model"]["weights"]
    for key in weights:
        weights[key] = np.empty((wide, 0), np.float32)
    rejected(fitted, "stored model cannot be used: its ")


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
    rejected(fitted, "stored model cannot be used: its ")


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
    rejected(fitted, "stored model cannot be used: (its weights .*shapes|weight 00. is not an array of finite)")


@pytest.mark.parametrize(
    "rename", [{"000": None}, {"004": None}, {"000": "0"}, {"004": "005"}, {"004": "4"}, {"000": "../000"}], ids=str
)
def test_weights_that_are_not_numbered_through(fitted, rename):
    weights = fitted.uns["ivis"]["model"]["weights"]
    for old, new in rename.items():
        array = weights.pop(old)
        if new is not None:
            weights[new] = array
    rejected(fitted, "stored model cannot be used: its weights")


def test_weights_in_half_precision_are_weights(fitted):
    weights = fitted.uns["ivis"]["model"]["weights"]
    for key, array in weights.items():
        weights[key] = array.astype(np.float16)
    assert_allclose(scivis.get.model(fitted).transform(fitted.obsm["X_pca"]), fitted.obsm["X_ivis"], atol=0.1)


def test_weights_beyond_those_of_the_network(fitted):
    fitted.uns["ivis"]["model"]["weights"]["005"] = GOOD
    rejected(fitted, "stored model cannot be used: its weights .*shapes")


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("value", [None, [], "000", np.zeros(3), 5], ids=repr)
def test_weights_that_are_no_dictionary(fitted, value):
    fitted.uns["ivis"]["model"]["weights"] = value
    rejected(fitted, "stored model cannot be used: its weights")


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
    rejected(fitted, "stored model cannot be used: (its )?landmark")


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


# Predictions


@pytest.fixture(scope="module")
def labeled(eagerly):
    """Cells with a model of their labels."""
    adata = sc.datasets.pbmc68k_reduced()[:200].copy()
    with eagerly():
        scivis.tl.ivis(adata, labels="bulk_labels", n_neighbors=5, **TINY | {"batch_size": 100})
    return adata


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predictions": None}, "not a dictionary"),
        ({"predictions": "text"}, "not a dictionary"),
        ({"predictions": {"labels": "bulk_labels"}}, "its predictions lack"),
        (
            {"predictions": {"labels": "bulk_labels", "metric": "hinge", "categories": ["a"], "colors": []}},
            "predicts 10 values for 1 names",
        ),
    ],
    ids=str,
)
def test_forged_names_of_predictions_are_rejected(labeled, contents, change, message):
    reference, query = labeled.copy(), labeled[:5].copy()
    reference.uns["ivis"] = dict(reference.uns["ivis"]) | change
    before = contents(query)
    with pytest.raises(ValueError, match=message):
        scivis.tl.ingest(query, reference)
    assert contents(query) == before


# Code in a file


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
def is_rejected_from_a_file(fitted, tmp_path, marker):
    """Writes the entry to a file and reads it: the model must be rejected, and no code may run."""

    def read(message):
        fitted.write_h5ad(tmp_path / "stranger.h5ad")
        stranger = ad.read_h5ad(tmp_path / "stranger.h5ad")
        rejected(stranger, message)
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


def test_a_pickle_as_config(fitted, marker, is_rejected_from_a_file):
    fitted.uns["ivis"]["model"]["config"] = np.frombuffer(bomb(marker), np.uint8)
    is_rejected_from_a_file("its config is not JSON")


def test_a_pickle_as_text_of_the_config(fitted, marker, is_rejected_from_a_file):
    fitted.uns["ivis"]["model"]["config"] = bomb(marker).hex()
    is_rejected_from_a_file("its config is not")


@pytest.mark.parametrize("part", ["weights", "landmarks"])
def test_a_pickle_as_array(fitted, marker, is_rejected_from_a_file, part):
    planted = np.frombuffer(bomb(marker), np.uint8)
    model = fitted.uns["ivis"]["model"]
    if part == "weights":
        model["weights"]["000"] = planted
    else:
        model[part] = planted
    is_rejected_from_a_file("is not an array of finite floating-point numbers")


@pytest.mark.parametrize("field", ["network", "n_features", "n_components", "linear_path", "scale", "offset"])
def test_a_lambda_in_the_architecture(fitted, marker, is_rejected_from_a_file, field):
    forge(fitted, "architecture", **{field: lambda_config(marker)})
    is_rejected_from_a_file("stored model cannot be used: its ")


def test_a_lambda_in_the_list_of_widths(fitted, marker, is_rejected_from_a_file):
    forge(fitted, "architecture", network=[8, lambda_config(marker)])
    is_rejected_from_a_file("its network is")


def test_a_keras_model_with_a_lambda_as_config(fitted, marker, is_rejected_from_a_file):
    inputs = keras.Input((10,))
    outputs = keras.layers.Lambda(lambda x: x)(inputs)
    config = keras.saving.serialize_keras_object(keras.Model(inputs, outputs))
    fitted.uns["ivis"]["model"]["config"] = json.dumps({"architecture": config, "estimator": {}} | config)
    is_rejected_from_a_file("its architecture does not hold exactly")


@pytest.mark.parametrize("field", ["distance", "k", "learning_rate"])
def test_a_lambda_among_the_estimators_parameters(fitted, marker, is_rejected_from_a_file, field):
    forge(fitted, "estimator", **{field: lambda_config(marker)})
    is_rejected_from_a_file("its estimator's parameters")


def test_a_lambda_as_name_of_the_loss_is_only_a_name(fitted, marker, tmp_path):
    forge(fitted, "estimator", distance=json.dumps(lambda_config(marker)))
    fitted.write_h5ad(tmp_path / "stranger.h5ad")
    stranger = ad.read_h5ad(tmp_path / "stranger.h5ad")
    model = scivis.get.model(stranger)
    model.transform(stranger.obsm["X_pca"])
    assert not marker.exists()
