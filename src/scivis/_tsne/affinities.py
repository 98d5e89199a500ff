"""Affinities: how strongly cells attract each other, from a neighbor search or a given neighbor graph."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from scipy import sparse

from scivis.neighbors._graph import sorted_entries
from scivis.neighbors._ivf import InvertedFile
from scivis.neighbors._search import EXACT_UP_TO, Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from openTSNE.affinity import Affinities
    from openTSNE.nearest_neighbors import KNNIndex

    from .settings import Settings

    Table = tuple[NDArray[np.integer], NDArray[np.floating]]
    # Indices of the cells nearest to each of some rows, from the rows and the number of cells.
    Nearest = Callable[[NDArray[np.float32], int], NDArray[np.integer]]

# openTSNE's number of neighbors for the affinities that have no perplexity.
_N_NEIGHBORS = 30
# Up to this number of cells, comparing all pairs takes a few seconds, and the optimization minutes (benchmarks/tsne.py).
_EXACT_UP_TO = 100_000
_SEARCHES = {"exact": "Sklearn", "annoy": "Annoy", "pynndescent": "NNDescent", "hnsw": "HNSW"}


def nearest_columns(distances: Any, k: int | None = None, *, same_cells: bool = False) -> Table:
    """The `k` nearest columns of each row and their distances, both of shape (rows, k).

    Stored entries of a sparse matrix are distances to neighbors. Default and maximum of `k` is the smallest number of entries
    of a row. If rows and columns are the `same_cells`, the diagonal is left out.
    """
    rows, columns, values = sorted_entries(distances, skip_diagonal=same_cells)
    counts = np.bincount(rows, minlength=distances.shape[0])
    least = int(counts.min(initial=distances.shape[1]))
    width = least if k is None else min(k, least)
    where = (np.cumsum(counts) - counts)[:, None] + np.arange(width)
    return columns[where], values[where].astype(float)


@dataclass(frozen=True, eq=False)
class NeighborIndex:
    """Nearest cells of new rows and, if `table` is given, of the cells `x`; with the interface of openTSNE's `KNNIndex`."""

    x: NDArray[np.float32]
    settings: Settings
    table: Any = None

    @property
    def n_samples(self) -> int:
        """Number of cells."""
        return len(self.x)

    @property
    def k(self) -> int:
        """Number of neighbors per cell."""
        return self.build()[0].shape[1]

    def build(self) -> Table:
        """Neighbors of the cells and their distances, both of shape (n, k)."""
        return self.table

    def query(self, rows: NDArray[np.float32], k: int) -> Table:
        """The `k` cells nearest to each row."""
        return self._search(rows, k)

    @cached_property
    def _search(self) -> Any:
        """An exact search if it supports the metric, so that results depend on neither the seed nor the other rows."""
        from sklearn.neighbors import VALID_METRICS, NearestNeighbors

        metric, params = self.settings.metric, self.settings.metric_params
        if not callable(metric) and metric not in VALID_METRICS["brute"]:
            index = opentsne_index(self.x, self.settings, k=1)
            index.build()
            return index.query
        search = NearestNeighbors(metric=metric, metric_params=params, n_jobs=self.settings.n_jobs).fit(self.x)
        return lambda rows, k: search.kneighbors(rows, k)[::-1]


def nearest_cells(x: NDArray[np.float32], settings: Settings, k: int) -> Nearest:
    """A search of the `k` cells of `x`, shape (n, features), that are nearest to each of very many rows.

    Up to 20,000 cells it is exact. Above, it is an inverted file if that has the metric; comparing a million rows with 100,000
    cells would take minutes.
    """
    if len(x) > EXACT_UP_TO and settings.metric in get_args(Metric):
        return InvertedFile.of(x, k, str(settings.metric), settings.random_state, settings.n_jobs).query
    index = NeighborIndex(x, settings)
    return lambda rows, k: index.query(rows, k)[0]


def search_method(settings: Settings, n_cells: int) -> str:
    """The search; `auto` is exact up to 100,000 cells if the exact search supports the metric."""
    from openTSNE.nearest_neighbors import Sklearn

    if settings.neighbors != "auto":
        return settings.neighbors
    is_supported = callable(settings.metric) or settings.metric in Sklearn.VALID_METRICS
    return "exact" if is_supported and n_cells <= _EXACT_UP_TO else "approx"


def known_metrics() -> set[str]:
    """Names of all metrics by which one of the searches finds neighbors."""
    from openTSNE import nearest_neighbors
    from sklearn.neighbors import VALID_METRICS

    searches = [getattr(nearest_neighbors, name).VALID_METRICS for name in _SEARCHES.values()]
    return {name for names in (*searches, VALID_METRICS["brute"]) for name in names if isinstance(name, str)}


def opentsne_index(x: NDArray[np.float32], settings: Settings, k: int) -> KNNIndex:
    """openTSNE's index for the search of the settings, not yet built.

    openTSNE's own choice would import PyNNDescent to test whether it is installed, and its compilation takes seconds.
    """
    from openTSNE import nearest_neighbors

    method = search_method(settings, len(x))
    if method == "approx":
        method = "annoy" if settings.metric in nearest_neighbors.Annoy.VALID_METRICS else "pynndescent"
    names = ("metric", "metric_params", "n_jobs", "random_state", "knn_kwargs")
    return getattr(nearest_neighbors, _SEARCHES[method])(x, k, **{name: getattr(settings, name) for name in names})


def make_affinities(x: NDArray[np.float32], settings: Settings, graph: Any = None) -> Affinities:
    """openTSNE's affinities of the cells `x`, shape (n, features).

    A `graph` of shape (n, n) replaces the search. It holds distances, or weights for `connectivities`.
    """
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        # openTSNE compares its list of PyNNDescent's metrics with that of the installed version.
        warnings.filterwarnings("ignore", message="`pynndescent` has recently changed", category=UserWarning)
        affinities = _affinities(x, settings, graph)
    if not np.isfinite(affinities.P.data).all():
        setting = "perplexity" if settings.sigma is None else "sigma"
        value = getattr(settings, setting)
        msg = f"{setting}={value!r} is so small that some cells have no affinity to any neighbor. Increase it."
        raise ValueError(msg)
    return affinities


def _affinities(x: NDArray[np.float32], settings: Settings, graph: Any) -> Affinities:
    from openTSNE import affinity

    if settings.affinity == "connectivities":
        return affinity.PrecomputedAffinities(sparse.csr_matrix(graph, dtype=float, copy=True))
    index = _index(x, settings, graph)
    source = {"knn_index": index, "n_jobs": settings.n_jobs}
    match settings.affinity, settings.perplexity:
        case "uniform", _:
            return affinity.Uniform(**source)
        case "fixed_sigma", _:
            return affinity.FixedSigmaNN(sigma=settings.sigma, k=index.k, **source)
        case "multiscale", _:
            return affinity.Multiscale(perplexities=list(settings.perplexities), **source)
        case _, tuple(perplexities):
            return affinity.MultiscaleMixture(perplexities=list(perplexities), **source)
    return affinity.PerplexityBasedNN(perplexity=settings.perplexity, **source)


def _index(x: NDArray[np.float32], settings: Settings, graph: Any) -> NeighborIndex | KNNIndex:
    if graph is not None:
        return NeighborIndex(x, settings, nearest_columns(graph, settings.n_required, same_cells=True))
    return opentsne_index(x, settings, k=min(settings.n_required or _N_NEIGHBORS, len(x) - 1))
