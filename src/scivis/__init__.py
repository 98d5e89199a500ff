"""Maps of single cells whose distances mean something, with the model kept in the AnnData file.

``scivis.tl`` fits and maps, ``scivis.pl`` draws, ``scivis.get`` hands back fitted models;
:class:`scivis.Ivis` and :class:`scivis.N2D` are the same engines as scikit-learn estimators on arrays.

Importing the package is cheap: TensorFlow, Annoy and scanpy are loaded by the first call that needs them.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import data, datasets, get, n2d, neighbors, nn, pl, tl
    from ._ivis.estimator import Ivis
    from .n2d import N2D

__version__ = version("scivis")
__all__ = ["N2D", "Ivis", "data", "datasets", "get", "n2d", "neighbors", "nn", "pl", "tl"]


def __getattr__(name: str) -> Any:
    if name == "Ivis":
        return import_module("scivis._ivis.estimator").Ivis
    if name == "N2D":
        return import_module("scivis.n2d").N2D
    if name in __all__:
        return import_module(f"scivis.{name}")
    msg = f"module 'scivis' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
