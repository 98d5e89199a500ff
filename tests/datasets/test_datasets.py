"""`scivis.datasets`: files of a few rows in the formats of the originals, served by this machine over HTTP."""

from __future__ import annotations

import gzip
import hashlib
import socket
import sys
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from numpy.testing import assert_array_equal

from scivis import datasets
from scivis.datasets import _cells, _download, _images, _signals
from scivis.datasets._download import Source, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Served = Callable[[str, bytes], Source]


class Handler(SimpleHTTPRequestHandler):
    """Serves files without a log; with a name that ends in `.cut`, only half of the file."""

    def log_message(self, *args: object) -> None:
        pass

    def copyfile(self, source, outputfile) -> None:
        content = source.read()
        outputfile.write(content[: len(content) // 2] if self.path.endswith(".cut") else content)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path) -> Iterator[Path]:
    """An empty folder for data sets."""
    before = sc.settings.datasetdir
    sc.settings.datasetdir = tmp_path / "cache"
    yield tmp_path / "cache"
    sc.settings.datasetdir = before


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Serves content under a name, and returns its URL and its checksum by git's rule."""
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setenv("no_proxy", "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def serve(name: str, content: bytes) -> Source:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        digest = hashlib.sha1(b"blob %d" % len(content) + bytes(1) + content).hexdigest()
        return Source(f"http://127.0.0.1:{server.server_port}/{name}", f"git:{digest}")

    yield serve
    server.shutdown()
    thread.join()
    server.server_close()


def idx(array: np.ndarray) -> bytes:
    """An array in the format of MNIST's files."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


def files(cache: Path) -> list[str]:
    return [path.name for path in cache.rglob("*") if path.is_file()]


def test_a_file_is_downloaded_once(served, cache, monkeypatch):
    source = served("a.txt", b"once")
    assert fetch(source, "a.txt").read_bytes() == b"once"
    monkeypatch.setattr(_download, "replacing", None)  # another download would fail
    assert fetch(source, "a.txt") == cache / "scivis" / "a.txt"
    assert files(cache) == ["a.txt"]


def test_a_damaged_file_is_downloaded_again(served, cache):
    source = served("a.txt", b"whole")
    (cache / "scivis").mkdir(parents=True)
    (cache / "scivis" / "a.txt").write_bytes(b"who")
    assert fetch(source, "a.txt").read_bytes() == b"whole"


def test_another_content_is_rejected_and_not_kept(served, cache):
    source = served("a.txt", b"this")
    served("a.txt", b"that")
    with pytest.raises(ValueError, match=r"http://.*a\.txt does not have the checksum git:"):
        fetch(source, "a.txt")
    assert files(cache) == []


def test_an_interrupted_download_is_an_error_and_leaves_no_file(served, cache):
    source = served("a.cut", b"a whole file")
    with pytest.raises((OSError, ValueError), match=r"a\.cut"):
        fetch(source, "a.txt")
    assert files(cache) == []


def test_sha256_checksums_are_verified(served):
    source = served("a.txt", b"this")
    digest = hashlib.sha256(b"this").hexdigest()
    assert fetch(Source(source.url, f"sha256:{digest}"), "b.txt").read_bytes() == b"this"
    with pytest.raises(ValueError, match="does not have the checksum sha256:"):
        fetch(Source(source.url, f"sha256:{digest[::-1]}"), "c.txt")


def test_a_missing_file_and_a_missing_network_are_errors_that_say_where_to_put_the_file(served, cache):
    source = served("a.txt", b"this")
    with pytest.raises(OSError, match=r"none\.txt cannot be downloaded \(404.*put the file at .*b\.txt"):
        fetch(source._replace(url=source.url.replace("a.txt", "none.txt")), "b.txt")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a.txt"
        with pytest.raises(OSError, match=rf"{url} cannot be downloaded.*put the file at .*b\.txt"):
            fetch(Source(url, source.checksum), "b.txt")
    assert files(cache) == []


@pytest.mark.parametrize(
    ("verbosity", "has_message", "has_bar"), [(0, False, False), (1, False, True), (2, True, True)]
)
def test_verbosity_decides_on_message_and_progress_bar(verbosity, has_message, has_bar, served, capfd):
    sc.settings.logfile = sys.stderr  # the one that pytest reads now
    sc.settings.verbosity = verbosity
    source = served("a.txt", b"this")
    fetch(source, "a.txt")
    printed = "".join(capfd.readouterr())
    assert (f"downloading {source.url}" in printed) == has_message
    assert ("100%" in printed) == has_bar
    assert has_bar or not printed


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


def test_mnist_test_has_the_test_images(digits):
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
    assert list(sources) == list(_images._FASHION)
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
    assert list(sources) == list(_signals._HAR)
    monkeypatch.setattr(_signals, "_HAR", {name: source.checksum for name, source in sources.items()})
    adata = datasets.har()
    np.testing.assert_allclose(adata.X, [[0.1, -0.2], [0.3, 0.4], [-1, 1]], atol=1e-7)
    assert adata.obs["label"].tolist() == ["Laying", "Walking", "Sitting"]


@pytest.mark.parametrize(
    "source", [*_signals._PENDIGITS.values(), _images._MNIST, _cells._KANG, _cells._EMBRYO], ids=lambda s: s.url[-13:]
)
def test_every_source_has_a_secure_url_and_a_whole_checksum(source):
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


def test_cbmc_names_clusters_and_proteins_in_the_order_of_the_file(served, tmp_path, monkeypatch):
    counts = np.array([[0.0, 3.0], [5.0, 0.0], [1.0, 1.0]], np.float32)
    protein = np.arange(30.0).reshape(3, 10)
    with h5py.File(tmp_path / "stored.h5", "w") as file:
        file.update({"X": counts, "ADT_X": protein, "Y": np.array([6.0, 1.0, 15.0])})
    monkeypatch.setattr(_cells, "_CBMC", served("cbmc.h5", (tmp_path / "stored.h5").read_bytes()))
    adata = datasets.cbmc()
    assert_array_equal(adata.X.toarray(), counts)
    assert adata.obs["cell_type"].tolist() == ["B", "Memory CD4 T", "pDC"]
    assert len(adata.obs["cell_type"].cat.categories) == 15
    assert_array_equal(adata.obsm["protein"], protein)
    assert adata.obsm["protein"].columns.tolist()[8:] == ["CD19", "CD34"]
    assert adata.obsm["protein"].index.equals(adata.obs_names)


def test_embryo_tells_stage_and_lineage_and_turns_cycle_numbers_around(served, monkeypatch):
    """The file has cycle numbers, stages with trailing spaces, and the same name for all cells of a type."""
    content = ",Cdx2,Nanog\n2 ,0.5,-1.0\n32 TE,-2.0,1.5\n2 ,0.25,0.0\n64 EPI,1.0,-0.75\n"
    monkeypatch.setattr(_cells, "_EMBRYO", served("guo_qpcr.csv", content.encode()))
    adata = datasets.embryo()
    assert_array_equal(adata.X, np.array([[-0.5, 1.0], [2.0, -1.5], [-0.25, 0.0], [-1.0, 0.75]], np.float32))
    assert adata.var_names.tolist() == ["Cdx2", "Nanog"]
    assert adata.obs["stage"].tolist() == [2, 32, 2, 64]
    assert adata.obs["cell_type"].tolist() == ["2", "32 TE", "2", "64 EPI"]
    assert adata.obs["cell_type"].cat.categories[-1] == "64 TE"
    assert adata.obs_names.is_unique
