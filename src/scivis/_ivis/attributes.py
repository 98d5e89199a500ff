"""Attributes of a fitted estimator, all of which follow from its fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.exceptions import NotFittedError

from .predict import siamese_model, supervised_model

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from .model import FittedIvis, LabelHead


class FittedAttributes:
    """The attributes of :class:`scivis.Ivis` that exist after a fit, by scikit-learn's names.

    Before a fit, or where a fit had no labels or no classes, they raise `AttributeError`.
    """

    fitted_: FittedIvis

    @property
    def encoder_(self) -> keras.Model:
        """The Keras model that embeds rows."""
        return self._attributes().encoder

    @property
    def loss_history_(self) -> list[float]:
        """Mean loss of each epoch over all fits; empty for a model from an AnnData object."""
        training = self._attributes().training
        return training.losses if training else []

    @property
    def n_features_in_(self) -> int:
        """Width of the input."""
        return self._attributes().architecture.n_features

    @property
    def classes_(self) -> NDArray[np.int64]:
        """Codes of the classes, after a fit with classes."""
        classes = self._head().classes
        if not classes.size:
            msg = "This Ivis was fitted without classes."
            raise AttributeError(msg)
        return classes

    @property
    def n_classes_(self) -> int:
        """Number of classes, after a fit with classes."""
        return len(self.classes_)

    @property
    def supervised_model_(self) -> keras.Model:
        """The Keras model that predicts labels of rows."""
        return supervised_model(self._attributes(), self._head())

    @property
    def model_(self) -> keras.Model:
        """The siamese network: embeddings of anchors, positives and negatives, shape (3, n, embedding_dims)."""
        return siamese_model(self.encoder_)

    def _fitted_model(self) -> FittedIvis:
        """The fitted model, for methods."""
        if "fitted_" not in vars(self):
            msg = "This Ivis is not fitted yet. Call `fit` first."
            raise NotFittedError(msg)
        return self.fitted_

    def _attributes(self) -> FittedIvis:
        """The fitted model, for attributes: `hasattr` is false before a fit."""
        if "fitted_" not in vars(self):
            msg = "This Ivis is not fitted yet, so that it has no attributes of a fit. Call `fit` first."
            raise AttributeError(msg)
        return self.fitted_

    def _head(self) -> LabelHead:
        head = self._attributes().head
        if head is None:
            msg = "This Ivis was fitted without labels."
            raise AttributeError(msg)
        return head
