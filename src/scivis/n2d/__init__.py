"""Clusters by an autoencoder, a manifold learner and a mixture, on arrays (N2D: "not too deep" clustering).

The modules in the order in which data pass them: `_network` and `_training` make the autoencoder of `_autoencoder`,
`_clustering` draws a map of what it encodes and clusters the map, `_estimator` joins the two, `_assess` compares
clusters with labels, `_storing` turns a fitted model into plain arrays and back.
"""

from ._assess import cluster_accuracy, match_clusters
from ._autoencoder import AutoEncoder, CustomAutoEncoder, autoencoder_generator
from ._clustering import ManifoldClusterer, UmapGMM, manifold_cluster_generator
from ._estimator import N2D
from ._pack import load_n2d, save_n2d

__all__ = [
    "N2D",
    "AutoEncoder",
    "CustomAutoEncoder",
    "ManifoldClusterer",
    "UmapGMM",
    "autoencoder_generator",
    "cluster_accuracy",
    "load_n2d",
    "manifold_cluster_generator",
    "match_clusters",
    "save_n2d",
]  # fmt: skip
