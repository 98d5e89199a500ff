"""Checks that run inside one environment of `environments.py`. Each is a process of its own, and ends with status 0 or fails.

python benchmarks/environment.py versions scanpy anndata    # versions of packages, as JSON
python benchmarks/environment.py readme                     # the first snippet of the README
python benchmarks/environment.py demo                       # the demo of the command line
python benchmarks/environment.py before scvi                # a library, imported and used before a fit and after it
python benchmarks/environment.py after scvi                 # a fit, and then the library
python benchmarks/environment.py late scvi                  # the same after umap has loaded TensorFlow, before scivis
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parent.parent / "README.md"


def versions(*packages: str) -> None:
    """Print the versions of packages."""
    print(json.dumps({name: _version(name) for name in packages}))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def cells() -> tuple[Any, Any]:
    """500 blood cells that ship with scanpy, with a PCA, a graph and types, and 200 others."""
    import scanpy as sc

    adata = sc.datasets.pbmc68k_reduced()
    adata.obs["cell_type"] = adata.obs["bulk_labels"]
    reference, new = adata[:500].copy(), adata[500:].copy()
    sc.pp.pca(reference)
    sc.pp.neighbors(reference)
    return reference, new


def readme() -> None:
    """Run the first snippet of the README in a temporary folder. Its imports come first, as in a notebook."""
    import scivis  # noqa: F401

    snippet = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[1]
    adata, new_cells = cells()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        exec(snippet, {"adata": adata, "new_cells": new_cells})
        assert Path("atlas.h5ad").is_file()
        os.chdir("/")
    assert adata.obsm["X_ivis"].shape == (500, 2)
    assert new_cells.obsm["X_ivis"].shape == (200, 2)


def demo() -> None:
    """Run the demo of the command line."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([Path(sys.executable).with_name("scivis"), "demo", "--out", folder], check=True)
        assert {path.name for path in Path(folder).iterdir()} == {"pbmc.h5ad", "pbmc.png"}


def before(library: str) -> None:
    """Use a library, and then fit; and use it again."""
    use(library)
    fit()
    use(library)


def after(library: str) -> None:
    """Fit, use a library, and fit again."""
    fit()
    use(library)
    fit()


def late(library: str) -> None:
    """Load TensorFlow by `sc.pp.neighbors`, and scivis and a library only then."""
    cells()
    assert "tensorflow" in sys.modules
    after(library)


def fit() -> None:
    """Embed the cells."""
    import scivis

    adata, _ = cells()
    scivis.tl.ivis(adata, epochs=3)
    assert adata.obsm["X_ivis"].shape == (500, 2)


def use(library: str) -> None:
    """Import a library and compute something with it, or train a model if it is scvi-tools."""
    module = import_module(library)
    if library == "jax":
        assert module.jit(lambda x: x * 2)(2.0) == 4
    if library == "scvi":
        import numpy as np
        from anndata import AnnData

        counts = np.random.default_rng(0).poisson(1.0, (200, 30)).astype(np.float32)
        adata = AnnData(counts)
        module.model.SCVI.setup_anndata(adata)
        model = module.model.SCVI(adata, n_latent=2)
        model.train(max_epochs=1, accelerator="cpu")
        assert model.get_latent_representation().shape == (200, 2)
        import_module("torch._dynamo")
        if find_spec("torchvision"):
            import_module("torchvision")


if __name__ == "__main__":
    sys.exit(globals()[sys.argv[1]](*sys.argv[2:]))
