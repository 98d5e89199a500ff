"""Restoring a model from an entry of `.uns`, and placing new cells on its embedding."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis._adata.results import Results
from scivis.neighbors._novelty import novelty

from .affinities import NeighborIndex, make_affinities, nearest_columns
from .arguments import find_anchor, read_graph
from .initialization import check_coordinates
from .optimization import make_embedding
from .pack import unpack_model
from .placement import AnchoredPlaces, PlacementSettings, Placer, check_distances
from .sample import arranged_cells
from .stored import stored_input

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray
    from openTSNE import TSNEEmbedding

    from scivis._adata.keys import Keys
    from scivis.data._streaming import Rows

    from .pack import Metric

_BLOCK = 8192
# New cells whose place in the anchor is known need no optimization (benchmarks/anchor.py).
_ANCHORED = {"initialization": "anchor", "n_iter": 0}


def load(adata: AnnData, entry: Any, *, metric: Metric | None = None) -> TSNEEmbedding:
    """openTSNE's embedding with its optimizer state; affinities are computed again, in the same way.

    If the t-SNE arranged a sample of the cells, it is the embedding of this sample.
    """
    adata = arranged_cells(adata, entry)
    fitted = unpack_model(entry, adata.obsm, metric)
    fitted.check_state()
    settings, x = fitted.settings, stored_input(adata, entry, fitted.reference).rows.matrix
    graph, _ = read_graph(adata, fitted.graph, settings, x)
    affinities, anchor = make_affinities(x, settings, graph), find_anchor(adata, settings)
    embedding = make_embedding(fitted.coordinates, affinities, settings, fitted.state, anchor)
    embedding.kl_divergence = fitted.kl_divergence
    return embedding


def place(
    adata: AnnData,
    entry: Any,
    rows: Rows,
    keys: Keys,
    *,
    with_novelty: bool,
    metric: Metric | None = None,
    distances: Any = None,
    n_jobs: int = -1,
    anchored: NDArray[np.floating] | None = None,
    **options: Any,
) -> Results:
    """Coordinates and, if it is asked for and there are no `distances`, novelty of new cells; `options` are those of :class:`PlacementSettings`.

    `anchored` are the coordinates of the new cells in the anchor, if they are known.
    """
    adata = arranged_cells(adata, entry)
    placement = _placement_settings((_ANCHORED if anchored is not None else {}) | options)
    fitted = unpack_model(entry, adata.obsm, metric)
    anchor = None if anchored is None else find_anchor(adata, fitted.settings)
    is_named = isinstance(placement.initialization, str)
    if is_named and placement.initialization == "anchor" and anchor is None:
        msg = "initialization='anchor' requires an anchor with a model in the reference, and no distances."
        raise ValueError(msg)
    settings, (n_reference, n_components) = replace(fitted.settings, n_jobs=n_jobs), fitted.coordinates.shape
    n_required = min(placement.n_required, n_reference)
    if distances is not None:
        distances = check_distances(distances, n_reference, n_required)
    n_new = len(rows) if distances is None else distances.shape[0]
    if not isinstance(placement.initialization, str):
        check_coordinates(placement.initialization, "initialization", (n_new, n_components))
    places = None if anchor is None else AnchoredPlaces.of(anchor, fitted.coordinates, np.asarray(anchored, float))
    placer = Placer(fitted.coordinates, settings, placement, places)
    coordinates, scores = [np.empty((0, n_components))], [np.empty(0, np.float32)]
    if distances is not None:
        for start in range(0, n_new, _BLOCK):
            coordinates.append(placer(*nearest_columns(distances[start : start + _BLOCK], n_required)))
    else:
        index = NeighborIndex(stored_input(adata, entry, fitted.reference).rows.matrix, settings)
        for block in rows:
            coordinates.append(placer(*index.query(block, n_required)))
            if with_novelty:
                scores.append(novelty(fitted.reference, block))
    note = "coordinates on the embedding of the reference (adata_new.obsm)"
    placed = Results(obsm={keys.obsm: np.concatenate(coordinates)}, notes=((keys.obsm, note),))
    if distances is not None or not with_novelty:
        return placed
    note = "novelty with respect to the reference (adata_new.obs)"
    return placed | Results(obs={keys.novelty: np.concatenate(scores)}, notes=((keys.novelty, note),))


def _placement_settings(options: dict[str, Any]) -> PlacementSettings:
    known = [field.name for field in fields(PlacementSettings)]
    if unknown := sorted(set(options) - set(known)):
        msg = f"{unknown} are not options of t-SNE, which are {[*known, 'n_jobs', 'metric', 'distances']}."
        raise TypeError(msg)
    placement = PlacementSettings(**options)
    placement.check()
    return placement
