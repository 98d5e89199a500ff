"""A fitted t-SNE as a dictionary of JSON and arrays, and back, with every entry validated.

Coordinates and representation are not stored again: they stay in `.obsm` (or `.X`), so that a subset is a model of its cells.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._checks import check_integer, is_real
from scivis._store import schema
from scivis.neighbors._stored_reference import pack_reference, unpack_reference

from .affinities import known_metrics
from .model import FittedTsne
from .optimization import History
from .settings import Settings, check_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Metric = str | Callable[..., float]

# Settings that models of earlier versions do not hold.
_NEW = {"anchor": "", "anchor_weight": Settings.anchor_weight, "anchor_mask": ""}
# Settings that depend on the number of cells were validated before the fit.
_ANY_NUMBER = 10**9


def pack_model(fitted: FittedTsne) -> dict[str, Any]:
    """The model as a dictionary that h5ad and zarr can store."""
    gains, update = fitted.state or [np.empty((0, fitted.settings.n_components))] * 2
    return {
        "format": schema.FORMAT,
        "config": schema.to_json({"settings": fitted.settings.plain(), "graph": fitted.graph, "obsm": fitted.obsm}),
        "gains": gains,
        "update": update,
        **pack_reference(fitted.reference),
    }


def unpack_model(entry: Mapping[str, Any], obsm: Mapping[str, Any], metric: Metric | None = None) -> FittedTsne:
    """The fitted model, from its entry of `.uns` and the arrays of `.obsm`; raise if either is incomplete or was altered.

    A `metric` is required if it was a function, because no function is stored.
    """
    stored = entry["model"]
    schema.check_entry(stored, ("config", "gains", "update", "landmarks", "landmark_unit"))
    config = schema.from_json(stored, "config")
    graph, key = config.get("graph"), config.get("obsm")
    if not isinstance(graph, str) or not isinstance(key, str):
        schema.fail("its config does not name its graph and its coordinates")
    settings = _settings(config.get("settings"), metric)
    if key not in obsm or np.asarray(obsm[key]).shape[1:] != (settings.n_components,):
        schema.fail(f"its coordinates, adata.obsm[{key!r}], are missing or do not have {settings.n_components} columns")
    coordinates = schema.finite_array(obsm[key], f"adata.obsm[{key!r}]").astype(np.float64)
    gains, update = (schema.finite_array(stored[name], name) for name in ("gains", "update"))
    divergence: Any = entry.get("kl_divergence")
    return FittedTsne(
        settings=settings,
        graph=graph,
        obsm=key,
        coordinates=coordinates,
        state=(gains, update) if gains.size or update.size else None,
        history=History.of(entry.get("history")),
        kl_divergence=float(divergence) if is_real(divergence) else np.nan,
        reference=unpack_reference(stored),
    )


def _settings(stored: Any, metric: Metric | None) -> Settings:
    stored = _NEW | stored if isinstance(stored, dict) else stored
    if not isinstance(stored, dict) or set(stored) != {field.name for field in fields(Settings)}:
        schema.fail("its config does not hold exactly the settings of a t-SNE")
    perplexity = stored["perplexity"]
    perplexity = tuple(perplexity) if isinstance(perplexity, list) else perplexity
    changes = {"perplexity": perplexity, "metric": _metric(stored["metric"], metric)}
    try:
        settings = Settings(**stored | changes)
        check_settings(settings, _ANY_NUMBER)
        check_integer("random_state", settings.random_state, at_least=0)
    except (ValueError, TypeError) as error:
        schema.fail(f"its settings are invalid: {str(error)[:200]}", error)
    return settings


def _metric(stored: Any, given: Metric | None) -> Metric:
    if not isinstance(stored, str):
        schema.fail(f"its metric is {str(stored)[:80]!r}")
    if stored != "custom" and stored not in known_metrics():
        schema.fail(f"its metric is {stored[:80]!r}, which is not known here")
    if stored == "custom" and given is None:
        msg = (
            "The model was fitted with the user's own metric. Functions are not stored with the data, so that no file can "
            "contain code. Pass the same function: metric=function."
        )
        raise ValueError(msg)
    if stored != "custom" and given is not None:
        msg = f"metric was given, but the metric of the stored model is {stored!r}. Leave it out."
        raise ValueError(msg)
    return stored if given is None else given
