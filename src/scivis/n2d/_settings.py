"""The settings of a fit as frozen records, which are validated when they are created."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from scivis._checks import check_callbacks, check_positive_int

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class TrainingSettings:
    """Settings of the training, with the names of :meth:`scivis.n2d.AutoEncoder.fit`."""

    batch_size: int
    epochs: int
    loss: str | keras.losses.Loss
    optimizer: str | keras.optimizers.Optimizer
    patience: int | None
    callbacks: Sequence[keras.callbacks.Callback]
    verbose: int

    def __post_init__(self) -> None:
        from scivis.nn import keras

        check_callbacks(self.callbacks)
        check_positive_int("batch_size", self.batch_size)
        check_positive_int("epochs", self.epochs)
        if self.patience is not None:
            check_positive_int("patience", self.patience)
        _check_known("loss", self.loss, keras.losses.get)
        _check_known("optimizer", self.optimizer, keras.optimizers.get)

    def training_arguments(self) -> dict[str, Any]:
        """The settings as keyword arguments of :meth:`scivis.N2D.fit`."""
        return {field.name: getattr(self, field.name) for field in fields(TrainingSettings)}


@dataclass(frozen=True, eq=False)
class Settings(TrainingSettings):
    """Settings of :func:`scivis.tl.n2d`: those of the training, of the autoencoder, and of the learners by name."""

    n_clusters: int
    n_components: int
    n_neighbors: int | None
    latent_dim: int
    architecture: Sequence[int]
    act: str
    x_lambda: Callable[[NDArray[np.float32]], ArrayLike] | None

    def __post_init__(self) -> None:
        from scivis.nn.networks import check_widths

        from ._network import check_layers

        check_positive_int("n_clusters", self.n_clusters)
        check_positive_int("n_components", self.n_components)
        if self.n_neighbors is not None:
            check_positive_int("n_neighbors", self.n_neighbors)
        check_layers(self.latent_dim, self.architecture, self.act)
        described = f"architecture={self.architecture!r} and latent_dim={self.latent_dim}"
        check_widths((1, *self.architecture, self.latent_dim), described)
        if self.x_lambda is not None and not callable(self.x_lambda):
            msg = f"x_lambda={self.x_lambda!r} must be a function of a batch of rows, or None."
            raise ValueError(msg)
        super().__post_init__()


def _check_known(name: str, value: Any, get: Callable[[Any], Any]) -> None:
    """Raise unless a value is a name or an object that Keras accepts."""
    try:
        known = value is not None and get(value) is not None
    except ValueError:
        known = False
    if not known:
        msg = f"{name}={value!r} is neither the name of a Keras {name} nor an object that Keras accepts as one."
        raise ValueError(msg)
