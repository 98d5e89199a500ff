"""Stored models that were altered: rejected with a reason, before anything is built from them or written.

Named examples show what a stranger's file could try. A property test changes any entry of any method at random.
"""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

import scivis
from scivis._store.digest import sealed
from scivis._store.hdf5 import read_entry, write_entry
from scivis._store.packed import unpacked
from scivis.n2d import load_n2d, save_n2d

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anndata import AnnData

    Keys = tuple[str, ...]


def place(reference: AnnData, query: AnnData, method: str, change: Callable[[dict[str, Any]], Any]) -> AnnData:
    """The query, placed with a changed entry of the reference, whose model can be loaded."""
    forged = reference.copy()
    forged.uns = {method: unpacked(copy.deepcopy(reference.uns[method]))}
    change(forged.uns[method])
    # A stranger writes a new digest.
    forged.uns[method] = sealed(forged.uns[method])
    scivis.get.model(forged, method)
    # Iterations of t-SNE take the time that networks do not.
    options = {"n_iter": 5} if method == "tsne" else {}
    placed = scivis.tl.ingest(query, forged, key=method, copy=True, **options)
    assert placed is not None
    return placed


def changed_config(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one value in the JSON text of a model."""

    def change(entry: dict[str, Any]) -> None:
        config = json.loads(entry["model"]["config"])
        inner = config
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        entry["model"]["config"] = json.dumps(config)

    return change


def changed(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one entry; a function is applied to the value that is there."""

    def change(entry: dict[str, Any]) -> None:
        inner = entry
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value(inner[path[-1]]) if callable(value) else value

    return change


def removed(*path: str) -> Callable[[dict[str, Any]], None]:
    """The removal of one entry."""

    def change(entry: dict[str, Any]) -> None:
        inner = entry
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]

    return change


