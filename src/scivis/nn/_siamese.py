"""The siamese model: index of a batch in, loss out. One encoder embeds anchors and partners together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from ._contrastive import distance_correlation, infonce
from .losses import triplet_loss
from .supervision import supervised_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._batches import Batch
    from ._distances import Tensor
    from .losses import IvisLoss
    from .supervision import Targets


@dataclass(frozen=True, eq=False)
class Supervision:
    """Labels that are learned in addition to the neighbors."""

    targets: Targets
    head: keras.Model  # predicts the labels from the embedding
    metric: str  # name of the Keras loss of the predictions
    weight: float  # weight of this loss, between 0 and 1


class Siamese(keras.Model):
    """Trains an encoder on pairs or triplets of rows.

    The data `x`, shape (n, ...), and the batches of an epoch are variables of the model, so that its input is only the
    index of a batch. Batch `i` consists of the rows `rows[i]`, shape (views, anchors), anchors first and then their
    partners, and the pairs `pairs[i]` of positions among them, shape (2, pairs). `loss` and `global_weight` are those
    of :class:`Schedule`. With `noisy`, the variable `noise` is added to the rows of every batch. It is the same for all
    batches of a round, as the order of the rows, and so the noise of each row, is new in each epoch. Noise in the input
    prevents overfitting, like a penalty on curvature (Bishop, Neural Computation 7, 1995).
    """

    def __init__(
        self,
        encoder: keras.Model,
        x: NDArray[np.float32],
        *,
        loss: str | IvisLoss | None,
        global_weight: float,
        noisy: bool = False,
        n_batches: int,
        batch: Batch,
        supervision: Supervision | None = None,
    ) -> None:
        super().__init__(name="siamese")
        self.encoder = encoder
        self.global_weight = global_weight
        self.neighbor_loss = loss
        self.x = self._add_variable(x)
        self.rows = self._add_variable(np.zeros((n_batches, batch.n_views, batch.n_anchors), np.int32))
        self.pairs = self._add_variable(np.zeros((n_batches, 2, batch.n_pairs), np.int32))
        self.n_anchors = batch.n_anchors
        self.noise = self._add_variable(np.zeros((batch.n_rows, *x.shape[1:]), np.float32)) if noisy else None
        self.supervision: Any = supervision
        if supervision is not None:
            self.head = supervision.head
            # One label per row of `x`. If rows are read from a file in parts, their labels are assigned with them.
            values, labeled = supervision.targets.values, supervision.targets.labeled.astype(np.float32)
            self.labels = self._add_variable(np.resize(values, (len(x), *values.shape[1:])))
            self.labeled = self._add_variable(np.resize(labeled, len(x)))
        # All variables exist. Otherwise Keras would trace the whole model once more to create them.
        self.built = True

    def _add_variable(self, values: NDArray[Any]) -> keras.Variable:
        initializer = lambda shape, dtype: ops.convert_to_tensor(values, dtype=dtype)
        return self.add_weight(values.shape, initializer, values.dtype.name, trainable=False)

    def call(self, batch: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:  # noqa: FBT001, FBT002 (Keras)
        """The rows of the batch with this index, shape (1,), and their embeddings, anchors first."""
        x = ops.take(self.x, ops.ravel(ops.take(self.rows, batch[0], axis=0)), axis=0)
        return x, self.encoder(x if self.noise is None or not training else x + self.noise, training=training)

    def compute_loss(self, x: Tensor = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None) -> Tensor:
        """Loss of the batch with index `x`: of pairs or triplets, of distances, and of labels."""
        inputs, embeddings = y_pred
        loss = self._neighbor_loss(x, embeddings)
        inputs, embeddings = inputs[: self.n_anchors], embeddings[: self.n_anchors]
        if self.global_weight:
            loss += self.global_weight * distance_correlation(inputs, embeddings)
        loss += sum(self.encoder.losses)
        return self._add_label_loss(loss, x, embeddings) if self.supervision else loss

    def _neighbor_loss(self, batch: Tensor, embeddings: Tensor) -> Tensor:
        if self.neighbor_loss is None:
            return 0.0
        if self.neighbor_loss == "infonce":
            return infonce(embeddings, ops.take(self.pairs, batch[0], axis=0))
        return ops.mean(triplet_loss(self.neighbor_loss)(None, ops.stack(ops.split(embeddings, 3))))

    def _add_label_loss(self, loss: Tensor, batch: Tensor, embeddings: Tensor) -> Tensor:
        """Weighted mean of a loss and the loss of the labels of the anchors, plus the penalty of the head."""
        anchors = ops.take(self.rows, batch[0], axis=0)[0]
        y, labeled = (ops.take(values, anchors, axis=0) for values in (self.labels, self.labeled))
        metric, weight = self.supervision.metric, self.supervision.weight
        label_loss = supervised_loss(metric, y, self.head(embeddings), labeled)
        return (1.0 - weight) * loss + weight * label_loss + sum(self.head.losses)

    @property
    def networks(self) -> list[keras.Model]:
        """The networks that are trained."""
        return [self.encoder] if self.supervision is None else [self.encoder, self.head]
