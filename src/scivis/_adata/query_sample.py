"""Some cells of a query beside the statistics of the reference: do they have the same scaling, and the same level?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scivis.data._conversion import UnitsError

from .preparation import is_lowest, sample_cells
from .query_steps import NO_PREPARATION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .genes import GeneAlignment
    from .preparation import Preparation

# Root mean square deviation from the means of the reference, relative to the reference's own. In data of other cells, of
# another technology, or of one cell type, it was between .8 and 1.5; in larger units above 2.2.
_MAX_DEVIATION = 2.0
# The same where units are unknown, so that new cells may be far from those of the reference.
_MAX_DEVIATION_OF_UNKNOWN = 10.0
# Standard deviation relative to the reference's own, of at least so many cells. It is about 1, and .7 within a cell type.
_MIN_SPREAD, _MIN_CELLS = 0.05, 10
# Share of the lowest values of the reference, relative to the reference, above which the genes have the same scaling.
_SAME_LOWEST, _MIN_LOWEST = 0.3, 0.1
# Share of negative values in scaled data, at least, and cells that are enough to see their units.
_MIN_NEGATIVE, _CELLS_OF_UNITS = 0.1, 500
# Means of scaled genes are zero up to this part of their standard error if the cells were scaled by themselves.
_ZERO_MEAN = 0.2


@dataclass(frozen=True, eq=False)
class QuerySample:
    """Some cells of a query, and what is known of the reference.

    Parameters
    ----------
    rows
        Some cells with all their genes, shape (n, genes of the query).
    columns
        These cells with the genes of the model that were found.
    found
        Which genes of the model these are.
    made
        How the reference was prepared.
    means
        Mean of each gene of the model in the reference.
    """

    rows: NDArray[np.float32]
    columns: NDArray[np.float32]
    found: NDArray[np.int64]
    made: Preparation
    means: NDArray[np.float32]

    @classmethod
    def of(cls, matrix: Any, align: GeneAlignment, made: Preparation, means: NDArray[np.float32]) -> QuerySample:
        """Evenly spaced cells of `matrix`, the expression of the query."""
        rows, found = sample_cells(matrix), np.flatnonzero(align.positions >= 0)
        return cls(rows, rows[:, align.positions[found]], found, made, means)


def is_scaled_as_reference(sample: QuerySample) -> bool:
    """Whether the query was scaled with the means and deviations of the reference.

    Undoing this scaling then gives the units that the reference had before it. Where these are not known and data are
    sparse, the value of genes that a cell does not express tells. Otherwise the means of the genes tell: they are zero if
    the query was scaled by itself.
    """
    columns, made = sample.columns, sample.made
    lowest = made.lowest[sample.found]
    if made.scaling is not None and made.units.kind in ("normalized", "counts"):
        unscaled = made.scaling.of_genes(sample.found).units_before(columns[:_CELLS_OF_UNITS])
        if (unscaled.kind, unscaled.log_base) == (made.units.kind, made.units.log_base):
            return True
    if (made.units.kind != "signed" and made.scaling is None) or not (columns < 0).mean() > _MIN_NEGATIVE:
        return False
    if made.lowest_share > _MIN_LOWEST:
        return bool(is_lowest(columns, lowest).mean() > _SAME_LOWEST * made.lowest_share)
    if is_lowest(columns.min(axis=0), lowest).mean() > 0.5:
        return True
    means = np.sqrt(np.mean(columns.mean(axis=0, dtype=np.float64) ** 2))
    return bool(means > _ZERO_MEAN / np.sqrt(len(columns)))


def check_level(sample: QuerySample, columns: NDArray[np.float32], *, is_known: bool) -> None:
    """Raise if `columns`, the sample in the units of the reference, vary much more or much less than the reference.

    `is_known` tells whether the units of the reference are.
    """
    means, variance = sample.means[sample.found], np.mean(sample.made.deviations[sample.found] ** 2, dtype=np.float64)
    deviation = np.sqrt(np.mean((columns - means) ** 2, dtype=np.float64) / variance)
    spread = np.sqrt(np.mean(columns.var(axis=0, dtype=np.float64)) / variance) if len(columns) >= _MIN_CELLS else 1.0
    highest = _MAX_DEVIATION if is_known else _MAX_DEVIATION_OF_UNKNOWN
    if np.isfinite(deviation) and not (deviation < highest and spread > _MIN_SPREAD):
        msg = (
            f"The expression of adata_new varies {spread:.3g} times as much as that of the reference, and deviates "
            f"{deviation:.3g} times as much from its means, so that it seems to be in other units (another normalization, "
            f"another range, or no logarithm). Prepare it as the reference was. {NO_PREPARATION}"
        )
        raise UnitsError(msg)
