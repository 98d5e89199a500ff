"""The neighbour graph that `sc.pp.neighbors` left in an AnnData object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .neighbors import Neighbors, from_graph

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


def check_graph(adata: AnnData, neighbors_key: str | None) -> None:
    """Refuse a graph that is not there."""
    _distances(adata, neighbors_key or "neighbors")


def _distances(adata: AnnData, key: str) -> Any:
    if key not in adata.uns:
        msg = f"neighbors_key={key!r} is not in adata.uns. Run `sc.pp.neighbors(adata, key_added={key!r})` first."
        raise KeyError(msg)
    entry = adata.uns[key]
    name = entry.get("distances_key", "distances") if hasattr(entry, "get") else "distances"
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
