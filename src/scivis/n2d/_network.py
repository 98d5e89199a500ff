"""The network of an autoencoder: dense layers to a bottleneck, and layers of the same widths in reverse order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scivis._checks import check_positive_int
from scivis.nn import keras  # which loads the backend quietly
from scivis.nn._backend import check_process
from scivis.nn._dense import dense_shapes, standardize, unstandardize

# Input, bottleneck and output of a network, from which Keras finds the layers in between.
Stages = tuple[Any, Any, Any]


@dataclass(frozen=True)
class Layout:
    """Names and numbers from which a dense autoencoder is built. They can be stored without storing code.

    Parameters
    ----------
    input_dim, latent_dim
        Widths of the input and of the bottleneck.
    architecture
        Widths of the layers between input and bottleneck.
    act
        Name of their activation. Bottleneck and output are linear.
    offset, scale
        The input is standardized as ``(x − offset) × scale``, and the output is transformed back. An empty offset turns
        this off.
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
    check_process()
    seeds = iter(range(seed, seed + 2 * len(layout.architecture) + 2))
    inputs = keras.layers.Input((layout.input_dim,))
    x = standardize(inputs, layout.offset, layout.scale)
    encoded = _dense(x, layout.architecture, layout.latent_dim, layout.act, seeds, name="encoding")
    decoded = _dense(encoded, layout.architecture[::-1], layout.input_dim, layout.act, seeds, name="decoding")
    return inputs, encoded, unstandardize(decoded, layout.offset, layout.scale)


def _dense(x: Any, widths: tuple[int, ...], last: int, act: str, seeds: Any, *, name: str) -> Any:
    # Named, as in `scivis.nn.networks`.
    for i, (width, activation) in enumerate([*((width, act) for width in widths), (last, None)]):
        initializer = keras.initializers.GlorotUniform(seed=next(seeds))
        x = keras.layers.Dense(width, activation, kernel_initializer=initializer, name=f"{name}_{i}")(x)
    return x


def weight_shapes(layout: Layout) -> list[tuple[int, ...]]:
    """Shapes of the weights, computed without building a network.

    Examples
    --------
    >>> weight_shapes(Layout(16, 3, (8,), "relu"))
    [(16, 8), (8,), (8, 3), (3,), (3, 8), (8,), (8, 16), (16,)]
    """
    half = (layout.input_dim, *layout.architecture, layout.latent_dim)
    return dense_shapes([*half, *half[-2::-1]])


def check_layers(latent_dim: object, architecture: Any, act: object) -> None:
    """Raise unless dense layers can be built with these widths and this activation."""
    check_positive_int("latent_dim", latent_dim)
    if isinstance(architecture, str) or not hasattr(architecture, "__len__"):
        msg = f"architecture={architecture!r} must be a list of widths."
        raise ValueError(msg)
    for width in architecture:
        check_positive_int("A width in architecture", width)
    check_activation(act)


def check_activation(act: object) -> None:
    """Raise unless a value is the name of a Keras activation."""
    try:
        known = isinstance(act, str) and callable(keras.activations.get(act))
    except ValueError:
        known = False
    if not known:
        msg = f"act={str(act)[:80]!r} is not the name of a Keras activation, such as 'relu', 'selu' or 'gelu'."
        raise ValueError(msg)


def models(stages: Stages) -> tuple[keras.Model, keras.Model]:
    """The encoder and the autoencoder, which share their layers.

    Raises
    ------
    ValueError
        If the stages are not connected, or the output has another shape than the input.
    """
    try:
        inputs, encoded, outputs = stages
        encoder, whole = keras.Model(inputs, encoded, name="encoder"), keras.Model(inputs, outputs, name="autoencoder")
    except (TypeError, ValueError) as error:
        msg = f"An autoencoder needs three connected Keras tensors (input, bottleneck, output): {error}"
        raise ValueError(msg) from error
    if whole.output_shape[1:] != whole.input_shape[1:]:
        msg = (
            f"The autoencoder maps rows of shape {whole.input_shape[1:]} to shape {whole.output_shape[1:]}; its output "
            "must have the shape of its input."
        )
        raise ValueError(msg)
    return encoder, whole
