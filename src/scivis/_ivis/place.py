"""Restoring a model from an entry of `.uns`, and placing new cells with it."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.predictions import check_predictions, predicted_labels, unpack_predictions
from scivis._adata.results import Results
from scivis._checks import check_shape
from scivis._store.digest import digest_of
from scivis._store.kept import borrowed
from scivis._verbosity import bar

from .estimator import restored
from .pack import unpack_model
from .predict import predict_columns

if TYPE_CHECKING:
    from collections.abc import Hashable

    import keras
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.keys import Keys
    from scivis._adata.predictions import Predictions
    from scivis.data._streaming import Rows

    from .estimator import Ivis
    from .model import FittedIvis


def load(adata: AnnData, entry: Any, *, backbone: keras.Model | None = None) -> Ivis:
    """The fitted estimator."""
    return restored(*unpack_model(entry["model"], backbone=backbone))


def place(
    adata: AnnData,
    entry: Any,
    rows: Rows,
    keys: Keys,
    *,
    with_novelty: bool,
    backbone: keras.Model | None = None,
) -> Results:
    """Coordinates, novelty, and predicted labels of new cells, in one forward pass."""
    named, packed = unpack_predictions(entry.get("predictions", {})), entry["model"]
    with borrowed(
        _kept_key(entry.get("digest"), backbone), lambda: unpack_model(packed, backbone=backbone)[1]
    ) as fitted:
        if named:
            check_predictions(named, fitted.head.n_outputs if fitted.head else 0)
        stored = StoredModel(packed, backbone, fitted)
        embedding, novelty, scores = map_cells(stored, rows, named, with_novelty=with_novelty)
    placed = Results(
        obsm={keys.obsm: embedding},
        notes=((keys.obsm, "coordinates in the embedding of the reference (adata_new.obsm)"),),
    )
    if with_novelty:
        note = "novelty with respect to the reference (adata_new.obs)"
        placed |= Results(obs={keys.novelty: novelty}, notes=((keys.novelty, note),))
    return placed | predicted_labels(keys, named, scores) if named else placed


def _kept_key(digest: Any, backbone: keras.Model | None) -> Hashable | None:
    """Under what a model is kept for the next call: the digest of its entry, and the functions that may build its network.

    The user's own network is not kept.
    """
    from scivis.nn.networks import REGISTERED

    if backbone is not None or digest is None:
        return None
    return "ivis", digest, tuple(REGISTERED.values())


class StoredModel:
    """A stored model, which the workers of a cluster restore themselves: only plain arrays are sent to them."""

    def __init__(
        self, packed: dict[str, Any], backbone: keras.Model | None = None, fitted: FittedIvis | None = None
    ) -> None:
        self.packed, self.backbone = packed, backbone
        if fitted is not None:
            self.fitted = fitted

    @cached_property
    def fitted(self) -> FittedIvis:
        """The restored model. A worker keeps it, so that it builds the network of an unchanged entry once."""
        key = _kept_key(digest_of(self.packed), self.backbone)
        with borrowed(key, lambda: unpack_model(self.packed, backbone=self.backbone)[1]) as fitted:
            return fitted

    def __getstate__(self) -> dict[str, Any]:
        return {"packed": self.packed, "backbone": self.backbone}

    def predict(self, rows: NDArray[np.float32], **columns: bool) -> NDArray[np.float32]:
        """See :func:`scivis._ivis.predict.predict_columns`."""
        check_shape(rows.shape, self.fitted.encoder.input_shape[1:])
        return predict_columns(self.fitted, rows, **columns)


def map_cells(
    stored: StoredModel, rows: Rows, named: Predictions | None, *, with_novelty: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Coordinates, novelty and, if they are `named`, predictions of all rows; empty arrays stand for what is left out."""
    n_components = stored.fitted.architecture.n_components
    head = stored.fitted.head if named else None
    function = partial(stored.predict, with_novelty=with_novelty, with_scores=head is not None)
    ends = np.cumsum([n_components, with_novelty, head.n_outputs if head else 0])
    columns = rows.map(function, int(ends[-1]), bar=bar("placing cells"))
    embedding, novelty, scores = (np.ascontiguousarray(part) for part in np.split(columns, ends[:-1], axis=1))
    return embedding, novelty[:, 0] if with_novelty else novelty, scores
