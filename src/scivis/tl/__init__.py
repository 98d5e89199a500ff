"""Tools: fit maps, cluster, and place new cells."""

from ._ingest import ingest
from ._ivis import ivis
from ._n2d import n2d

__all__ = ["ingest", "ivis", "n2d"]
