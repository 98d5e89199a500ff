"""The network, its losses and its training, on arrays: nothing here knows AnnData.

The modules in the order in which data pass them: `pairs` draws positives and negatives, `networks` embeds them,
`losses` and `_contrastive` judge, `supervision` learns labels, `_siamese` joins the four into one Keras model, `_training` runs it.
"""

from ._backend import keras as keras  # first: it loads the backend quietly
from .losses import register_loss, triplet_loss
from .networks import Architecture, build_encoder, register_network
from .supervision import make_targets

__all__ = [
    "Architecture", "build_encoder", "make_targets", "register_loss", "register_network", "triplet_loss",
]  # fmt: skip
