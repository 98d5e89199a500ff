"""Restoring a model from an entry of `.uns`, placing new cells with it, and the results that are written for cells."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scivis._adata.results import Results, check_coordinates
from scivis._store.kept import borrowed
from scivis._verbosity import bar
from scivis.data._validation import ValidatedRows

from ._clustering import check_can
from ._pack import unpack

if TYPE_CHECKING:
    from collections.abc import Hashable

    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.keys import Keys
    from scivis.data._streaming import Rows

    from ._autoencoder import CustomAutoEncoder
    from ._estimator import N2D


def load(
    adata: AnnData,
    entry: Any,
    *,
    autoencoder: CustomAutoEncoder | None = None,
    manifold: Any = None,
    clusterer: Any = None,
) -> N2D:
    """The fitted estimator. Layers and learners that cannot be stored are passed again."""
    return unpack(entry["model"], autoencoder=autoencoder, manifold=manifold, clusterer=clusterer)


def place(
    adata: AnnData,
    entry: Any,
    rows: Rows,
    keys: Keys,
    *,
    with_novelty: bool,
    autoencoder: CustomAutoEncoder | None = None,
    manifold: Any = None,
    clusterer: Any = None,
) -> Results:
    """Encoding, coordinates, clusters, probabilities and novelty of new cells."""
    own = {"autoencoder": autoencoder, "manifold": manifold, "clusterer": clusterer}
    with borrowed(_kept_key(entry.get("digest"), own), partial(load, adata, entry, **own)) as model:
        return _placed(model, rows, keys, adata.uns.get(f"{keys.uns}_colors"), with_novelty=with_novelty)


def _kept_key(digest: Any, options: dict[str, Any]) -> Hashable | None:
    """Under what a model is kept for the next call: the digest of its entry. The user's own layers and learners are not kept."""
    own = any(option is not None for option in options.values())
    return None if own or digest is None else ("n2d", digest)


def _placed(model: N2D, rows: Rows, keys: Keys, colors: Any, *, with_novelty: bool) -> Results:
    check_can(model.manifold_, "transform")
    check_can(model.clusterer_, "predict")
    learners, width = model.manifold_clusterer, int(np.prod(model.encoder_.output_shape[1:]))
    encode = partial(_encode, model=model, with_novelty=with_novelty)
    columns = rows.map(encode, width + with_novelty, bar=bar("encoding cells"))
    latent = np.ascontiguousarray(columns[:, :width])
    check_coordinates(keys.latent, latent)
    embedding = learners.transform(latent)
    check_coordinates(keys.obsm, embedding)  # the clusterer would fail with an error of its own
    labels = learners.clusters_of(embedding)
    has_probabilities = hasattr(model.clusterer_, "predict_proba")
    proba = learners.probabilities_of(embedding) if has_probabilities else None
    placed = _encoded(keys, latent, embedding, "the reference's map") | _clustered(
        keys, labels, learners.classes_, proba, colors
    )
    if not with_novelty:
        return placed
    note = "distance from the reference (obs)"
    return placed | Results(obs={keys.novelty: columns[:, width]}, notes=((keys.novelty, note),))


def fitted_cells(keys: Keys, model: N2D) -> Results:
    """Encoding, coordinates, clusters and probabilities of the cells that a model was fitted on."""
    return _encoded(keys, model.latent_, model.embedding_, "the map") | _clustered(
        keys, model.labels_, model.manifold_clusterer.classes_, model.probabilities_
    )


def _encode(block: NDArray[np.float32], *, model: N2D, with_novelty: bool) -> NDArray[np.float32]:
    """Encoding of a validated block and, if it is asked for, novelty beside it, shape (n, latent_dim + 1)."""
    rows = ValidatedRows(block)
    encoded = model.encode(rows)
    return np.hstack([encoded, model.novelty(rows)[:, None]]) if with_novelty else encoded


def _encoded(keys: Keys, latent: NDArray[np.float32], embedding: NDArray[np.float32], where: str) -> Results:
    return Results(
        obsm={keys.latent: latent, keys.obsm: embedding},
        notes=(
            (keys.latent, "output of the encoder (obsm)"),
            (keys.obsm, f"coordinates on {where} (obsm)"),
        ),
    )


def _clustered(
    keys: Keys, labels: NDArray[Any], classes: NDArray[Any], proba: NDArray[np.float64] | None, colors: Any = None
) -> Results:
    """Clusters as categories, with noise as missing values; their probabilities and colors, if there are any."""
    names = [str(number) for number in classes]
    # `None` removes colors of an earlier result, which had other clusters.
    used = list(map(str, colors)) if colors is not None and len(colors) >= len(names) else None
    results = Results(
        obs={keys.uns: pd.Categorical.from_codes(pd.Index(classes).get_indexer(labels), names)},
        uns={f"{keys.uns}_colors": used},
        notes=((keys.uns, "clusters (obs)"),),
    )
    if proba is None:
        return results
    notes = ((keys.proba, "probability of each cluster (obsm)"),)
    return results | Results(obsm={keys.proba: proba.astype(np.float32)}, notes=notes)
