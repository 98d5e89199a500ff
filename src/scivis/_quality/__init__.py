"""How much of the cells' relations a map keeps: measures on arrays, of a representation and a map of the same rows.

Everywhere `x` is the representation, cells × features, and `z` the map, cells × axes; distances are Euclidean. What is
large is sampled, and the samples are arguments, so that every map is judged by the same cells.
"""

from .card import Measure, Samples, draw_samples, judge, pca
from .distances import Boxes, correlations, distance_boxes, triplets_kept
from .labels import centroids, label_accuracy, mantel, nearest_classes_kept
from .neighbors import density_kept, nearest, neighbors_kept, ranks, trust
from .per_cell import per_cell_trust

__all__ = [
    "Boxes",
    "Measure",
    "Samples",
    "centroids",
    "correlations",
    "density_kept",
    "distance_boxes",
    "draw_samples",
    "judge",
    "label_accuracy",
    "mantel",
    "nearest",
    "nearest_classes_kept",
    "neighbors_kept",
    "pca",
    "per_cell_trust",
    "ranks",
    "triplets_kept",
    "trust",
]
