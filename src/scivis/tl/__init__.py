"""Tools: fit maps and place new cells on them."""

from ._ingest import ingest
from ._ivis import ivis

__all__ = ["ingest", "ivis"]
