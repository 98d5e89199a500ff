"""Tools: fit maps, place new cells on them, and judge them."""

from ._ingest import ingest
from ._ivis import ivis
from ._quality import quality

__all__ = ["ingest", "ivis", "quality"]
