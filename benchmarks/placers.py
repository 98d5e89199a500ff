"""The methods that place new cells. Each fits the reference, then places the new cells on its map.

python benchmarks/placers.py UMAP REFERENCE.h5ad QUERY.h5ad MAPS --seeds 0 1    # one method: prints its seconds as JSON

All have their own default settings, apart from the seed.
`scivis` and `sc.tl.ingest` read the genes of the new cells, the others the representation: the projection of the new
cells onto the principal components of the reference, or the features themselves if they are at most 50. Packages are
imported before the clock starts. The first seed pays for just-in-time compilation that the process does only once.
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

import numpy as np
from folds import representation

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]
    # The map of the reference, and a function that places new cells on it.
    Fitted = tuple[Matrix, Callable[[AnnData], Matrix]]


@dataclass(frozen=True)
class Placer:
    """A function of (reference, seed), and the packages that it imports."""

    packages: tuple[str, ...]
    fit: Callable[[AnnData, int], Fitted]

    @property
    def installed(self) -> bool:
        """Whether its packages are there."""
        return all(find_spec(package.partition(".")[0]) for package in self.packages)


def neighbors(reference: AnnData, seed: int) -> Fitted:
    """No map: the classifier has the representation itself, which no map is expected to exceed."""
    return representation(reference), representation


def pca(reference: AnnData, seed: int) -> Fitted:
    from sklearn.decomposition import PCA

    model = PCA(2, random_state=seed).fit(representation(reference))
    return model.transform(representation(reference)), lambda query: model.transform(representation(query))


def scivis(reference: AnnData, seed: int) -> Fitted:
    import scivis

    scivis.tl.ivis(reference, random_state=seed)

    def place(query: AnnData) -> Matrix:
        scivis.tl.ingest(query, reference)
        return query.obsm["X_ivis"]

    return reference.obsm["X_ivis"], place


def umap(reference: AnnData, seed: int) -> Fitted:
    from umap import UMAP

    model = UMAP(random_state=seed).fit(representation(reference))
    return model.embedding_, lambda query: model.transform(representation(query))


def scanpy_ingest(reference: AnnData, seed: int) -> Fitted:
    """It centers new cells by their own mean expression, not by that of the reference."""
    import scanpy as sc

    sc.pp.neighbors(reference, random_state=seed)
    sc.tl.umap(reference, random_state=seed)

    def place(query: AnnData) -> Matrix:
        sc.tl.ingest(query, reference, embedding_method="umap")
        return query.obsm["X_umap"]

    return reference.obsm["X_umap"], place


def parametric_umap(reference: AnnData, seed: int) -> Fitted:
    from umap.parametric_umap import ParametricUMAP

    model = ParametricUMAP(random_state=seed)
    return model.fit_transform(representation(reference)), lambda query: model.transform(representation(query))


def pacmap(reference: AnnData, seed: int) -> Fitted:
    from pacmap import PaCMAP

    x = representation(reference)
    model = PaCMAP(random_state=seed)
    return model.fit_transform(x), lambda query: model.transform(representation(query), basis=x)


def param_repulsor(reference: AnnData, seed: int) -> Fitted:
    """ParamPaCMAP of parampacmap, whose default weights are those of ParamRepulsor."""
    from parampacmap import ParamPaCMAP

    model = ParamPaCMAP(seed=seed)
    return model.fit_transform(representation(reference)), lambda query: model.transform(representation(query))


def opentsne(reference: AnnData, seed: int) -> Fitted:
    from openTSNE import TSNE

    embedding = TSNE(random_state=seed).fit(representation(reference))
    return np.asarray(embedding), lambda query: np.asarray(embedding.transform(representation(query)))


PLACERS = {
    "10-NN": Placer(("sklearn",), neighbors),
    "PCA": Placer(("sklearn.decomposition",), pca),
    "UMAP": Placer(("umap",), umap),
    "sc.tl.ingest": Placer(("scanpy", "umap"), scanpy_ingest),
    "PaCMAP": Placer(("pacmap",), pacmap),
    "parametric-UMAP": Placer(("tensorflow", "umap.parametric_umap"), parametric_umap),
    "ParamRepulsor": Placer(("parampacmap",), param_repulsor),
    "openTSNE": Placer(("openTSNE",), opentsne),
    "scivis": Placer(("scanpy", "sklearn.neighbors", "tensorflow", "keras", "scivis"), scivis),
}


def run(placer: Placer, reference: AnnData, query: AnnData, seed: int, maps: Path) -> dict[str, float]:
    """Write the map of the reference and the places of the new cells, and return the seconds of both."""
    start = time.perf_counter()
    embedding, place = placer.fit(reference, seed)
    fitted = time.perf_counter()
    placed = place(query)
    end = time.perf_counter()
    np.savez(maps, reference=np.asarray(embedding, np.float32), query=np.asarray(placed, np.float32))
    return {"fit_seconds": fitted - start, "place_seconds": end - fitted}


def main() -> None:
    parser = argparse.ArgumentParser(description="Run one method in this process.")
    parser.add_argument("method", choices=PLACERS)
    parser.add_argument("reference", type=Path, help="from folds.py")
    parser.add_argument("query", type=Path, help="from folds.py")
    parser.add_argument("maps", type=Path, help="folder in which SEED.npz is written")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    args = parser.parse_args()

    import anndata

    placer = PLACERS[args.method]
    reference, query = anndata.read_h5ad(args.reference), anndata.read_h5ad(args.query)
    for package in placer.packages:
        import_module(package)
    args.maps.mkdir(parents=True, exist_ok=True)
    seconds = {
        seed: run(placer, reference.copy(), query.copy(), seed, args.maps / f"{seed}.npz") for seed in args.seeds
    }
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
