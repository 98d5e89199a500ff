"""Models of :func:`scivis.tl.n2d`: out of an entry of `.uns`, and new cells placed with them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scivis._adata.results import Results
from scivis._progress import bar

from ._clustering import check_can_place, check_can_predict
from ._pack import unpack

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.keys import Keys
    from scivis.data._streaming import Rows

    from . import N2D, CustomAutoEncoder


def load(
    adata: AnnData,
    entry: Any,
    *,
    autoencoder: CustomAutoEncoder | None = None,
    manifold: Any = None,
    clusterer: Any = None,
) -> N2D:
    """The fitted estimator; what a file cannot carry is handed in again."""
    return unpack(entry["model"], autoencoder=autoencoder, manifold=manifold, clusterer=clusterer)


def place(
    adata: AnnData, entry: Any, rows: Rows, keys: Keys, **options: Any
) -> Results:  # fmt: skip
    """What the autoencoder encodes, its place on the map, the cluster there, and the distance from the reference."""
    model = load(adata, entry, **options)
    check_can_place(model.manifold_)
    check_can_predict(model.clusterer_)
    parts, width = model.manifold_clusterer, int(np.prod(model.encoder_.output_shape[1:]))
    known = rows.map(partial(_encode, model=model), width + 1, bar=bar("encoding cells"))
    latent, novelty = np.ascontiguousarray(known[:, :width]), known[:, width]
    embedding = parts.transform(latent)
    placed = place_clusters(keys, parts.clusters_of(embedding), parts.classes_, adata.uns.get(f"{keys.uns}_colors"))
    return (
        place_map(keys, latent, embedding, "the reference's map")
        | placed
        | place_probabilities(keys, parts.probabilities_of(embedding) if _has_probabilities(model) else None)
        | Results(obs={keys.novelty: novelty}, notes={keys.novelty: "distance from the reference (obs)"})
    )


def _encode(rows: NDArray[np.float32], *, model: N2D) -> NDArray[np.float32]:
    """What the autoencoder encodes, and the distance from the reference beside it."""
    return np.hstack([model.encode(rows), model.novelty(rows)[:, None]])


def _has_probabilities(model: N2D) -> bool:
    return hasattr(model.clusterer_, "predict_proba")


def place_map(keys: Keys, latent: NDArray[np.float32], embedding: NDArray[np.float32], where: str) -> Results:
    """The encoded cells and their map."""
    return Results(
        obsm={keys.latent: latent, keys.obsm: embedding},
        notes={keys.latent: "what the autoencoder encodes (obsm)", keys.obsm: f"coordinates on {where} (obsm)"},
    )


def place_clusters(keys: Keys, labels: NDArray[Any], classes: NDArray[Any], colors: Any = None) -> Results:
    """Clusters as categories; a cell that is in none has no category."""
    names = [str(number) for number in classes]
    codes = pd.Index(classes).get_indexer(labels)
    # Colours of an earlier result would be those of other clusters.
    fitting = list(map(str, colors)) if colors is not None and len(colors) >= len(names) else None
    return Results(
        obs={keys.uns: pd.Categorical.from_codes(codes, names)},
        uns={f"{keys.uns}_colors": fitting},
        notes={keys.uns: "clusters (obs)"},
    )


def place_probabilities(keys: Keys, probabilities: NDArray[np.float64] | None) -> Results:
    """The probability of each cluster, in the order of the categories; nothing if the clusterer has none."""
    if probabilities is None:
        return Results()
    return Results(
        obsm={keys.proba: probabilities.astype(np.float32)},
        notes={keys.proba: "probability of each cluster (obsm)"},
    )
