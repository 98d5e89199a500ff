"""Plots of embeddings, of their quality, of training, and of query cells on a reference."""

from ._embeddings import compare, raster, trust
from ._history import history
from ._ingest import ingest
from ._n2d import n2d
from ._probability import probability
from ._quality import distances, quality
from ._scatter import ivis
from ._uncertainty import uncertainty

__all__ = [
    "compare",
    "distances",
    "history",
    "ingest",
    "ivis",
    "n2d",
    "probability",
    "quality",
    "raster",
    "trust",
    "uncertainty",
]
