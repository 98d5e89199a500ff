"""What `scivis.tl.ivis` refuses: by argument, value and remedy, before any work, with `adata` untouched.

What `scivis.tl.ingest` refuses stands in test_tl_ingest.py, stored models that are not right in test_storage.py.
"""

import anndata as ad
import joblib
import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse

import scivis


@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr("scivis.nn._training.train", lambda *_, **__: pytest.fail("training began"))


@pytest.fixture
def no_work(monkeypatch, no_training):
    for name in ("scanpy.pp.pca", "scivis.tl._ivis.find_neighbors", "scivis.tl._ivis.training_rows"):
        monkeypatch.setattr(name, lambda *_, _name=name, **__: pytest.fail(f"{_name} was called"))


def contents(adata):
    """A hash of everything that `adata` holds."""
    mappings = adata.uns, adata.obsm, adata.varm, adata.obsp, adata.layers
    return joblib.hash((adata.X, adata.obs, adata.var, [dict(mapping) for mapping in mappings]))


def refused(adata, error, message, **arguments):
    """The call fails with this message and leaves `adata` as it was."""
    before = contents(adata)
    with pytest.raises(error, match=message):
        scivis.tl.ivis(adata, **arguments)
    assert contents(adata) == before


def without_pca(adata):
    """The same cells, from which a PCA would have to be computed, and neighbours searched."""
    bare = ad.AnnData(adata.X, obs=adata.obs, var=adata.var)
    bare.obsm["X_umap"] = adata.obsm["X_umap"]
    return bare


WHOLE = "must be a whole number of at least 1"
NUMBERS = [
    *(({"n_components": value}, f"n_components={value!r} {WHOLE}") for value in (0, -1, 2.5, "2", True)),
    *(({"epochs": value}, f"epochs={value!r} {WHOLE}") for value in (0, -5, 1.5, "10", True)),
    *(
        ({"n_neighbors": value}, f"n_neighbors={value!r} must .*between 1 and 699")
        for value in (0, -1, 700, 5000, 2.5, "15", True)
    ),
    *(
        ({"batch_size": value}, f"batch_size={value!r} must .*between 2 and the number of cells, 700")
        for value in (0, 1, -4, 701, 100_000, 32.5, "64", True)
    ),
    *(({"learning_rate": value}, f"learning_rate={value!r} must") for value in (0, -0.1, np.nan, np.inf, "fast")),
    *(({"global_weight": value}, f"global_weight={value!r} must") for value in (-0.1, np.nan, np.inf, "much")),
    *(({"patience": value}, f"patience={value!r} must") for value in (0, -1, 2.5, "5")),
    *(({"random_state": value}, f"random_state={value!r} must") for value in (-1, 0.5, "seed", None, True)),
    *(({"n_pcs": value}, f"n_pcs={value!r}") for value in (-1, 2.5, "10", 700)),
]
CHOICES = [
    ({"preset": "fast"}, "preset='fast' is not one of .*'default', 'classic'"),
    ({"loss": "triplet"}, "loss='triplet' is not one of .*'infonce'.*register_loss"),
    ({"network": "resnet"}, "network='resnet' is not one of .*'szubert'.* a list of widths, or a Keras model"),
    ({"network": "custom"}, "network='custom' is not one of"),
    *(
        ({"network": value}, r"network=.* is not one of .* a list of widths")
        for value in ([], [0], [8, -1], [8.5], ["8"])
    ),
    ({"network": 128}, "network=128 is not one of .* a list of widths"),
    ({"backend": "faiss"}, "backend='faiss' is not one of .*'exact', 'ivf', 'pynndescent', 'annoy'"),
    ({"metric": "jaccard"}, "metric='jaccard' is not one of .*'euclidean', 'cosine', 'manhattan'"),
    ({"key_added": "a/b"}, "key_added='a/b' holds a '/'"),
]
CONFLICTS = [
    ({"layer": "half", "use_rep": "X_umap"}, "layer='half'.*leave out use_rep and n_pcs"),
    ({"layer": "half", "n_pcs": 5}, "layer='half'.*leave out use_rep and n_pcs"),
    ({"use_rep": "X", "n_pcs": 5}, "use_rep='X' reads all genes: leave out n_pcs=5"),
    ({"neighbors_key": "neighbors", "n_neighbors": 5}, "neighbors_key='neighbors'.*'n_neighbors': 5.* leave one"),
    ({"neighbors_key": "neighbors", "metric": "cosine"}, "neighbors_key='neighbors'.*'metric': 'cosine'.* leave one"),
    ({"neighbors_key": "neighbors", "backend": "exact"}, "neighbors_key='neighbors'.*'backend': 'exact'.* leave one"),
]
KEYS = [
    ({"use_rep": "X_scvi"}, r"Did not find 'X_scvi' in adata.obsm; it holds \[.*'X_umap'\]"),
    ({"layer": "counts"}, r"Did not find 'counts' in adata.layers; it holds \["),
    ({"neighbors_key": "mine"}, r"neighbors_key='mine' is not in adata.uns. Run `sc.pp.neighbors"),
]


def named(cases):
    return pytest.mark.parametrize(
        ("arguments", "message"), cases, ids=["-".join(f"{k}={v!r}" for k, v in a.items()) for a, _ in cases]
    )


@pytest.mark.usefixtures("no_work")
@named([*NUMBERS, *CHOICES, *CONFLICTS])
def test_arguments_are_refused_before_any_work(adata, arguments, message):
    cells = without_pca(adata)
    cells.layers["half"] = cells.X / 2
    refused(cells, (ValueError, TypeError), message, **arguments)


@pytest.mark.usefixtures("no_work")
@named(KEYS)
def test_keys_that_are_not_there_are_named_with_those_that_are(adata, arguments, message):
    refused(without_pca(adata), KeyError, message, **arguments)


