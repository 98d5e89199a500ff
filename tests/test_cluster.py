"""Dask-backed data: the same numbers from threads, from two workers of a cluster, and from one process."""

import os

import anndata as ad
import dask.array as da
import numpy as np
import pytest
import scanpy as sc
from distributed import Client, LocalCluster
from scipy import sparse

import scivis
from scivis._adata import model_input as _input
from scivis.data._streaming import Rows

TINY = {"network": [8], "epochs": 1, "n_neighbors": 5, "use_rep": "X"}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def genes():
    """700 cells × 765 genes, sparse."""
    adata = sc.datasets.pbmc68k_reduced()
    return sparse.csr_matrix(adata.raw[:, adata.var_names].X), adata.var[[]]


@pytest.fixture
def lazy(genes):
    """The same cells as a dask array of sparse blocks."""
    x, var = genes
    blocks = [da.from_array(x[a : a + 200], chunks=(200, 765), asarray=False) for a in range(0, 700, 200)]
    return ad.AnnData(da.concatenate(blocks), var=var)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Two worker processes."""
    folder = tmp_path_factory.mktemp("workers")
    with (
        LocalCluster(
            2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(folder)
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def mapped(reference, query):
    """The map of all cells, and the placement of some."""
    scivis.tl.ivis(reference, **TINY)
    scivis.tl.ingest(query, reference)
    return reference.obsm["X_ivis"], query.obsm["X_ivis"], query.obs["ivis_novelty"].to_numpy()


def test_two_workers_give_the_numbers_of_one_process(genes, lazy, client, monkeypatch):
    """Projection, embedding and placement, through components."""
    monkeypatch.setattr(_input, "_MAX_VALUES", 1000)
    x, var = genes
    alone = mapped(ad.AnnData(x, var=var), ad.AnnData(x[300:], var=var))
    on_cluster = mapped(lazy.copy(), lazy[300:].copy())
    assert len(client.scheduler_info()["workers"]) == 2
    for one, two in zip(alone, on_cluster, strict=True):
        np.testing.assert_allclose(two, one, atol=2e-3)


class Traveller:
    """A function that counts how often it is packed, and says where it was called."""

    packed = 0

    def __reduce__(self):
        type(self).packed += 1
        return Traveller, ()

    def __call__(self, rows):
        return np.full((len(rows), 1), os.getpid(), np.float32)


def test_the_workers_do_the_work_and_the_function_travels_once(client):
    """In forty blocks."""
    Traveller.packed = 0
    places = Rows(da.zeros((4000, 3), chunks=(100, 3)), "rows").map(Traveller(), 1)
    assert os.getpid() not in places
    assert len(np.unique(places)) == 2
    assert Traveller.packed <= 2


def test_threads_give_the_same_numbers(genes, lazy):
    x, var = genes
    for one, two in zip(
        mapped(ad.AnnData(x, var=var), ad.AnnData(x[300:], var=var)),
        mapped(lazy.copy(), lazy[300:].copy()),
        strict=True,
    ):
        np.testing.assert_allclose(two, one, atol=2e-3)
