"""Plotting: maps, training histories, queries over their reference, and how far maps can be trusted."""

from ._compare import compare
from ._distances import distances
from ._history import history
from ._ingest import ingest
from ._ivis import ivis
from ._n2d import n2d
from ._probability import probability
from ._quality import quality
from ._raster import raster
from ._trust import trust

__all__ = ["compare", "distances", "history", "ingest", "ivis", "n2d", "probability", "quality", "raster", "trust"]
