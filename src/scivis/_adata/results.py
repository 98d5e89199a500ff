"""Results of a tool for the cells of an AnnData object, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scivis._store.digest import sealed
from scivis._store.packed import packed

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Results:
    """Results for the cells of an AnnData object, before they are written.

    Parameters
    ----------
    obsm
        Arrays with one entry per cell, by key.
    obs, uns
        Columns and entries by key; `None` removes an outdated one. Entries that hold a model are packed and sealed.
    notes
        Keys and their descriptions, for the message. With `key_added`, several entries have the same key.
    """

    obsm: dict[str, NDArray[Any]] = field(default_factory=dict)
    obs: dict[str, Any] = field(default_factory=dict)
    uns: dict[str, Any] = field(default_factory=dict)
    notes: tuple[tuple[str, str], ...] = ()

    def __or__(self, other: Results) -> Results:
        """The results of both."""
        return Results(self.obsm | other.obsm, self.obs | other.obs, self.uns | other.uns, self.notes + other.notes)

    def write(self, adata: AnnData) -> str:
        """Write the results, and return the lines of a message that describe them.

        Nothing is written if a matrix holds NaN or infinite values: a `ValueError` says so.
        """
        for key, matrix in self.obsm.items():
            check_coordinates(key, matrix)
        for key, matrix in self.obsm.items():
            adata.obsm[key] = matrix
        for key, values in self.obs.items():
            if values is not None:
                adata.obs[key] = pd.Series(values, index=adata.obs_names)
            elif key in adata.obs:
                del adata.obs[key]
        for key, entry in self.uns.items():
            if entry is None:
                adata.uns.pop(key, None)
            else:
                adata.uns[key] = sealed(packed(entry)) if isinstance(entry, dict) and "model" in entry else entry
        return "\n".join(f"    {key!r}, {note}" for key, note in self.notes)


def check_coordinates(key: str, matrix: NDArray[Any]) -> None:
    """Raise if a matrix of coordinates, shape (cells, n_components), that is to be written under a key is not finite."""
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if bad.size:
        msg = (
            f"Nothing was written: adata.obsm[{key!r}] would hold NaN or infinite values for {bad.size} of {len(matrix)} "
            f"cells, the first of them row {bad[0]}. Either the values of these cells are too large, and the data should be "
            "scaled, or the model has been altered, and should be fitted again or read again from its source."
        )
        raise ValueError(msg)
