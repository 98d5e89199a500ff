"""The methods that are compared. Each gets `.obsm["X_pca"]`, searches its own neighbors and returns its embedding.

python benchmarks/methods.py scivis CELLS.npz EMBEDDING.npy --seed 0    # one method: prints its seconds as JSON

All run with their own default settings, apart from the seed; openTSNE is also given all cores, of which it would
take one. The functions do all imports themselves, so that the seconds hold them and every just-in-time compilation.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import datasets

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from anndata import AnnData
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Method:
    """An embedding function of (adata, seed), and the packages that it imports, whose import is timed separately."""

    packages: tuple[str, ...]
    embed: Callable[[AnnData, int], NDArray[np.floating]]

    @property
    def installed(self) -> bool:
        """Whether its packages are there."""
        return all(find_spec(package) for package in self.packages)


def pca(adata: AnnData, seed: int) -> NDArray[np.floating]:
    from sklearn.decomposition import PCA

    return PCA(2, random_state=seed).fit_transform(adata.obsm["X_pca"])


def umap(adata: AnnData, seed: int) -> NDArray[np.floating]:
    import scanpy as sc

    sc.pp.neighbors(adata, use_rep="X_pca", random_state=seed)
    sc.tl.umap(adata, random_state=seed)
    return adata.obsm["X_umap"]


def umap_all_cores(adata: AnnData, seed: int) -> NDArray[np.floating]:
    """umap-learn with the settings of scanpy and without a seed: only so do its search and its layout take all cores."""
    from umap import UMAP

    return UMAP(min_dist=0.5, n_jobs=-1).fit_transform(adata.obsm["X_pca"])


def pacmap(adata: AnnData, seed: int) -> NDArray[np.floating]:
    from pacmap import PaCMAP

    return PaCMAP(random_state=seed).fit_transform(adata.obsm["X_pca"])


def opentsne(adata: AnnData, seed: int) -> NDArray[np.floating]:
    import numpy as np
    from openTSNE import TSNE

    return np.asarray(TSNE(random_state=seed, n_jobs=-1).fit(adata.obsm["X_pca"]))


def scivis(adata: AnnData, seed: int) -> NDArray[np.floating]:
    import scivis

    scivis.tl.ivis(adata, use_rep="X_pca", random_state=seed)
    return adata.obsm["X_ivis"]


def detailed(adata: AnnData, seed: int) -> NDArray[np.floating]:
    """ivis, and a t-SNE that is anchored to it."""
    import scivis

    scivis.tl.ivis(adata, use_rep="X_pca", detail=True, random_state=seed)
    return adata.obsm["ivis_detail"]


def anchored(weight: float) -> Callable[[AnnData, int], NDArray[np.floating]]:
    """The same with another weight of the anchor, and perplexity 30."""

    def embed(adata: AnnData, seed: int) -> NDArray[np.floating]:
        import scivis

        scivis.tl.ivis(adata, use_rep="X_pca", random_state=seed)
        scivis.tl.tsne(adata, use_rep="X_pca", anchor="X_ivis", anchor_weight=weight, random_state=seed)
        return adata.obsm["X_tsne"]

    return embed


def densmap(adata: AnnData, seed: int) -> NDArray[np.floating]:
    from umap import UMAP

    return UMAP(densmap=True, random_state=seed).fit_transform(adata.obsm["X_pca"])


def localmap(adata: AnnData, seed: int) -> NDArray[np.floating]:
    from pacmap import LocalMAP

    return LocalMAP(random_state=seed).fit_transform(adata.obsm["X_pca"])


def trimap(adata: AnnData, seed: int) -> NDArray[np.floating]:
    """It takes no seed but NumPy's global one."""
    import numpy as np
    from trimap import TRIMAP

    np.random.seed(seed)  # noqa: NPY002
    return TRIMAP(verbose=False).fit_transform(adata.obsm["X_pca"])


