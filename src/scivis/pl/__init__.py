"""Plotting: maps, training histories, queries over their reference."""

from ._history import history
from ._ingest import ingest
from ._ivis import ivis

__all__ = ["history", "ingest", "ivis"]
