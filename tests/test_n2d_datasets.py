"""`scivis.datasets`: files of a few rows in the formats of the originals, served from a folder."""

from __future__ import annotations

import gzip
import hashlib
import urllib.request

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from numpy.testing import assert_array_equal

from scivis import datasets
from scivis.datasets import _cells, _download, _images, _signals
from scivis.datasets._download import Source, fetch


@pytest.fixture(autouse=True)
def cache(tmp_path):
    """Scanpy's folder for data sets, empty."""
    before = sc.settings.datasetdir
    sc.settings.datasetdir = tmp_path / "cache"
    yield tmp_path / "cache"
    sc.settings.datasetdir = before


@pytest.fixture
def served(tmp_path):
    """Writes a file and tells where it is and what its checksum is, in git's way."""

    def write(name: str, content: bytes) -> Source:
        path = tmp_path / "served" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return Source(path.as_uri(), f"git:{hashlib.sha1(b'blob %d' % len(content) + bytes(1) + content).hexdigest()}")

    return write


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


def test_a_file_is_downloaded_once(served, cache, monkeypatch):
    source = served("a.txt", b"once")
    assert fetch(source, "a.txt").read_bytes() == b"once"
    monkeypatch.setattr(_download, "urlopen", None)  # another download would fail
    assert fetch(source, "a.txt") == cache / "scivis" / "a.txt"
    assert [path.name for path in (cache / "scivis").iterdir()] == ["a.txt"]


def test_a_damaged_file_is_downloaded_again(served, cache):
    source = served("a.txt", b"whole")
    (cache / "scivis").mkdir(parents=True)
    (cache / "scivis" / "a.txt").write_bytes(b"who")
    assert fetch(source, "a.txt").read_bytes() == b"whole"


def test_another_content_is_refused_and_not_kept(served, cache):
    source = served("a.txt", b"this")
    served("a.txt", b"that")
    with pytest.raises(ValueError, match="not what was expected"):
        fetch(source, "a.txt")
    assert not (cache / "scivis" / "a.txt").exists()


def test_sha256_is_understood(served):
    source = served("a.txt", b"this")
    digest = hashlib.sha256(b"this").hexdigest()
    assert fetch(Source(source.url, f"sha256:{digest}"), "b.txt").read_bytes() == b"this"
    with pytest.raises(ValueError, match="not what was expected"):
        fetch(Source(source.url, f"sha256:{digest[::-1]}"), "c.txt")


def test_without_a_network_the_error_says_where_to_put_the_file(tmp_path, cache):
    with pytest.raises(OSError, match=r"cannot be reached.*put the file at .*a\.txt"):
        fetch(Source((tmp_path / "nowhere").as_uri(), "git:0"), "a.txt")


@pytest.fixture
def digits(served, tmp_path, monkeypatch):
    """MNIST's file with three images for training and two for testing."""
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (3, 28, 28), np.uint8), "y_train": np.array([5, 0, 9], np.uint8),
        "x_test": rng.integers(0, 256, (2, 28, 28), np.uint8), "y_test": np.array([1, 5], np.uint8),
    }  # fmt: skip
    np.savez(tmp_path / "mnist.npz", **arrays)
    monkeypatch.setattr(_images, "_MNIST", served("mnist.npz", (tmp_path / "mnist.npz").read_bytes()))
    return arrays


def test_mnist_has_pixels_digits_and_the_split(digits):
    adata = datasets.mnist()
    assert adata.X.dtype == np.float32
    assert_array_equal(adata.X[:3] * 255, digits["x_train"].reshape(3, 784))
    assert adata.obs["label"].tolist() == ["5", "0", "9", "1", "5"]
    assert list(adata.obs["label"].cat.categories) == list("0123456789")
    assert adata.obs["split"].tolist() == ["train"] * 3 + ["test"] * 2


def test_mnist_test_is_its_test_part(digits):
    adata = datasets.mnist_test()
    assert_array_equal(adata.X * 255, digits["x_test"].reshape(2, 784))
    assert adata.obs["label"].tolist() == ["1", "5"]


