"""Predicted labels: their names and colors, stored with the model, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scivis._store.schema import fail, plain_array

from .labels import as_categorical
from .results import Results

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from .keys import Keys
    from .labels import Labels

# Losses of classification for which a cell may have several labels.
_BINARY = ("binary_crossentropy", "binary_focal_crossentropy")


@dataclass(frozen=True)
class Predictions:
    """Names and colors of predictions.

    Parameters
    ----------
    labels
        Key of the labels that were learned.
    metric
        Name of the Keras loss.
    categories, colors
        Names of the classes and their colors, in the order of the predictions; empty if there are none.
    """

    labels: str
    metric: str
    categories: tuple[str, ...]
    colors: tuple[str, ...] = ()


def predictions_of(labels: Labels, adata: AnnData) -> Predictions:
    """Names and colors of predictions of labels."""
    return Predictions(labels.key, labels.metric, labels.categories, _colors(labels, adata))


def _colors(labels: Labels, adata: AnnData) -> tuple[str, ...]:
    """Colors of the classes, which scanpy stores for all categories of the column."""
    colors = adata.uns.get(f"{labels.key}_colors")
    if colors is None or labels.key in adata.obsm or labels.key not in adata.obs or not labels.categories:
        return ()
    names = list(map(str, as_categorical(adata.obs[labels.key]).cat.categories))
    # A column that was given may have other categories than the one of this name.
    if len(colors) < len(names) or not set(labels.categories) <= set(names):
        return ()
    return tuple(str(colors[names.index(name)]) for name in labels.categories)


def check_predictions(named: Predictions, n_outputs: int) -> None:
    """Raise if the number of names is not that of the model's predictions, or there are no predictions."""
    if not n_outputs or len(named.categories) not in (0, n_outputs):
        fail(f"it predicts {n_outputs} values for {len(named.categories)} names")


def predicted_labels(keys: Keys, named: Predictions, scores: NDArray[np.float32]) -> Results:
    """Predictions as results.

    For classes, these are the most likely class in `.obs`, its colors in `.uns`, all scores in `.obsm` and, if the scores
    are probabilities, the largest one in `.obs` as certainty. For several labels per cell, these are their probabilities
    in `.obsm`. Values to predict are a column of `.obs`, or a matrix in `.obsm` if there are several.

    Parameters
    ----------
    keys
        Where to write.
    named
        Names of the predictions.
    scores
        Shape (n, n_outputs).
    """
    from scivis.nn.supervision import CLASSIFICATION, HINGES

    n_outputs = scores.shape[1]
    check_predictions(named, n_outputs)
    exclusive = len(named.categories) > 1 and named.metric in CLASSIFICATION and named.metric not in _BINARY
    label: tuple[tuple[str, str], ...] = ((keys.label, f"predicted {named.labels} (adata.obs)"),)
    if n_outputs == 1 and not exclusive:
        return Results(obs={keys.label: scores[:, 0]}, notes=label)
    matrix = Results(obsm={keys.scores: scores}, notes=((keys.scores, f"scores of {named.labels} (adata.obsm)"),))
    if not exclusive:
        return matrix
    obs = {keys.label: pd.Categorical.from_codes(scores.argmax(axis=1), list(named.categories))}
    # Hinge losses give distances from the decision boundary, which are not probabilities.
    if named.metric not in HINGES:
        obs[keys.certainty] = scores.max(axis=1)
        label += ((keys.certainty, "certainty of the predicted label (adata.obs)"),)
    # Without colors, those of an earlier prediction are removed: they may belong to other classes.
    colors = {f"{keys.label}_colors": list(named.colors) or None}
    return Results(obs=obs, uns=colors, notes=label) | matrix


def pack_predictions(named: Predictions | None) -> dict[str, Any]:
    """Names and colors as a dictionary for `.uns`; empty without labels."""
    if named is None:
        return {}
    lists = {"categories": named.categories, "colors": named.colors}
    return {"labels": named.labels, "metric": named.metric} | {k: np.array(v, dtype=object) for k, v in lists.items()}


def unpack_predictions(stored: Mapping[str, Any]) -> Predictions | None:
    """Names and colors from a dictionary; `None` if it is empty."""
    if not hasattr(stored, "keys"):
        fail(f"its predictions are a {type(stored).__name__}, not a dictionary")
    if not stored:
        return None
    missing = {"labels", "metric", "categories", "colors"} - set(stored)
    if missing:
        fail(f"its predictions lack {sorted(missing)}")
    categories, colors = (_names(stored[name], name) for name in ("categories", "colors"))
    if len(set(categories)) < len(categories):
        fail("its categories are not different names")
    if len(colors) not in (0, len(categories)):
        fail(f"it has {len(colors)} colors for {len(categories)} names")
    return Predictions(str(stored["labels"]), str(stored["metric"]), categories, colors)


def _names(stored: Any, name: str) -> tuple[str, ...]:
    names = plain_array(stored, name)
    if names.ndim != 1:
        fail(f"its {name} are not a list of names")
    return tuple(map(str, names.tolist()))
