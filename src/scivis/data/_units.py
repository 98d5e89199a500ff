"""Units of expression, recognized by the values themselves: counts, normalized counts, and their logarithms."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["counts", "normalized", "signed", "unknown"]
KINDS = get_args(Kind)

# Bases of logarithms that are in use; 0 means that no logarithm was taken.
_E = float(np.e)
_BASES = (0.0, _E, 2.0, 10.0)
# Totals are equal if they deviate by less: half-precision files deviate by about 0.1 %.
_EQUAL = 5e-3
# With fewer cells, equal totals mean nothing.
_MIN_CELLS = 10
# Counts of a cell that are compared with its smallest count, and the largest median deviation from a whole multiple.
_MULTIPLES, _DEVIATION = (1.5, 20.5), 0.04
# Relative deviation of counts from integers: as they are, and as exponentials of their rounded logarithms.
_EXACT, _ROUNDING = 1e-5, 1e-3
# Fewer values than this say nothing.
_MIN_VALUES = 20
# Share of negative values from which on they are the rule.
_MIN_NEGATIVE = 0.1
# Logarithms of larger numbers are not expression, and their exponentials overflow.
_MAX_LOG = 50


@dataclass(frozen=True)
class Units:
    """What the numbers of a matrix of cells × genes are.

    Parameters
    ----------
    kind
        `counts`, `normalized` (counts divided by a factor of the cell), `signed` (many values are negative), or `unknown`.
    log_base
        Base of the logarithm `log(1 + x)` that was taken of them; 0 if none was.
    total
        Sum of the normalized counts of each cell, if all cells have the same; otherwise 0.
    """

    kind: Kind = "unknown"
    log_base: float = 0.0
    total: float = 0.0

    def __str__(self) -> str:
        """Name of the units in messages."""
        if self.kind in ("signed", "unknown"):
            return "negative values" if self.kind == "signed" else "values of unknown units"
        if self.kind == "counts":
            return f"{log_name(self.log_base)} of counts" if self.log_base else "counts"
        details = [f"{self.total:,.0f} counts per cell"] if self.total else []
        details += [log_name(self.log_base)] if self.log_base not in (0, _E) else []
        name = "log-normalized counts" if self.log_base else "normalized counts"
        return f"{name} ({', '.join(details)})" if details else name


def log_name(base: float) -> str:
    """Name of the logarithms of a base."""
    return "natural logarithms" if base == _E else f"logarithms of base {base:g}"


def find_units(rows: Any) -> Units:
    """The units of some cells, shape (cells, genes), dense or sparse.

    Integers are counts. If all cells have the same total, or would have it without a logarithm, they were normalized to
    it. If genes are missing, totals differ, but the values of each cell are still whole multiples of its smallest one.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(2, size=(50, 20))
    >>> find_units(counts)
    Units(kind='counts', log_base=0.0, total=0.0)
    >>> find_units(np.log1p(100 * counts / counts.sum(axis=1, keepdims=True)))
    Units(kind='normalized', log_base=2.718281828459045, total=100.0)
    """
    values = sparse.csr_array(rows).astype(np.float64)
    values.eliminate_zeros()
    values = values[np.diff(values.indptr) > 0]
    if not values.nnz or not np.isfinite(values.data).all():
        return Units()
    if n_negative := int((values.data < 0).sum()):
        # A few values below zero are noise, as in arcsinh-transformed fluorescence.
        return Units("signed" if n_negative > _MIN_NEGATIVE * np.prod(values.shape) else "unknown")
    bases = [base for base in _BASES if base == 0 or values.data.max() < _MAX_LOG]
    linear = {base: _without_log(values, base) for base in bases}
    for base, x in linear.items():
        if _are_counts(x.data, base):
            return Units("counts", base)
    for base, x in linear.items():
        if total := common_total(x):
            return Units("normalized", base, total)
    deviations = {base: _deviation_from_multiples(x) for base, x in linear.items()}
    base = min(deviations, key=lambda base: deviations[base])
    return Units("normalized", base) if deviations[base] < _DEVIATION else Units()


def whole_multiples(rows: Any, base: float) -> bool:
    """Whether the values of each cell are whole multiples of its smallest one, as normalized counts are.

    `base` is that of the logarithms that the rows hold; 0 for none.
    """
    values = sparse.csr_array(rows).astype(np.float64)
    values.eliminate_zeros()
    values = values[np.diff(values.indptr) > 0]
    return bool(values.nnz) and _deviation_from_multiples(_without_log(values, base)) < _DEVIATION


def counts_of_multiples(rows: Any, base: float) -> sparse.csr_array:
    """Counts of cells whose values are whole multiples of their smallest one, which is taken for one count.

    Examples
    --------
    >>> normalized = np.log1p(np.array([[0, 2.5, 5, 2.5]]))
    >>> counts_of_multiples(normalized, np.e).toarray()
    array([[0., 1., 2., 1.]])
    """
    values = _without_log(sparse.csr_array(rows).astype(np.float64), base)
    values.eliminate_zeros()
    for start, end in pairwise(values.indptr):
        values.data[start:end] = np.rint(values.data[start:end] / values.data[start:end].min(initial=np.inf))
    return values


def exponential(x: NDArray[Any], base: float) -> NDArray[Any]:
    """The numbers of which logarithms `log(1 + x)` were taken, with a base of 0 for none."""
    return np.expm1(x * np.log(base)) if base else x


def logarithm(x: NDArray[Any], base: float) -> NDArray[Any]:
    """The logarithm `log(1 + x)`, with a base of 0 for none."""
    return np.log1p(x) / np.log(base) if base else x


def common_total(values: Any) -> float:
    """The sum that nine in ten cells have; 0 if there is none, or if there are too few cells to tell."""
    totals = cell_totals(values, 0)
    if len(totals) < _MIN_CELLS or not (middle := float(np.median(totals))) > 0:
        return 0.0
    return middle if (np.abs(totals / middle - 1) < _EQUAL).mean() > 0.9 else 0.0


def cell_totals(rows: Any, base: float) -> NDArray[np.float64]:
    """Sum of the counts of each cell, which are in logarithms of this base, or in none if it is 0."""
    rows = _without_log(sparse.csr_array(rows), base) if sparse.issparse(rows) else exponential(np.asarray(rows), base)
    return np.asarray(rows.sum(axis=1), np.float64).ravel()


def _without_log(values: sparse.csr_array, base: float) -> sparse.csr_array:
    return sparse.csr_array((exponential(values.data, base), values.indices, values.indptr), shape=values.shape)


def _are_counts(values: NDArray[np.float64], base: float) -> bool:
    """Whether values are counts, of which logarithms of this base were taken, or none if it is 0.

    The few different values of a shallow cell can be near integers by chance, but not near one and a larger integer.
    """
    if not base and (values == np.rint(values)).all():
        return True
    found = np.unique(np.rint(values[values < 100]))
    are_several = len(found) > 1 and (not base or found[0] == 1)
    return are_several and _are_integers(values, _ROUNDING if base else _EXACT)


def _are_integers(values: NDArray[np.float64], tolerance: float) -> bool:
    """Whether values are integers up to a relative deviation, and not all of them small."""
    small = values[values < 100]
    deviations = np.abs(small - np.rint(small))
    return bool(
        small.size and (deviations < tolerance * np.maximum(small, 1)).mean() > 0.99 and (small > 0.5).mean() > 0.99
    )


def _deviation_from_multiples(values: sparse.csr_array) -> float:
    """Median distance of small multiples of the smallest value of a cell from the nearest integer; at most 0.5."""
    smallest = np.repeat(np.minimum.reduceat(values.data, values.indptr[:-1]), np.diff(values.indptr))
    multiples = values.data / smallest
    multiples = multiples[(multiples > _MULTIPLES[0]) & (multiples < _MULTIPLES[1])]
    return float(np.median(np.abs(multiples - np.rint(multiples)))) if multiples.size >= _MIN_VALUES else 0.5
