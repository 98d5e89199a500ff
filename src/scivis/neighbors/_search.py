"""Which search fills the table: exact for small data, an inverted file for large, PyNNDescent or Annoy on request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from scivis._checks import check_choice, is_integer

from ._table import Neighbors

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

Backend = Literal["auto", "exact", "ivf", "pynndescent", "annoy"]
Metric = Literal["euclidean", "cosine", "manhattan"]

# Up to here comparing all pairs takes two or three seconds (benchmarks/neighbors.py).
EXACT_UP_TO = 20_000


def resolve_backend(backend: Backend, n_cells: int) -> Backend:
    """The search that `auto` stands for at this number of cells."""
    if backend != "auto":
        return backend
    return "exact" if n_cells <= EXACT_UP_TO else "ivf"


def find_neighbors(
    x: NDArray[np.float32],
    n_neighbors: int = 15,
    *,
    backend: Backend = "auto",
    metric: Metric = "euclidean",
    n_trees: int = 50,
    search_k: int = -1,
    random_state: int = 0,
    n_jobs: int = -1,
    index_path: Path | None = None,
) -> Neighbors:
    """Search the nearest neighbours of each row.

    Parameters
    ----------
    x
        Cells × features.
    n_neighbors
        Neighbours per cell, the cell itself not counted. At most n − 1.
    backend
        `exact` compares every pair; `ivf` compares each row with those around its nearest centres (an inverted file, of
        which it finds about .98 of the neighbours, several times as fast); `pynndescent` and `annoy` approximate by graph
        and trees. `auto` takes `exact` up to 20,000 cells and `ivf` above.
    metric
        Distance between rows.
    n_trees, search_k
        Annoy's two settings: more trees and more nodes inspected find more true neighbours, slower.
        −1 inspects `n_trees × n_neighbors` nodes.
    random_state
        Seed of the approximate searches.
    n_jobs
        Threads; −1 takes all cores.
    index_path
        Keep Annoy's index in this file instead of in memory. One that is there already is used and not built.

    Raises
    ------
    ValueError
        If `n_neighbors` is not between 1 and n − 1, or `backend` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [3.0]], np.float32)
    >>> find_neighbors(x, 1).indices.ravel()
    array([1, 0, 1], dtype=int32)
    """
    check_search(backend, metric)
    check_n_neighbors(n_neighbors, len(x))
    indices: NDArray[np.integer] | list[list[int]]
    match resolve_backend(backend, len(x)):
        case "exact":
            from ._exact import search_exact

            indices = search_exact(x, n_neighbors, metric, n_jobs)
        case "ivf":
            from ._ivf import search_ivf

            indices = search_ivf(x, n_neighbors, metric, random_state, n_jobs)
        case "pynndescent":
            from ._pynndescent import search_pynndescent

            indices = search_pynndescent(x, n_neighbors, metric, random_state, n_jobs)
        case _:
            from ._annoy_search import search_annoy

            indices = search_annoy(x, n_neighbors, metric, n_trees, search_k, random_state, n_jobs, index_path)
    return Neighbors.from_indices(indices)


def check_n_neighbors(n_neighbors: int, n_cells: int) -> None:
    """Refuse a number of neighbours that the data cannot give."""
    if not is_integer(n_neighbors) or not 1 <= n_neighbors < n_cells:
        msg = f"n_neighbors={n_neighbors!r} must lie between 1 and {n_cells - 1}, one less than the {n_cells} cells."
        raise ValueError(msg)


def check_search(backend: str, metric: str) -> None:
    """Raise for a search or a metric that is not known."""
    check_choice("backend", backend, get_args(Backend))
    check_choice("metric", metric, get_args(Metric))
