"""Tools: embed cells, map new cells to an embedding, and evaluate embeddings."""

from ._adopt import adopt
from ._drift import drift
from ._extend import extend
from ._importance import feature_importance
from ._ingest import ingest
from ._ivis import ivis
from ._n2d import n2d
from ._quality import quality
from ._tsne import tsne
from ._uncertainty import uncertainty

__all__ = [
    "adopt",
    "drift",
    "extend",
    "feature_importance",
    "ingest",
    "ivis",
    "n2d",
    "quality",
    "tsne",
    "uncertainty",
]
