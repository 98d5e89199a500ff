"""Bad arguments and data of `scivis.tl.ivis`: messages name argument, value and remedy, and `adata` is unchanged."""

from pathlib import Path

import anndata as ad
import keras
import numpy as np
import pytest
from scipy import sparse

import scivis


@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr("scivis.nn._training.train", lambda *_, **__: pytest.fail("training began"))


@pytest.fixture
def no_work(monkeypatch, no_training):
    for name in ("scanpy.pp.pca", "scivis._ivis.arguments.find_neighbors", "scivis._ivis.arguments.training_rows"):
        monkeypatch.setattr(name, lambda *_, _name=name, **__: pytest.fail(f"{_name} was called"))


@pytest.fixture
def rejects(contents):
    """Checks that the tool raises an error with a message and does not change `adata`."""

    def check(adata, error, message, **arguments):
        before = contents(adata)
        with pytest.raises(error, match=message):
            scivis.tl.ivis(adata, **arguments)
        assert contents(adata) == before

    return check


def without_pca(adata):
    """The same cells without PCA and graph, both of which the tool would have to compute."""
    bare = ad.AnnData(adata.X, obs=adata.obs, var=adata.var)
    bare.obsm["X_umap"] = adata.obsm["X_umap"]
    return bare


INTEGER = "must be an integer of at least 1"
NUMBERS = [
    *(({"n_components": value}, f"n_components={value!r} {INTEGER}") for value in (0, -1, 2.5, "2", True)),
    *(({"epochs": value}, f"epochs={value!r} {INTEGER}") for value in (0, -5, 1.5, "10", True)),
    *(
        ({"n_neighbors": value}, f"n_neighbors={value!r} must .*between 1 and 699")
        for value in (0, -1, 700, 5000, 2.5, "15", True)
    ),
    *(
        ({"batch_size": value}, f"batch_size={value!r} must .*between 2 and the number of cells, 700")
        for value in (0, 1, -4, 701, 100_000, 32.5, "64", True)
    ),
    *(({"learning_rate": value}, f"learning_rate={value!r} must") for value in (0, -0.1, np.nan, np.inf, "fast")),
    *(
        ({"learning_rate": value}, f"learning_rate={value!r} must be at most 10".replace("+", r"\+"))
        for value in (11, 1e30)
    ),
    *(({"global_weight": value}, f"global_weight={value!r} must") for value in (-0.1, np.nan, np.inf, "much")),
    *(({"patience": value}, f"patience={value!r} must") for value in (0, -1, 2.5, "5")),
    *(({"random_state": value}, f"random_state={value!r} must") for value in (-1, 0.5, "seed", True)),
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
    ({"key_added": "a/b"}, "key_added='a/b' contains a '/'"),
]
SIZES = "At most 100,000 units and 500,000,000 weights can be trained: take fewer"
TYPES = [
    *(({"linear_path": value}, f"linear_path={value!r} must be True or False") for value in ("x", 2, 0.5)),
    *(
        ({"callbacks": value}, r"callbacks=.* must be a list of Keras callbacks, but .* is none")
        for value in (5, [5], "abc")
    ),
    ({"checkpoint": 5}, "checkpoint=5 must be a path"),
    ({"checkpoint": ""}, "checkpoint='' must be a path"),
    ({"backend": "annoy", "annoy_index_path": 5}, "annoy_index_path=5 must be a path"),
    ({"network": [10_000_000]}, rf"network=\(10000000,\) .* a layer of 10,000,000 units .*{SIZES}"),
    ({"network": [90_000, 90_000]}, rf"8,100,\d{{3}},\d{{3}} weights.*{SIZES}"),
    ({"n_components": 1_000_000}, rf"n_components=1000000 make a layer of 1,000,000 units.*{SIZES}"),
    ({"labels": 5}, "labels 5 must be a name: store the labels in a column of adata.obs"),
    ({"labels": ["a", "b"]}, "labels of type list must be a name"),
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
    ({"layer": "spliced"}, r"Did not find 'spliced' in adata.layers; it holds \["),
    ({"neighbors_key": "mine"}, r"neighbors_key='mine' is not in adata.uns. Run `sc.pp.neighbors"),
]