def phate(adata: AnnData, seed: int) -> NDArray[np.floating]:
    from phate import PHATE

    return PHATE(random_state=seed, verbose=0).fit_transform(adata.obsm["X_pca"])


def parametric_umap(adata: AnnData, seed: int) -> NDArray[np.floating]:
    from umap.parametric_umap import ParametricUMAP

    return ParametricUMAP(random_state=seed).fit_transform(adata.obsm["X_pca"])


def param_repulsor(adata: AnnData, seed: int) -> NDArray[np.floating]:
    """ParamPaCMAP of parampacmap, whose default weights are those of ParamRepulsor."""
    from parampacmap import ParamPaCMAP

    return ParamPaCMAP(seed=seed).fit_transform(adata.obsm["X_pca"])


def info_tsne(adata: AnnData, seed: int) -> NDArray[np.floating]:
    from torchdr import InfoTSNE

    return InfoTSNE(random_state=seed).fit_transform(adata.obsm["X_pca"])


def pymde(adata: AnnData, seed: int) -> NDArray[np.floating]:
    import pymde

    pymde.seed(seed)
    return pymde.preserve_neighbors(adata.obsm["X_pca"]).embed().numpy()


def scivis_classic(adata: AnnData, seed: int, n_neighbors: int | None = None) -> NDArray[np.floating]:
    """The settings of ivis 2.0."""
    import scivis

    scivis.tl.ivis(adata, use_rep="X_pca", preset="classic", n_neighbors=n_neighbors, random_state=seed)
    return adata.obsm["X_ivis"]


# As a user imports them: scivis loads Keras and TensorFlow.
_SCIVIS = ("scanpy", "sklearn.neighbors", "scivis", "scivis.nn")
METHODS = {
    "PCA": Method(("sklearn",), pca),
    "UMAP": Method(("scanpy", "umap"), umap),
    "UMAP-all-cores": Method(("umap",), umap_all_cores),
    "PaCMAP": Method(("pacmap",), pacmap),
    "openTSNE": Method(("openTSNE",), opentsne),
    "scivis": Method(_SCIVIS, scivis),
    "scivis, detail": Method(_SCIVIS, detailed),
    "scivis, weight 2": Method(_SCIVIS, anchored(2)),
    "scivis, weight 32": Method(_SCIVIS, anchored(32)),
    "densMAP": Method(("umap",), densmap),
    "LocalMAP": Method(("pacmap",), localmap),
    "TriMap": Method(("trimap",), trimap),
    "PHATE": Method(("phate",), phate),
    "parametric UMAP": Method(("tensorflow", "umap"), parametric_umap),
    "ParamRepulsor": Method(("parampacmap",), param_repulsor),
    "InfoTSNE": Method(("torchdr",), info_tsne),
    "PyMDE": Method(("pymde",), pymde),
    "scivis-classic": Method(_SCIVIS, scivis_classic),
}
# The others only when they are asked for: the one differs little, the other takes long on large data.
USUAL = ("PCA", "UMAP", "PaCMAP", "openTSNE", "scivis")
# Those of plane.py.
PLANE = tuple(name for name in METHODS if name not in {"UMAP-all-cores", "scivis-classic"})


def main() -> None:
    parser = argparse.ArgumentParser(description="Run one method in this process.")
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("cells", type=Path, help="from datasets.py")
    parser.add_argument("embedding", type=Path, help="npy file to write")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    method, adata = METHODS[args.method], datasets.read(args.cells).adata()
    start = time.perf_counter()
    for package in method.packages:
        import_module(package)
    imported = time.perf_counter()
    embedding = method.embed(adata, args.seed)
    end = time.perf_counter()

    import numpy as np

    args.embedding.parent.mkdir(parents=True, exist_ok=True)
    np.save(args.embedding, np.asarray(embedding, np.float32))
    print(json.dumps({"seconds": end - start, "import_seconds": imported - start}))


if __name__ == "__main__":
    main()
