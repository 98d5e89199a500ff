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
    """The attributes of :class:`scivis.Ivis` that exist after a fit.

    Before a fit, or where a fit had no labels or no classes, they raise an `AttributeError` (`NotFittedError` is one).
    """

    fitted_: FittedIvis

    @property
    def encoder_(self) -> keras.Model:
        """Keras model from rows to embeddings."""
        return self._fitted_model().encoder

    @property
    def loss_history_(self) -> list[float]:
        """Mean loss of each epoch over all fits; empty for a model from an AnnData object."""
        training = self._fitted_model().training
        return training.losses if training else []

    @property
    def n_features_in_(self) -> int:
        """Number of features of the input."""
        return self._fitted_model().architecture.n_features

    @property
    def classes_(self) -> NDArray[np.int64]:
        """Codes of the classes, in the order of the predictions."""
        classes = self._label_head().classes
        if not classes.size:
            msg = "This Ivis was fitted without classes."
            raise AttributeError(msg)
        return classes

    @property
    def n_classes_(self) -> int:
        """Number of classes."""
        return len(self.classes_)

    @property
    def supervised_model_(self) -> keras.Model:
        """Keras model from rows to predicted labels."""
        head = self._label_head()
        return supervised_model(self.fitted_, head)

    @property
    def model_(self) -> keras.Model:
        """Siamese network: a Keras model from anchors, positives and negatives to embeddings, shape (3, n, embedding_dims)."""
        return siamese_model(self.encoder_)

    def _fitted_model(self) -> FittedIvis:
        if "fitted_" not in vars(self):
            msg = "This Ivis is not fitted yet. Call `fit` first."
            raise NotFittedError(msg)
        return self.fitted_

    def _label_head(self) -> LabelHead:
        fitted = vars(self).get("fitted_")
        if fitted is None or fitted.head is None:
            msg = "This Ivis was not fitted with labels. Call fit(X, Y), with supervision_weight above 0."
            raise NotFittedError(msg)
        return fitted.head
