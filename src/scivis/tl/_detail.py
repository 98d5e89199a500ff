"""`scivis.tl.ivis(detail=True)`: the neighbors of t-SNE in the layout of ivis, from the neighbors that ivis was trained with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scivis._adata.calibration import calibrate
from scivis._adata.graph import graph_metric
from scivis._adata.keys import Keys
from scivis._adata.representation import read_representation
from scivis._checks import check_flag
from scivis._tsne.arguments import find_anchor, read_input
from scivis._tsne.fit import fit_tsne
from scivis._tsne.presets import anchored_settings
from scivis._tsne.settings import Settings, resolve
from scivis._verbosity import bar
from scivis.neighbors._graph import rank_graph
from scivis.tl._tsne import tsne_results

if TYPE_CHECKING:
    from anndata import AnnData

    from scivis._adata.choice import Choice
    from scivis._adata.results import Results
    from scivis._ivis.arguments import NeighborSource
    from scivis.neighbors import Neighbors

# Uniform weights of so many neighbors give the embedding of perplexity 30 with a sixth of the neighbors (Böhm et al. 2022).
_N_NEIGHBORS = 15


def check_detail(*, detail: bool, is_subsample: bool, **other: object) -> None:
    """Raise if a call of :func:`scivis.tl.ivis` cannot be followed by :func:`add_detail`."""
    check_flag("detail", detail)
    if detail and is_subsample:
        msg = "detail=True arranges all cells, but only a subsample is trained on: set max_train_cells=None."
        raise ValueError(msg)
    if detail and (named := [name for name, value in other.items() if value is not None]):
        msg = f"detail=True reads the representation as it is, without {named}: leave one of them out."
        raise ValueError(msg)


def detail_results(
    adata: AnnData, choice: Choice, keys: Keys, neighbors: Neighbors, source: NeighborSource, described: str, seed: int
) -> Results:
    """t-SNE of the nearest `neighbors`, anchored to the embedding of ivis, which `adata` holds already.

    The neighbors come from a `source`, which is `described` in words.
    """
    n_neighbors = min(_N_NEIGHBORS, int(neighbors.counts.min()))
    settings = Settings(
        **anchored_settings(adata.n_obs), affinity="uniform", n_neighbors=n_neighbors, anchor=keys.obsm, random_state=seed,
        n_components=adata.obsm[keys.obsm].shape[1],
        metric=graph_metric(adata, source.graph) if source.graph else source.metric,
    )  # fmt: skip
    settings = resolve(settings, adata.n_obs)
    cells = read_input(adata, read_representation(adata, choice, seed))
    own = Keys.of("tsne", f"{keys.uns}_detail")
    fitted = fit_tsne(
        cells.rows.matrix, settings, rank_graph(neighbors, n_neighbors), None, (),
        anchor=find_anchor(adata, settings), graph_key=source.graph, obsm_key=own.obsm, bar=bar("t-SNE"),
    )  # fmt: skip
    fitted = replace(fitted, reference=calibrate(fitted.reference, adata, cells, np.random.default_rng(seed)))
    return tsne_results(own, fitted, cells.with_correction(cells.rows.matrix), described)
