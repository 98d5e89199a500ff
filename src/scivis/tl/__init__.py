"""Tools: fit maps and place new cells on them."""

from ._ingest import ingest
from ._ivis import ivis
from ._tsne import tsne

__all__ = ["ingest", "ivis", "tsne"]
