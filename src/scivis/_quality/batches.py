"""How well batches are mixed on embeddings, by scib-metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .estimates import Estimate, mean_terms, resample
from .neighbors import nearest_neighbors
from .resampling import resampled_medians

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]
    Codes = NDArray[np.integer]

# Cells with each cell itself, as in the benchmark of scib-metrics, and the level of the test.
_LISI_CELLS, _KBET_CELLS, _ALPHA = 90, 50, 0.05


def load_scib_metrics() -> Any:
    """The package scib-metrics, which brings JAX.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import scib_metrics
    except ImportError as error:
        msg = "batch_key needs the package scib-metrics: run `pip install scib-metrics`, or leave batch_key out."
        raise ImportError(msg) from error
    return scib_metrics


def batch_measures(embeddings: Mapping[str, Matrix], batches: Codes, rng: np.random.Generator) -> Iterator[Estimate]:
    """Mixing of the batches among the neighbors of each cell: 1 if they are mixed everywhere.

    `ilisi` is the median of the local inverse Simpson index of the batches (Korsunsky et al., Nature Methods 16, 1289, 2019), scaled
    to 0 for one batch and 1 for equal shares of all. `kbet` is the share of cells whose neighbors have the batches of all cells
    by a χ² test (Büttner et al., Nature Methods 16, 43, 2019). By chance, with the batches in random order, they are mixed.

    Parameters
    ----------
    embeddings
        Coordinates of the same cells.
    batches
        Batch of each cell, from 0 without gaps, at least two of them.
    """
    shuffled, (of_lisi, of_kbet) = rng.permutation(batches), rng.spawn(2)
    seed, accepted = int(of_lisi.integers(2**32)), []
    for basis, z in embeddings.items():
        found = _neighborhoods(z)
        lisi, by_chance = (_scaled_lisi(found, some) for some in (batches, shuffled))
        # The same seed for all embeddings, so that they have the same resamples.
        medians, n = resampled_medians(lisi, np.random.default_rng(seed)), found.n_neighbors
        yield Estimate(basis, "ilisi", float(np.median(lisi)), medians, n, float(np.median(by_chance)))
        found = found.subset_neighbors(n=min(_KBET_CELLS, n))
        hits, hits_by_chance = (_accepted(found, some) for some in (batches, shuffled))
        accepted.append(mean_terms(basis, "kbet", hits, k=found.n_neighbors, chance=float(hits_by_chance.mean())))
    yield from resample(accepted, of_kbet)


def _neighborhoods(z: Matrix) -> Any:
    """Each cell and its nearest neighbors, in the form of scib-metrics."""
    from scib_metrics.nearest_neighbors import NeighborsResults

    cells = np.arange(len(z))
    found, distances = nearest_neighbors(z, cells, min(_LISI_CELLS, len(z)) - 1)
    return NeighborsResults(
        indices=np.column_stack([cells, found]), distances=np.column_stack([np.zeros(len(z)), distances])
    )


def _scaled_lisi(found: Any, batches: Codes) -> Matrix:
    """Effective number of batches among the neighbors of each cell, from 0 for one to 1 for all."""
    lisi = np.asarray(load_scib_metrics().lisi_knn(found, batches), np.float64)
    return np.nan_to_num((lisi - 1) / batches.max())


def _accepted(found: Any, batches: Codes) -> NDArray[np.bool_]:
    """Whether the batches of the neighbors of each cell agree with those of all cells."""
    _, _, p_values = load_scib_metrics().kbet(found, batches)
    return np.asarray(p_values) >= _ALPHA
