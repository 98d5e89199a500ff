"""How strongly cells attract each other: openTSNE's affinities, from a search or from a graph that is there."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scivis.neighbors._graph import sorted_entries

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from openTSNE.affinity import Affinities
    from openTSNE.nearest_neighbors import KNNIndex

    from .settings import Settings

    Table = tuple[NDArray[np.integer], NDArray[np.floating]]

# openTSNE's own for the two kernels that count neighbours.
_N_NEIGHBORS = 30
# Up to here comparing all pairs takes a few seconds, of minutes that the layout takes (benchmarks/tsne.py).
_EXACT_UP_TO = 100_000


def nearest(distances: Any, k: int | None = None, *, own: bool = False) -> Table:
    """The nearest columns of each row and their distances, both of shape (rows, k).

    Parameters
    ----------
    distances
        Sparse, its stored entries being the neighbours, or dense.
    k
        How many; by default, and at most, as many as the row with the fewest has.
    own
        Whether rows and columns are the same cells, so that the diagonal does not count.
    """
    rows, columns, values = sorted_entries(distances, skip_diagonal=own)
    counts = np.bincount(rows, minlength=distances.shape[0])
    least = int(counts.min(initial=distances.shape[1]))
    width = least if k is None else min(k, least)
    where = (np.cumsum(counts) - counts)[:, None] + np.arange(width)
    return columns[where], values[where].astype(float)


@dataclass(frozen=True, eq=False)
class Index:
    """Neighbours of the cells and of new rows among the cells; what openTSNE calls a KNN index.

    Parameters
    ----------
    x
        The cells, shape (n, features).
    settings
        Says the metric.
    table
        Their own neighbours, if they are known.
    """

    x: NDArray[np.float32]
    settings: Settings
    table: Table | None = None

    @property
    def n_samples(self) -> int:
        """Number of cells."""
        return len(self.x)

    @property
    def k(self) -> int:
        """Neighbours per cell."""
        return self.build()[0].shape[1]

    def build(self) -> Table:
        """The cells' own neighbours."""
        if self.table is None:
            msg = "The neighbours of the cells themselves are not known here."
            raise RuntimeError(msg)
        return self.table

    def query(self, rows: NDArray[np.float32], k: int) -> Table:
        """The `k` cells nearest to each row."""
        return self._search(rows, k)

    @cached_property
    def _search(self) -> Any:
        """By comparing all pairs, so that the result depends on neither seed nor company; if the metric allows."""
        from sklearn.neighbors import VALID_METRICS, NearestNeighbors

        metric, params = self.settings.metric, self.settings.metric_params
        if not callable(metric) and metric not in VALID_METRICS["brute"]:
            index = opentsne_index(self.x, self.settings, k=1)
            index.build()
            return index.query
        search = NearestNeighbors(metric=metric, metric_params=params, n_jobs=self.settings.n_jobs).fit(self.x)
        return lambda rows, k: search.kneighbors(rows, k)[::-1]


def search_method(settings: Settings, n_cells: int) -> str:
    """The search that `auto` stands for: exact up to 100,000 cells, if it knows the metric."""
    from openTSNE.nearest_neighbors import Sklearn

    if settings.neighbors != "auto":
        return settings.neighbors
    known = callable(settings.metric) or settings.metric in Sklearn.VALID_METRICS
    return "exact" if known and n_cells <= _EXACT_UP_TO else "approx"


def opentsne_index(x: NDArray[np.float32], settings: Settings, k: int) -> KNNIndex:
    """The search that the settings name, not made yet.

    openTSNE itself would first import PyNNDescent, to see whether it is there, and that compiles for seconds.
    """
    from openTSNE import nearest_neighbors as searches

    method = search_method(settings, len(x))
    if method == "approx":
        method = "annoy" if settings.metric in searches.Annoy.VALID_METRICS else "pynndescent"
    kinds = {"exact": "Sklearn", "annoy": "Annoy", "pynndescent": "NNDescent", "hnsw": "HNSW"}
    names = ("metric", "metric_params", "n_jobs", "random_state", "knn_kwargs")
    return getattr(searches, kinds[method])(x, k, **{name: getattr(settings, name) for name in names})


def make_affinities(x: NDArray[np.float32], settings: Settings, graph: Any = None) -> Affinities:
    """openTSNE's affinities of the cells.

    Parameters
    ----------
    x
        Cells × features.
    settings
        Resolved.
    graph
        Distances to neighbours (weights for `connectivities`), shape (n, n), to use instead of a search.

    Raises
    ------
    ValueError
        If a cell has no affinity to any other, because `sigma` is far below the distances.
    """
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        # openTSNE compares its list of PyNNDescent's metrics with that of the installed version.
        warnings.filterwarnings("ignore", message="`pynndescent` has recently changed", category=UserWarning)
        affinities = _affinities(x, settings, graph)
    if not np.isfinite(affinities.P.data).all():
        msg = f"sigma={settings.sigma!r} is so small that some cells have no neighbour within its reach. Take a larger one."
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


def _index(x: NDArray[np.float32], settings: Settings, graph: Any) -> Index | KNNIndex:
    """Where an affinity finds neighbours."""
    if graph is not None:
        return Index(x, settings, nearest(graph, settings.width, own=True))
    return opentsne_index(x, settings, k=min(settings.width or _N_NEIGHBORS, len(x) - 1))
