"""The methods whose models lie in AnnData objects, and what placing cells with one of them gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

import pandas as pd

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from ._adata.keys import Keys
    from .data._streaming import Rows

# Each module offers `load` and `place`, as `Method` describes them, and is imported when a model of it is met.
MODULES = {"ivis": "scivis._ivis.place", "n2d": "scivis.n2d._place", "tsne": "scivis._tsne.place"}


@dataclass(frozen=True, eq=False)
class Placement:
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

    def __or__(self, other: Placement) -> Placement:
        """Both."""
        return Placement(
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


class Method(Protocol):
    """A module that knows one method's models."""

    def load(self, adata: AnnData, entry: Any, **options: Any) -> Any:
        """The fitted model of an entry of `.uns`."""

    def place(self, adata: AnnData, entry: Any, rows: Rows, keys: Keys, **options: Any) -> Placement:
        """New cells, given by the model's input, on the map of the reference `adata`."""


def entry_of(adata: AnnData, key: str) -> dict[str, Any]:
    """The entry of `.uns` that holds a model.

    Raises
    ------
    KeyError
        If there is none under `key`.
    """
    entry = adata.uns.get(key)
    if not hasattr(entry, "keys") or "model" not in entry:
        held = sorted(k for k, v in adata.uns.items() if hasattr(v, "keys") and "model" in v)
        msg = f"adata.uns[{key!r}] holds no model; models are under {held}. Run `scivis.tl.ivis(adata)` first."
        raise KeyError(msg)
    return cast("dict[str, Any]", entry)


def method_of(entry: dict[str, Any]) -> tuple[str, Method]:
    """The name and the module of the method that an entry is of.

    Raises
    ------
    ValueError
        If this version of scivis does not know it.
    """
    name = str(entry.get("method", "ivis"))
    if name not in MODULES:
        from ._ivis.pack import fail

        fail(f"its method is {name[:80]!r}, which is not one of {sorted(MODULES)}")
    return name, cast("Method", import_module(MODULES[name]))
