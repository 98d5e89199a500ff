"""Results of a tool for the cells of an AnnData object, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Results:
    """What is to be written for the cells of an AnnData object.

    Parameters
    ----------
    obsm, obs
        Arrays with one entry per cell.
    uns
        Entries; `None` removes one that no longer holds.
    notes
        What each is, for the message.
    """

    obsm: dict[str, NDArray[Any]] = field(default_factory=dict)
    obs: dict[str, Any] = field(default_factory=dict)
    uns: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def __or__(self, other: Results) -> Results:
        """Both."""
        return Results(
            self.obsm | other.obsm, self.obs | other.obs, self.uns | other.uns, self.notes | other.notes
        )  # fmt: skip

    def write(self, adata: AnnData) -> str:
        """Write all of it; gives the lines of a message."""
        for key, matrix in self.obsm.items():
            adata.obsm[key] = matrix
        for key, values in self.obs.items():
            adata.obs[key] = pd.Series(values, index=adata.obs_names)
        for key, entry in self.uns.items():
            if entry is None:
                adata.uns.pop(key, None)
            else:
                adata.uns[key] = entry
        return "\n".join(f"    {key!r}, {note}" for key, note in self.notes.items())