def with_ids(cases):
    return pytest.mark.parametrize(
        ("arguments", "message"), cases, ids=["-".join(f"{k}={v!r}" for k, v in a.items()) for a, _ in cases]
    )


@pytest.mark.usefixtures("no_work")
@with_ids([*NUMBERS, *CHOICES, *CONFLICTS, *TYPES])
def test_bad_arguments_are_rejected_before_any_work(adata, arguments, message, rejects):
    cells = without_pca(adata)
    cells.layers["half"] = cells.X / 2
    rejects(cells, (ValueError, TypeError), message, **arguments)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    "arguments",
    [{"checkpoint": "file/point"}, {"backend": "annoy", "annoy_index_path": "file/index"}],
    ids=["checkpoint", "annoy_index_path"],
)
def test_paths_that_cannot_be_written_are_rejected_before_any_work(adata, tmp_path, monkeypatch, arguments, rejects):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("in the way")
    rejects(without_pca(adata), OSError, r"='file/\w+' cannot be written: .*file takes no new files", **arguments)
    if Path("/proc").is_dir():
        name = list(arguments)[-1]
        message = f"{name}='/proc/nope' cannot be written: /proc takes no new files .* Choose another folder"
        rejects(without_pca(adata), OSError, message, **arguments | {name: "/proc/nope"})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.usefixtures("no_work")
def test_labels_that_hold_collections_are_rejected(adata, rejects):
    cells = without_pca(adata)
    cells.obs["pairs"] = [[1, 2]] * 700
    rejects(cells, ValueError, "labels='pairs' holds values of type list, but a cell has one label", labels="pairs")


@pytest.mark.usefixtures("no_work")
@with_ids(KEYS)
def test_messages_for_missing_keys_list_the_existing_keys(adata, arguments, message, rejects):
    rejects(without_pca(adata), KeyError, message, **arguments)


@pytest.mark.usefixtures("no_training")
def test_n_pcs_above_the_number_of_columns_is_rejected(adata, rejects):
    rejects(adata, ValueError, r"n_pcs=51, but adata.obsm\['X_pca'\] has 50 columns", n_pcs=51)


@pytest.mark.usefixtures("no_training")
def test_a_keras_model_of_another_input_width_is_rejected(adata, rejects):
    network = keras.Sequential([keras.Input((10,)), keras.layers.Dense(4)])
    rejects(adata, ValueError, r"network .*10.* 50|network .*50.* 10", network=network)


@pytest.mark.usefixtures("no_work")
def test_a_keras_model_without_an_input_shape_is_rejected(adata, rejects):
    network = keras.Sequential([keras.layers.Dense(4)])
    rejects(adata, ValueError, "network.*(not built|keras.Input)", network=network)


# Data


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_representations_with_nan_or_infinite_values_are_rejected(adata, value, rejects):
    adata.obsm["X_pca"][[3, 8, 9], 2] = value
    rejects(adata, ValueError, r"obsm\['X_pca'\].* NaN or infinite values: 3 of 700 .* first of them row 3. Remove")


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("dtype", [np.float64, np.uint64])
def test_values_whose_distances_overflow_are_rejected(adata, dtype, rejects):
    counts = np.abs(adata.obsm["X_pca"]).astype(dtype)
    counts[3, 2] = 2**64 - 1025
    adata.obsm["X_pca"] = counts
    rejects(adata, ValueError, r"X_pca.* holds values beyond .* first of them row 3\. Scale the data", n_neighbors=5)


@pytest.mark.usefixtures("no_training")
def test_complex_numbers_are_rejected(adata, rejects):
    adata.obsm["X_pca"] = adata.obsm["X_pca"].astype(complex)
    rejects(adata, TypeError, "type complex128, which are not real numbers. Convert them", n_neighbors=5)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("arguments", [{"use_rep": "X"}, {"layer": "bad"}])
