"""The encoder: scaling of the input, hidden layers, the embedding layer, and a linear path beside the hidden layers.

Layers with weights are named. TensorFlow keeps 80 kB for each new name of a variable as long as the process runs, and Keras
would number the layers on with each network.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence  # noqa: TC003 (the annotation of REGISTERED is read by Sphinx)
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from keras import Model, Variable, initializers, layers

from scivis._checks import is_integer

from ._backend import check_process
from ._dense import dense_shapes, standardize
from ._normalization import NormalizedGelu

Network = str | tuple[int, ...]

IVIS_WIDTHS = {"szubert": (128, 128, 128), "maaten": (500, 500, 2000), "hinton": (2000, 1000, 500)}
RESIDUAL_WIDTHS, RESIDUAL_DEPTH = {"residual": 224, "compact": 128}, 3
BUILT_IN = (*RESIDUAL_WIDTHS, *IVIS_WIDTHS)
# Units of a layer, and weights of an encoder: 2 GB, and three times as much with the state of the optimizer.
_MAX_WIDTH, _MAX_WEIGHTS = 100_000, 500_000_000
# Registered functions from the shape of a row to a Keras model without its last layer.
REGISTERED: dict[str, Callable[[tuple[int, ...]], Model]] = {}


@dataclass(frozen=True)
class Architecture:
    """Names and numbers from which an encoder is built.

    Parameters
    ----------
    network
        `residual` or `compact` (the defaults of :func:`scivis.tl.ivis`), `szubert`, `maaten`, `hinton`, a name that was registered by
        :func:`register_network`, a tuple of widths, or `custom` for a Keras model of the user, which is passed to
        :func:`build_encoder`.
    n_features
        Width of the input. For images and other arrays, the number of values per row.
    n_components
        Width of the embedding.
    linear_path
        Whether a linear map of the input is added to the output of the network.
    offset, scale
        The network reads ``(x − offset) * scale``. Default: the input as it is.
    output_scale
        Factor of the embedding.
    """

    network: Network
    n_features: int
    n_components: int
    linear_path: bool = False
    offset: tuple[float, ...] = ()
    scale: float = 1.0
    output_scale: float = 1.0


def register_network(build: Callable[[tuple[int, ...]], Model] | None = None, *, name: str | None = None) -> Any:
    """Register a network under a name, so that models fitted with it can be loaded wherever it is registered.

    Parameters
    ----------
    build
        Function from the shape of a row to a Keras model without its last layer.
    name
        Name of the network. An existing network of that name is replaced, with a warning. Default: the name of the
        function.

    Returns
    -------
    `build`, so that the function can be used as a decorator.

    Raises
    ------
    ValueError
        If the name is that of a network of scivis.

    Examples
    --------
    >>> import keras
    >>> @register_network
    ... def shallow(shape):
    ...     return keras.Sequential([keras.layers.Input(shape), keras.layers.Dense(8, activation="relu")])
    >>> build_encoder(Architecture("shallow", n_features=5, n_components=2)).count_params()  # 5·8 + 8 + 8·2 + 2
    66
    """
    if build is None:
        return partial(register_network, name=name)
    key = name or build.__name__
    if key in (*BUILT_IN, "custom"):
        msg = f"name={key!r} is the name of a network of scivis; choose another name."
        raise ValueError(msg)
    if key in REGISTERED:
        warnings.warn(f"The network {key!r} is replaced.", stacklevel=2)
    REGISTERED[key] = build
    return build


def build_encoder(architecture: Architecture, seed: int = 0, backbone: Model | None = None) -> Model:
    """A Keras model from rows to embeddings, with random weights.

    Parameters
    ----------
    architecture
        Names and numbers of the encoder.
    seed
        Seed of the initial weights and of dropout.
    backbone
        Network of the user if `architecture.network` is `custom`. It keeps its weights.

    Examples
    --------
    >>> encoder = build_encoder(Architecture("szubert", n_features=50, n_components=2))
    >>> encoder.count_params()  # 50·128 + 128 + 2·(128·128 + 128) + 128·2 + 2
    39810
    """
    check_process()
    seeds = iter(range(seed, seed + 1000))
    if backbone is None and architecture.network in REGISTERED:
        backbone = REGISTERED[str(architecture.network)]((architecture.n_features,))
    inputs = layers.Input((architecture.n_features,) if backbone is None else backbone.input_shape[1:])
    x = standardize(inputs, architecture.offset, architecture.scale)
    hidden = _hidden_layers(x, architecture.network, seeds) if backbone is None else backbone(x)
    outputs = _embedding_layer(hidden, architecture, seeds)
    if architecture.linear_path:
        path = layers.Dense(architecture.n_components, use_bias=False, kernel_initializer="zeros", name="linear_path")
        outputs = layers.Add()([path(layers.Flatten()(x)), outputs])
    if architecture.output_scale != 1.0:
        outputs = layers.Rescaling(architecture.output_scale)(outputs)
    return Model(inputs, outputs, name="encoder")


def _hidden_layers(x: Any, network: Network, seeds: Any) -> Any:
    if network in RESIDUAL_WIDTHS:
        return _residual(x, RESIDUAL_WIDTHS[str(network)], seeds)
    return _self_normalizing(x, IVIS_WIDTHS[network] if isinstance(network, str) else network, seeds)


def _self_normalizing(x: Any, widths: tuple[int, ...], seeds: Any) -> Any:
    """Dense SELU layers with alpha dropout between them, as in ivis (Klambauer et al., NeurIPS 2017)."""
    for i, width in enumerate(widths):
        if i:
            x = layers.AlphaDropout(0.1, seed=next(seeds), name=f"dropout_{i}")(x)
        kernel = initializers.LecunNormal(seed=next(seeds))
        x = layers.Dense(width, activation="selu", kernel_initializer=kernel, name=f"hidden_{i}")(x)
    return x


def _residual(x: Any, width: int, seeds: Any) -> Any:
    """Three dense layers with layer normalization and GELU. The second and third add their input to their output.

    With GELU (Hendrycks and Gimpel, 2016), which is smooth, embeddings keep more neighbors than with ReLU
    (benchmarks/compare.py).
    """
    for i in range(RESIDUAL_DEPTH):
        kernel = initializers.GlorotUniform(seed=next(seeds))
        y = layers.Dense(width, kernel_initializer=kernel, name=f"hidden_{i}")(x)
        y = NormalizedGelu(name=f"normalization_{i}")(y)
        x = layers.Add()([x, y]) if i else y
    return x


def _embedding_layer(hidden: Any, architecture: Architecture, seeds: Any) -> Any:
    # With a linear path, the network starts at zero, so that training starts at the linear map. If there are more axes
    # than features, the linear path of some axes is zero too, and both would have no gradient.
    starts_at_zero = architecture.linear_path and architecture.n_components <= architecture.n_features
    kernel = "zeros" if starts_at_zero else initializers.GlorotUniform(seed=next(seeds))
    return layers.Dense(architecture.n_components, kernel_initializer=kernel, name="embedding")(hidden)


def random_states(model: Model) -> list[Variable]:
    """States of the random generators of a model, such as those of dropout, which are not among its weights."""
    weights = set(map(id, model.weights))
    return [variable for variable in model.variables if id(variable) not in weights]


def weight_shapes(architecture: Architecture) -> list[tuple[int, ...]]:
    """Shapes of the encoder's weights, in any order, computed without building a network."""
    network, n_in, n_out = architecture.network, architecture.n_features, architecture.n_components
    widths = hidden_widths(network)
    shapes = dense_shapes([n_in, *widths, n_out])
    if network in RESIDUAL_WIDTHS:
        # Each layer normalization has a scale and a shift.
        shapes += [(width,) for width in widths for _ in range(2)]
    return shapes + [(n_in, n_out)] * architecture.linear_path


