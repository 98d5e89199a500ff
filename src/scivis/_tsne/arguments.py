"""What the arguments of :func:`scivis.tl.tsne` amount to: settings, a graph or a search, a start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.graph import check_graph, graph_metric, graph_width, has_graph

from .initialization import COMPUTED, check_positions
from .presets import preset_settings
from .settings import Settings, check_settings, resolve

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from .optimization import Callback

_SEARCHES = ("neighbors", "metric", "metric_params", "knn_kwargs")


def plain_tuple(perplexity: Any) -> Any:
    """Several perplexities as a tuple of plain numbers."""
    several = perplexity is not None and np.ndim(perplexity) == 1 and len(perplexity)
    return tuple(p.item() if isinstance(p, np.generic) else p for p in perplexity) if several else perplexity


def listed_callbacks(callbacks: Any) -> list[Callback]:
    """One or several functions as a list."""
    listed = [callbacks] if callable(callbacks) else list(callbacks)
    if wrong := [callback for callback in listed if not callable(callback)]:
        msg = f"callbacks holds {wrong[0]!r}, which cannot be called."
        raise ValueError(msg)
    return listed


def plain_seed(random_state: int | np.random.Generator) -> int:
    """A seed that can be stored; a generator gives its next number."""
    drawn = isinstance(random_state, np.random.Generator)
    return int(random_state.integers(2**31)) if drawn else int(random_state)  # type: ignore[union-attr, arg-type]


def own_metric(metric: Any) -> Any:
    """A function has to be given again; a name is a change of metric."""
    return metric if callable(metric) else None


def check_resumed(given: dict[str, Any], preset: str, **more: Any) -> None:
    """Refuse what only a first call can choose."""
    fixed = {name: given.get(name) for name in ("n_components", "initialization")} | more
    fixed |= {"preset": preset if preset != "default" else None}
    if named := [name for name, value in fixed.items() if value is not None]:
        msg = f"resume=True goes on with the map and the data of before: leave out {named}, or leave out resume."
        raise ValueError(msg)


def choose_settings(
    adata: AnnData, given: dict[str, Any], preset: str, seed: int
) -> tuple[Settings, NDArray[np.floating] | None]:
    """All settings, checked, and the positions to start from, if they are given."""
    unset = {"early_exaggeration_iter": 0} if given.get("n_iter") == 0 else {}
    changes = preset_settings(preset, adata.n_obs) | unset | given
    how = changes.get("initialization", "pca")
    changes["initialization"] = how if isinstance(how, str) else "array"
    settings = Settings(**changes, random_state=seed)
    check_settings(settings, adata.n_obs)
    if isinstance(how, str) and how in COMPUTED:
        return settings, None
    if isinstance(how, str) and how not in adata.obsm:
        msg = (
            f"initialization={how!r} is neither one of {COMPUTED} nor in adata.obsm, which holds {sorted(adata.obsm)}."
        )
        raise KeyError(msg)
    name, positions = (f"adata.obsm[{how!r}]", adata.obsm[how]) if isinstance(how, str) else ("initialization", how)
    return settings, check_positions(positions, name, adata.n_obs, settings.n_components)


def change_settings(settings: Settings, given: dict[str, Any], n_cells: int) -> Settings:
    """Those of an earlier call, for another final phase, with what the caller changes; checked."""
    settings = replace(settings, **{"early_exaggeration_iter": 0, "n_iter": Settings.n_iter} | given)
    check_settings(settings, n_cells)
    return settings


def choose_graph(
    adata: AnnData, neighbors_key: str | None, settings: Settings, given: dict[str, Any], before: str | None
) -> str:
    """The graph to use, by its key, or an empty key if there is to be a search.

    Parameters
    ----------
    before
        What an earlier call used, or `None` for a first call.
    """
    asked = {name: given[name] for name in _SEARCHES if name in given}
    if neighbors_key is not None and asked:
        msg = f"neighbors_key={neighbors_key!r} reuses a graph, {asked} asks for a search: leave one of them out."
        raise ValueError(msg)
    key = neighbors_key or ("" if asked else before or "")
    if not key and not asked and before is None and has_graph(adata) and _suffices(adata, settings):
        key = "neighbors"
    if settings.affinity == "connectivities" and not key:
        msg = "affinity='connectivities' takes the weights of a graph: run `sc.pp.neighbors`, and name it with neighbors_key."
        raise ValueError(msg)
    if key:
        check_graph(adata, key)
    return key


def _suffices(adata: AnnData, settings: Settings) -> bool:
    """Whether the default graph has as many neighbours as are needed."""
    check_graph(adata, None)
    return graph_width(adata, "neighbors") >= (resolve(settings, adata.n_obs).width or 1)


def suit_graph(adata: AnnData, key: str, settings: Settings, *, free: bool) -> Settings:
    """Settings for a graph: its metric and, if the caller left that open and it is narrow, uniform weights."""
    width, needed = graph_width(adata, key), resolve(settings, adata.n_obs).width or 1
    if width == 0:
        msg = (
            f"The graph {key!r} gives some cells far fewer neighbours than others: it was made before cells were taken "
            "away. Run `sc.pp.neighbors` again, or leave out neighbors_key."
        )
        raise ValueError(msg)
    settings = replace(settings, metric=graph_metric(adata, key))
    if needed <= width:
        return settings
    if free:
        return replace(settings, affinity="uniform")
    msg = (
        f"The graph {key!r} has only {width} neighbours for some cell, but {needed} are needed: n_neighbors, or three "
        f"times the perplexity. Run `sc.pp.neighbors(adata, n_neighbors={needed + 1})`, or lower them, or take "
        "affinity='uniform'."
    )
    raise ValueError(msg)


def resolve_settings(settings: Settings, n_cells: int) -> Settings:
    """Settings without `auto`, with a warning if the perplexity had to be lowered."""
    from scanpy import logging as logg

    resolved = resolve(settings, n_cells)
    if resolved.perplexities != settings.perplexities and settings.affinity in ("perplexity", "multiscale"):
        logg.warning(
            f"perplexity={settings.perplexity} is more than a third of the {n_cells} cells: taking {resolved.perplexity}"
        )
    return resolved
