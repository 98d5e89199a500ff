"""Plotting: maps, training histories, queries over their reference."""

from ._history import history
from ._ingest import ingest
from ._ivis import ivis
from ._n2d import n2d

__all__ = ["history", "ingest", "ivis", "n2d"]
