"""Models of :func:`scivis.tl.ivis`: out of an entry of `.uns`, and new cells placed with them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.labels import check_predictions, place_predictions, unpack_predictions
from scivis._methods import Placement
from scivis._progress import bar

from .pack import unpack_model

if TYPE_CHECKING:
    import keras
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.keys import Keys
    from scivis.data._streaming import Rows

    from .estimator import Ivis


def load(adata: AnnData, entry: Any, *, backbone: keras.Model | None = None) -> Ivis:
    """The fitted estimator."""
    return unpack_model(entry["model"], backbone=backbone)


def place(
    adata: AnnData,
    entry: Any,
    rows: Rows,
    keys: Keys,
    *,
    backbone: keras.Model | None = None,
) -> Placement:
    """A forward pass: the map, the distance from the reference, and what a supervised head predicts."""
    model = load(adata, entry, backbone=backbone)
    named = unpack_predictions(entry.get("predictions", {}))
    n_outputs = max(len(named.categories), 1) if named else 0
    if named and model._head is not None:
        check_predictions(named, model._head.output_shape[-1])
    placed = rows.map(
        partial(_place, model=model, n_outputs=n_outputs),
        model.embedding_dims + 1 + n_outputs,
        bar=bar("placing cells"),
    )
    embedding, novelty, scores = np.split(placed, [model.embedding_dims, model.embedding_dims + 1], axis=1)
    written = Placement(
        obsm={keys.obsm: np.ascontiguousarray(embedding)},
        obs={keys.novelty: novelty[:, 0]},
        notes={
            keys.obsm: "coordinates on the reference's map (adata_new.obsm)",
            keys.novelty: "distance from the reference (adata_new.obs)",
        },
    )
    return written | place_predictions(keys, named, np.ascontiguousarray(scores)) if named else written


def _place(rows: NDArray[np.float32], *, model: Ivis, n_outputs: int) -> NDArray[np.float32]:
    """All that is known of rows, side by side."""
    parts = [model.transform(rows), model.novelty(rows)[:, None]]
    if n_outputs:
        parts.append(model.score_samples(rows))
    return np.hstack(parts)
