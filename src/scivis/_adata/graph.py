"""The neighbor graph of `sc.pp.neighbors` in an AnnData object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scivis._checks import is_integer
from scivis.neighbors import Neighbors, from_graph

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

# Random triplets of a cell, one of its 15 nearest neighbors, and any cell. In a graph of other cells, the neighbor is nearer in
# half of them; the graph is rejected below the given share.
_TRIPLETS, _NEAREST, _LEAST_SHARE = 2000, 15, 0.6
# Among fewer cells, nearly all are neighbors of each other, and the triplets tell nothing.
_FEWEST = 5


def has_graph(adata: AnnData) -> bool:
    """Whether `sc.pp.neighbors` has run under its default key."""
    return "neighbors" in adata.uns


def stored_neighbors(adata: AnnData, neighbors_key: str | None, x: NDArray[np.float32]) -> Neighbors:
    """The stored graph as a table of neighbors.

    Parameters
    ----------
    adata
        Object with the graph.
    neighbors_key
        The `key_added` of `sc.pp.neighbors`.
    x
        Representation of the cells, shape (n, features), with which the graph is validated.

    Raises
    ------
    ValueError
        If the graph is not one of these cells.
    """
    key = neighbors_key or "neighbors"
    neighbors = from_graph(_matrix(adata, key))
    _check_same_cells(neighbors, x, key)
    return neighbors


def stored_graph(adata: AnnData, neighbors_key: str, x: NDArray[np.float32], *, weights: bool = False) -> Any:
    """The stored distances (or weights), shape (n, n), of a graph that is validated as in :func:`stored_neighbors`."""
    stored_neighbors(adata, neighbors_key, x)
    return _matrix(adata, neighbors_key, "connectivities" if weights else "distances")


def graph_width(adata: AnnData, neighbors_key: str) -> int:
    """Smallest number of neighbors of a cell, itself excluded; 0 if some cells have far fewer than most."""
    graph = _matrix(adata, neighbors_key)
    if not sparse.issparse(graph):
        return int(graph.shape[1] - 1)
    graph = sparse.csr_array(graph)
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    counts = np.bincount(rows[rows != graph.indices], minlength=graph.shape[0])
    return 0 if 2 * counts.min() < np.median(counts) else int(counts.min())


def graph_metric(adata: AnnData, neighbors_key: str) -> Any:
    """The metric of the graph; Euclidean if it is not recorded."""
    return _params(adata, neighbors_key).get("metric", "euclidean")


def graph_source(adata: AnnData, neighbors_key: str) -> tuple[str | None, int | None]:
    """The arguments `use_rep` and `n_pcs` of `sc.pp.neighbors`; `None` where they were not given, or are not recorded."""
    params = _params(adata, neighbors_key)
    # Files of old versions hold arrays of one element in place of numbers.
    use_rep, n_pcs = (
        value.item() if np.size(value) == 1 and hasattr(value, "item") else value
        for value in (params.get("use_rep"), params.get("n_pcs"))
    )
    return use_rep if isinstance(use_rep, str) else None, n_pcs if is_integer(n_pcs) and n_pcs >= 0 else None


def _params(adata: AnnData, key: str) -> Any:
    """The parameters of a graph; empty if there are none."""
    params: Any = adata.uns
    for name in (key, "params"):
        params = params.get(name) if hasattr(params, "get") else None
    return params if hasattr(params, "get") else {}


def check_graph(adata: AnnData, neighbors_key: str | None) -> None:
    """Raise if there is no such graph."""
    _matrix(adata, neighbors_key or "neighbors")


def _matrix(adata: AnnData, key: str, kind: str = "distances") -> Any:
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
            f"The graph {key!r} has neighbors for only {len(linked)} of {len(x)} cells: it was computed for other cells, "
            "perhaps before subsetting. Run `sc.pp.neighbors` again."
        )
        raise ValueError(msg)
    if len(x) < _FEWEST:
        return
    cell = rng.choice(linked, _TRIPLETS)
    # Only the nearest ones: with `knn=False`, all cells are neighbors of each other.
    neighbor = neighbors.indices[cell, rng.integers(np.minimum(neighbors.counts[cell], _NEAREST))]
    other = rng.integers(len(x), size=_TRIPLETS)
    near, far = (np.square(x[cell] - x[rows]).sum(axis=1) for rows in (neighbor, other))
    share = float((near < far).mean() + 0.5 * (near == far).mean())
    if share < _LEAST_SHARE:
        msg = (
            f"The graph {key!r} does not belong to these cells: neighbors are nearer than random cells in only {share:.0%} "
            "of cases. Run `sc.pp.neighbors` again, or leave out neighbors_key and set n_neighbors."
        )
        raise ValueError(msg)
