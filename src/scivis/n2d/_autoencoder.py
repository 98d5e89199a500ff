"""Autoencoders: rows in, a few numbers per row out, from which the rows can be given back."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError

from scivis._checks import check_positive_int, check_shape
from scivis._random import seed_of
from scivis.data._reading import iter_rows, read_rows, shape_of
from scivis.data._validation import check_rows

from ._weights import read_weights, set_weights, write_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras
    from numpy.typing import ArrayLike, NDArray

    from ._network import Layout, Stages

# Rows encoded at once.
_BLOCK = 8192


class _Trainable(TransformerMixin, BaseEstimator):
    """What all autoencoders do, whatever their layers are."""

    x_lambda: Callable[[NDArray[np.float32]], ArrayLike] | None

    @abstractmethod
    def _stages(self, x: NDArray[np.float32], seed: int) -> Stages:
        """Input, bottleneck and output of the network for these rows."""

    def fit(  # noqa: PLR0913 (the parameters of the documents of N2D)
        self,
        X: Any,  # noqa: N803 (scikit-learn's name)
        y: Any = None,
        *,
        batch_size: int = 256,
        epochs: int = 1000,
        loss: str | keras.losses.Loss = "mse",
        optimizer: str | keras.optimizers.Optimizer = "adam",
        weights: str | Path | None = None,
        weight_id: str | Path | None = None,
        patience: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: int = 0,
        random_state: int | np.random.Generator = 0,
    ) -> Self:
        """Learn to give rows back; the weights of the epoch with the lowest loss are kept.

        Parameters
        ----------
        X
            Rows, shape (n, input_dim), or of the shape that the network of your own reads: an array or whatever
            :func:`scivis.data` knows.
        y
            Ignored.
        batch_size
            Rows per step.
        epochs
            Passes over the rows, at most.
        loss, optimizer
            Whatever Keras takes.
        weights
            A file that `weight_id` wrote: its weights are taken and training is skipped.
        weight_id
            Write the weights into this file (HDF5).
        patience
            Epochs without a lower loss before training stops; `None` runs all.
        callbacks
            Keras callbacks.
        verbose
            Above 0: a progress bar.
        random_state
            Draws the initial weights and the order of the rows.

        Raises
        ------
        ValueError
            If `X` holds NaN, infinite or only equal rows, has another shape than the network reads, or an argument is
            out of range.
        """
        from ._network import models
        from ._training import Plan, check_plan, check_transform, train

        plan = Plan(batch_size, epochs, loss, optimizer, patience, callbacks, verbose)
        check_plan(plan)
        x = read_rows(X)
        check_rows(x)
        check_transform(self.x_lambda, x)
        rng = np.random.default_rng(random_state)
        self.encoder_, self.autoencoder_ = models(self._stages(x, seed_of(rng)))
        check_shape(x.shape, self.encoder_.input_shape[1:])
        self.loss_history_: list[float] = []
        if weights is not None:
            set_weights(self.autoencoder_, read_weights(Path(weights)))
        else:
            self.loss_history_ = train(self.autoencoder_, x, self.x_lambda, plan, rng)
        if weight_id is not None:
            write_weights(Path(weight_id), self.autoencoder_.get_weights())
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Encode rows, shape (n, latent_dim); a bottleneck of several axes is flattened, and no row is fine."""
        self._check_fitted()
        width = int(np.prod(self.encoder_.output_shape[1:]))
        parts = [self._called(self.encoder_, block).reshape(len(block), width) for block in self._blocks(X)]
        return np.concatenate([np.empty((0, width), np.float32), *parts])

    def reconstruct(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Rows as the network gives them back, in the shape of `X`."""
        self._check_fitted()
        parts = [self._called(self.autoencoder_, block) for block in self._blocks(X)]
        return np.concatenate([np.empty((0, *shape_of(X)[1:]), np.float32), *parts])

    def _blocks(self, rows: Any) -> Any:
        check_shape(shape_of(rows), self.encoder_.input_shape[1:])
        for block in iter_rows(rows):
            yield from (block[a : a + _BLOCK] for a in range(0, len(block), _BLOCK))

    @staticmethod
    def _called(model: keras.Model, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        from scivis.nn import keras

        return np.asarray(keras.ops.convert_to_numpy(model(rows, training=False)), np.float32)

    def _check_fitted(self) -> None:
        if not hasattr(self, "encoder_"):
            msg = "This autoencoder is not fitted yet. Call `fit` first."
            raise NotFittedError(msg)


class AutoEncoder(_Trainable):
    """Dense autoencoder: layers down to a bottleneck, and the same widths back up.

    Bottleneck and output are linear, the layers between have an activation, and each `fit` starts from new weights.
    The defaults are those of N2D (McConville et al., ICPR 2020, arXiv 1908.05968).

    Parameters
    ----------
    input_dim
        Width of a row.
    latent_dim
        Width of the bottleneck; N2D takes the number of clusters.
    architecture
        Widths of the layers between, from the input on.
    act
        Name of their activation.
    x_lambda
        A function of a batch of rows, shape (batch, input_dim), that gives what the network sees instead, in the same
        shape, while the rows as they are remain the target: with noise added the network learns to denoise. It is called
        for every batch of every epoch, in training only.
    standardize
        Centre the data and divide them by their overall standard deviation, inside the network.

    Attributes
    ----------
    encoder_
        The Keras model from rows to the bottleneck.
    autoencoder_
        The Keras model from rows to rows.
    loss_history_
        Mean loss of each epoch; empty if the weights came from a file.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 16)).astype("float32")
    >>> autoencoder = AutoEncoder(16, 3, architecture=[8]).fit(x, epochs=2)
    >>> autoencoder.transform(x).shape, autoencoder.reconstruct(x).shape
    ((60, 3), (60, 16))
    """

    def __init__(
        self,
        input_dim: int,
        latent_dim: int = 10,
        architecture: Sequence[int] = (500, 500, 2000),
        act: str = "relu",
        x_lambda: Callable[[NDArray[np.float32]], ArrayLike] | None = None,
        *,
        standardize: bool = False,
    ) -> None:
        self.input_dim = input_dim
        self.latent_dim = latent_dim
        self.architecture = architecture
        self.act = act
        self.x_lambda = x_lambda
        self.standardize = standardize

    def check_settings(self) -> None:
        """Refuse, before any work, parameters from which no network can be built."""
        from ._network import check_activation

        check_positive_int("input_dim", self.input_dim)
        check_positive_int("latent_dim", self.latent_dim)
        if isinstance(self.architecture, str) or not hasattr(self.architecture, "__len__"):
            msg = f"architecture={self.architecture!r} must be a list of widths."
            raise ValueError(msg)
        for width in self.architecture:
            check_positive_int("A width in architecture", width)
        check_activation(self.act)

    def _stages(self, x: NDArray[np.float32], seed: int) -> Stages:
        from ._network import build

        self.check_settings()
        check_shape(x.shape, (self.input_dim,))
        self._layout = self._layout_for(x)
        return build(self._layout, seed)

    def _layout_for(self, x: NDArray[np.float32]) -> Layout:
        from ._network import Layout

        sizes = (self.input_dim, self.latent_dim, tuple(map(int, self.architecture)), self.act)
        if not self.standardize:
            return Layout(*sizes)
        mean = x.mean(axis=0, dtype=np.float64)
        return Layout(*sizes, offset=tuple(mean.tolist()), scale=float(1.0 / (x - mean).std()))


class CustomAutoEncoder(_Trainable):
    """Autoencoder of layers of your own: convolutional, recurrent, anything that gives rows back in their shape.

    The layers are trained in place: another `fit` goes on from the weights that they have.

    Parameters
    ----------
    ae_stages
        Three tensors of one Keras network: its input, its bottleneck and its output.
    x_lambda
        As for :class:`AutoEncoder`.

    Attributes
    ----------
    encoder_, autoencoder_, loss_history_
        As for :class:`AutoEncoder`.

    Examples
    --------
    >>> import keras, numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 12, 2)).astype("float32")  # 12 points in time, 2 signals
    >>> inputs = keras.Input((12, 2))
    >>> encoded = keras.layers.LSTM(3)(inputs)
    >>> outputs = keras.layers.LSTM(2, return_sequences=True)(keras.layers.RepeatVector(12)(encoded))
    >>> CustomAutoEncoder((inputs, encoded, outputs)).fit(x, epochs=1).transform(x).shape
    (60, 3)
    """

    def __init__(
        self,
        ae_stages: Sequence[Any],
        x_lambda: Callable[[NDArray[np.float32]], ArrayLike] | None = None,
    ) -> None:
        self.ae_stages = ae_stages
        self.x_lambda = x_lambda

    def check_settings(self) -> None:
        """Refuse, before any work, tensors that are no autoencoder."""
        from ._network import models

        models(tuple(self.ae_stages))

    def _stages(self, x: NDArray[np.float32], seed: int) -> Stages:
        return tuple(self.ae_stages)


def autoencoder_generator(
    ae_stages: Sequence[Any], x_lambda: Callable[[NDArray[np.float32]], ArrayLike] | None = None
) -> CustomAutoEncoder:
    """:class:`CustomAutoEncoder` under the name that the documents of N2D use.

    Parameters
    ----------
    ae_stages, x_lambda
        As there.

    Examples
    --------
    >>> import keras
    >>> inputs = keras.Input((12,))
    >>> encoded = keras.layers.Dense(3)(inputs)
    >>> autoencoder_generator((inputs, encoded, keras.layers.Dense(12)(encoded))).check_settings()
    """
    return CustomAutoEncoder(ae_stages, x_lambda)
