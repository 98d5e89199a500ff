"""Model files that were altered or damaged: rejected with a reason."""

from __future__ import annotations

import json

import anndata as ad
import h5py
import numpy as np
import pytest

import scivis
from scivis._store.hdf5 import sign
from scivis.n2d import load_n2d, save_n2d
from scivis.n2d._pack import pack

FORGED = {
    "a width": (lambda e: e["layout"].update(latent_dim=10**9), "widths"),
    "no layout": (lambda e: e.update(layout=[1]), "layout"),
    "an activation": (lambda e: e["layout"].update(act="os.system"), "activation"),
    "another width": (lambda e: e["layout"].update(latent_dim=4), "weights have shapes"),
    "a scale": (lambda e: e["layout"].update(scale=-1), "scale"),
    "a clusterer": (lambda e: e["clusterer"].update(kind="pickle"), "is not one of"),
    "covariances": (lambda e: e["clusterer"]["params"].update(covariance_type="x"), "covariance_type"),
    "clusters": (lambda e: e["clusterer"]["params"].update(n_components=7), "mixture"),
    "dimensions": (lambda e: e.update(n_components="2"), "n_components"),
}


@pytest.fixture
def path(fitted, tmp_path):
    """A file of a fitted model."""
    save_n2d(fitted, tmp_path / "n2d.h5")
    return tmp_path / "n2d.h5"


@pytest.mark.parametrize(("forge", "message"), FORGED.values(), ids=FORGED)
def test_a_forged_config_is_rejected(forge, message, fitted, path):
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["config"])
        forge(config)
        file.attrs["config"] = json.dumps(config)
    sign(path)  # as anyone could who alters a file on purpose
    with pytest.raises(ValueError, match=message):
        load_n2d(path, manifold=fitted.manifold_)


@pytest.mark.parametrize("name", ["clusterer/means_", "clusterer/weights_", "landmarks", "weights/000"])
def test_arrays_that_are_not_finite_are_rejected(name, fitted, path):
    with h5py.File(path, "r+") as file:
        file[name][...] = np.nan
    sign(path)
    with pytest.raises(ValueError, match="finite"):
        load_n2d(path, manifold=fitted.manifold_)


def test_a_damaged_file_is_rejected(fitted, path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        load_n2d(path, manifold=fitted.manifold_)


def test_an_altered_entry_of_adata_is_rejected(fitted, rows):
    model = pack(fitted)
    adata = ad.AnnData(rows, uns={"n2d": {"method": "n2d", "model": model}})
    model["weights"]["000"] = np.zeros((3, 3), np.float32)
    with pytest.raises(ValueError, match="weights have shapes"):
        scivis.get.model(adata, "n2d", manifold=fitted.manifold_)
    del model["landmarks"]
    with pytest.raises(ValueError, match="lacks"):
        scivis.get.model(adata, "n2d")
