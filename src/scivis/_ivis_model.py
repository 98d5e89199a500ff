"""Models of :func:`scivis.tl.ivis`: out of an entry of `.uns`, and new cells placed with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._labels import check_predictions, place_predictions, unpack_predictions
from ._methods import Placement
from ._storage import unpack_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    from anndata import AnnData
    from numpy.typing import NDArray

    from ._estimator import Ivis
    from ._keys import Keys
    from ._labels import Predictions


def load(adata: AnnData, entry: Any, *, backbone: keras.Model | None = None) -> Ivis:
    """The fitted estimator."""
    return unpack_model(entry["model"], backbone=backbone)


def place(
    adata: AnnData,
    entry: Any,
    rows: Iterator[NDArray[np.float32]],
    keys: Keys,
    *,
    backbone: keras.Model | None = None,
) -> Placement:
    """A forward pass: the map, the distance from the reference, and what a supervised head predicts."""
    model = load(adata, entry, backbone=backbone)
    named = unpack_predictions(entry.get("predictions", {}))
    parts = [
        (model.transform(block), model.novelty(block), model.score_samples(block) if named else None) for block in rows
    ]
    empty = np.empty((0, model.embedding_dims), np.float32)
    placed = Placement(
        obsm={keys.obsm: np.concatenate([empty, *(embedding for embedding, _, _ in parts)])},
        obs={keys.novelty: np.concatenate([empty[:, 0], *(novelty for _, novelty, _ in parts)])},
        notes={
            keys.obsm: "coordinates on the reference's map (adata_new.obsm)",
            keys.novelty: "distance from the reference (adata_new.obs)",
        },
    )
    return placed | place_predictions(keys, named, _joined(parts, named)) if named else placed


def _joined(parts: list[tuple[Any, ...]], named: Predictions) -> NDArray[np.float32]:
    """The predictions of all blocks; without any cell a table of the same width."""
    empty = np.empty((0, max(len(named.categories), 1)), np.float32)
    scores = np.concatenate([scores for _, _, scores in parts]) if parts else empty
    check_predictions(named, scores.shape[1])
    return scores
