"""Autoencoders: networks that encode rows as a few values, from which the rows can be reconstructed."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from scivis._checks import check_positive_int, check_shape
from scivis._random import generator_of, seed_of
from scivis.data._reading import iter_rows, read_rows, shape_of
from scivis.data._validation import check_rows

from ._settings import TrainingSettings
from ._weights import read_weights, set_weights, write_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras
    from numpy.typing import ArrayLike, NDArray

    from scivis._random import RandomState

    from ._network import Layout, Stages

# Number of rows that are encoded at once.
_BLOCK = 8192


class Trainable(TransformerMixin, BaseEstimator):
    """Base of all autoencoders: everything that does not depend on their layers."""

    x_lambda: Callable[[NDArray[np.float32]], ArrayLike] | None

    @abstractmethod
    def _stages(self, x: NDArray[np.float32], seed: int) -> Stages:
        """Input, bottleneck and output of the network for these rows."""

    def fit(  # noqa: PLR0913 (the parameters of N2D's documentation)
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
        random_state: RandomState = 0,
    ) -> Self:
        """Train the network to reconstruct rows, and keep the weights of the epoch with the lowest loss.

        Parameters
        ----------
        X
            Rows, shape (n, input_dim), or of the shape that a custom network reads: an array, or any of the sources that
            :class:`scivis.Ivis` reads.
        y
            Ignored.
        batch_size
            Rows per training step.
        epochs
            Maximum number of epochs.
        loss, optimizer
            Name or object of Keras.
        weights
            File that was written with `weight_id`. Its weights are used instead of training.
        weight_id
            HDF5 file to which the weights are written.
        patience
            Number of epochs without a lower loss after which training stops. `None`, the default, runs all epochs.
        callbacks
            Keras callbacks, called during training.
        verbose
            Values above 0 show a progress bar.
        random_state
            Seed of the initial weights and of the order of the rows: an integer, or a NumPy generator or `RandomState`.

        Raises
        ------
        ValueError
            If `X` holds NaN or infinite values, if all its rows are equal, if it has another shape than the network
            reads, or if an argument is out of range.
        """
        from ._network import models
        from ._training import check_transform, train

        settings = TrainingSettings(batch_size, epochs, loss, optimizer, patience, callbacks, verbose)
        x = read_rows(X)
        check_rows(x)
        check_transform(self.x_lambda, x)
        rng = generator_of(random_state)
        self.encoder_, self.autoencoder_ = models(self._stages(x, seed_of(rng)))
        check_shape(x.shape, self.encoder_.input_shape[1:])
        self.loss_history_: list[float] = []
        if weights is not None:
            set_weights(self.autoencoder_, read_weights(Path(weights)))
        else:
            self.loss_history_ = train(self.autoencoder_, x, self.x_lambda, settings, rng)
        if weight_id is not None:
            write_weights(Path(weight_id), self.autoencoder_.get_weights())
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Encode rows, shape (n, latent_dim). A bottleneck with several axes is flattened. `X` may have no rows."""
        check_is_fitted(self, "encoder_")
        return self._apply(self.encoder_, X, int(np.prod(self.encoder_.output_shape[1:])))

    def reconstruct(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Reconstruct rows from their encoding, in the shape of `X`."""
        check_is_fitted(self, "encoder_")
        return self._apply(self.autoencoder_, X, *shape_of(X)[1:])

    def _apply(self, model: keras.Model, rows: Any, *shape: int) -> NDArray[np.float32]:
        """Output of a model for rows, in this shape."""
        from scivis.nn import keras
        from scivis.nn._backend import check_process

        check_process()
        check_shape(shape_of(rows), self.encoder_.input_shape[1:])
        parts = [np.empty((0, *shape), np.float32)]
        for block in iter_rows(rows):
            for start in range(0, len(block), _BLOCK):
                output = model(block[start : start + _BLOCK], training=False)
                parts.append(np.asarray(keras.ops.convert_to_numpy(output), np.float32).reshape(-1, *shape))
        return np.concatenate(parts)


class AutoEncoder(Trainable):
    """Dense autoencoder: layers to a bottleneck, and layers of the same widths in reverse order to the output.

    Bottleneck and output are linear, the other layers have an activation. Each `fit` starts from new weights. The
    defaults are those of N2D (McConville et al., ICPR 2020, arXiv 1908.05968).

    Parameters
    ----------
    input_dim
        Width of the input.
    latent_dim
        Width of the bottleneck. N2D uses the number of clusters.
    architecture
        Widths of the layers between input and bottleneck.
    act
        Name of their Keras activation.
    x_lambda
        Function that changes the input during training: it takes a batch of rows, shape (batch, input_dim), and returns
        an array of the same shape, while the unchanged rows remain the target. A function that adds noise makes a
        denoising autoencoder. It is called for every batch of every epoch.
    standardize
        Whether the network centers the data and divides them by their overall standard deviation.

    Attributes
    ----------
    encoder_
        Keras model from rows to the bottleneck.
    autoencoder_
        Keras model from rows to reconstructed rows.
    layout_
        Names and numbers from which the network is built.
    loss_history_
        Mean loss of each epoch; empty if the weights were read from a file.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 16)).astype("float32")
    >>> autoencoder = AutoEncoder(16, 3, architecture=[8]).fit(x, epochs=2)
    >>> autoencoder.transform(x).shape, autoencoder.reconstruct(x).shape
    ((60, 3), (60, 16))
    """

    layout_: Layout

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
        """Raise unless a network can be built with these parameters."""
        from ._network import check_layers

        check_positive_int("input_dim", self.input_dim)
        check_layers(self.latent_dim, self.architecture, self.act)

    def _stages(self, x: NDArray[np.float32], seed: int) -> Stages:
        from ._network import Layout, build

        self.check_settings()
        check_shape(x.shape, (self.input_dim,))
        sizes = (self.input_dim, self.latent_dim, tuple(map(int, self.architecture)), self.act)
        self.layout_ = Layout(*sizes)
        if self.standardize:
            mean = x.mean(axis=0, dtype=np.float64)
            self.layout_ = Layout(*sizes, offset=tuple(mean.tolist()), scale=float(1.0 / (x - mean).std()))
        return build(self.layout_, seed)


class CustomAutoEncoder(Trainable):
    """Autoencoder with layers of your own, for example convolutional or recurrent ones.

    The output must have the shape of the input. The layers are trained in place: another `fit` continues from their
    present weights.

    Parameters
    ----------
    ae_stages
        Three tensors of one Keras network: its input, its bottleneck and its output.
    x_lambda
        Function that changes the input during training, as for :class:`AutoEncoder`.

    Attributes
    ----------
    encoder_, autoencoder_, loss_history_
        As for :class:`AutoEncoder`.

    Examples
    --------
    >>> import keras, numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 12, 2)).astype("float32")  # 12 time points, 2 signals
    >>> inputs = keras.Input((12, 2))
    >>> encoded = keras.layers.LSTM(3)(inputs)
    >>> outputs = keras.layers.LSTM(2, return_sequences=True)(keras.layers.RepeatVector(12)(encoded))
    >>> CustomAutoEncoder((inputs, encoded, outputs)).fit(x, epochs=1).transform(x).shape
    (60, 3)
    """

    def __init__(
        self, ae_stages: Sequence[Any], x_lambda: Callable[[NDArray[np.float32]], ArrayLike] | None = None
    ) -> None:  # fmt: skip
        self.ae_stages = ae_stages
        self.x_lambda = x_lambda

    def check_settings(self) -> None:
        """Raise unless the three tensors form an autoencoder."""
        from ._network import models

        models(tuple(self.ae_stages))

    def _stages(self, x: NDArray[np.float32], seed: int) -> Stages:
        return tuple(self.ae_stages)


def autoencoder_generator(
    ae_stages: Sequence[Any], x_lambda: Callable[[NDArray[np.float32]], ArrayLike] | None = None
) -> CustomAutoEncoder:
    """:class:`CustomAutoEncoder` under the name that N2D's documentation uses.

    Parameters
    ----------
    ae_stages, x_lambda
        Parameters of :class:`CustomAutoEncoder`.

    Examples
    --------
    >>> import keras
    >>> inputs = keras.Input((12,))
    >>> encoded = keras.layers.Dense(3)(inputs)
    >>> autoencoder_generator((inputs, encoded, keras.layers.Dense(12)(encoded))).check_settings()
    """
    return CustomAutoEncoder(ae_stages, x_lambda)
