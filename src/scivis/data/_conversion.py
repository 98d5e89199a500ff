"""Conversion of expression to other units, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ._units import exponential, log_name, logarithm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._scaling import Scaling
    from ._units import Units


class UnitsError(ValueError):
    """Expression cannot be converted to the units of a model."""


@dataclass(frozen=True, eq=False)
class Conversion:
    """Steps from the units of a query to those of a reference; what is not needed is left out.

    Parameters
    ----------
    undone
        Scaling of the query to undo.
    exponentiated
        Base of the logarithm of the query to undo; 0 for none.
    total
        Number of counts to which each cell is normalized; 0 for none.
    factor
        Factor of all cells, from one total to another.
    logarithmized
        Base of the logarithm to take; 0 for none.
    scaling
        Scaling of the reference to apply.
    """

    undone: Scaling | None = None
    exponentiated: float = 0.0
    total: float = 0.0
    factor: float = 1.0
    logarithmized: float = 0.0
    scaling: Scaling | None = None

    def __call__(self, rows: NDArray[np.float32], totals: NDArray[Any]) -> NDArray[np.float32]:
        """Rows of expression in the other units, shape (n, genes); `totals` are the counts of the cells in all genes."""
        with np.errstate(all="ignore"):  # values that are not finite are reported when the rows are validated
            return self._convert(rows, totals).astype(np.float32, copy=False)

    def _convert(self, rows: NDArray[np.float32], totals: NDArray[Any]) -> NDArray[Any]:
        if self.undone is not None:
            rows = self.undone.undo(rows)
        rows = exponential(rows, self.exponentiated)
        if self.total:
            rows = rows * (self.total / np.where(totals == 0, 1, totals)).astype(np.float32)[:, None]
        rows = logarithm(rows * np.float32(self.factor), self.logarithmized)
        return rows if self.scaling is None else self.scaling.apply(rows)

    def __str__(self) -> str:
        """The steps, for a message; empty if there are none."""
        steps = {
            "unscaled with their own means and deviations": self.undone,
            f"normalized to {self.total:,.0f} counts per cell": self.total,
            f"counts multiplied by {self.factor:.3g}": self.factor != 1,
            "log-transformed": self.logarithmized and not self.exponentiated,
            "exponentiated": self.exponentiated and not self.logarithmized,
            f"converted to {log_name(self.logarithmized)}": (
                self.logarithmized and self.exponentiated not in (0, self.logarithmized)
            ),
            "scaled with the means and deviations of the reference": self.scaling,
        }
        return ", ".join(name for name, is_taken in steps.items() if is_taken)


def convert_units(query: Units, reference: Units) -> Conversion:
    """The steps from the units of a query to those of a reference, both before any scaling.

    Units that are unknown on either side are left as they are. Counts cannot be had from normalized counts, nor normalized
    counts without a total.

    Examples
    --------
    >>> from scivis.data._units import Units
    >>> str(convert_units(Units("counts"), Units("normalized", log_base=2.0, total=10_000)))
    'normalized to 10,000 counts per cell, log-transformed'
    """
    if "unknown" in (query.kind, reference.kind):
        return Conversion()
    total = reference.total if query.kind == "counts" != reference.kind else 0.0
    factor = 1.0 if total else _factor(query.total, reference.total)
    is_same = query.log_base == reference.log_base and factor == 1 and not total
    return Conversion(
        exponentiated=0 if is_same else query.log_base,
        total=total,
        factor=factor,
        logarithmized=0 if is_same else reference.log_base,
    )


def _factor(given: float, wanted: float) -> float:
    """Factor from one total to another; 1 if they agree within 1 %, or one of them is unknown."""
    return wanted / given if given and wanted and abs(wanted / given - 1) > 0.01 else 1.0
