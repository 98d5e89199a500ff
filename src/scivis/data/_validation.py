"""Validation of rows: finite and not huge, enough, and different. The only module that tests arrays for NaN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._blocks import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Sums of squared differences of such values, over ten million features or cells, are still below the largest float32.
_LARGEST = 1e15


@dataclass(frozen=True, eq=False)
class ValidatedRows:
    """Rows `x`, shape (n, ...), that were read and found finite, so that no later stage validates them again.

    The tools pass rows to the estimators in this form; :func:`scivis.data._reading.read_rows` returns `x` as it is.
    """

    x: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, then the shape of one row."""
        return self.x.shape


def check_finite(rows: NDArray[np.float32], name: str, at: int | NDArray[np.integer] = 0) -> NDArray[np.float32]:
    """Return a block of rows, shape (n, ...), or raise an error that names the first row with a value that is no use.

    That is a NaN or infinite value, or one whose distances to others overflow.

    `name` is the name of the data in the message; `at` is the index of the block's first row in the data, or the indices
    of all its rows.
    """
    if _is_usable(rows):
        return rows
    finite = np.isfinite(rows.reshape(len(rows), -1)).all(axis=1)
    what, remedy = "NaN or infinite values", "Remove or impute them first"
    bad = np.flatnonzero(~finite)
    if finite.all():
        bad = np.flatnonzero((np.abs(rows.reshape(len(rows), -1)) > _LARGEST).any(axis=1))
        what, remedy = (
            f"values beyond ±{_LARGEST:.0e}, whose distances overflow",
            "Scale the data, or remove these cells",
        )
    first = at + bad[0] if isinstance(at, int) else at[bad[0]]
    msg = f"{name} holds {what}: {len(bad)} of {len(rows)} cells read, the first of them row {first}. {remedy}."
    raise ValueError(msg)


def _is_usable(rows: NDArray[np.float32]) -> bool:
    """Whether no value is NaN, with which no comparison is true, infinite or huge."""
    return not rows.size or bool(rows.min() >= -_LARGEST and rows.max() <= _LARGEST)


def check_rows(x: NDArray[np.float32]) -> None:
    """Raise if there is nothing to learn from finite rows: fewer than three of them, or all of them equal."""
    if x.ndim < 2 or x.shape[0] < 3 or 0 in x.shape:
        msg = f"The data have shape {x.shape}; at least 3 rows of features are needed."
        raise ValueError(msg)
    # Stops at the first block in which a row differs, which is nearly always the first one.
    if not any((x[start : start + BLOCK] != x[:1]).any() for start in range(0, len(x), BLOCK)):
        msg = f"All {len(x)} rows are equal: there is nothing to embed. Is this the matrix you meant?"
        raise ValueError(msg)
