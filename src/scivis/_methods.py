"""The methods whose models are stored in AnnData objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ._ivis import place as ivis
from ._store.schema import fail
from ._tsne import place as tsne
from .n2d import _place as n2d

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

    from ._adata.results import Results


@dataclass(frozen=True)
class Method:
    """A method whose models are stored in `.uns`.

    Parameters
    ----------
    name
        Its name.
    load
        `load(adata, entry, **options)` restores the fitted model of an entry; see :func:`scivis.get.model`.
    place
        `place(adata, entry, rows, keys, **options)` gives the results for new cells, whose input of the model is `rows`; see
        :func:`scivis.tl.ingest`.
    """

    name: str
    load: Callable[..., Any]
    place: Callable[..., Results]


METHODS = {
    name: Method(name, module.load, module.place) for name, module in (("ivis", ivis), ("n2d", n2d), ("tsne", tsne))
}


def entry_of(adata: AnnData, key: str) -> dict[str, Any]:
    """The entry of `.uns` with a model; `KeyError` if there is no model under `key`."""
    models = {name: entry for name, entry in adata.uns.items() if hasattr(entry, "keys") and "model" in entry}
    if key not in models:
        msg = f"adata.uns[{key!r}] holds no model; there are models under {sorted(models)}. Run `scivis.tl.ivis(adata)` first."
        raise KeyError(msg)
    return cast("dict[str, Any]", models[key])


def method_of(entry: dict[str, Any]) -> Method:
    """The method of an entry; `ValueError` if this version of scivis does not know it."""
    name = str(entry.get("method", "ivis"))
    if name not in METHODS:
        fail(f"its method is {name[:80]!r}, which is not one of {sorted(METHODS)}")
    return METHODS[name]
