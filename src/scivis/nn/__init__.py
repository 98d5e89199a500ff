"""Networks, losses and training, on arrays: nothing here imports AnnData.

In the order of the data: `pairs` samples positives and negatives, `networks` builds the encoder, `losses` and
`_contrastive` compute the loss, `supervision` adds labels, `_siamese` joins them into one Keras model, and `_training`
trains it.
"""

from ._backend import keras as keras  # first: it loads the backend without output
from .losses import register_loss, triplet_loss
from .networks import Architecture, build_encoder, register_network
from .supervision import make_targets

__all__ = [
    "Architecture", "build_encoder", "make_targets", "register_loss", "register_network", "triplet_loss",
]  # fmt: skip
