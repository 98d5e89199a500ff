"""Weights of an autoencoder: validated before they are set, and stored in a file of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scivis._store.hdf5 import read_entry, write_entry
from scivis._store.schema import FORMAT, arrays_to_dict, check_entry, check_shapes, dict_to_arrays

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import numpy as np


def set_weights(model: keras.Model, weights: list[np.ndarray]) -> None:
    """Set weights, which must have the shapes of those of the network."""
    check_shapes("weights", [weight.shape for weight in weights], [tuple(weight.shape) for weight in model.weights])
    model.set_weights(weights)


def write_weights(path: Path, weights: list[np.ndarray]) -> None:
    """Write weights to an HDF5 file."""
    write_entry(path, {"format": FORMAT, "weights": arrays_to_dict(weights)})


def read_weights(path: Path) -> list[np.ndarray]:
    """Read the weights of a file."""
    entry = read_entry(path)
    check_entry(entry, ("weights",))
    return dict_to_arrays(entry["weights"], "weight")