@pytest.mark.usefixtures("no_training")
def test_more_columns_than_there_are_is_an_error(adata):
    refused(adata, ValueError, r"n_pcs=51, but adata.obsm\['X_pca'\] has 50 columns", n_pcs=51)


@pytest.mark.usefixtures("no_training")
def test_a_keras_network_that_reads_another_width_is_an_error(adata):
    network = keras.Sequential([keras.Input((10,)), keras.layers.Dense(4)])
    refused(adata, ValueError, r"network .*10.* 50|network .*50.* 10", network=network)


@pytest.mark.usefixtures("no_work")
def test_a_keras_network_without_an_input_shape_is_an_error(adata):
    network = keras.Sequential([keras.layers.Dense(4)])
    refused(adata, ValueError, "network.*(not built|keras.Input)", network=network)


# Data


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_representations_with_values_that_are_not_finite(adata, value):
    adata.obsm["X_pca"][[3, 8, 9], 2] = value
    refused(adata, ValueError, r"obsm\['X_pca'\].* NaN or infinite values: 3 of 700 .* first of them row 3. Remove")


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("arguments", [{"use_rep": "X"}, {"layer": "bad"}])
def test_expression_with_values_that_are_not_finite(adata, container, arguments):
    x = adata.X.copy()
    x[5, 2] = np.nan
    adata.X = adata.layers["bad"] = container(x)
    refused(adata, ValueError, r"adata\.(X|layers\['bad'\]).* NaN or infinite values.* row 5", **arguments)


@pytest.mark.usefixtures("no_training")
@pytest.mark.filterwarnings("ignore:There is no PCA:UserWarning")
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_expression_is_checked_before_its_pca(adata, container):
    cells = without_pca(adata)
    x = cells.X.copy()
    x[5, 2] = np.nan
    cells.X = container(x)
    refused(cells, ValueError, "adata.X holds NaN or infinite values.* row 5")


@pytest.mark.usefixtures("no_training")
def test_constant_representations(adata):
    adata.obsm["X_pca"] = np.ones((700, 5))
    refused(adata, ValueError, "All 700 rows are equal", n_neighbors=5)
    refused(adata, ValueError, "rows are equal|does not belong")


@pytest.mark.usefixtures("no_training")
@pytest.mark.filterwarnings("ignore:There is no PCA:UserWarning")
def test_constant_expression(adata):
    cells = without_pca(adata)
    cells.X = np.ones_like(cells.X)
    refused(cells, ValueError, "rows are equal")


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("n_cells", [0, 1, 2])
def test_too_few_cells(adata, n_cells):
    refused(
        adata[:n_cells].copy(), ValueError, rf"\b{n_cells} cells?\b|number of cells, {n_cells}|shape \({n_cells}, 50\)"
    )


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(("preset", "k"), [("default", 25), ("classic", 150)])
def test_fewer_cells_than_the_presets_neighbours(adata, preset, k):
    cells = without_pca(adata[:12].copy())
    message = f"n_neighbors={k} must lie between 1 and 11, one less than the 12 cells"
    refused(cells, ValueError, message, preset=preset, batch_size=4)
    refused(cells, ValueError, message, preset=preset, batch_size=4, use_rep="X_umap")


@pytest.mark.usefixtures("no_training")
def test_three_cells_are_the_least(adata):
    refused(adata[:3].copy(), ValueError, "n_neighbors=25 must lie between 1 and 2", backend="exact")


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("arguments", [{"use_rep": "X"}, {"n_pcs": 0}])
def test_no_expression_at_all(adata, arguments):
    refused(ad.AnnData(obsm={"X_umap": adata.obsm["X_umap"]}), ValueError, "adata.X is None.*use_rep", **arguments)


@pytest.mark.usefixtures("no_training")
def test_representations_of_an_impossible_shape(adata):
    adata.obsm["X_cube"] = np.zeros((700, 2, 2))
    adata.obsm["X_none"] = np.zeros((700, 0))
    refused(adata, ValueError, r"obsm\['X_cube'\] has shape \(700, 2, 2\)", use_rep="X_cube")
    refused(adata, ValueError, r"rows are equal|\(700, 0\)|no columns", use_rep="X_none", n_neighbors=5)


@pytest.mark.usefixtures("no_training")
def test_graphs_whose_parts_are_missing(adata):
    del adata.obsp["distances"]
    refused(adata, KeyError, "'distances', which is not in adata.obsp. Run `sc.pp.neighbors` again")


@pytest.mark.usefixtures("no_training")
def test_graphs_of_other_cells(adata):
    empty = sparse.csr_matrix((700, 700))
    adata.obsp["distances"] = empty
    refused(adata, ValueError, "gives only 0 of 700 cells any neighbour.*Run `sc.pp.neighbors` again")
    distances = np.random.default_rng(0).uniform(1, 2, size=(700, 700))
    distances[distances < 1.98] = 0
    adata.obsp["distances"] = sparse.csr_matrix(distances)
    refused(adata, ValueError, "does not belong to these cells.*Run `sc.pp.neighbors` again")


def test_all_other_cells_as_neighbours_leave_no_negatives(adata):
    few = adata[:30].copy()
    message = "n_neighbors=29 leaves no negatives among 30 cells; take fewer"
    refused(few, ValueError, message, loss="pn", n_neighbors=29, batch_size=10)


def test_training_that_diverges_is_an_error_and_not_a_map(adata):
    tf.config.run_functions_eagerly(run_eagerly=True)
    try:
        refused(adata, ValueError, "learning_rate", learning_rate=1e30, epochs=3, network=[8], batch_size=350)
    finally:
        tf.config.run_functions_eagerly(run_eagerly=False)
