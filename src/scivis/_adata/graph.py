"""The neighbour graph that `sc.pp.neighbors` left in an AnnData object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scivis.neighbors import Neighbors, from_graph

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

# Of random triplets (cell, its neighbour, any cell), a graph of other cells has half with the neighbour nearer.
_TRIPLETS, _NEAREST, _LEAST_SHARE = 2000, 15, 0.6


def has_graph(adata: AnnData) -> bool:
    """Whether `sc.pp.neighbors` has run under its default key."""
    return "neighbors" in adata.uns


def stored_neighbors(adata: AnnData, neighbors_key: str | None, x: NDArray[np.float32]) -> Neighbors:
    """The stored graph as a table, refused unless it is a graph of these very cells.

    Parameters
    ----------
    adata
        Holds the graph.
    neighbors_key
        The `key_added` of `sc.pp.neighbors`.
    x
        The representation, by which the graph is checked, shape (n, features).
    """
    key = neighbors_key or "neighbors"
    neighbors = from_graph(_distances(adata, key))
    _check_same_cells(neighbors, x, key)
    return neighbors


def stored_graph(adata: AnnData, neighbors_key: str, x: NDArray[np.float32], *, weights: bool = False) -> Any:
    """The stored distances themselves, or the weights of the same graph, refused in the same way."""
    stored_neighbors(adata, neighbors_key, x)
    return _matrix(adata, neighbors_key, "connectivities" if weights else "distances")


def graph_width(adata: AnnData, neighbors_key: str) -> int:
    """Neighbours that every cell has, itself not counted; 0 if some cells have far fewer than most."""
    graph = _distances(adata, neighbors_key)
    if not sparse.issparse(graph):
        return int(graph.shape[1] - 1)
    graph = sparse.csr_array(graph)
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    counts = np.bincount(rows[rows != graph.indices], minlength=graph.shape[0])
    return 0 if 2 * counts.min() < np.median(counts) else int(counts.min())


def graph_metric(adata: AnnData, neighbors_key: str) -> Any:
    """The metric of the search that made the graph; euclidean if it does not tell."""
    return adata.uns[neighbors_key].get("params", {}).get("metric", "euclidean")


def check_graph(adata: AnnData, neighbors_key: str | None) -> None:
    """Refuse a graph that is not there."""
    _distances(adata, neighbors_key or "neighbors")


def _distances(adata: AnnData, key: str) -> Any:
    return _matrix(adata, key, "distances")


def _matrix(adata: AnnData, key: str, kind: str) -> Any:
    if key not in adata.uns:
        msg = f"neighbors_key={key!r} is not in adata.uns. Run `sc.pp.neighbors(adata, key_added={key!r})` first."
        raise KeyError(msg)
    entry = adata.uns[key]
    name = entry.get(f"{kind}_key", kind) if hasattr(entry, "get") else kind
    if name not in adata.obsp:
        msg = f"adata.uns[{key!r}] names the graph {name!r}, which is not in adata.obsp. Run `sc.pp.neighbors` again."
        raise KeyError(msg)
    return adata.obsp[name]


def _check_same_cells(neighbors: Neighbors, x: NDArray[np.float32], key: str) -> None:
    rng = np.random.default_rng(0)
    linked = np.flatnonzero(neighbors.counts)
    if len(linked) < len(x) / 2:
        msg = (
            f"The graph {key!r} gives only {len(linked)} of {len(x)} cells any neighbour: it was made for other cells, "
            "perhaps before subsetting. Run `sc.pp.neighbors` again."
        )
        raise ValueError(msg)
    cell = rng.choice(linked, _TRIPLETS)
    # Of the nearest only: a graph made without a limit (`knn=False`) names all other cells.
    neighbor = neighbors.indices[cell, rng.integers(np.minimum(neighbors.counts[cell], _NEAREST))]
    other = rng.integers(len(x), size=_TRIPLETS)
    near, far = (np.square(x[cell] - x[rows]).sum(axis=1) for rows in (neighbor, other))
    share = float((near < far).mean() + 0.5 * (near == far).mean())
    if share < _LEAST_SHARE:
        msg = (
            f"The graph {key!r} does not belong to these cells: its neighbours are nearer than random cells in only "
            f"{share:.0%} of cases. Run `sc.pp.neighbors` again, or leave out neighbors_key and give n_neighbors."
        )
        raise ValueError(msg)
