"""N2D ("not too deep" clustering): clusters from an autoencoder, a manifold learner and a clusterer.

In the order of the data: `_arguments` gives `_settings` and the learners of `_learners`; `_network` and `_training` make
the autoencoder of `_autoencoder`; `_clustering` embeds and clusters its output; `_estimator` combines both; `_assess`
compares clusters with labels. `_pack`, `_pack_learners`, `_save` and `_weights` store models; `_place` restores them and
places new cells. Only `_arguments` and `_place` know AnnData.
"""

from ._assess import cluster_accuracy, match_clusters
from ._autoencoder import AutoEncoder, CustomAutoEncoder, autoencoder_generator
from ._clustering import ManifoldClusterer, UmapGMM, manifold_cluster_generator
from ._estimator import N2D
from ._save import load_n2d, save_n2d

__all__ = [
    "N2D", "AutoEncoder", "CustomAutoEncoder", "ManifoldClusterer", "UmapGMM", "autoencoder_generator",
    "cluster_accuracy", "load_n2d", "manifold_cluster_generator", "match_clusters", "save_n2d",
]  # fmt: skip
