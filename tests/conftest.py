"""What all tests share: small real and made data, clean settings, a fresh interpreter."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anndata
import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from hypothesis import settings
from matplotlib import pyplot as plt
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from anndata import AnnData

mpl.use("agg")
# The same examples in every run: a test that fails fails for everyone. Compiled code makes single examples slow.
settings.register_profile("scivis", derandomize=True, database=None, deadline=None, max_examples=25)
settings.load_profile("scivis")


@pytest.fixture(autouse=True)
def clean_settings() -> Iterator[None]:
    """Whatever a test does to scanpy's settings or to matplotlib ends with the test."""
    names = ("verbosity", "logfile", "N_PCS", "autoshow", "autosave", "n_jobs", "figdir", "file_format_figs")
    before = {name: getattr(sc.settings, name) for name in names}
    style = dict(mpl.rcParams)
    yield
    for name, value in before.items():
        if getattr(sc.settings, name) != value:
            setattr(sc.settings, name, value)
    mpl.rcParams.update(style)
    plt.close("all")


@pytest.fixture
def said(clean_settings: None) -> Callable[[], str]:
    """What scanpy's logger has written since the last call, at the verbosity that the test sets."""
    sc.settings.logfile = log = io.StringIO()

    def read() -> str:
        text = log.getvalue()
        log.truncate(0)
        log.seek(0)
        return text

    return read


@pytest.fixture(autouse=True)
def no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """No stage of a test takes long, however slow the machine is."""
    monkeypatch.setattr("scivis._progress.DELAY", 1e6)


@pytest.fixture
def bars_at_once(no_bars: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress bars that are shown for short stages, too."""
    monkeypatch.setattr("scivis._progress.DELAY", 0)


@pytest.fixture(scope="session")
def _pbmc() -> AnnData:
    adata = sc.datasets.pbmc68k_reduced()
    adata.layers.pop("counts", None)  # scanpy 1.13 is the first that ships them
    return adata


@pytest.fixture
def adata(_pbmc: AnnData) -> AnnData:
    """700 real cells × 765 genes with PCA, neighbours and labels, which ship with scanpy."""
    return _pbmc.copy()


@pytest.fixture(scope="session")
def _points() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32)


@pytest.fixture
def points(_points: np.ndarray) -> np.ndarray:
    """400 rows of 8 normally distributed numbers, float32: no two distances are equal."""
    return _points.copy()


@pytest.fixture(scope="session")
def _counted() -> AnnData:
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=300)
    profiles = rng.gamma(0.4, 1, size=(3, 200))
    depths = rng.uniform(300, 1500, size=(300, 1))
    counts = rng.poisson(depths * (profiles / profiles.sum(axis=1, keepdims=True))[kind])
    return anndata.AnnData(
        sparse.csr_matrix(counts, dtype=np.float32),
        obs=pd.DataFrame({"type": kind.astype(str)}, index=[f"cell{i}" for i in range(300)]),
        var=pd.DataFrame(index=[f"gene{i}" for i in range(200)]),
    )


@pytest.fixture
def counted(_counted: AnnData) -> AnnData:
    """Counts of 300 cells of three types in 200 genes, sparse."""
    return _counted.copy()


@pytest.fixture
def op_by_op(request: pytest.FixtureRequest) -> Iterator[None]:
    """Training without compilation, which takes longer than the training of little data; not in tests marked `compiled`.

    Test modules that train ask for it by ``pytestmark = pytest.mark.usefixtures("op_by_op")``.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(run_eagerly=request.node.get_closest_marker("compiled") is None)
    yield
    tf.config.run_functions_eagerly(run_eagerly=False)


@contextmanager
def _eager() -> Iterator[None]:
    import tensorflow as tf

    tf.config.run_functions_eagerly(run_eagerly=True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(run_eagerly=False)


@pytest.fixture(scope="session")
def eagerly() -> Callable[[], AbstractContextManager[None]]:
    """A context in which training is not compiled, for fixtures of a module that train."""
    return _eager


@pytest.fixture(scope="session")
def contents() -> Callable[[AnnData], str]:
    """A hash of everything that an AnnData object holds."""

    def hashed(adata: AnnData) -> str:
        mappings = adata.uns, adata.obsm, adata.varm, adata.obsp, adata.layers
        return joblib.hash((adata.X, adata.obs, adata.var, [dict(mapping) for mapping in mappings]))

    return hashed


@pytest.fixture(scope="session")
def fresh_process() -> Callable[..., str]:
    """Runs Python code in a new interpreter and returns what it printed; fails if the code does.

    `stdin` is what the code can read from standard input; further keywords are environment variables.
    """

    def run(code: str, *, stdin: str = "", **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            input=stdin,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a disk of a few megabytes in memory, which soon is full. Only Linux has one, and only root may make it."""
    mounted = []

    def mount(megabytes: int) -> Path:
        folder = tmp_path / f"disk {len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no small disk can be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def gradient() -> Callable[[Callable[[Any], Any], np.ndarray], np.ndarray]:
    """Derivative of a scalar function of one tensor, by whichever backend Keras runs on."""
    import scivis.nn  # loads the backend

    def by_tensorflow(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
        import tensorflow as tf

        tensor = tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            value = function(tensor)
        return tape.gradient(value, tensor).numpy()

    def by_jax(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
        import jax

        return np.asarray(jax.grad(function)(x))

    def by_torch(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
        import torch

        tensor = torch.tensor(x, requires_grad=True)
        function(tensor).backward()
        return tensor.grad.numpy()

    return {"tensorflow": by_tensorflow, "jax": by_jax, "torch": by_torch}[scivis.nn.keras.backend.backend()]
