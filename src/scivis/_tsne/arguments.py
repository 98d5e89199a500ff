"""The arguments of :func:`scivis.tl.tsne` as records that the stages read: settings, graph, start and rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.anchor import read_anchor
from scivis._adata.choice import choose_graph, search_metric
from scivis._adata.graph import graph_metric, graph_width, stored_graph
from scivis._adata.model_input import model_input
from scivis._random import seed_of
from scivis.data._reading import read_rows
from scivis.data._streaming import Rows

from .affinities import search_method
from .anchor import Anchor
from .initialization import COMPUTED, check_coordinates
from .presets import anchored_settings, preset_settings
from .settings import Settings, check_settings, resolve

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.choice import Choice
    from scivis._adata.model_input import ModelInput
    from scivis._adata.representation import Representation

    from .model import FittedTsne
    from .optimization import Callback

    # Resolved settings, key of the graph (empty for a search), and the coordinates or the model to start from, if given.
    Plan = tuple[Settings, str, NDArray[np.floating] | FittedTsne | None]

_SEARCH = ("neighbors", "metric", "metric_params", "knn_kwargs")


def list_callbacks(callbacks: Any) -> list[Callback]:
    """One or several functions as a list."""
    listed = list(callbacks) if isinstance(callbacks, Iterable) and not callable(callbacks) else [callbacks]
    if wrong := [callback for callback in listed if not callable(callback)]:
        msg = f"callbacks={callbacks!r} must be a function or a list of functions, but {wrong[0]!r} is none."
        raise ValueError(msg)
    return listed


def given_settings(arguments: dict[str, Any]) -> dict[str, Any]:
    """The settings among the arguments of a call that are not `None`, with several perplexities as a tuple of numbers."""
    names = {field.name for field in fields(Settings)} - {"random_state"}
    given = {name: value for name, value in arguments.items() if name in names and value is not None}
    perplexity = given.get("perplexity", 0)
    if np.ndim(perplexity) == 1 and len(perplexity):
        given["perplexity"] = tuple(p.item() if isinstance(p, np.generic) else p for p in perplexity)
    return given


def check_resumable(given: dict[str, Any], preset: str, **other: Any) -> None:
    """Raise for arguments that only a first call can have."""
    fixed = other | {"preset": None if preset == "default" else preset}
    fixed |= {name: given.get(name) for name in ("n_components", "initialization")}
    if named := [name for name, value in fixed.items() if value is not None]:
        msg = f"resume=True continues with the data and settings of an earlier call: leave out {named}, or leave out resume."
        raise ValueError(msg)


def plan_first(
    adata: AnnData,
    choice: Choice,
    given: dict[str, Any],
    preset: str,
    key: str | None,
    random_state: int | np.random.Generator,
) -> Plan:
    """The plan of a first call: a preset with the changes of the caller, and perhaps a neighbor graph by its `key`."""
    unset = {"early_exaggeration_iter": 0} if given.get("n_iter") == 0 else {}
    is_anchored = given.get("anchor") is not None and given.get("anchor_weight") != 0
    defaults = preset_settings(preset, adata.n_obs) | (anchored_settings(adata.n_obs) if is_anchored else {})
    changes = {"metric": search_metric(adata, choice)} | defaults | unset | given
    initialization = changes.get("initialization", "pca")
    changes["initialization"] = initialization if isinstance(initialization, str) else "array"
    seed = seed_of(random_state) if isinstance(random_state, np.random.Generator) else int(random_state)
    settings = Settings(**changes, random_state=seed)
    check_settings(settings, adata.n_obs)
    start = _given_coordinates(adata, initialization, settings.n_components)
    is_open = preset == "default" and not {"affinity", "perplexity"} & set(given)
    return *_with_graph(adata, choice, settings, given, key, allow_uniform=is_open), start


def plan_resumed(
    adata: AnnData, choice: Choice, fitted: FittedTsne, given: dict[str, Any], key: str | None
) -> Plan:  # fmt: skip
    """The plan of a call that continues an earlier one: the same settings and graph, with the changes of the caller."""
    settings = replace(fitted.settings, **{"early_exaggeration_iter": 0, "n_iter": Settings.n_iter} | given)
    check_settings(settings, adata.n_obs)
    fitted.check_state()
    return *_with_graph(adata, choice, settings, given, key, fitted), fitted


def _given_coordinates(adata: AnnData, initialization: Any, n_components: int) -> NDArray[np.floating] | None:
    """The first columns of an array or of a key of `.obsm`; `None` for an initialization that is computed."""
    name = "initialization"
    if isinstance(initialization, str):
        if initialization in COMPUTED:
            return None
        if initialization not in adata.obsm:
            msg = f"{name}={initialization!r} is neither one of {COMPUTED} nor in adata.obsm: {sorted(adata.obsm)}."
            raise KeyError(msg)
        name, initialization = f"adata.obsm[{initialization!r}]", adata.obsm[initialization]
    coordinates = np.asarray(initialization)
    coordinates = coordinates[:, :n_components] if coordinates.ndim == 2 else coordinates
    check_coordinates(coordinates, name, (adata.n_obs, n_components))
    if not np.ptp(coordinates[:, 0]):
        msg = f"{name} must hold values that are not all equal on the first axis."
        raise ValueError(msg)
    return coordinates


def find_anchor(adata: AnnData, settings: Settings) -> Anchor | None:
    """The anchor of the settings; `None` if nothing pulls."""
    if not settings.anchor:
        return None
    coordinates, mask = read_anchor(adata, settings.anchor, settings.anchor_mask, settings.n_components)
    return Anchor.of(coordinates, mask, float(settings.anchor_weight)) if settings.is_anchored else None


def _with_graph(
    adata: AnnData,
    choice: Choice,
    settings: Settings,
    given: dict[str, Any],
    key: str | None,
    fitted: FittedTsne | None = None,
    *,
    allow_uniform: bool = False,
) -> tuple[Settings, str]:
    """Resolved settings and the key of the graph: that of the caller, of the fitted model, or of the representation."""
    from scanpy import logging as logg

    search = {name: given[name] for name in _SEARCH if name in given}
    if key is not None and search:
        msg = f"neighbors_key={key!r} reuses a graph, {search} asks for a search: leave one of them out."
        raise ValueError(msg)
    required = resolve(settings, adata.n_obs).n_required or 1
    if key is None and fitted is not None and not search:
        key = fitted.graph  # empty for a search
    is_named, graph = key is not None, ""
    if not search and key != "":
        graph = choose_graph(adata, choice, key)
    key = graph if is_named or (graph and graph_width(adata, graph) >= required) else ""
    if key:
        settings = _adapt_to_graph(adata, key, settings, required, allow_uniform=allow_uniform)
    elif settings.affinity == "connectivities":
        msg = "affinity='connectivities' requires a graph: run `sc.pp.neighbors`, and name it with neighbors_key."
        raise ValueError(msg)
    resolved = resolve(settings, adata.n_obs)
    if resolved.perplexities != settings.perplexities and settings.affinity in ("perplexity", "multiscale"):
        decreased = (
            f"{settings.perplexity} is more than a third of the {adata.n_obs} cells: using {resolved.perplexity}"
        )
        report = logg.warning if "perplexity" in given else logg.info
        report(f"    perplexity={decreased}")
    return resolved, key


def _adapt_to_graph(adata: AnnData, key: str, settings: Settings, required: int, *, allow_uniform: bool) -> Settings:
    """The settings with the metric of a graph and, if it has too few neighbors and that is allowed, uniform affinities."""
    width = graph_width(adata, key)
    if width == 0:
        msg = (
            f"The graph {key!r} has far fewer neighbors for some cells than for others: it was computed before cells were "
            "removed. Run `sc.pp.neighbors` again, or leave out neighbors_key."
        )
        raise ValueError(msg)
    settings = replace(settings, metric=graph_metric(adata, key))
    if required <= width:
        return settings
    if allow_uniform:
        return replace(settings, affinity="uniform")
    msg = (
        f"The graph {key!r} has only {width} neighbors for some cell, but {required} are required: n_neighbors, or three "
        f"times the perplexity. Run `sc.pp.neighbors(adata, n_neighbors={required + 1})`, decrease these parameters, or set "
        "affinity='uniform'."
    )
    raise ValueError(msg)


def read_input(adata: AnnData, representation: Representation) -> ModelInput:
    """The rows of a representation, validated, and their origin. Genes are read as they are, however many."""
    cells = model_input(adata, replace(representation, is_reduced=False), n_train=0, random_state=0)
    x = read_rows(cells.rows.matrix, cells.rows.name)
    return replace(cells, rows=Rows(x, cells.rows.name, is_validated=True))


def read_graph(adata: AnnData, key: str, settings: Settings, x: NDArray[np.float32]) -> tuple[Any, str]:
    """Distances or weights of a graph, shape (n, n), or `None` for an empty key; and the source of neighbors in words."""
    if not key:
        return None, described_search(settings, len(x))
    return stored_graph(adata, key, x, weights=settings.affinity == "connectivities"), f"the graph {key!r}"


def described_search(settings: Settings, n_cells: int) -> str:
    """The search of neighbors in words."""
    return f"searched, {search_method(settings, n_cells)}"
