"""The siamese model: row numbers in, loss out. One encoder embeds anchors, positives and negatives together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from . import pairs
from ._contrastive import distance_correlation, infonce
from .losses import triplet_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scivis.neighbors import Neighbors

    from .losses import IvisLoss, Tensor


class Siamese(keras.Model):
    """Trains an encoder on pairs or triplets of rows that it gathers itself.

    The representation and the table of neighbours are variables of the model, so that a batch is only a list of
    positions and no Python runs between batches. Position `i` stands for row `order[i]`: shuffling an epoch means
    assigning another order.

    Parameters
    ----------
    encoder
        Embeds rows.
    x
        The representation, shape (n, ...).
    neighbors
        The neighbours of each row.
    loss
        `infonce`, a triplet loss's name, or a callable with ivis's signature.
    global_weight
        Weight of the distance-correlation term.
    n_positions
        Length of an epoch: `n` rounded up to whole batches.
    seed
        Seed of the pairs drawn.
    """

    def __init__(
        self,
        encoder: keras.Model,
        x: NDArray[np.float32],
        neighbors: Neighbors,
        *,
        loss: str | IvisLoss,
        global_weight: float,
        n_positions: int,
        seed: int,
    ) -> None:
        super().__init__(name="siamese")
        self.encoder = encoder
        self.global_weight = global_weight
        self.triplet_loss = None if loss == "infonce" else triplet_loss(loss)
        self.seed = keras.random.SeedGenerator(seed)
        self.x = self._constant(x)
        self.counts = self._constant(neighbors.counts)
        # One column at the least: a table without any cannot be gathered from.
        self.indices = self._constant(np.pad(neighbors.indices, ((0, 0), (0, 1)), constant_values=-1))
        if self.triplet_loss is not None:
            self.excluded = self._constant(pairs.exclusion_table(neighbors))
        self.order = self._constant(np.zeros(n_positions, np.int32))
        # All variables exist: without this Keras would trace the whole model once more to find that out.
        self.built = True

    def _constant(self, values: NDArray[Any]) -> keras.Variable:
        return self.add_weight(
            shape=values.shape,
            dtype=values.dtype.name,
            trainable=False,
            initializer=lambda shape, dtype: ops.convert_to_tensor(values, dtype=dtype),
        )

    def call(self, positions: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:  # noqa: FBT001, FBT002 (Keras)
        """The rows drawn for these positions, and their embeddings, anchors first."""
        anchors = ops.take(self.order, positions)
        rows = [anchors, pairs.draw_positives(anchors, self.indices, self.counts, self.seed)]
        if self.triplet_loss is not None:
            rows.append(pairs.draw_negatives(anchors, self.excluded, self.counts, self.x.shape[0], self.seed))
        x = ops.take(self.x, ops.concatenate(rows), axis=0)
        return x, self.encoder(x, training=training)

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Any = None,
        sample_weight: Tensor = None,
        training: bool = True,  # noqa: FBT001, FBT002 (Keras)
    ) -> Tensor:
        """The local loss of the batch, plus the weighted distance correlation."""
        inputs, embeddings = y_pred
        if self.triplet_loss is None:
            anchors, positives = ops.split(embeddings, 2)
            loss = infonce(anchors, positives)
        else:
            loss = self.triplet_loss(*ops.split(embeddings, 3))
        n_anchors = ops.shape(x)[0]
        if self.global_weight:
            loss += self.global_weight * distance_correlation(inputs[:n_anchors], embeddings[:n_anchors])
        return loss + sum(self.encoder.losses)
