"""`scivis.tl.ivis(detail=True)`: the neighbors of t-SNE in the layout of ivis, from the neighbors that ivis was trained with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.calibration import calibrate
from scivis._adata.graph import graph_metric
from scivis._adata.keys import Keys
from scivis._adata.results import Results
from scivis._checks import check_flag
from scivis._random import seed_of
from scivis._tsne.arguments import described_search, find_anchor
from scivis._tsne.fit import fit_tsne
from scivis._tsne.presets import anchored_settings
from scivis._tsne.sample import place_others
from scivis._tsne.settings import Settings, check_settings, resolve
from scivis._verbosity import bar
from scivis.neighbors import find_neighbors
from scivis.neighbors._graph import rank_graph
from scivis.neighbors._search import EXACT_UP_TO, resolve_backend
from scivis.tl._tsne import tsne_results

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.model_input import ModelInput
    from scivis._ivis.arguments import NeighborSource, TrainingRows
    from scivis.neighbors import Neighbors

# With more cells than can be searched exactly in a second or two, uniform weights of the nearest neighbors of training keep as many
# neighbors as perplexity 30: of at most 15, as they lie farther apart then, and at least 10. Fewer cells are cut into more
# islands by them than by perplexity 30 (benchmarks/anchor.py neighbors, benchmarks/noise.py).
_N_NEIGHBORS, _FEWEST = 15, 10


def check_detail(*, detail: bool, n_cells: int, n_components: int) -> None:
    """Raise if a call of :func:`scivis.tl.ivis` that trains on `n_cells` cannot be followed by :func:`detail_results`."""
    check_flag("detail", detail)
    if detail:
        check_settings(_settings(n_cells, n_components=n_components), n_cells)


def _settings(n_cells: int, **given: object) -> Settings:
    return Settings(**{"anchor": "X_ivis"} | anchored_settings(n_cells) | given)


def detail_results(
    adata: AnnData,
    cells: ModelInput,
    rows: TrainingRows,
    keys: Keys,
    found: tuple[Neighbors, str],
    source: NeighborSource,
    rng: np.random.Generator,
) -> Results:
    """t-SNE of the cells of training, anchored to the embedding of ivis, which `adata` holds already.

    `found` are the neighbors of training and their description, from a `source`. If only a subsample of the `rows` was trained
    on, the other cells are placed among it. `cells` says how the rows follow from expression.
    """
    x, mask = np.asarray(rows.trained), rows.mask
    anchored, arranged = adata.obsm[keys.obsm], adata if mask is None else adata[mask]
    is_graph = bool(source.graph) and mask is None
    settings = _settings(
        len(x), anchor=keys.obsm, n_components=anchored.shape[1], random_state=seed_of(rng),
        metric=graph_metric(adata, source.graph) if is_graph else source.metric,
    )  # fmt: skip
    settings, graph, described = _affinities(x, settings, found, source, is_graph=is_graph)
    own = Keys.of("tsne", f"{keys.uns}_detail")
    fitted = fit_tsne(
        x, settings, graph, None, (),
        anchor=find_anchor(arranged, settings), graph_key=source.graph if is_graph else "", obsm_key=own.obsm, bar=bar("t-SNE"),
    )  # fmt: skip
    fitted = replace(fitted, reference=calibrate(fitted.reference, adata, cells, rng))
    whole = None if mask is None else place_others(fitted, x, mask, rows.all_rows, anchored)
    outdated = Results(obs={own.sample: None} if mask is None else {})
    return tsne_results(own, fitted, cells.with_correction(x), described, whole) | outdated


def _affinities(
    x: NDArray[np.float32], settings: Settings, found: tuple[Neighbors, str], source: NeighborSource, *, is_graph: bool
) -> tuple[Settings, Any, str]:
    """The settings with those of the affinities, the graph of neighbors if there is one, and where they are from."""
    if len(x) <= EXACT_UP_TO and not is_graph:
        settings = resolve(settings, len(x))
        return settings, None, described_search(settings, len(x))
    neighbors, described = found if is_graph else _enough(x, found, source, settings)
    k = min(_N_NEIGHBORS, int(neighbors.counts.min()))
    return resolve(replace(settings, affinity="uniform", n_neighbors=k), len(x)), rank_graph(neighbors, k), described


def _enough(
    x: NDArray[np.float32], found: tuple[Neighbors, str], source: NeighborSource, settings: Settings
) -> tuple[Neighbors, str]:
    """The neighbors that were found, if they are of the rows `x` and enough; otherwise those of another search."""
    neighbors, k = found[0], min(_N_NEIGHBORS, len(x) - 1)
    if neighbors.n_cells == len(x) and neighbors.counts.min() >= min(k, _FEWEST):
        return found
    searched = find_neighbors(
        x, k, backend=source.backend, metric=source.metric, random_state=settings.random_state,
        bar=bar("searching neighbors"),
    )  # fmt: skip
    return searched, f"{k} per cell, found by {resolve_backend(source.backend, len(x))}, {source.metric}"