def test_expression_with_nan_is_rejected(adata, container, arguments, rejects):
    x = adata.X.copy()
    x[5, 2] = np.nan
    adata.X = adata.layers["bad"] = container(x)
    rejects(adata, ValueError, r"adata\.(X|layers\['bad'\]).* NaN or infinite values.* row 5", **arguments)


@pytest.mark.usefixtures("no_training")
@pytest.mark.filterwarnings("ignore:There is no PCA:UserWarning")
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_expression_is_validated_before_its_pca(adata, container, rejects):
    cells = without_pca(adata)
    x = cells.X.copy()
    x[5, 2] = np.nan
    cells.X = container(x)
    rejects(cells, ValueError, "adata.X holds NaN or infinite values.* row 5")


@pytest.mark.usefixtures("no_training")
def test_representations_with_equal_rows_are_rejected(adata, rejects):
    adata.obsm["X_pca"] = np.ones((700, 5))
    rejects(adata, ValueError, "All 700 rows are equal", n_neighbors=5)
    rejects(adata, ValueError, "rows are equal|does not belong")


@pytest.mark.usefixtures("no_training")
@pytest.mark.filterwarnings("ignore:There is no PCA:UserWarning")
def test_expression_with_equal_rows_is_rejected(adata, rejects):
    cells = without_pca(adata)
    cells.X = np.ones_like(cells.X)
    rejects(cells, ValueError, "rows are equal")


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("n_cells", [0, 1, 2])
def test_fewer_than_three_cells_are_rejected(adata, n_cells, rejects):
    rejects(
        adata[:n_cells].copy(), ValueError, rf"\b{n_cells} cells?\b|number of cells, {n_cells}|shape \({n_cells}, 50\)"
    )


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("arguments", [{"use_rep": "X"}, {"n_pcs": 0}])
def test_missing_expression_is_rejected(adata, arguments, rejects):
    rejects(ad.AnnData(obsm={"X_umap": adata.obsm["X_umap"]}), ValueError, "adata.X is None.*use_rep", **arguments)


@pytest.mark.usefixtures("no_training")
def test_representations_that_are_not_matrices_with_columns_are_rejected(adata, rejects):
    adata.obsm["X_cube"] = np.zeros((700, 2, 2))
    adata.obsm["X_none"] = np.zeros((700, 0))
    rejects(adata, ValueError, r"obsm\['X_cube'\] has shape \(700, 2, 2\)", use_rep="X_cube")
    rejects(adata, ValueError, r"rows are equal|\(700, 0\)|no columns", use_rep="X_none", n_neighbors=5)


@pytest.mark.usefixtures("no_training")
def test_a_graph_without_distances_is_rejected(adata, rejects):
    del adata.obsp["distances"]
    rejects(adata, KeyError, "'distances', which is not in adata.obsp. Run `sc.pp.neighbors` again")


@pytest.mark.usefixtures("no_training")
def test_graphs_of_other_cells_are_rejected(adata, rejects):
    empty = sparse.csr_matrix((700, 700))
    adata.obsp["distances"] = empty
    rejects(adata, ValueError, "has neighbors for only 0 of 700 cells.*Run `sc.pp.neighbors` again")
    distances = np.random.default_rng(0).uniform(1, 2, size=(700, 700))
    distances[distances < 1.98] = 0
    adata.obsp["distances"] = sparse.csr_matrix(distances)
    rejects(adata, ValueError, "does not belong to these cells.*Run `sc.pp.neighbors` again")


def test_triplets_need_negatives(adata, rejects):
    few = adata[:30].copy()
    message = "n_neighbors=29 leaves no negatives among 30 cells; take fewer"
    rejects(few, ValueError, message, loss="pn", n_neighbors=29, batch_size=10)
