"""The settings of a fit: the parameters of :class:`scivis.Ivis` as one frozen record, validated in one place."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self, get_args

from scivis._checks import (
    check_choice,
    check_flag,
    check_fraction,
    check_positive,
    check_positive_int,
    check_real,
    is_integer,
)
from scivis.neighbors._annoy_file import AnnoyMetric

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

    from scivis.nn._optimizer import Optimizer
    from scivis.nn._schedule import Schedule
    from scivis.nn.losses import IvisLoss
    from scivis.nn.networks import Network
    from scivis.nn.pairs import Shuffle

_MAX_LEARNING_RATE = 10
# The name of the loss in place of that of a network that learned the coordinates of a map, without neighbors.
COORDINATES = "coordinates"


@dataclass(frozen=True, eq=False)
class Settings:
    """Parameters of :class:`scivis.Ivis`, with its names and defaults, except for data, files and callbacks."""

    embedding_dims: int = 2
    k: int = 150
    distance: str | IvisLoss = "pn"
    batch_size: int = 128
    epochs: int = 1000
    n_epochs_without_progress: int | None = 20
    n_trees: int = 50
    search_k: int = -1
    knn_distance_metric: str = "angular"
    model: str | Sequence[int] | keras.Model = "szubert"
    supervision_metric: str = "sparse_categorical_crossentropy"
    supervision_weight: float = 0.5
    input_noise: float = 0.0
    build_index_on_disk: bool = True
    precompute: bool = True
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    learning_rate_decay: bool = False
    global_weight: float = 0.0
    linear_path: bool = False
    standardize: bool = False
    verbose: int = 1

    @classmethod
    def of(cls, estimator: Any, **changes: Any) -> Self:
        """The settings of an estimator, with changes."""
        return cls(**{field.name: getattr(estimator, field.name) for field in fields(cls)} | changes)

    def params(self) -> dict[str, Any]:
        """The settings as keyword arguments of :class:`scivis.Ivis`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def plain(self) -> dict[str, Any]:
        """The settings that are plain values and can be stored; a loss function is named `custom`."""
        plain = {name: value for name, value in self.params().items() if name != "model"}
        return plain | {"distance": self.loss_name}

    @property
    def backbone(self) -> keras.Model | None:
        """The user's Keras network, if there is one."""
        return None if isinstance(self.model, str) or not hasattr(self.model, "layers") else self.model

    @property
    def network(self) -> Network:
        """Name or widths of the network; `custom` for a Keras network of the user."""
        if self.backbone is not None:
            return "custom"
        return self.model if isinstance(self.model, str) else tuple(self.model)

    @property
    def loss_name(self) -> str:
        """Name of the loss; `custom` for a function of the user."""
        return self.distance if isinstance(self.distance, str) else "custom"

    def schedule(self, shuffle: Shuffle, *, noise_unit: float) -> Schedule:
        """Loss, optimizer and length of the training; `noise_unit` is the standard deviation of the data."""
        from scivis.nn._schedule import Schedule

        return Schedule(
            loss=None if self.distance == COORDINATES else self.distance,
            batch_size=self.batch_size,
            epochs=self.epochs,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            decay=self.learning_rate_decay,
            patience=self.n_epochs_without_progress,
            global_weight=self.global_weight,
            noise=self.input_noise * noise_unit,
            shuffle=shuffle,
        )


def check_settings(settings: Settings, n_anchors: int) -> None:
    """Raise if settings cannot be used to train on `n_anchors` rows. This comes before any work."""
    from scivis.nn._optimizer import OPTIMIZERS
    from scivis.nn.networks import check_size

    _check_network(settings)
    check_positive_int("n_components", settings.embedding_dims)
    if settings.backbone is None:
        check_size(settings.network, settings.embedding_dims)
    for name in ("linear_path", "learning_rate_decay", "standardize", "build_index_on_disk", "precompute"):
        check_flag(name, getattr(settings, name))
    check_positive_int("epochs", settings.epochs)
    if settings.n_epochs_without_progress is not None:
        check_positive_int("n_epochs_without_progress", settings.n_epochs_without_progress)
    if not is_integer(settings.batch_size) or not 2 <= settings.batch_size <= n_anchors:
        msg = f"batch_size={settings.batch_size!r} must be an integer between 2 and the number of cells, {n_anchors}."
        raise ValueError(msg)
    check_choice("knn_distance_metric", settings.knn_distance_metric, get_args(AnnoyMetric))
    check_choice("optimizer", settings.optimizer, OPTIMIZERS)
    _check_learning_rate(settings.learning_rate)
    check_fraction("supervision_weight", settings.supervision_weight)
    check_real("input_noise", settings.input_noise, at_least=0)
    check_real("global_weight", settings.global_weight, at_least=0)


def _check_learning_rate(rate: object) -> None:
    check_positive("learning_rate", rate)
    if rate > _MAX_LEARNING_RATE:  # type: ignore[operator]  # a number by then
        msg = (
            f"learning_rate={rate!r} must be at most {_MAX_LEARNING_RATE}: each step changes a weight by about the learning "
            "rate, and weights are rarely larger than 1."
        )
        raise ValueError(msg)


def _check_network(settings: Settings) -> None:
    from scivis.nn.losses import triplet_loss, try_loss
    from scivis.nn.networks import check_backbone, check_network

    if settings.distance not in ("infonce", COORDINATES):
        try_loss(triplet_loss(settings.distance), settings.embedding_dims)
    if settings.backbone is None:
        check_network(settings.model)
    else:
        check_backbone(settings.backbone)
