"""Scaling of genes to unit variance, applied and undone with given means and standard deviations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ._units import find_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._units import Units

# Zeros return from scaling in single precision with errors below this.
_ZERO = 1e-5
# With fewer cells, standard deviations mean little.
_MIN_CELLS = 10


@dataclass(frozen=True, eq=False)
class Scaling:
    """Division of genes by their standard deviations, as by `sc.pp.scale`.

    Parameters
    ----------
    mean, std
        Mean and standard deviation of each gene, shape (genes,). Means are zero for scaling that does not center.
    max_value
        Value at which scaled expression is clipped, on both sides if it is centered; 0 for none.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    max_value: float = 0.0

    def apply(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scaled and clipped rows, shape (n, genes)."""
        rows = (rows - self.mean) / self.std
        if not self.max_value:
            return rows
        return np.clip(rows, -self.max_value if self.mean.any() else None, self.max_value)

    def undo(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows before scaling, except where they were clipped. Zeros are exact."""
        rows = rows * self.std + self.mean
        rows[np.abs(rows) < _ZERO] = 0
        return rows

    def units_before(self, rows: NDArray[np.float32]) -> Units:
        """The units that scaled rows had before scaling.

        The smallest count of a cell is often clipped, because the genes that few cells express are scaled most. Cells
        without clipped values tell most: they still have the total to which all were normalized.
        """
        unscaled = self.undo(rows)
        is_whole = (np.abs(rows) < self.max_value).all(axis=1) if self.max_value else np.ones(len(rows), bool)
        units = find_units(unscaled[is_whole])
        if units.total or is_whole.all():
            return units
        units = find_units(unscaled)
        if units.kind != "unknown" or not self.max_value:
            return units
        unscaled[np.abs(rows) >= self.max_value] = 0
        return find_units(unscaled)

    def of_genes(self, genes: NDArray[Any]) -> Scaling:
        """The scaling of some genes, by index or mask."""
        return replace(self, mean=self.mean[genes], std=self.std[genes])


def applied_scaling(rows: NDArray[np.float32], mean: NDArray[Any], std: NDArray[Any]) -> Scaling | None:
    """The scaling of rows, shape (n, genes), if they were scaled with these means and standard deviations.

    `sc.pp.scale` leaves means and deviations with the data, also if it scales a layer, and they stay if other data take
    the place of the scaled ones. The standard deviations of scaled genes are near 1, and those of other data near `std`.

    Examples
    --------
    >>> x = np.random.default_rng(0).gamma(2, size=(100, 3)).astype(np.float32) * [1, 2, 3]
    >>> applied_scaling((x - x.mean(axis=0)) / x.std(axis=0), x.mean(axis=0), x.std(axis=0)) is not None
    True
    >>> applied_scaling(x, x.mean(axis=0), x.std(axis=0)) is None
    True
    """
    mean, std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    if not len(rows) or not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
        return None
    is_centered = bool(rows.min() < 0)
    deviations = rows.std(axis=0)
    if len(rows) >= _MIN_CELLS and (varies := deviations > 0).any():
        from_scaled = np.median(np.abs(np.log(deviations[varies])))
        from_unscaled = np.median(np.abs(np.log(deviations[varies] / std[varies])))
        if from_unscaled <= from_scaled:
            return None
    elif not is_centered:
        return None
    return Scaling(mean if is_centered else np.zeros_like(mean), std, _clipped_at(rows))


def _clipped_at(rows: NDArray[np.float32]) -> float:
    """The largest value, if it is that of several cells or an integer: scaled values equal each other by clipping only."""
    top = float(rows.max())
    return top if top > 0 and (top.is_integer() or int((rows == rows.max()).sum()) > 1) else 0.0
