"""The siamese model: batch numbers in, loss out. One encoder embeds anchors, positives and negatives together."""

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
    from .losses import IvisLoss, Tensor
    from .supervision import Targets


@dataclass(frozen=True, eq=False)
class Supervision:
    """Labels beside the neighbours.

    Parameters
    ----------
    targets
        What is known.
    head
        Predicts it from an embedding.
    metric
        The Keras loss between the two.
    weight
        Share of this loss in the whole, between 0 and 1.
    noise
        Standard deviation of the noise added to the input, in its units: labels can be learned by heart, and noise
        prevents that as a penalty on curvature would (Bishop, Neural Computation 7, 1995).
    """

    targets: Targets
    head: keras.Model
    metric: str
    weight: float
    noise: float = 0.0


class Siamese(keras.Model):
    """Trains an encoder on pairs or triplets of rows that it gathers itself.

    The representation and the rows of an epoch are variables of the model, so that a batch is only a number: batch
    `i` has the rows `rows[i]`, anchors first, then what came with them, and the pairs `pairs[i]` of places among them. With
    labels, `noise` is added to the rows of every batch; it is one draw per epoch, as each row then meets another part of it.

    Parameters
    ----------
    encoder
        Embeds rows.
    x
        The representation, shape (n, ...).
    loss
        `infonce`, which takes pairs, or a triplet loss: its name, or a callable with ivis's signature.
    global_weight
        Weight of the distance-correlation term.
    n_batches, batch
        Steps of an epoch, and what each of them embeds.
    supervision
        What labels add to the loss, if there are any.
    """

    def __init__(
        self,
        encoder: keras.Model,
        x: NDArray[np.float32],
        *,
        loss: str | IvisLoss,
        global_weight: float,
        n_batches: int,
        batch: Batch,
        supervision: Supervision | None = None,
    ) -> None:
        super().__init__(name="siamese")
        self.encoder = encoder
        self.global_weight = global_weight
        self.triplet_loss = None if loss == "infonce" else triplet_loss(loss)
        self.x = self._constant(x)
        self.rows = self._constant(np.zeros((n_batches, batch.n_views, batch.n_anchors), np.int32))
        self.pairs = self._constant(np.zeros((n_batches, 2, batch.n_pairs), np.int32))
        self.n_anchors = batch.n_anchors
        self.supervision: Any = supervision
        if supervision is not None:
            self.head = supervision.head
            self.noise = self._constant(np.zeros((batch.n_rows, *x.shape[1:]), np.float32))
            # As many as rows: where these are read from a file a few at a time, so are their labels.
            values, labelled = supervision.targets.values, supervision.targets.labelled.astype(np.float32)
            self.labels = self._constant(np.resize(values, (len(x), *values.shape[1:])))
            self.labelled = self._constant(np.resize(labelled, len(x)))
        # All variables exist: without this Keras would trace the whole model once more to find that out.
        self.built = True

    def _constant(self, values: NDArray[Any]) -> keras.Variable:
        return self.add_weight(
            shape=values.shape,
            dtype=values.dtype.name,
            trainable=False,
            initializer=lambda shape, dtype: ops.convert_to_tensor(values, dtype=dtype),
        )

    def call(self, batch: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:  # noqa: FBT001, FBT002 (Keras)
        """The rows of the batch of this number, shape (1,), and their embeddings, anchors first."""
        x = ops.take(self.x, ops.ravel(ops.take(self.rows, batch[0], axis=0)), axis=0)
        noisy = training and self.supervision is not None
        return x, self.encoder(x + self.noise if noisy else x, training=training)

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
            loss = infonce(embeddings, ops.take(self.pairs, x[0], axis=0))
        else:
            loss = ops.mean(self.triplet_loss(None, ops.stack(ops.split(embeddings, 3))))
        inputs, embeddings = inputs[: self.n_anchors], embeddings[: self.n_anchors]
        if self.global_weight:
            loss += self.global_weight * distance_correlation(inputs, embeddings)
        loss += sum(self.encoder.losses)
        return self._supervised(x, loss, embeddings) if self.supervision else loss

    def _supervised(self, batch: Tensor, loss: Tensor, embeddings: Tensor) -> Tensor:
        """The weighted mean of what neighbours and what labels say about the anchors."""
        anchors = ops.take(self.rows, batch[0], axis=0)[0]
        y, labelled = (ops.take(values, anchors, axis=0) for values in (self.labels, self.labelled))
        metric, weight = self.supervision.metric, self.supervision.weight
        label_loss = supervised_loss(metric, y, self.head(embeddings), labelled)
        return (1.0 - weight) * loss + weight * label_loss + sum(self.head.losses)

    @property
    def learned(self) -> list[keras.Model]:
        """The parts that training changes."""
        return [self.encoder] if self.supervision is None else [self.encoder, self.head]