def test_fashion_names_its_clothes(served, monkeypatch):
    images = {"train": np.arange(2 * 784).reshape(2, 28, 28) % 256, "t10k": np.full((1, 28, 28), 255)}
    labels = {"train": np.array([9, 0]), "t10k": np.array([8])}
    sources = {}
    for prefix in images:
        for kind, array in (("images-idx3", images[prefix]), ("labels-idx1", labels[prefix])):
            name = f"{prefix}-{kind}-ubyte.gz"
            sources[name] = served(name, gzip.compress(idx(array)))
    at = next(iter(sources.values())).url.rpartition("/")[0] + "/"
    monkeypatch.setattr(_images, "_FASHION_AT", at)
    monkeypatch.setattr(_images, "_FASHION", {name: source.checksum for name, source in sources.items()})
    adata = datasets.fashion()
    assert adata.obs["label"].tolist() == ["Ankle boot", "T-shirt/top", "Bag"]
    assert_array_equal(adata.X[0] * 255, images["train"][0].ravel())
    assert (adata.X[2] == 1).all()


def test_pendigits_are_between_0_and_1(served, monkeypatch):
    line = ",".join(str(value) for value in [*range(0, 80, 5), 7]) + "\n"
    sources = {"train": served("pendigits.tra", (line * 2).encode()), "test": served("pendigits.tes", line.encode())}
    monkeypatch.setattr(_signals, "_PENDIGITS", sources)
    adata = datasets.pendigits()
    assert adata.shape == (3, 16)
    np.testing.assert_allclose(adata.X[0], np.arange(0, 0.8, 0.05), atol=1e-6)
    assert adata.obs["label"].tolist() == ["7"] * 3
    assert adata.obs["split"].tolist() == ["train", "train", "test"]


def test_har_names_its_activities(served, monkeypatch):
    contents = {
        "train/X_train.txt": b"  1.0e-01 -2.0e-01\n  3.0e-01  4.0e-01\n", "train/y_train.txt": b"6\n1\n",
        "test/X_test.txt": b" -1.0e+00  1.0e+00\n", "test/y_test.txt": b"4\n",
    }  # fmt: skip
    sources = {name: served(f"har/{name}", content) for name, content in contents.items()}
    monkeypatch.setattr(_signals, "_AT", sources["train/X_train.txt"].url.partition("har/")[0])
    monkeypatch.setattr(_signals, "_HAR", {name: source.checksum for name, source in sources.items()})
    adata = datasets.har()
    np.testing.assert_allclose(adata.X, [[0.1, -0.2], [0.3, 0.4], [-1, 1]], atol=1e-7)
    assert adata.obs["label"].tolist() == ["Laying", "Walking", "Sitting"]


@pytest.mark.parametrize("source", [*_signals._PENDIGITS.values(), _images._MNIST], ids=lambda s: s.url[-13:])
def test_every_source_is_named_by_a_whole_checksum(source):
    kind, _, digest = source.checksum.partition(":")
    assert len(bytes.fromhex(digest)) == {"git": 20, "sha256": 32}[kind]
    assert urllib.request.Request(source.url).type == "https"


def test_kang_keeps_genes_conditions_and_types_only(served, tmp_path, monkeypatch):
    x = np.array([[0.0, 1.5], [2.0, 0.0], [0.0, 0.0]], np.float32)
    obs = pd.DataFrame(
        {"condition": ["control", "stimulated", "control"], "n_counts": 1.0, "cell_type": ["B", "NK", "B"]},
        index=["a", "b", "c"],
    )
    stored = ad.AnnData(x, obs, pd.DataFrame({"n_cells": [1, 1]}, index=["G1", "G2"]), obsm={"X_pca": x})
    stored.write_h5ad(tmp_path / "stored.h5ad")
    source = served("kang.h5ad", (tmp_path / "stored.h5ad").read_bytes())
    monkeypatch.setattr(_cells, "_KANG", source)
    adata = datasets.kang()
    assert_array_equal(adata.X.toarray(), x)
    assert adata.obs.columns.tolist() == ["condition", "cell_type"]
    assert adata.obs_names.tolist() == ["a", "b", "c"]
    assert adata.var_names.tolist() == ["G1", "G2"]
    assert not adata.obsm
    assert adata.obs["cell_type"].tolist() == ["B", "NK", "B"]
