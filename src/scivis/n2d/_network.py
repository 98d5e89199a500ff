"""The network of an autoencoder: dense layers down to a bottleneck, and the same widths back up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scivis.nn import keras  # which loads the backend quietly
from scivis.nn._dense import dense_shapes, standardize, unstandardize

# Input, bottleneck and output of a network, from which Keras finds the layers between.
Stages = tuple[Any, Any, Any]


@dataclass(frozen=True)
class Layout:
    """Everything that rebuilds a dense autoencoder: plain numbers and names, never code.

    Parameters
    ----------
    input_dim, latent_dim
        Widths of a row and of the bottleneck.
    architecture
        Widths of the layers between, from the input on.
    act
        Name of their activation. The bottleneck and the output are linear.
    offset, scale
        The network sees `(x − offset) × scale`, and its output is in the unit of the data again; empty and 1 leave the
        data alone.
    """

    input_dim: int
    latent_dim: int
    architecture: tuple[int, ...]
    act: str
    offset: tuple[float, ...] = ()
    scale: float = 1.0


def build(layout: Layout, seed: int = 0) -> Stages:
    """Input, bottleneck and output of a new network.

    Examples
    --------
    >>> inputs, encoded, outputs = build(Layout(16, 3, (8, 4), "relu"))
    >>> [layer.units for layer in keras.Model(inputs, outputs).layers[1:]]
    [8, 4, 3, 4, 8, 16]
    """
    seeds = iter(range(seed, seed + 2 * len(layout.architecture) + 2))
    inputs = keras.layers.Input((layout.input_dim,))
    encoded = _dense(
        standardize(inputs, layout.offset, layout.scale), layout.architecture, layout.latent_dim, layout.act, seeds
    )
    decoded = _dense(encoded, layout.architecture[::-1], layout.input_dim, layout.act, seeds)
    return inputs, encoded, unstandardize(decoded, layout.offset, layout.scale)


def _dense(x: Any, widths: tuple[int, ...], last: int, act: str, seeds: Any) -> Any:
    for width in widths:
        x = keras.layers.Dense(width, act, kernel_initializer=_initializer(seeds))(x)
    return keras.layers.Dense(last, kernel_initializer=_initializer(seeds))(x)


def _initializer(seeds: Any) -> Any:
    return keras.initializers.GlorotUniform(seed=next(seeds))


def weight_shapes(layout: Layout) -> list[tuple[int, ...]]:
    """Shapes of the weights, found by arithmetic; no network is built.

    Examples
    --------
    >>> weight_shapes(Layout(16, 3, (8,), "relu"))
    [(16, 8), (8,), (8, 3), (3,), (3, 8), (8,), (8, 16), (16,)]
    """
    half = (layout.input_dim, *layout.architecture, layout.latent_dim)
    return dense_shapes([*half, *half[-2::-1]])


def check_activation(act: object) -> None:
    """Refuse what is not the name of an activation of Keras."""
    try:
        known = isinstance(act, str) and callable(keras.activations.get(act))
    except ValueError:
        known = False
    if not known:
        msg = f"act={str(act)[:80]!r} is not the name of an activation of Keras, such as 'relu', 'selu' or 'gelu'."
        raise ValueError(msg)


def models(stages: Stages) -> tuple[keras.Model, keras.Model]:
    """The encoder, and the whole network, which share their layers.

    Raises
    ------
    ValueError
        If the three do not belong together, or what comes out has another shape than what goes in.
    """
    try:
        inputs, encoded, outputs = stages
        encoder, whole = keras.Model(inputs, encoded, name="encoder"), keras.Model(inputs, outputs, name="autoencoder")
    except (TypeError, ValueError) as error:
        msg = f"The autoencoder needs three connected tensors of Keras (input, bottleneck, output): {error}"
        raise ValueError(msg) from error
    if whole.output_shape[1:] != whole.input_shape[1:]:
        msg = f"The autoencoder turns rows of shape {whole.input_shape[1:]} into {whole.output_shape[1:]}, not back into themselves."
        raise ValueError(msg)
    return encoder, whole
