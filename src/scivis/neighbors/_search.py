"""Neighbor searches: exact for small data, an inverted file for large data, PyNNDescent or Annoy on request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from scivis._checks import check_choice, is_integer

from ._annoy import search_annoy
from ._exact import search_exact
from ._ivf import search_ivf
from ._pynndescent import search_pynndescent
from ._table import Neighbors

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

Backend = Literal["auto", "exact", "ivf", "pynndescent", "annoy"]
Metric = Literal["euclidean", "cosine", "manhattan"]

# Up to here comparing all pairs takes two or three seconds (benchmarks/neighbors.py).
EXACT_UP_TO = 20_000


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
    bar: str | None = None,
) -> Neighbors:
    """Search the nearest neighbors of each row.

    Parameters
    ----------
    x
        Cells × features.
    n_neighbors
        Number of neighbors per cell, not counting the cell itself. At most n − 1.
    backend
        Search method. `exact` compares all pairs. `ivf` (inverted file) compares each row with the rows around its
        nearest cluster centers: it finds about 98 % of the neighbors, several times faster. `pynndescent` and `annoy`
        approximate by a graph and by trees. Default: `auto`, which is `exact` up to 20,000 cells and `ivf` above.
    metric
        Distance between rows: `euclidean`, `cosine` or `manhattan`.
    n_trees, search_k
        Settings of Annoy: number of trees, and of nodes to inspect per row. More of them find more of the true
        neighbors, but take more time. By default, `n_trees × n_neighbors` nodes are inspected (−1).
    random_state
        Seed of the approximate searches.
    n_jobs
        Number of threads. Default: −1, all cores.
    index_path
        Path of a file for Annoy's index. An index that is already there is used. By default, the index is kept in
        memory.
    bar
        Title of a progress bar of the searches that may take long, `ivf` and `annoy`. By default, there is none.

    Raises
    ------
    ValueError
        If `n_neighbors` is not between 1 and n − 1, or `backend` or `metric` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [3.0]], np.float32)
    >>> find_neighbors(x, 1).indices.ravel()
    array([1, 0, 1], dtype=int32)
    """
    check_search(backend, metric)
    check_n_neighbors(n_neighbors, len(x))
    indices: NDArray[np.integer]
    match resolve_backend(backend, len(x)):
        case "exact":
            indices = search_exact(x, n_neighbors, metric, n_jobs)
        case "ivf":
            indices = search_ivf(x, n_neighbors, metric, random_state, n_jobs, bar)
        case "pynndescent":
            indices = search_pynndescent(x, n_neighbors, metric, random_state, n_jobs)
        case _:
            indices = search_annoy(x, n_neighbors, metric, n_trees, search_k, random_state, n_jobs, index_path, bar)
    return Neighbors.from_indices(indices)


def resolve_backend(backend: Backend, n_cells: int) -> Backend:
    """The search method; for `auto`, the one for this number of cells."""
    if backend != "auto":
        return backend
    return "exact" if n_cells <= EXACT_UP_TO else "ivf"


def check_n_neighbors(n_neighbors: int, n_cells: int, name: str = "n_neighbors") -> None:
    """Raise if a number of neighbors, the argument `name`, is not between 1 and `n_cells` − 1."""
    if not is_integer(n_neighbors) or not 1 <= n_neighbors < n_cells:
        msg = (
            f"{name}={n_neighbors!r} must be an integer between 1 and {n_cells - 1}, one less than the {n_cells} cells."
        )
        raise ValueError(msg)


def check_search(backend: str, metric: str) -> None:
    """Raise if a search method or a metric is unknown."""
    check_choice("backend", backend, get_args(Backend))
    check_choice("metric", metric, get_args(Metric))
