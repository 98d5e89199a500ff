"""Validation of rows: finite values, enough rows, and rows that differ. The only module that tests arrays for NaN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._blocks import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ValidatedRows:
    """Rows that were read and found finite, so that no later stage tests them again.

    The tools hand rows to the estimators in this form; :func:`scivis.data._reading.read_rows` returns `x` as it is.

    Parameters
    ----------
    x
        Shape (n, ...), float32.
    """

    x: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the rows, their number first."""
        return self.x.shape


def check_finite(rows: NDArray[np.float32], name: str, first_row: int = 0) -> NDArray[np.float32]:
    """The same rows, shape (n, ...); an error that names the first row with a NaN or infinite value.

    Parameters
    ----------
    rows
        A block of rows.
    name
        Name of the data in the message.
    first_row
        Index of the block's first row in the data.
    """
    if np.isfinite(rows).all():
        return rows
    bad = np.flatnonzero(~np.isfinite(rows.reshape(len(rows), -1)).all(axis=1))
    msg = (
        f"{name} holds NaN or infinite values: {len(bad)} of {len(rows)} cells read, the first of them row "
        f"{first_row + bad[0]}. Remove or impute them first."
    )
    raise ValueError(msg)


def check_rows(x: NDArray[np.float32]) -> None:
    """Raise if there is nothing to learn from finite rows: fewer than three of them, or all of them equal."""
    if x.ndim < 2 or x.shape[0] < 3 or 0 in x.shape:
        msg = f"The data have shape {x.shape}; at least 3 rows of features are needed."
        raise ValueError(msg)
    # Stops at the first block in which a row differs, which is nearly always the first one.
    if not any((x[start : start + BLOCK] != x[:1]).any() for start in range(0, len(x), BLOCK)):
        msg = f"All {len(x)} rows are equal: there is nothing to embed. Is this the matrix you meant?"
        raise ValueError(msg)
