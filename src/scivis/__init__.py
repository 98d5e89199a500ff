"""Embeddings of single cells, with their models stored in the AnnData object.

The tools are in ``scivis.tl``, the plots in ``scivis.pl``, and ``scivis.get`` returns fitted models.
:class:`scivis.Ivis` and :class:`scivis.N2D` are the same methods as scikit-learn estimators on arrays.

`import scivis` is fast: TensorFlow, scanpy and the libraries of the neighbor search are imported when they are needed.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ._quiet_import import load_tensorflow_quietly

if TYPE_CHECKING:
    from . import data, datasets, get, n2d, neighbors, nn, pl, tl
    from ._ivis.estimator import Ivis
    from .n2d import N2D

__version__ = version("scivis")
__all__ = ["N2D", "Ivis", "data", "datasets", "get", "n2d", "neighbors", "nn", "pl", "tl"]
load_tensorflow_quietly()
_CLASSES = {"Ivis": "scivis._ivis.estimator", "N2D": "scivis.n2d"}


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return getattr(import_module(_CLASSES[name]), name)
    if name in __all__:
        return import_module(f"scivis.{name}")
    msg = f"module 'scivis' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
