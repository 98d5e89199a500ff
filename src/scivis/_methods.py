"""The methods whose models are stored in AnnData objects, and what each of them offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from ._ivis import place as ivis
from ._store.schema import fail
from ._tsne import place as tsne
from .n2d import _place as n2d

if TYPE_CHECKING:
    from anndata import AnnData

    from ._adata.keys import Keys
    from ._adata.results import Results
    from .data._streaming import Rows


class Place(Protocol):
    """A function that places new cells, given by the model's input `rows`, on the map of the reference `adata`."""

    def __call__(self, adata: AnnData, entry: Any, rows: Rows, keys: Keys, **options: Any) -> Results:
        """See :func:`scivis.tl.ingest`."""


class Load(Protocol):
    """A function that restores the fitted model from an entry of `.uns`."""

    def __call__(self, adata: AnnData, entry: Any, **options: Any) -> Any:
        """See :func:`scivis.get.model`."""


@dataclass(frozen=True)
class Method:
    """One method: its name, and how its models are used."""

    name: str
    load: Load
    place: Place


METHODS = {
    name: Method(name, module.load, module.place) for name, module in (("ivis", ivis), ("n2d", n2d), ("tsne", tsne))
}


def entry_of(adata: AnnData, key: str) -> dict[str, Any]:
    """The entry of `.uns` that holds a model.

    Raises
    ------
    KeyError
        If there is no model under `key`.
    """
    entry = adata.uns.get(key)
    if not hasattr(entry, "keys") or "model" not in entry:
        held = sorted(k for k, v in adata.uns.items() if hasattr(v, "keys") and "model" in v)
        msg = f"adata.uns[{key!r}] holds no model; there are models under {held}. Run `scivis.tl.ivis(adata)` first."
        raise KeyError(msg)
    return cast("dict[str, Any]", entry)


def method_of(entry: dict[str, Any]) -> Method:
    """The method of an entry.

    Raises
    ------
    ValueError
        If this version of scivis does not know it.
    """
    name = str(entry.get("method", "ivis"))
    if name not in METHODS:
        fail(f"its method is {name[:80]!r}, which is not one of {sorted(METHODS)}")
    return METHODS[name]
