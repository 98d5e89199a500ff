"""A fitted model: networks, landmarks and the state of training, as one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from scivis.neighbors._landmark_places import LandmarkPlaces
    from scivis.neighbors._novelty import Reference
    from scivis.nn import Architecture
    from scivis.nn._schedule import TrainingState


@dataclass(frozen=True, eq=False)
class LabelHead:
    """The layer that predicts labels from the embedding.

    Parameters
    ----------
    network
        Keras model from embeddings (in the unit of training) to predictions. Its name is that of the loss.
    scale
        Unit and origin of each predicted value, shape (2, n_outputs): ``predicted * scale[0] + scale[1]``.
    classes
        Codes of the classes, shape (n_outputs,); empty for regression.
    """

    network: keras.Model
    scale: NDArray[np.float32]
    classes: NDArray[np.int64]

    @property
    def metric(self) -> str:
        """Name of the Keras loss."""
        return str(self.network.name)

    @property
    def n_outputs(self) -> int:
        """Number of predicted values."""
        return int(self.network.output_shape[-1])


@dataclass(frozen=True, eq=False)
class FittedIvis:
    """Result of a fit.

    Parameters
    ----------
    architecture
        Names and numbers from which the encoder is built.
    encoder
        Keras model from rows to embeddings.
    reference
        Landmarks by which novelty is measured.
    head
        Layer that predicts labels; `None` without labels.
    training
        State of training, from which another fit continues; `None` for a model from an AnnData object.
    rng
        Generator of the batches, in its state after the fit.
    places
        Places of the landmarks on a map that was learned, to which new rows are drawn; `None` for an embedding of its own.
    """

    architecture: Architecture
    encoder: keras.Model
    reference: Reference
    head: LabelHead | None = None
    training: TrainingState | None = None
    rng: np.random.Generator | None = None
    places: LandmarkPlaces | None = None

    @property
    def trained_networks(self) -> list[keras.Model]:
        """The networks whose weights are trained."""
        return [self.encoder] if self.head is None else [self.encoder, self.head.network]

    @property
    def is_interrupted(self) -> bool:
        """Whether training ended before its last epoch."""
        return self.training is not None and self.training.interrupted
