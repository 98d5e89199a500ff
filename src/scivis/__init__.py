"""Maps of single cells whose distances mean something, with the model kept in the AnnData file.

``scivis.tl`` fits and maps, ``scivis.pl`` draws, ``scivis.get`` hands back fitted models;
:class:`scivis.Ivis` is the same engine as a scikit-learn estimator on arrays.

Importing the package is cheap: TensorFlow, Annoy and scanpy are loaded by the first call that needs them.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import data, get, neighbors, nn, pl, tl
    from ._estimator import Ivis

__version__ = version("scivis")
__all__ = ["Ivis", "data", "get", "neighbors", "nn", "pl", "tl"]


def __getattr__(name: str) -> Any:
    if name == "Ivis":
        return import_module("scivis._estimator").Ivis
    if name in __all__:
        return import_module(f"scivis.{name}")
    msg = f"module 'scivis' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
