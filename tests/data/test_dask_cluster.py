"""Dask-backed data: the same numbers from threads, from two workers of a cluster, and from one process."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import anndata as ad
import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster
from scipy import sparse

import scivis
from scivis._adata import model_input
from scivis.data._streaming import Rows

TINY = {"network": [8], "epochs": 1, "n_neighbors": 5, "use_rep": "X"}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def genes(_pbmc):
    """200 cells × 100 genes, sparse."""
    names = _pbmc.var_names[:100]
    return ad.AnnData(sparse.csr_matrix(_pbmc.raw[:200, names].X), var=_pbmc.var.loc[names, []])


@pytest.fixture
def lazy(genes):
    """The same cells as a dask array of sparse blocks."""
    blocks = [da.from_array(genes.X[a : a + 50], chunks=(50, 100), asarray=False) for a in range(0, 200, 50)]
    return ad.AnnData(da.concatenate(blocks), var=genes.var)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Two worker processes."""
    folder = str(tmp_path_factory.mktemp("workers"))
    settings = {"threads_per_worker": 1, "processes": True, "dashboard_address": None, "local_directory": folder}
    with LocalCluster(2, **settings) as cluster, Client(cluster) as client:
        yield client


def embed(cells):
    """Embedding of the cells, and the embedding and the novelty of some of them as new cells."""
    reference, query = cells.copy(), cells[100:].copy()
    scivis.tl.ivis(reference, **TINY)
    scivis.tl.ingest(query, reference)
    return reference.obsm["X_ivis"], query.obsm["X_ivis"], query.obs["ivis_novelty"].to_numpy()


def check_same_results(lazy, genes):
    for one, other in zip(embed(genes), embed(lazy), strict=True):
        np.testing.assert_allclose(other, one, atol=2e-3)


@pytest.mark.usefixtures("op_by_op")
def test_threads_give_the_results_of_data_in_memory(genes, lazy):
    check_same_results(lazy, genes)


class Recorder:
    """A function that counts how often it is pickled, and returns the process in which it is called."""

    n_pickled = 0

    def __reduce__(self):
        type(self).n_pickled += 1
        return Recorder, ()

    def __call__(self, rows):
        return np.full((len(rows), 1), os.getpid(), np.float32)


@pytest.mark.slow
def test_workers_process_the_blocks_and_the_function_is_sent_once(client):
    """In forty blocks."""
    Recorder.n_pickled = 0
    processes = Rows(da.zeros((4000, 3), chunks=(100, 3)), "rows").map(Recorder(), 1)
    assert os.getpid() not in processes
    assert len(np.unique(processes)) == 2
    assert Recorder.n_pickled <= 2


class Killed:
    """A function that returns the rows as they are. The first process that calls it is killed."""

    def __init__(self, first):
        self.first = first

    def __call__(self, rows):
        with suppress(FileNotFoundError):
            self.first.unlink()  # by one process only
            os.kill(os.getpid(), signal.SIGKILL)
        return rows


@pytest.mark.slow
def test_the_blocks_of_a_worker_that_is_killed_are_computed_by_another(client, tmp_path):
    first = tmp_path / "first"
    first.touch()
    rows = np.arange(12_000, dtype=np.float32).reshape(4000, 3)
    np.testing.assert_array_equal(Rows(da.from_array(rows, chunks=(100, 3)), "rows").map(Killed(first), 3), rows)
    assert not first.exists()
    client.wait_for_workers(2)  # its successor, for the next test


@pytest.mark.slow  # both workers import TensorFlow
@pytest.mark.usefixtures("op_by_op")
def test_two_workers_give_the_results_of_one_process(genes, lazy, client, monkeypatch):
    """Projection, embedding and placement, through components."""
    monkeypatch.setattr(model_input, "_MAX_VALUES", 1000)
    assert len(client.scheduler_info()["workers"]) == 2
    check_same_results(lazy, genes)