def changed_entry(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A new value, whether there was one or not."""

    def change(entry: dict[str, Any]) -> None:
        entry[name] = value

    return change


def wider(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, array], axis=-1)


def longer(names: np.ndarray) -> np.ndarray:
    return np.append(names, "another")


EXAMPLES: dict[str, tuple[str, Callable[[dict[str, Any]], Any], str]] = {
    "an unknown method": ("ivis", changed("method", value="os.system"), "its method is 'os.system'"),
    "a model that is no dictionary": ("ivis", changed("model", value="text"), "it is a str, not a dictionary"),
    "a format of the future": ("tsne", changed("model", "format", value=99), "has format 99.* Update scivis"),
    "a format that is no number": ("n2d", changed("model", "format", value="1"), "its format is '1'"),
    "a config that is no JSON": ("ivis", changed("model", "config", value="{"), "its config is not JSON"),
    "a config that is endlessly nested": (
        "n2d",
        changed("model", "config", value="[" * 10**5),
        "its config is not JSON",
    ),
    "a network that would have to be imported": (
        "ivis",
        changed_config("architecture", "network", value="os.system"),
        "its network is 'os.system', which is not known here",
    ),
    "a width that would exhaust the memory": (
        "ivis",
        changed_config("architecture", "network", value=[10**6] * 3),
        "which are not those of its network",
    ),
    "a width beyond any network": (
        "ivis",
        changed_config("architecture", "n_features", value=10**12),
        "its sizes are not",
    ),
    "an activation of another module": ("n2d", changed_config("layout", "act", value="os.system"), "its activation is"),
    "a bottleneck that would exhaust the memory": (
        "n2d",
        changed_config("layout", "latent_dim", value=10**6),
        "which are not those of its network",
    ),
    "a loss that is no loss of Keras": (
        "ivis",
        changed_config("estimator", "supervision_metric", value="Loss"),
        "its supervision_metric is 'Loss'",
    ),
    "a setting that scivis does not have": (
        "ivis",
        changed_config("estimator", "run", value="rm"),
        "not those of scivis.Ivis",
    ),
    "a setting that openTSNE does not have": (
        "tsne",
        changed_config("settings", "run", value="rm"),
        "exactly the settings",
    ),
    "a setting out of range": ("tsne", changed_config("settings", "theta", value=-1), "its settings are .*theta=-1"),
    "a metric that is no name": ("tsne", changed_config("settings", "metric", value=["a"]), "its metric is"),
    "weights of another network": ("ivis", changed("model", "weights", "000", value=wider), "weights have shapes"),
    "weights that are not finite": (
        "n2d",
        changed("model", "weights", "000", value=lambda a: a * np.nan),
        "weight 000",
    ),
    "weights that are text": ("ivis", changed("model", "weights", "000", value=np.array(["a"])), "weight 000"),
    "a weight that is missing": ("n2d", removed("model", "weights", "000"), "not numbered 000, 001"),
    "landmarks of other data": ("ivis", changed("model", "landmarks", value=wider), "its landmarks have shape"),
    "a unit of zero": ("tsne", changed("model", "landmark_unit", value=0.0), "its landmark_unit is not a positive"),
    "an optimizer that is missing": ("tsne", removed("model", "gains"), r"it lacks \['gains'\]"),
    "a mixture of no clusters": (
        "n2d",
        changed("model", "clusterer", "weights_", value=lambda a: 0 * a),
        "not .* of 1",
    ),
    "a clusterer of another module": (
        "n2d",
        changed_config("clusterer", "kind", value="pickle"),
        "'pickle', which is not one of",
    ),
    "covariances of no mixture": (
        "n2d",
        changed_config("clusterer", "params", "covariance_type", value="x"),
        "covariance_type",
    ),
    "coordinates of other dimensions": (
        "tsne",
        changed_config("settings", "n_components", value=3),
        "do not have 3 columns",
    ),
    "an optimizer of other cells": ("tsne", changed("model", "gains", value=np.ones((3, 2))), r"has shape \(3, 2\)"),
    "genes without means": ("ivis", changed("expression", "means", value=wider), "differ in length"),
    "a map that is the input of the model": ("ivis", changed_entry("basis", "X_pca"), "its basis is 'X_pca'"),
    "a map without a name": ("ivis", changed_entry("basis", 3), "its basis is '3'"),
    "the same name twice": ("ivis", changed("predictions", "categories", value=wider), "not different names"),
    "names of other predictions": ("ivis", changed("predictions", "categories", value=longer), "for 4 names"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("method", "change", "message"), EXAMPLES.values(), ids=EXAMPLES)
def test_forged_models_are_rejected_by_name(
    method: str,
    change: Callable[[dict[str, Any]], Any],
    message: str,
    reference: AnnData,
    query: AnnData,
    contents: Callable[[AnnData], str],
) -> None:
    before = contents(query)
    with pytest.raises(ValueError, match=message):
        place(reference, query, method, change)
    assert contents(query) == before


def empty_weights(width: int) -> Callable[[dict[str, Any]], None]:
    """Weights without numbers, whose shapes have the forged width."""

    def change(entry: dict[str, Any]) -> None:
        entry["model"]["weights"] = {key: np.empty((width, 0), np.float32) for key in entry["model"]["weights"]}
        changed_config("architecture", "network", value=[width, width])(entry)

    return change


EXHAUSTING = {
    "one wide layer": ("ivis", changed_config("architecture", "network", value=[10**6])),
    "three wide layers": ("ivis", changed_config("architecture", "network", value=[10**6] * 3)),
    "a thousand layers": ("ivis", changed_config("architecture", "network", value=[2000] * 1000)),
    "100,000 layers": ("ivis", changed_config("architecture", "network", value=[8] * 100_000)),
    "many dimensions": ("ivis", changed_config("architecture", "n_components", value=10**6)),
    "many features": ("ivis", changed_config("architecture", "n_features", value=10**6)),
    "weights that are empty": ("ivis", empty_weights(10**6)),
    "a wide bottleneck": ("n2d", changed_config("layout", "latent_dim", value=10**6)),
    "a wide layer of the autoencoder": ("n2d", changed_config("layout", "architecture", value=[10**6])),
}


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize(("method", "change"), EXHAUSTING.values(), ids=EXHAUSTING)
def test_forged_sizes_allocate_nothing(
    method: str, change: Callable[[dict[str, Any]], Any], reference: AnnData, query: AnnData
) -> None:
    with pytest.raises(ValueError, match="stored model cannot be used: its "):
        place(reference, query, method, change)


def leaves(entry: Any, path: Keys = ()) -> Iterator[Keys]:
    """Paths of all values in nested dictionaries, and of the dictionaries themselves."""
    for key, value in entry.items():
        yield (*path, key)
        if hasattr(value, "keys"):
            yield from leaves(value, (*path, key))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**6, 10**9, 2**63 - 1, -(2**63)]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["", "X", "custom", "os.system", "__import__('os')", "../..", "a/b", "\x00"]),
)
ARRAYS = st.sampled_from(
    [
        np.empty(0),
        np.empty((0, 2), np.float32),
        np.full((2, 2), np.nan, np.float32),
        np.full((3, 2), 1e39),
        np.ones((2, 3), np.float32),
        np.arange(5),
        np.array(["a", "b"], dtype=object),
        np.array([{"a": 1}], dtype=object),
        np.array(3.0),
    ]
)
VALUES = st.one_of(SCALARS, ARRAYS, st.just({}), st.just([]), st.just({"000": np.ones(1)}))


# Entries that hold JSON.
JSON = {"config", "settings", "training"}


def mutate_json(config: Any, data: st.DataObject) -> Any:
    """Replace or remove one value, at any depth."""
    path, inner = [], config
    while isinstance(inner, dict) and inner:
        path.append(data.draw(st.sampled_from(sorted(inner))))
        inner = inner[path[-1]]
        if data.draw(st.booleans()):
            break
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    if data.draw(st.booleans()):
        inner[path[-1]] = data.draw(st.one_of(SCALARS, st.just([]), st.just({}), st.lists(st.integers(), max_size=3)))
    else:
        del inner[path[-1]]
    return config


def mutate(entry: dict[str, Any], data: st.DataObject) -> None:
    """Change, remove or add one value of an entry."""
    # Another method would not take the options of this one.
    path = data.draw(st.sampled_from(sorted(set(leaves(entry)) - {("method",)})))
    inner = entry
    for key in path[:-1]:
        inner = inner[key]
    if path[-1] in JSON and data.draw(st.booleans()):
        inner[path[-1]] = json.dumps(mutate_json(json.loads(inner[path[-1]]), data))
    elif data.draw(st.booleans()):
        inner[path[-1]] = data.draw(VALUES)
    else:
        del inner[path[-1]]


@pytest.mark.slow
@pytest.mark.parametrize("path", [("model", "manifold", "weights"), ("model", "weights")], ids="/".join)
def test_enormous_weights_end_before_the_clusterer(path, reference, query):
    def enlarge(entry):
        weights = changed(*path, value=lambda w: {name: np.full_like(x, 3e38) for name, x in w.items()})
        weights(entry)

    with pytest.raises(ValueError, match=r"Nothing was written: .* would hold NaN or infinite values"):
        place(reference, query, "n2d", enlarge)


@pytest.mark.parametrize("method", ["ivis", "tsne", "n2d"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_any_change_is_harmless_or_rejected(
    method: str,
    data: st.DataObject,
    reference: AnnData,
    query: AnnData,
    contents: Callable[[AnnData], str],
) -> None:
    """No other error, nothing written to the query, and no coordinates that are not finite."""
    before = contents(query)
    try:
        placed = place(reference, query, method, lambda entry: mutate(entry, data))
    except (ValueError, KeyError):
        assert contents(query) == before
    else:
        name = f"X_{method}"
        assert np.isfinite(placed.obsm[name]).all()
        assert placed.obsm[name].shape[0] == 4


@pytest.fixture(scope="module")
def files(folder: Path, reference: AnnData, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """For each kind of file: its entry, where a forged one goes, and how it is loaded and used on rows."""
    forged = tmp_path_factory.mktemp("forged")
    save_n2d(scivis.get.model(reference, "n2d"), forged / "whole.h5")
    return {
        "ivis": (
            read_entry(folder / "model.h5"),
            forged / "model.h5",
            lambda x: scivis.Ivis().load_model(forged).transform(x),
        ),
        "n2d": (
            read_entry(forged / "whole.h5"),
            forged / "n2d.h5",
            lambda x: load_n2d(forged / "n2d.h5").encode(x),
        ),
    }


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ivis", "n2d"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_any_change_of_a_file_is_harmless_or_rejected(
    method: str, data: st.DataObject, files: Any, query: AnnData
) -> None:
    """No other error than a ValueError, and no coordinates that are not finite."""
    whole, path, load = files[method]
    entry = copy.deepcopy(whole)
    mutate(entry, data)
    try:
        write_entry(path, entry)
    except (TypeError, ValueError):
        reject()  # HDF5 cannot hold it
    with suppress(ValueError):
        assert np.isfinite(load(query.X)).all()


TRAINING: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a generator of another kind": (
        lambda entry: entry.update(training='{"rng": {"bit_generator": "MT19937"}, "losses": []}'),
        "its state of training has been altered",
    ),
    "losses that are no numbers": (
        lambda entry: entry.update(training='{"rng": null, "losses": ["low"]}'),
        "its state of training has been altered",
    ),
    "a seed below 0": (
        lambda entry: entry.update(settings='{"network": [4, 4], "random_state": -1}'),
        "its random_state",
    ),
    "an optimizer of another network": (removed("optimizer", "013"), "its optimizer variables"),
    "an optimizer variable of another shape": (
        changed("optimizer", "003", value=np.zeros((9, 9), np.float32)),
        "its optimizer variables have shapes",
    ),
    "an optimizer that would have to be imported": (
        changed_config("estimator", "optimizer", value="os.system"),
        "its optimizer is 'os.system'",
    ),
    "no random states": (removed("seeds"), "its seeds"),
    "a random state of another shape": (changed("seeds", "000", value=np.zeros(5, np.uint32)), "its seeds have shapes"),
    "a head without its bias": (removed("model", "head", "001"), "its head weights have shapes"),
    "fewer classes than predictions": (changed("model", "classes", value=np.arange(2)), "its classes have shape"),
}


@pytest.mark.parametrize(("change", "message"), TRAINING.values(), ids=TRAINING)
def test_a_forged_state_of_training_is_rejected_and_changes_no_estimator(
    change: Callable[[dict[str, Any]], Any], message: str, files: Any
) -> None:
    whole, path, _ = files["ivis"]
    entry = copy.deepcopy(whole)
    change(entry)
    write_entry(path, entry)
    model = scivis.Ivis(k=77)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=f"stored model cannot be used: {message}"):
        model.load_model(path.parent)
    assert vars(model) == before
