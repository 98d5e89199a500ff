"""`scivis.tl.ivis(detail=True)`: the neighbors of t-SNE in the layout of ivis, from the neighbors that ivis was trained with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scivis._adata.calibration import calibrate
from scivis._adata.graph import graph_metric
from scivis._adata.keys import Keys
from scivis._adata.results import Results
from scivis._checks import check_flag
from scivis._random import seed_of
from scivis._tsne.arguments import find_anchor
from scivis._tsne.fit import fit_tsne
from scivis._tsne.presets import anchored_settings
from scivis._tsne.sample import place_others
from scivis._tsne.settings import Settings, check_settings, resolve
from scivis._verbosity import bar
from scivis.neighbors import find_neighbors
from scivis.neighbors._graph import rank_graph
from scivis.neighbors._search import resolve_backend
from scivis.tl._tsne import tsne_results

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scivis._adata.model_input import ModelInput
    from scivis._ivis.arguments import NeighborSource, TrainingRows
    from scivis.neighbors import Neighbors

# Uniform weights of so many neighbors give nearly the embedding of perplexity 30 (Böhm et al. 2022 take 15). With fewer, an anchored
# t-SNE keeps more of them; of the fewest, less of the labels of few cells (benchmarks/anchor.py neighbors).
_N_NEIGHBORS, _FEWEST = 12, 10


def check_detail(*, detail: bool, n_cells: int, n_components: int) -> None:
    """Raise if a call of :func:`scivis.tl.ivis` that trains on `n_cells` cannot be followed by :func:`detail_results`."""
    check_flag("detail", detail)
    if detail:
        check_settings(_settings(n_cells, n_components=n_components), n_cells)


def _settings(n_cells: int, **given: object) -> Settings:
    n_neighbors = min(_N_NEIGHBORS, n_cells - 1)
    settings = {"affinity": "uniform", "n_neighbors": n_neighbors, "anchor": "X_ivis"} | anchored_settings(n_cells)
    return Settings(**settings | given)  # type: ignore[arg-type]


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
    neighbors, described = found if is_graph else _enough(x, found, source, settings)
    k, own = min(_N_NEIGHBORS, int(neighbors.counts.min())), Keys.of("tsne", f"{keys.uns}_detail")
    settings = resolve(replace(settings, n_neighbors=k), len(x))
    fitted = fit_tsne(
        x, settings, rank_graph(neighbors, k), None, (),
        anchor=find_anchor(arranged, settings), graph_key=source.graph if is_graph else "", obsm_key=own.obsm, bar=bar("t-SNE"),
    )  # fmt: skip
    fitted = replace(fitted, reference=calibrate(fitted.reference, adata, cells, rng))
    whole = None if mask is None else place_others(fitted, x, mask, rows.all_rows, anchored)
    outdated = Results(obs={own.sample: None} if mask is None else {})
    return tsne_results(own, fitted, cells.with_correction(x), described, whole) | outdated


def _enough(
    x: NDArray[np.float32], found: tuple[Neighbors, str], source: NeighborSource, settings: Settings
) -> tuple[Neighbors, str]:
    """The neighbors that were found, if they are of the rows `x` and enough; otherwise those of another search."""
    neighbors, k = found[0], int(settings.n_neighbors or _N_NEIGHBORS)
    if neighbors.n_cells == len(x) and neighbors.counts.min() >= min(k, _FEWEST):
        return found
    seed = settings.random_state
    searched = find_neighbors(
        x, k, backend=source.backend, metric=source.metric, random_state=seed, bar=bar("searching neighbors")
    )
    return searched, f"{k} per cell, found by {resolve_backend(source.backend, len(x))}, {source.metric}"