def hidden_widths(network: Network) -> tuple[int, ...]:
    """Widths of the hidden layers; none for a registered network, whose layers are not known before it is built."""
    if not isinstance(network, str):
        return tuple(network)
    residual = {name: (width,) * RESIDUAL_DEPTH for name, width in RESIDUAL_WIDTHS.items()}
    return (residual | IVIS_WIDTHS).get(network, ())


def check_network(network: object) -> None:
    """Raise unless a value is the name of a network, or a list or tuple of widths of at least 1."""
    names = (*BUILT_IN, *REGISTERED)
    if isinstance(network, list | tuple):
        is_known = len(network) > 0 and all(is_integer(width) and width > 0 for width in network)
    else:
        is_known = isinstance(network, str) and network in names
    if not is_known:
        msg = f"network={network!r} is not one of {names}, a list of widths, or a Keras model."
        raise ValueError(msg)


def check_size(network: Network, n_components: int, n_features: int = 1) -> None:
    """Raise if an encoder would have more weights than can be trained, before memory is reserved for them."""
    check_widths(
        (n_features, *hidden_widths(network), n_components), f"network={network!r} and n_components={n_components}"
    )


def check_widths(widths: Sequence[int], described: str) -> None:
    """Raise if dense layers of these widths, the input first, are wider or have more weights than can be trained."""
    n_weights = sum(int(before) * int(after) for before, after in pairwise(widths))
    if max(widths[1:]) > _MAX_WIDTH or n_weights > _MAX_WEIGHTS:
        msg = (
            f"{described} make a layer of {max(widths[1:]):,} units and {n_weights:,} weights. At most {_MAX_WIDTH:,} units and "
            f"{_MAX_WEIGHTS:,} weights can be trained: take fewer."
        )
        raise ValueError(msg)


def check_backbone(backbone: Model, shape: tuple[int, ...] | None = None) -> None:
    """Raise unless a Keras model has an input shape and, if `shape` is given, reads rows of that shape."""
    if not backbone.built:
        msg = "The Keras model given as network is not built yet: start it with keras.Input(shape)."
        raise ValueError(msg)
    expected = tuple(backbone.input_shape[1:])
    if shape is not None and any(want not in (None, have) for want, have in zip(expected, shape, strict=False)):
        reads, given = ("×".join(map(str, axes)) for axes in (expected, shape))
        msg = f"The Keras model given as network reads {reads} values per row, but the data have {given} values."
        raise ValueError(msg)
