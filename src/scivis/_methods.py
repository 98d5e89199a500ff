"""The methods whose models are stored in AnnData objects."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from ._adata.given import check_adata
from ._adata.keys import Keys
from ._ivis import place as ivis
from ._store.digest import check_seal
from ._store.packed import unpacked
from ._store.schema import fail
from ._tsne import place as tsne
from .n2d import _place as n2d

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from anndata import AnnData

# Each module has two functions. `load(adata, entry, **options)` restores the fitted model of an entry, for `get.model`.
# `place(adata, entry, rows, keys, with_novelty=..., **options)` returns the results for new cells, for `tl.ingest`. `rows` are
# the input of the model. Options have defaults.
METHODS: dict[str, ModuleType] = {"ivis": ivis, "n2d": n2d, "tsne": tsne}


def entry_of(adata: AnnData, key: str, name: str = "adata") -> dict[str, Any]:
    """The entry of `.uns` with a model, unchanged since it was written, as nested dictionaries, and with its digest.

    `KeyError` if there is no model under `key`, in which `name` is that of the argument `adata`.
    """
    stored, digest = _checked(adata, key, name)
    return unpacked(stored) | {"digest": digest}


def shared_entry(adata: AnnData, key: str, name: str = "adata") -> dict[str, Any]:
    """The same for reading only: what was unpacked before is not unpacked again."""
    stored, digest = _checked(adata, key, name)
    return unpacked(stored, digest) | {"digest": digest}


def _checked(adata: AnnData, key: str, name: str) -> tuple[dict[str, Any], str]:
    """An entry of `.uns` as it is stored, and its digest."""
    check_adata(adata, name)
    models = _models(adata)
    if key not in models:
        tool = key if key in METHODS else "ivis"
        has = f"it has models under {sorted(models)}: name one with key" if models else f"run `scivis.tl.{tool}` first"
        msg = f"{name}.uns[{key!r}] holds no model of scivis; {has}."
        raise KeyError(msg)
    return models[key], check_seal(models[key])


def anchor_model(adata: AnnData, entry: dict[str, Any]) -> str | None:
    """Key of the model that computed the anchor of a t-SNE; `None` without an anchor, or if no such model is stored."""
    params: Any = entry.get("params")
    anchor = params.get("anchor") if hasattr(params, "get") else None
    for key, other in _models(adata).items():
        maps = Keys.of(str(other.get("method", "ivis")), key).obsm, str(other.get("basis", ""))
        if isinstance(anchor, str) and anchor and anchor in maps:
            return key
    return None


def reference_entry(adata_new: AnnData, adata_ref: AnnData, key: str) -> dict[str, Any]:
    """The entry of a reference; see :func:`shared_entry`. The message says if the model is in the query instead."""
    check_adata(adata_ref, "adata_ref")
    if key not in _models(adata_ref) and key in _models(adata_new):
        msg = (
            f"adata_ref, the second argument, has no model under {key!r}, but adata_new, the first, has one. The new cells "
            "come first, then the reference: exchange the two."
        )
        raise KeyError(msg)
    return shared_entry(adata_ref, key, "adata_ref")


def _models(adata: AnnData) -> dict[str, Any]:
    """All entries of `.uns` with a model."""
    return {name: entry for name, entry in adata.uns.items() if hasattr(entry, "keys") and "model" in entry}


def check_options(function: Callable[..., Any], options: dict[str, Any]) -> None:
    """Raise `TypeError` for options that `load` or `place` of a method do not take, and name those that it takes."""
    parameters = signature(function).parameters.values()
    known = [p.name for p in parameters if p.kind is Parameter.KEYWORD_ONLY and p.default is not Parameter.empty]
    takes_any = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters)  # and checks them by itself
    if not takes_any and (unknown := sorted(set(options) - set(known))):
        method = next(name for name, module in METHODS.items() if module.__name__ == function.__module__)
        msg = f"{unknown} are no arguments here: a model of {method} takes {known} in addition to those of all methods."
        raise TypeError(msg)


def method_name(entry: dict[str, Any]) -> str:
    """Name of the method of an entry; `ValueError` if this version of scivis does not know it."""
    name = str(entry.get("method", "ivis"))
    if name not in METHODS:
        fail(f"its method is {name[:80]!r}, which is not one of {sorted(METHODS)}")
    return name


def keys_of(entry: dict[str, Any], key: str) -> Keys:
    """Keys of what is written for new cells. They are placed under the key of the map, if the model has adopted one."""
    keys, basis = Keys.of(method_name(entry), key), entry.get("basis")
    if basis is None:
        return keys
    read = hasattr(entry.get("params"), "get") and entry["params"].get("use_rep")
    if not isinstance(basis, str) or basis in ("X_pca", "pca", read):
        fail(f"its basis is {str(basis)[:80]!r}")
    return keys.on_map(basis)
