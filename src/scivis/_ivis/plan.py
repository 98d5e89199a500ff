"""What an estimator's parameters mean for the stages: the search, the network and the schedule of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from scivis._checks import check_positive_int, check_settings, is_real
from scivis.neighbors import AnnoyKnnMatrix, LazyNeighbors, Neighbors
from scivis.neighbors._search import check_n_neighbors

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from scivis.nn import Architecture
    from scivis.nn._training import Schedule
    from scivis.nn.pairs import Shuffle

    from .estimator import Ivis

_METRICS = ("angular", "euclidean", "manhattan", "hamming", "dot")


def check_plan(model: Ivis, n_rows: int) -> None:
    """Refuse, before any work, parameters that could not be used on `n_rows` rows."""
    from scivis.nn._optimizer import OPTIMIZERS
    from scivis.nn.losses import triplet_loss
    from scivis.nn.networks import check_backbone, check_network

    if model.distance != "infonce":
        triplet_loss(model.distance)
    given = backbone(model)
    if given is None:
        check_network(model.model)
    else:
        check_backbone(given)
    if model.n_epochs_without_progress is not None:
        check_positive_int("n_epochs_without_progress", model.n_epochs_without_progress)
    if model.knn_distance_metric not in _METRICS:
        msg = f"knn_distance_metric={model.knn_distance_metric!r} is not one of {_METRICS}."
        raise ValueError(msg)
    if model.optimizer not in OPTIMIZERS:
        msg = f"optimizer={model.optimizer!r} is not one of {OPTIMIZERS}."
        raise ValueError(msg)
    if not is_real(model.supervision_weight) or not 0 <= model.supervision_weight <= 1:
        msg = f"supervision_weight={model.supervision_weight!r} must be a number between 0 and 1."
        raise ValueError(msg)
    if not is_real(model.input_noise) or model.input_noise < 0:
        msg = f"input_noise={model.input_noise!r} must be a number of at least 0."
        raise ValueError(msg)
    check_settings(
        n_rows,
        n_components=model.embedding_dims,
        batch_size=model.batch_size,
        epochs=model.epochs,
        learning_rate=model.learning_rate,
        global_weight=model.global_weight,
    )


def neighbors_of(model: Ivis, x: NDArray[np.float32], rng: np.random.Generator) -> Neighbors | LazyNeighbors:
    """The neighbours given, or those found by Annoy."""
    given = model.neighbour_matrix
    if given is None:
        return _found(model, x.reshape(len(x), -1), rng)
    neighbors = given if isinstance(given, Neighbors | LazyNeighbors) else _read(given)
    if neighbors.n_cells != len(x):
        msg = f"neighbour_matrix has {neighbors.n_cells} rows, but X has {len(x)}: neighbours of other cells?"
        raise ValueError(msg)
    return neighbors


def _read(given: Any) -> Neighbors | LazyNeighbors:
    """Arrays and lists as a table; any other sequence, which may compute its entries, only when they are needed."""
    return Neighbors.from_indices(given) if isinstance(given, np.ndarray | list | tuple) else LazyNeighbors(given)


def _found(model: Ivis, x: NDArray[np.float32], rng: np.random.Generator) -> Neighbors | LazyNeighbors:
    """Neighbours from an index of Annoy: one on disk, or a new one."""
    check_n_neighbors(model.k, len(x))
    settings: dict[str, Any] = {
        "k": model.k,
        "metric": model.knn_distance_metric,
        "search_k": model.search_k,
        "verbose": 0,
    }
    if model.annoy_index_path is None:
        matrix = AnnoyKnnMatrix.build(
            x,
            ntrees=model.n_trees if model.ntrees is None else model.ntrees,
            build_index_on_disk=model.build_index_on_disk,
            random_state=seed_of(rng),
            **settings,
        )
    else:
        matrix = AnnoyKnnMatrix.load(model.annoy_index_path, x.shape, **settings)
    return (
        Neighbors.from_indices(cast("list[list[int]]", matrix.get_neighbour_indices()))
        if model.precompute
        else LazyNeighbors(matrix)
    )


def backbone(model: Ivis) -> keras.Model | None:
    """The Keras network that the user gave, if it is one."""
    return None if isinstance(model.model, str) or not hasattr(model.model, "layers") else model.model


def architecture_of(model: Ivis, x: NDArray[np.float32]) -> Architecture:
    """The network for these rows."""
    from scivis.nn import Architecture

    named = model.model if isinstance(model.model, str) else None
    network = "custom" if backbone(model) is not None else named or tuple(model.model)
    return Architecture(
        network=network,
        n_features=int(np.prod(x.shape[1:])),
        n_components=model.embedding_dims,
        linear_path=model.linear_path,
        offset=tuple(x.mean(axis=0, dtype=np.float64).tolist()) if model.standardize else (),
        scale=float(1.0 / (x - x.mean(axis=0)).std()) if model.standardize else 1.0,
    )


def schedule_of(model: Ivis, shuffle: Shuffle) -> Schedule:
    """How long and how fast to train, and in which order the rows come."""
    from scivis.nn._training import Schedule

    return Schedule(
        loss=model.distance,
        batch_size=model.batch_size,
        epochs=model.epochs,
        optimizer=model.optimizer,
        learning_rate=model.learning_rate,
        decay=model.learning_rate_decay,
        patience=model.n_epochs_without_progress,
        global_weight=model.global_weight,
        shuffle=shuffle,
    )


def seed_of(rng: np.random.Generator) -> int:
    """An integer seed, for libraries that take no generator."""
    return int(rng.integers(2**31))


def generator(state: dict[str, Any]) -> np.random.Generator:
    """A generator that goes on where another stopped."""
    kind = state["bit_generator"]
    if kind not in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"):
        msg = f"{kind!r} is no bit generator of NumPy."
        raise ValueError(msg)
    bits = getattr(np.random, kind)(0)
    bits.state = state
    return np.random.Generator(bits)
